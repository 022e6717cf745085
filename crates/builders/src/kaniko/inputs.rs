//! What an image depends on, declared for core to hash and to watch.

use std::sync::Arc;

use shipway_core::{Artifact, Context, Inputs, Result};

use super::Kaniko;
use crate::docker::{DockerConfig, declare, options_without};

/// The options that say where and how an image is built, and decide nothing of it.
const WHERE: &[&str] = &["cluster", "env", "initImage", "verbosity"];

impl Kaniko {
    /// Returns what says how the Dockerfile is read.
    pub(super) fn reading(&self) -> DockerConfig {
        DockerConfig {
            dockerfile: self.options.dockerfile.clone(),
            build_args: self.options.build_args.clone(),
            whole_context: self.options.whole_context,
            ..DockerConfig::default()
        }
    }

    /// Declares the inputs.
    pub(super) async fn declare(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let own = options_without(self.options.as_ref(), WHERE);
        declare(cx, artifact, Arc::new(self.reading()), own, None).await
    }
}
