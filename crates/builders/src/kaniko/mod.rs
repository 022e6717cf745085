//! The builder that has kaniko build in a pod of a cluster.

mod args;
mod build;
mod config;
mod inputs;
mod login;
mod objects;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use shipway_core::{
    Artifact, BuildRequest, Builder, Capabilities, Context, Image, Inputs, Result, StoreKind,
};

pub use self::config::{KanikoCache, KanikoConfig};

/// Has kaniko build an image from a Dockerfile in a cluster, in a pod of its own for each build.
///
/// The pod is a job's, whose name follows from the build's fingerprint: a run that goes on after its process
/// was killed finds it again. Job, pod and the secret with the logins are removed when the build ends however
/// it does, and by the cluster itself where nobody is left to do so.
///
/// Only what the Dockerfile reaches is sent. A required artifact is the value of the build argument that its
/// alias names. The registry is the target's own, by the name that both the pod and this program know.
#[derive(Clone, Debug)]
pub struct Kaniko {
    options: Arc<KanikoConfig>,
}

impl Kaniko {
    /// Returns the builder with these options; connects to nothing yet.
    ///
    /// # Errors
    /// `Config` when the options do not fit together.
    pub fn new(options: KanikoConfig) -> Result<Self> {
        options.check()?;
        Ok(Self { options: Arc::new(options) })
    }
}

#[async_trait]
impl Builder for Kaniko {
    fn capabilities(&self) -> Capabilities {
        let builds = self.options.cluster.concurrency;
        Capabilities::new()
            .version(concat!("kaniko ", env!("CARGO_PKG_VERSION")))
            .limits(
                builds
                    .map(|builds| (format!("kaniko {}", self.options.cluster.context), builds))
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
            )
            .reads(BTreeSet::from([StoreKind::Registry]))
            .writes([StoreKind::Registry])
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        self.declare(cx, artifact).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        self.make(cx, request).await
    }
}
