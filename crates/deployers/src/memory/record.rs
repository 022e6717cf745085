//! What the cluster remembers of a release: one `Revision` object an applied revision.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shipway_cluster::{MemoryCluster, Selector};
use shipway_core::{Deployment, Error, Manifests, ObjectId, Result, State};

use super::{MANAGER, render::MANAGED_BY};

const API_VERSION: &str = "shipway.dev/v1";
const KIND: &str = "Revision";
const RELEASE: &str = "shipway.dev/release";
const STATUS: &str = "shipway.dev/status";

/// The version of the form of a record.
const FORM: u32 = 1;

/// How many revisions are remembered.
const REMEMBERED: usize = 10;

/// How far a revision has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// Its objects are being applied.
    Pending,
    /// All of it is applied, and it was not proved healthy.
    Live,
    /// It was proved healthy; it may have been replaced since.
    Settled,
    /// It was replaced before it was proved healthy.
    Superseded,
    /// It was given up before all of it was applied.
    Failed,
}

/// A revision as the cluster remembers it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) revision: u64,
    pub(super) status: Status,
    pub(super) deployment: Deployment,
    /// All objects of the release that may be in the cluster.
    pub(super) inventory: BTreeSet<ObjectId>,
    /// The version of the object, so that an update fails if somebody else was quicker.
    version: Option<String>,
}

/// What a record holds, as JSON.
#[derive(Serialize, Deserialize)]
struct Kept {
    revision: u64,
    deployment: Deployment,
    inventory: BTreeSet<ObjectId>,
}

impl Record {
    pub(super) fn pending(revision: u64, deployment: Deployment, inventory: BTreeSet<ObjectId>) -> Self {
        Self { revision, status: Status::Pending, deployment, inventory, version: None }
    }

    pub(super) fn id(&self, namespace: &str) -> ObjectId {
        let release = &self.deployment.manifests.release;
        id(&release.name, self.revision, release.namespace.as_deref().unwrap_or(namespace))
    }

    fn to_object(&self, namespace: &str) -> Result<Value> {
        let id = self.id(namespace);
        let kept = Kept {
            revision: self.revision,
            deployment: self.deployment.clone(),
            inventory: self.inventory.clone(),
        };
        let state = State::new(FORM, &kept)?;
        Ok(json!({
            "apiVersion": id.api_version,
            "kind": id.kind,
            "metadata": {
                "name": id.name,
                "namespace": id.namespace,
                "resourceVersion": self.version,
                "labels": {
                    MANAGED_BY: MANAGER,
                    RELEASE: self.deployment.manifests.release.name,
                    STATUS: self.status,
                },
            },
            "spec": {"version": state.version, "value": state.value},
        }))
    }

    fn from_object(object: &Value) -> Result<Self> {
        let wrong = || Error::bad_output("a `Revision` in the cluster does not have its form");
        let state: State =
            Deserialize::deserialize(&object["spec"]).map_err(|error| wrong().source(error))?;
        let kept: Kept = state.read(FORM)?;
        let status = Deserialize::deserialize(&object["metadata"]["labels"][STATUS])
            .map_err(|error| wrong().source(error))?;
        Ok(Self {
            revision: kept.revision,
            status,
            deployment: kept.deployment,
            inventory: kept.inventory,
            version: object["metadata"]["resourceVersion"].as_str().map(ToOwned::to_owned),
        })
    }

    /// Writes a new record.
    pub(super) fn create(&self, cluster: &MemoryCluster, namespace: &str) -> Result<Self> {
        Self::from_object(&cluster.create(MANAGER, &self.to_object(namespace)?)?.object)
    }

    /// Writes the record again with another status.
    pub(super) fn mark(mut self, cluster: &MemoryCluster, namespace: &str, status: Status) -> Result<Self> {
        self.status = status;
        Self::from_object(&cluster.update(MANAGER, &self.to_object(namespace)?)?.object)
    }

    /// Returns whether the revision is these manifests. Labels of images for people do not count.
    pub(super) fn is(&self, manifests: &Manifests) -> bool {
        let images = |manifests: &Manifests| -> Vec<_> {
            let images = &manifests.release.images;
            images.iter().map(|image| (image.store.clone(), image.reference())).collect()
        };
        let own = &self.deployment.manifests;
        own.objects == manifests.objects && own.state == manifests.state && images(own) == images(manifests)
    }
}

/// Returns the identity of a revision's record.
pub(super) fn id(release: &str, revision: u64, namespace: &str) -> ObjectId {
    ObjectId::new(API_VERSION, KIND, format!("shipway.{release}.v{revision}")).namespace(namespace.to_owned())
}

/// Returns all records of a release, the oldest first. A release's name is unique in its cluster, so
/// that its records may be in any namespace.
pub(super) fn read(cluster: &MemoryCluster, release: &str) -> Result<Vec<Record>> {
    let selector = Selector::new().kind(API_VERSION, KIND).label(RELEASE, release).label(MANAGED_BY, MANAGER);
    let list = cluster.list(&selector)?;
    let mut records = list.items.iter().map(Record::from_object).collect::<Result<Vec<_>>>()?;
    records.sort_by_key(|record| record.revision);
    Ok(records)
}

/// Returns the live one: the newest of which all was applied.
pub(super) fn live(records: &[Record]) -> Option<&Record> {
    records.iter().rev().find(|record| matches!(record.status, Status::Live | Status::Settled))
}

/// Returns all objects of the release that may be in the cluster, by the records.
pub(super) fn inventory(records: &[Record]) -> BTreeSet<ObjectId> {
    // What is older than the live revision, the live one has taken over or seen pruned.
    let from = live(records).map_or(0, |record| record.revision);
    let newer = records.iter().filter(|record| record.revision >= from);
    newer.flat_map(|record| record.inventory.iter().cloned()).collect()
}

/// Marks what the revision replaced, and forgets what is too old; the same again when it is repeated.
pub(super) fn tidy(cluster: &MemoryCluster, release: &str, revision: u64, namespace: &str) -> Result<()> {
    let mut older = read(cluster, release)?;
    older.retain(|record| record.revision < revision);
    let newest_settled =
        older.iter().rev().find(|record| record.status == Status::Settled).map(|record| record.revision);
    let forgotten = (older.len() + 1).saturating_sub(REMEMBERED);
    for (index, record) in older.into_iter().enumerate() {
        // The one to go back to is kept, however old it is.
        if index < forgotten && Some(record.revision) != newest_settled {
            cluster.delete(&record.id(namespace), None)?;
            continue;
        }
        match record.status {
            Status::Live => record.mark(cluster, namespace, Status::Superseded)?,
            Status::Pending => record.mark(cluster, namespace, Status::Failed)?,
            Status::Settled | Status::Superseded | Status::Failed => continue,
        };
    }
    Ok(())
}
