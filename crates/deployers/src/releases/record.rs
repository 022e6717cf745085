//! What the cluster remembers of a release: one Secret an applied revision, as helm has it, since manifests may
//! hold secrets.

use std::io::{Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shipway_cluster::Selector;
use shipway_core::{Context, Deployment, Error, Manifests, ObjectId, Result, State};

use super::{MANAGED_BY, MANAGER, Releases};

const API_VERSION: &str = "v1";
const KIND: &str = "Secret";
const TYPE: &str = "shipway.dev/revision";
const RELEASE: &str = "shipway.dev/release";
const STATUS: &str = "shipway.dev/status";

/// The version of the form of a record.
const FORM: u32 = 1;

/// How many revisions are remembered.
const REMEMBERED: usize = 10;

/// A record's largest content: more than a Secret of 1 MiB can mean.
const LARGEST: u64 = 256 << 20;

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
    /// The version of the object, so that an update fails if somebody else was quicker.
    version: Option<String>,
}

/// What a record holds, as JSON.
#[derive(Serialize, Deserialize)]
struct Kept {
    revision: u64,
    deployment: Deployment,
}

impl Record {
    pub(super) fn pending(revision: u64, deployment: Deployment) -> Self {
        Self { revision, status: Status::Pending, deployment, version: None }
    }

    fn release(&self) -> &str {
        &self.deployment.manifests.release.name
    }

    pub(super) fn id(&self, releases: &Releases) -> ObjectId {
        id(self.release(), self.revision, releases)
    }

    fn to_object(&self, releases: &Releases) -> Result<Value> {
        let id = self.id(releases);
        let kept = Kept { revision: self.revision, deployment: self.deployment.clone() };
        let text = serde_json::to_vec(&State::new(FORM, &kept)?)
            .map_err(|error| Error::internal("a record cannot be written as JSON").source(error))?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let packed = packed.write_all(&text).and_then(|()| packed.finish());
        let packed = packed.map_err(|error| Error::internal("a record cannot be packed").source(error))?;
        Ok(json!({
            "apiVersion": id.api_version,
            "kind": id.kind,
            "type": TYPE,
            "metadata": {
                "name": id.name,
                "namespace": id.namespace,
                "resourceVersion": self.version,
                "labels": {MANAGED_BY: MANAGER, RELEASE: self.release(), STATUS: self.status},
            },
            "data": {"revision": STANDARD.encode(packed)},
        }))
    }

    fn from_object(object: &Value) -> Result<Self> {
        let name = &object["metadata"]["name"];
        let wrong = || {
            Error::bad_output(format!("the record {name} in the cluster does not have its form"))
                .hint("remove it, if no newer Shipway wrote it: what it remembers is lost with it")
        };
        let packed = object["data"]["revision"].as_str().ok_or_else(wrong)?;
        let packed = STANDARD.decode(packed).map_err(|error| wrong().source(error))?;
        let mut text = Vec::new();
        GzDecoder::new(packed.as_slice())
            .take(LARGEST)
            .read_to_end(&mut text)
            .map_err(|error| wrong().source(error))?;
        let state: State = serde_json::from_slice(&text).map_err(|error| wrong().source(error))?;
        let kept: Kept = state.read(FORM)?;
        let status = Deserialize::deserialize(&object["metadata"]["labels"][STATUS])
            .map_err(|error| wrong().source(error))?;
        Ok(Self {
            revision: kept.revision,
            status,
            deployment: kept.deployment,
            version: object["metadata"]["resourceVersion"].as_str().map(ToOwned::to_owned),
        })
    }

    /// Writes a new record.
    pub(super) async fn create(&self, releases: &Releases, cx: &Context) -> Result<Self> {
        Self::from_object(&releases.api.create(cx, MANAGER, &self.to_object(releases)?).await?)
    }

    /// Writes the record again with another status.
    pub(super) async fn mark(mut self, releases: &Releases, cx: &Context, status: Status) -> Result<Self> {
        self.status = status;
        Self::from_object(&releases.api.update(cx, MANAGER, &self.to_object(releases)?).await?)
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
pub(super) fn id(release: &str, revision: u64, releases: &Releases) -> ObjectId {
    ObjectId::new(API_VERSION, KIND, format!("shipway.{release}.v{revision}"))
        .namespace(releases.namespace.clone())
}

impl Releases {
    /// Returns all records of a release, the oldest first.
    pub(super) async fn records(&self, cx: &Context, release: &str) -> Result<Vec<Record>> {
        let selector = Selector::new()
            .kind(API_VERSION, KIND)
            .namespace(self.namespace.as_str())
            .label(RELEASE, release)
            .label(MANAGED_BY, MANAGER);
        let list = self.api.list(cx, &selector).await?;
        let mut records = Vec::with_capacity(list.items.len());
        for object in &list.items {
            // What one version of an object holds, of up to a MiB packed, is unpacked once a run.
            let said = ["name", "uid", "resourceVersion"].map(|field| object["metadata"][field].as_str());
            let key = format!("record {said:?}");
            let record = cx.once::<Record>(&key, async { Record::from_object(object) }).await?;
            records.push(record.as_ref().clone());
        }
        records.sort_by_key(|record| record.revision);
        Ok(records)
    }

    /// Marks what the revision replaced, and forgets what is too old; the same again when it is repeated.
    pub(super) async fn tidy(&self, cx: &Context, release: &str, revision: u64) -> Result<()> {
        let mut older = self.records(cx, release).await?;
        older.retain(|record| record.revision < revision);
        let newest_settled =
            older.iter().rev().find(|record| record.status == Status::Settled).map(|record| record.revision);
        let forgotten = (older.len() + 1).saturating_sub(REMEMBERED);
        for (index, record) in older.into_iter().enumerate() {
            // The one to go back to is kept, however old it is.
            if index < forgotten && Some(record.revision) != newest_settled {
                self.api.delete(cx, &record.id(self), None).await?;
                continue;
            }
            match record.status {
                Status::Live => record.mark(self, cx, Status::Superseded).await?,
                Status::Pending => record.mark(self, cx, Status::Failed).await?,
                Status::Settled | Status::Superseded | Status::Failed => continue,
            };
        }
        Ok(())
    }
}

/// Returns the live one: the newest of which all was applied.
pub(super) fn live(records: &[Record]) -> Option<&Record> {
    records.iter().rev().find(|record| matches!(record.status, Status::Live | Status::Settled))
}
