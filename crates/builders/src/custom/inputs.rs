//! What an image that a command makes depends on.

use shipway_core::{Artifact, Context, Inputs, Result, inputs_of_command, inputs_of_paths};

use super::Custom;
use crate::docker::reached;

impl Custom {
    pub(super) async fn declare(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let given = &self.options.dependencies;
        let mut inputs = match (&given.command, &given.dockerfile) {
            (Some(command), _) => inputs_of_command(cx, &artifact.context, command).await?,
            (None, Some(dockerfile)) => {
                let (owned, dockerfile) = (artifact.clone(), dockerfile.clone());
                cx.blocking(move |cx| reached(cx, &owned, &dockerfile.path, dockerfile.build_args)).await?
            }
            (None, None) => inputs_of_paths(cx, &artifact.context, &given.paths, &given.ignore).await?,
        };
        let mut fact = |name: &str, value: String| inputs.facts.insert(name.to_owned(), value);
        fact("options", serde_json::to_string(self.options.as_ref()).unwrap_or_default());
        Ok(inputs)
    }
}
