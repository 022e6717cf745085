//! The builder that has a Docker engine build, over its API.

mod build;
mod config;
mod context;
mod inputs;
mod lines;
mod offered;
mod plan;
mod reach;
mod versions;

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicBool},
};

use async_trait::async_trait;
use shipway_core::{
    Artifact, BuildRequest, Builder, Capabilities, Context, Error, Image, Inputs, Platform, Result, StoreKind,
};
use shipway_docker::Daemon;

pub use self::config::{BuildSecret, DockerConfig, Push};
#[cfg(feature = "kubernetes")]
pub(crate) use self::context::context;
pub(crate) use self::{
    inputs::{declare, options_without, reached},
    offered::{agent, read_secret, secrets},
    plan::Plan,
    versions::warnings,
};

/// Has a Docker engine build an image from a Dockerfile, with the classic builder or with BuildKit.
///
/// Only what the Dockerfile reaches is sent, with the owner 0 and the time 1970, so that the same
/// sources are the same context. A required artifact is the value of the build argument that its alias
/// names. In the engine an image is known by its id; for a registry it is pushed by the engine, or by
/// us ([`Push`]).
///
/// The engine's version is no input: a newer engine does not build everything again.
#[derive(Clone, Debug)]
pub struct Docker {
    daemon: Daemon,
    options: Arc<DockerConfig>,
    /// Whether the engine's versions were looked at already.
    looked: Arc<AtomicBool>,
}

impl Docker {
    /// Returns the builder with these options; connects to nothing yet.
    ///
    /// # Errors
    /// `Config` when the options do not fit together.
    pub fn new(options: DockerConfig) -> Result<Self> {
        options.check()?;
        let daemon = Daemon::open(&options.endpoint)?;
        Ok(Self { daemon, options: Arc::new(options), looked: Arc::default() })
    }
}

#[async_trait]
impl Builder for Docker {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .version(concat!("docker ", env!("CARGO_PKG_VERSION")))
            .limits([("docker-daemon".to_owned(), 4)])
            .reads(BTreeSet::from([StoreKind::Daemon, StoreKind::Registry, StoreKind::Layout]))
            .writes([StoreKind::Daemon, StoreKind::Registry, StoreKind::Layout])
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let own = serde_json::to_string(self.options.as_ref()).unwrap_or_default();
        // An engine that has a base does not ask the registry for it.
        let engine = (!self.options.pull_parent).then_some(&self.daemon);
        declare(cx, artifact, Arc::clone(&self.options), own, engine).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        self.make(cx, request).await
    }
}

/// Returns the platform that a builder is asked for, if one is.
pub(crate) fn wanted_platform<'a>(builder: &str, artifact: &'a Artifact) -> Result<Option<&'a Platform>> {
    match artifact.platforms.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(Error::unsupported(format!(
            "builder `{builder}` builds one platform at a time, not {}",
            several.iter().map(|platform| format!("`{platform}`")).collect::<Vec<_>>().join(", ")
        ))
        .hint("ask for each alone and join the images, as core does")),
    }
}
