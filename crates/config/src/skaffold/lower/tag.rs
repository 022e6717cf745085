//! Who names images: `build.tagPolicy`.

use std::sync::Arc;

use serde::Serialize;
use shipway_core::{Error, Part, Result, Tagger};
use shipway_yaml::Document;

use super::{Lower, located};
use crate::skaffold::model::{Choice, CustomTemplate, DateTime, EnvTemplate, GitCommit, Nothing, Open};

impl Lower<'_> {
    /// Returns the tagger that the file says, or that is said in its place.
    pub(super) fn tagger(&self, policy: &Open<Nothing>, document: &Document) -> Result<Arc<dyn Tagger>> {
        if let Some(tag) = &self.options.tag {
            return self.catalog.tagger(&Part::with_options("fixed", &Fixed { tag: tag.as_str() })?);
        }
        let Some(choice) = policy.only(document, "name the images")? else {
            // Skaffold's own default (schema/defaults).
            return self.catalog.tagger(&or_latest(Part::new("gitCommit"))).map_err(|error| {
                located(error, document.location(document.root.span))
                    .note("a file without `build.tagPolicy` names images by commits")
            });
        };
        let part = match choice.name.as_str() {
            "gitCommit" => typed::<GitCommit>(choice, document).map(or_latest),
            "sha256" | "inputDigest" => typed::<Nothing>(choice, document),
            "dateTime" => typed::<DateTime>(choice, document),
            "envTemplate" => typed::<EnvTemplate>(choice, document),
            "customTemplate" => typed::<CustomTemplate>(choice, document),
            other => Ok(Part::new(other).options(choice.options(document)?)),
        }?;
        self.catalog.tagger(&part).map_err(|error| located(error, document.location(choice.span)))
    }
}

/// Lets the tagger `gitCommit` say `latest` where there is no commit, as Skaffold does (skaffold: runner/builder.go, "Using a
/// fall-back tagger").
fn or_latest(mut part: Part) -> Part {
    part.options.insert("otherwise".to_owned(), "latest".into());
    part
}

/// Returns the part of a kind whose options are of a form that Skaffold says.
fn typed<T: serde::de::DeserializeOwned + Serialize>(
    choice: &Choice,
    document: &Document,
) -> Result<Part, Error> {
    Part::with_options(&*choice.name, &choice.read::<T>(document)?)
}

/// The options of the tagger `fixed`.
#[derive(Serialize)]
struct Fixed<'a> {
    tag: &'a str,
}
