//! Releases in a cluster: what is desired against what is there, applied as one field manager and by
//! force only where that is said, remembered in the cluster itself, and pruned when a release has proved itself.
//!
//! It is the same for a real cluster and for one in memory; how objects come about and fare is its callers' part.

mod apply;
mod apply_set;
mod at_once;
mod change;
mod diff;
mod lines;
mod live;
mod objects;
mod plan;
mod record;
mod secrets;
mod waves;

use std::sync::Arc;

use serde_json::Value;
use shipway_cluster::Api;
use shipway_core::{ChangeSet, Context, Deployment, Desired, Manifests, ObjectId, Result};

use self::apply_set::ApplySet;
#[cfg(feature = "kubernetes")]
pub(crate) use self::{
    at_once::at_once,
    change::{changing, digest_of_object, gone, is_going, moved, stands},
    lines::difference,
    plan::{Action, Step, Was},
    secrets::hide_secrets,
    waves::{Look, pause},
};
pub(crate) use self::{live::Live, objects::check_name, waves::Eyes};

/// The field manager that owns what is applied.
pub(crate) const MANAGER: &str = "shipway";

/// "Recommended Labels".
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The releases in one cluster whose records are in one namespace, by which and by whose names they are known.
#[derive(Clone, Debug)]
pub(crate) struct Releases {
    api: Arc<dyn Api>,
    namespace: String,
    force_conflicts: bool,
    /// Who sees how objects fare, where that is known while they are applied.
    eyes: Option<Arc<dyn Eyes>>,
}

impl Releases {
    /// Returns the releases with their records in this namespace; in it is also what has no namespace of its own.
    pub(crate) fn new(api: Arc<dyn Api>, namespace: impl Into<String>) -> Self {
        Self { api, namespace: namespace.into(), force_conflicts: false, eyes: None }
    }

    /// Sets whether fields and objects that are somebody else's are taken.
    pub(crate) fn force_conflicts(mut self, force: bool) -> Self {
        self.force_conflicts = force;
        self
    }

    /// Sets who sees how objects fare, so that a wave is waited for.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn eyes(mut self, eyes: Arc<dyn Eyes>) -> Self {
        self.eyes = Some(eyes);
        self
    }

    /// Returns what the cluster remembers: the live one first, then those that were settled, newest first.
    pub(crate) async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        check_name("release", release)?;
        let records = self.records(cx, release).await?;
        let live = record::live(&records).map(|record| record.revision);
        let remembered = records
            .into_iter()
            .rev()
            .filter(|record| Some(record.revision) == live || record.status == record::Status::Settled);
        Ok(remembered.map(|record| record.deployment).collect())
    }

    /// Returns what has to change; reads only.
    pub(crate) async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        diff::diff(self, cx, desired).await
    }

    /// Makes exactly these changes, also where somebody was cut while making them.
    pub(crate) async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        apply::apply(self, cx, changes).await
    }

    /// Returns the manifests as objects, as they are applied.
    ///
    /// # Errors
    /// `Config` when a text is no object, is another one than it says, or an object is there twice.
    pub(crate) async fn objects(
        &self,
        cx: &Context,
        manifests: &Manifests,
    ) -> Result<Vec<(ObjectId, Value)>> {
        objects::read(self, cx, manifests).await
    }

    /// Returns a deployment's objects as they should be, and as they are: as the diff of this run saw them a moment ago
    /// where nothing had to change, and looked at now otherwise, as whenever it is asked again.
    #[cfg(feature = "kubernetes")]
    pub(crate) async fn look(
        &self,
        cx: &Context,
        deployment: &Deployment,
    ) -> Result<(Vec<(ObjectId, Value)>, Live)> {
        if let Some(seen) = diff::seen(self, cx, deployment).await? {
            return Ok(seen);
        }
        let objects = self.objects(cx, &deployment.manifests).await?;
        let there = self.live(cx, &deployment.manifests.release.name, &objects).await?;
        Ok((objects, there))
    }

    /// Returns what the cluster has of these objects.
    #[cfg_attr(not(feature = "kubernetes"), expect(dead_code, reason = "a real cluster alone is looked at"))]
    pub(crate) async fn live(
        &self,
        cx: &Context,
        release: &str,
        objects: &[(ObjectId, Value)],
    ) -> Result<Live> {
        let ids: Vec<&ObjectId> = objects.iter().map(|(id, _)| id).collect();
        Live::of(self, cx, release, &ids).await
    }

    fn apply_set(&self, release: &str) -> ApplySet {
        ApplySet::of(release, &self.namespace)
    }
}
