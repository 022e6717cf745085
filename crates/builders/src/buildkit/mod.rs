//! The builder that has a buildkitd build, over BuildKit's own API.

mod build;
mod cache;
mod config;
mod inputs;
#[cfg(feature = "kubernetes")]
mod pod;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicBool},
};

use async_trait::async_trait;
use shipway_core::{
    Artifact, BuildRequest, Builder, Capabilities, Context, Image, Inputs, Result, StoreKind,
};

pub use self::config::{BuildkitConfig, BuildkitTlsFiles};

/// Has a buildkitd build an image from a Dockerfile and push it: one that runs somewhere, or one in a pod of a
/// cluster that is there for this build alone.
///
/// Only what the Dockerfile reaches is sent, and of that only what this buildkitd does not have of an earlier
/// build; all with the owner 0 and the year 1970, so that the same sources are the same layers. A required
/// artifact is the value of the build argument that its alias names. Secrets, the agent and logins are answered
/// for while the build runs, and are nowhere else.
///
/// A pod is a job's, whose name follows from the build's fingerprint: a run that goes on after its process was
/// killed finds it again, with the steps that it has done. It is removed when the build ends however it does, and
/// by the cluster itself where nobody is left to do so.
#[derive(Clone, Debug)]
pub struct Buildkit {
    options: Arc<BuildkitConfig>,
    /// Whether the version was looked at already.
    looked: Arc<AtomicBool>,
}

impl Buildkit {
    /// Returns the builder with these options; connects to nothing yet.
    ///
    /// # Errors
    /// `Config` when the options do not fit together; `Unsupported` for a pod without the feature `kubernetes`.
    pub fn new(options: BuildkitConfig) -> Result<Self> {
        options.check()?;
        Ok(Self { options: Arc::new(options), looked: Arc::default() })
    }
}

#[async_trait]
impl Builder for Buildkit {
    fn capabilities(&self) -> Capabilities {
        let limit = match (&self.options.cluster, &self.options.address) {
            (Some(cluster), _) => {
                cluster.concurrency.map(|builds| (format!("buildkit {}", cluster.context), builds))
            }
            (None, address) => address.as_ref().map(|address| (format!("buildkit {address}"), 4)),
        };
        Capabilities::new()
            .version(concat!("buildkit ", env!("CARGO_PKG_VERSION")))
            .limits(limit.into_iter().collect::<BTreeMap<_, _>>())
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
