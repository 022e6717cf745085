//! v1beta14: one builder `jib` in the place of one for each build tool.

use shipway_core::Result;
use shipway_yaml::{Document, Node, Style};

use crate::path::{each, placed, put, take};

pub(super) fn maven(pipeline: &mut Node, _shown: &Document) -> Result<()> {
    each(pipeline, &["build", "artifacts", "*"], &mut |artifact| {
        let Some((key, mut jib)) = take(artifact, &["jibMaven"]) else { return Ok(()) };
        if let Some((key, module)) = take(&mut jib, &["module"]) {
            put(&mut jib, &["project"], &key, module);
        }
        if let Some((key, profile)) = take(&mut jib, &["profile"]) {
            let mut args = match take(&mut jib, &["args"]) {
                Some((_, args)) => args,
                None => placed(Node::sequence(Vec::new()), &profile),
            };
            let flag = placed(Node::scalar("--activate-profiles", Style::Plain), &profile);
            args.items_mut().into_iter().for_each(|args| args.extend([flag.clone(), profile.clone()]));
            put(&mut jib, &["args"], &key, args);
        }
        fold(artifact, &key, jib, "maven");
        Ok(())
    })
}

pub(super) fn gradle(pipeline: &mut Node, _shown: &Document) -> Result<()> {
    each(pipeline, &["build", "artifacts", "*"], &mut |artifact| {
        if let Some((key, jib)) = take(artifact, &["jibGradle"]) {
            fold(artifact, &key, jib, "gradle");
        }
        Ok(())
    })
}

fn fold(artifact: &mut Node, key: &Node, mut jib: Node, tool: &str) {
    if jib.entries().is_none() {
        jib = placed(Node::mapping(Vec::new()), &jib);
    }
    put(&mut jib, &["type"], key, placed(Node::scalar(tool, Style::Plain), key));
    put(artifact, &["jib"], key, jib);
}
