//! What an image depends on, declared for core to hash and to watch.

use std::sync::Arc;

use shipway_core::{Artifact, Context, Inputs, Result};

use super::Buildkit;
use crate::docker::{DockerConfig, declare, options_without};

/// The options that say where and by which buildkitd an image is built, and decide nothing of it.
const WHERE: &[&str] = &["address", "tls", "cluster", "image", "rootless", "insecureRegistry"];

impl Buildkit {
    /// Returns what says how the Dockerfile is read.
    pub(super) fn reading(&self) -> DockerConfig {
        let usual = DockerConfig::default();
        DockerConfig {
            dockerfile: self.options.dockerfile.clone().unwrap_or(usual.dockerfile),
            build_args: self.options.build_args.clone(),
            secrets: self.options.secrets.clone(),
            whole_context: self.options.whole_context,
            ..usual
        }
    }

    /// Declares the inputs.
    pub(super) async fn declare(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let own = options_without(self.options.as_ref(), WHERE);
        declare(cx, artifact, Arc::new(self.reading()), own, None).await
    }
}
