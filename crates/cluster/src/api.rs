//! What deployers do with a cluster's objects, be it a real one or one in memory.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;
use shipway_core::{Context, ObjectId, Result};

use crate::{
    selector::Selector,
    store::{Apply, List, MemoryCluster},
};

/// The objects of a cluster, as deployers read and write them: plain JSON, by Kubernetes' rules for field
/// ownership, versions and conflicts.
///
/// [`MemoryCluster`] is one in memory, and with the feature `kubernetes` there is `Cluster`, a real one.
#[async_trait]
pub trait Api: fmt::Debug + Send + Sync + 'static {
    /// Returns the object, if it is there.
    async fn get(&self, cx: &Context, id: &ObjectId) -> Result<Option<Value>>;

    /// Returns the objects of one kind that the selector takes. A selector without a kind is a `Config` error
    /// where the cluster cannot answer it.
    async fn list(&self, cx: &Context, selector: &Selector) -> Result<List>;

    /// Lays the manager's configuration over the object, which is made if it is not there (server-side apply),
    /// and returns the object as it is then, or in a dry run as it would be.
    ///
    /// # Errors
    /// `Conflict` when a field would change that somebody else owns (unless forced), or when the configuration
    /// has a `resourceVersion` or `uid` that the object has not; `Config` when the object is not one.
    async fn apply(&self, cx: &Context, manager: &str, config: &Value, how: Apply) -> Result<Value>;

    /// Makes an object that is not there, and returns it.
    ///
    /// # Errors
    /// `Conflict` when it is there already; `Config` when the object is not one.
    async fn create(&self, cx: &Context, manager: &str, object: &Value) -> Result<Value>;

    /// Replaces an object, all but its status, and returns it; with a `metadata.resourceVersion`, only that
    /// version. Its `metadata.managedFields`, if it has any, become the owners.
    ///
    /// # Errors
    /// `NotFound` when it is not there; `Conflict` when it has another version or `uid`.
    async fn update(&self, cx: &Context, manager: &str, object: &Value) -> Result<Value>;

    /// Removes the object, if it is there, and what it owns after it.
    ///
    /// # Errors
    /// `Conflict` when a `uid` is given and the object is another of the same name.
    async fn delete(&self, cx: &Context, id: &ObjectId, uid: Option<&str>) -> Result<()>;

    /// Returns how the cluster serves a kind: in the version that is asked for, or, of a group alone
    /// (`apps` for `apps/v1`, the empty text for `v1`), in the one that it prefers; `None` when it has no such kind.
    async fn served(
        &self,
        cx: &Context,
        group: &str,
        version: Option<&str>,
        kind: &str,
    ) -> Result<Option<Served>>;

    /// Returns whether who we are may do this with objects of a kind, in a namespace or anywhere (`kubectl auth
    /// can-i`).
    async fn may(
        &self,
        cx: &Context,
        verb: &str,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<bool>;
}

/// How a cluster serves a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// The group and version, such as `apps/v1`.
    pub api_version: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl Served {
    /// Returns how a kind is served.
    pub fn new(api_version: impl Into<String>, namespaced: bool) -> Self {
        Self { api_version: api_version.into(), namespaced }
    }
}

/// Returns the group of an `apiVersion`: empty for `v1`.
#[must_use]
pub fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The kinds of Kubernetes' own groups whose objects are in no namespace (`kubectl api-resources
/// --namespaced=false`).
const OF_THE_CLUSTER: [&str; 21] = [
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
];

/// It has every kind in every version, and lets everybody do everything.
#[async_trait]
impl Api for MemoryCluster {
    async fn get(&self, _cx: &Context, id: &ObjectId) -> Result<Option<Value>> {
        self.get(id)
    }

    async fn list(&self, _cx: &Context, selector: &Selector) -> Result<List> {
        self.list(selector)
    }

    async fn apply(&self, _cx: &Context, manager: &str, config: &Value, how: Apply) -> Result<Value> {
        self.apply(manager, config, how).map(|applied| applied.object)
    }

    async fn create(&self, _cx: &Context, manager: &str, object: &Value) -> Result<Value> {
        self.create(manager, object).map(|applied| applied.object)
    }

    async fn update(&self, _cx: &Context, manager: &str, object: &Value) -> Result<Value> {
        self.update(manager, object).map(|applied| applied.object)
    }

    async fn delete(&self, _cx: &Context, id: &ObjectId, uid: Option<&str>) -> Result<()> {
        self.delete(id, uid).map(drop)
    }

    async fn served(
        &self,
        _cx: &Context,
        group: &str,
        version: Option<&str>,
        kind: &str,
    ) -> Result<Option<Served>> {
        let api_version = match version {
            Some(version) if group.is_empty() => version.to_owned(),
            Some(version) => format!("{group}/{version}"),
            None => self.version_of(group, kind).unwrap_or_else(|| match group {
                "" => "v1".to_owned(),
                group => format!("{group}/v1"),
            }),
        };
        Ok(Some(Served::new(api_version, !OF_THE_CLUSTER.contains(&kind))))
    }

    async fn may(&self, _: &Context, _: &str, _: &str, _: &str, _: Option<&str>) -> Result<bool> {
        Ok(true)
    }
}
