//! The deployer `memory`: releases onto an in-memory cluster, by the rules that a Kubernetes cluster has.
//!
//! It is a whole deployer but for the network: server-side apply as one field manager and never by force,
//! a history in the cluster itself, pruning, and a node that looks whether an image can start.

mod health;
mod kubelet;
mod render;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_cluster::MemoryCluster;
use shipway_core::{
    Capabilities, Catalog, ChangeSet, Context, Deployer, Deployment, Desired, Feature, Health, Inputs,
    Manifests, Platform, PluginConfig, Release, Result, StoreKind,
};
use shipway_oci::Client;

use crate::releases::{Releases, check_name};

/// Deploys to a [`MemoryCluster`] whose one node has one platform.
///
/// Each image of a release becomes a `Deployment` of one replica. What is applied is in the cluster
/// itself, in Secrets of the deployer's namespace, so that another process with a handle to the cluster goes on.
///
/// The node looks into an image before it starts it: the digest must be in its store, the node's platform
/// in the image, and the entrypoint in its layers, executable. It then reports in the `Deployment`'s
/// status, where everybody who watches sees it. A test may report there in its place: ready replicas of
/// the present generation are healthy, a condition `Progressing` that is `False` has failed.
#[derive(Clone, Debug)]
pub struct Memory {
    cluster: MemoryCluster,
    platform: Platform,
    namespace: String,
    client: Client,
    force_conflicts: bool,
}

impl Memory {
    /// Returns the deployer for a cluster, whose node has this machine's architecture.
    #[must_use]
    pub fn new(cluster: MemoryCluster) -> Self {
        Self {
            cluster,
            platform: Platform::linux_here(),
            namespace: "default".to_owned(),
            client: Client::new(),
            force_conflicts: false,
        }
    }

    /// Sets the platform of the cluster's node.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    /// Sets whether fields that somebody else owns, and objects that are not this release's, are taken; no by default.
    #[must_use]
    pub fn force_conflicts(mut self, force: bool) -> Self {
        self.force_conflicts = force;
        self
    }

    /// Sets the namespace of releases that have none; `default` by default.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    fn releases(&self) -> Releases {
        Releases::new(Arc::new(self.cluster.clone()), self.namespace.as_str())
            .force_conflicts(self.force_conflicts)
    }
}

#[async_trait]
impl Deployer for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .reads([StoreKind::Registry, StoreKind::Layout])
            .platforms(vec![self.platform.clone()])
            .features([Feature::OfflineRender, Feature::Settle, Feature::Restore])
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn render(&self, _cx: &Context, release: &Release) -> Result<Manifests> {
        render::manifests(release, &self.namespace)
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.releases().history(cx, release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.releases().diff(cx, desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        self.releases().apply(cx, changes).await
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        health::health(self, cx, deployment).await
    }
}

/// The options of the deployer `memory`, which has a cluster of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// The platform of the cluster's node; this machine's architecture with Linux by default.
    pub platform: Option<Platform>,
    /// The namespace of releases that have none; `default` by default.
    pub namespace: Option<String>,
}

impl PluginConfig for MemoryConfig {
    const KIND: &'static str = "memory";
    type Plugin = Memory;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Memory> {
        let mut memory = Memory::new(MemoryCluster::new());
        if let Some(platform) = self.platform {
            memory = memory.platform(platform);
        }
        if let Some(namespace) = self.namespace {
            check_name("namespace", &namespace)?;
            memory = memory.namespace(namespace);
        }
        Ok(memory)
    }
}
