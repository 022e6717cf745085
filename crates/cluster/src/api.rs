//! One trait over a cluster's objects, so that what deploys does not know whether the cluster is a real
//! one or in memory.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;
use shipway_core::{Context, ObjectId, Result};

use crate::{
    selector::Selector,
    store::{Apply, List, MemoryCluster},
};

/// The objects of a cluster, as deployers read and write them.
#[async_trait]
pub trait Api: fmt::Debug + Send + Sync + 'static {
    /// Returns the object, if it is there.
    async fn get(&self, cx: &Context, id: &ObjectId) -> Result<Option<Value>>;

    /// Returns the objects of one kind that the selector takes.
    async fn list(&self, cx: &Context, selector: &Selector) -> Result<List>;

    /// Lays the manager's configuration over the object, which is made if it is not there: server-side
    /// apply. Returns the object as it is now.
    ///
    /// # Errors
    /// `Conflict` when a field would change that somebody else owns (unless forced), or when the
    /// configuration has a `resourceVersion` that the object has not.
    async fn apply(&self, cx: &Context, manager: &str, config: &Value, how: Apply) -> Result<Value>;

    /// Makes an object that is not there.
    ///
    /// # Errors
    /// `Conflict` when it is there already.
    async fn create(&self, cx: &Context, manager: &str, object: &Value) -> Result<Value>;

    /// Replaces an object, all but its status; a `resourceVersion` in it is a precondition.
    ///
    /// # Errors
    /// `NotFound` when it is not there; `Conflict` when it has another version.
    async fn update(&self, cx: &Context, manager: &str, object: &Value) -> Result<Value>;

    /// Removes the object, if it is there.
    ///
    /// # Errors
    /// `Conflict` when a `uid` is given and the object is another of the same name.
    async fn delete(&self, cx: &Context, id: &ObjectId, uid: Option<&str>) -> Result<()>;

    /// Returns whether objects of the kind are in namespaces; `None` when the cluster has no such kind.
    async fn namespaced(&self, cx: &Context, api_version: &str, kind: &str) -> Result<Option<bool>>;
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

#[async_trait]
impl Api for MemoryCluster {
    async fn get(&self, _cx: &Context, id: &ObjectId) -> Result<Option<Value>> {
        Self::get(self, id)
    }

    async fn list(&self, _cx: &Context, selector: &Selector) -> Result<List> {
        Self::list(self, selector)
    }

    async fn apply(&self, _cx: &Context, manager: &str, config: &Value, how: Apply) -> Result<Value> {
        Ok(Self::apply(self, manager, config, how)?.object)
    }

    async fn create(&self, _cx: &Context, manager: &str, object: &Value) -> Result<Value> {
        Ok(Self::create(self, manager, object)?.object)
    }

    async fn update(&self, _cx: &Context, manager: &str, object: &Value) -> Result<Value> {
        Ok(Self::update(self, manager, object)?.object)
    }

    async fn delete(&self, _cx: &Context, id: &ObjectId, uid: Option<&str>) -> Result<()> {
        Self::delete(self, id, uid).map(drop)
    }

    async fn namespaced(&self, _cx: &Context, _api_version: &str, kind: &str) -> Result<Option<bool>> {
        Ok(Some(!OF_THE_CLUSTER.contains(&kind)))
    }
}
