//! What is tested: `test`.

use std::{path::Path, sync::Arc};

use serde_json::json;
use shipway_core::{Part, Result};
use shipway_yaml::Document;

use super::{Lower, located};
use crate::{Notice, skaffold::model::TestCase};

impl Lower<'_> {
    /// Adds tests to the builds from `first` on.
    pub(super) fn tests(&mut self, cases: Vec<TestCase>, first: usize, document: &Document) -> Result<()> {
        for case in cases {
            let location = document.location(case.image.span);
            let parts = parts(&case)?;
            let image = case.image.value;
            let builds = &mut self.pipeline.builds[first..];
            let Some(build) = builds.iter_mut().find(|build| build.artifact.name == image) else {
                // A profile may have other artifacts than the file's tests are for.
                let message = format!("`{image}` is not built, so that its tests are not run");
                self.notices.push(Notice::new(location, message));
                continue;
            };
            for part in parts {
                let made = self.catalog.tester(&part);
                let tester = made.map_err(|error| located(error, location.clone()))?;
                let of_kind = |name: &&String| name.split('-').next() == Some(&part.kind);
                let before = build.testers.keys().filter(of_kind).count();
                let name = if before == 0 { part.kind } else { format!("{}-{}", part.kind, before + 1) };
                build.testers.insert(name, Arc::clone(&tester));
            }
        }
        Ok(())
    }
}

fn parts(case: &TestCase) -> Result<Vec<Part>> {
    let context = case.context.as_deref().filter(|context| !context.is_empty()).unwrap_or(".");
    let mut parts = Vec::new();
    if !case.structure_tests.is_empty() {
        let below = |file: &String| match context {
            "." => file.clone(),
            // An absolute path stays what it is.
            _ => Path::new(context).join(file).to_string_lossy().into_owned(),
        };
        let files: Vec<String> = case.structure_tests.iter().map(below).collect();
        parts.push(Part::with_options("structure", &json!({ "files": files }))?);
    }
    for test in &case.custom {
        let mut part = Part::with_options("command", test)?;
        part.options.insert("context".to_owned(), context.into());
        parts.push(part);
    }
    Ok(parts)
}
