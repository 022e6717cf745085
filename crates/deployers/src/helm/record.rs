//! What helm itself remembers of a release: one Secret a revision, whose data is JSON, packed and in base64 twice
//! (helm: `pkg/storage/driver/secrets.go`).

use std::{
    collections::BTreeMap,
    io::{Read, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipway_cluster::{Api, Selector};
use shipway_core::{Context, Error, ObjectId, Result, Timestamp};

const TYPE: &str = "helm.sh/release.v1";

/// A record's largest content: a chart of a Secret's size, unpacked.
const LARGEST: u64 = 64 << 20;

/// Who writes a record that helm left unfinished.
const MANAGER: &str = "shipway";

/// How far a revision has come (helm: `pkg/release/status.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Deployed,
    Superseded,
    Failed,
    Uninstalled,
    Uninstalling,
    PendingInstall,
    PendingUpgrade,
    PendingRollback,
    #[serde(other)]
    Unknown,
}

impl Status {
    pub(super) fn is_pending(self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }
}

/// A record as its labels tell of it; what it holds is unpacked when it is needed.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) revision: u64,
    pub(super) status: Status,
    pub(super) id: ObjectId,
    object: Value,
}

/// What a record holds, as far as it matters here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Held {
    pub(super) manifest: String,
    pub(super) hooks: Vec<Hook>,
    pub(super) chart: HeldChart,
    pub(super) info: Info,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) manifest: String,
    events: Vec<String>,
    last_run: LastRun,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LastRun {
    phase: String,
}

impl Hook {
    pub(super) fn is_test(&self) -> bool {
        self.events.iter().any(|event| event == "test")
    }

    pub(super) fn succeeded(&self) -> bool {
        self.last_run.phase == "Succeeded"
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HeldChart {
    pub(super) metadata: HeldMetadata,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct HeldMetadata {
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    last_deployed: String,
    pub(super) description: String,
}

/// How the description of a revision ends that was left unfinished, before its age.
pub(super) const UNFINISHED: &str = " unfinished after ";

impl Held {
    /// Returns whether the revision was deployed: helm calls superseded what failed before it, too.
    pub(super) fn was_deployed(&self) -> bool {
        let description = &self.info.description;
        !description.contains(UNFINISHED) && !description.contains(" failed: ")
    }

    /// Returns when the revision was deployed, by the clock of whoever did.
    pub(super) fn at(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.info.last_deployed).ok()
    }
}

impl Record {
    fn of(object: Value) -> Result<Self> {
        let metadata = &object["metadata"];
        let label = |name: &str| metadata["labels"][name].as_str().unwrap_or_default();
        let name = metadata["name"].as_str().unwrap_or_default();
        let revision = label("version").parse().map_err(|_| wrong(name))?;
        let status = Status::deserialize(&metadata["labels"]["status"]).map_err(|_| wrong(name))?;
        let id = ObjectId::new("v1", "Secret", name);
        let id = match metadata["namespace"].as_str() {
            Some(namespace) => id.namespace(namespace.to_owned()),
            None => id,
        };
        Ok(Self { revision, status, id, object })
    }

    /// Returns a label that helm was given for the record.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.object["metadata"]["labels"][name].as_str()
    }

    /// Returns what the record holds.
    ///
    /// # Errors
    /// `BadOutput` when it does not have helm's form.
    pub(super) fn held(&self) -> Result<Held> {
        serde_json::from_slice(&self.unpacked()?).map_err(|error| wrong(&self.id.name).source(error))
    }

    fn unpacked(&self) -> Result<Vec<u8>> {
        let wrong = || wrong(&self.id.name);
        let data = self.object["data"]["release"].as_str().ok_or_else(wrong)?;
        let outer = STANDARD.decode(data).map_err(|error| wrong().source(error))?;
        let packed = STANDARD.decode(outer).map_err(|error| wrong().source(error))?;
        // Before it packed them, helm kept records as they are.
        if !packed.starts_with(&[0x1f, 0x8b, 0x08]) {
            return Ok(packed);
        }
        let mut text = Vec::new();
        let unpacked = GzDecoder::new(packed.as_slice()).take(LARGEST + 1).read_to_end(&mut text);
        unpacked.map_err(|error| wrong().source(error))?;
        match text.len() as u64 > LARGEST {
            true => Err(wrong().note(format!("it holds more than {LARGEST} bytes"))),
            false => Ok(text),
        }
    }

    /// Writes into an unfinished record that it failed, and why; all else that it holds stays as it is.
    ///
    /// # Errors
    /// `Conflict` when somebody else wrote it since it was read.
    pub(super) async fn fail(&self, cx: &Context, api: &dyn Api, why: &str) -> Result<()> {
        let broken = |error: serde_json::Error| wrong(&self.id.name).source(error);
        let mut held: Value = serde_json::from_slice(&self.unpacked()?).map_err(broken)?;
        held["info"]["status"] = "failed".into();
        held["info"]["description"] = why.into();
        let text = serde_json::to_vec(&held).map_err(broken)?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        let packed = packed.write_all(&text).and_then(|()| packed.finish());
        let packed = packed.map_err(|error| Error::internal("a record cannot be packed").source(error))?;
        let mut object = self.object.clone();
        object["data"]["release"] = STANDARD.encode(STANDARD.encode(packed)).into();
        object["metadata"]["labels"]["status"] = "failed".into();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        api.update(cx, MANAGER, &object).await.map(drop)
    }
}

/// Returns all records of a release, the oldest first.
///
/// # Errors
/// `BadOutput` when one of them does not have helm's form.
pub(super) async fn records(cx: &Context, api: &dyn Api, namespace: &str, name: &str) -> Result<Vec<Record>> {
    let selector = Selector::new().kind("v1", "Secret").namespace(namespace);
    let selector = selector.label("owner", "helm").label("name", name);
    let ours = |object: &Value| object["type"] == TYPE;
    let objects = api.list(cx, &selector).await?.items.into_iter().filter(ours);
    let mut records = objects.map(Record::of).collect::<Result<Vec<_>>>()?;
    records.sort_by_key(|record| record.revision);
    Ok(records)
}

/// Returns the newest record that helm calls deployed.
pub(super) fn deployed(records: &[Record]) -> Option<&Record> {
    records.iter().rev().find(|record| record.status == Status::Deployed)
}

fn wrong(name: &str) -> Error {
    Error::bad_output(format!("the record `{name}` does not have helm's form"))
        .hint("look at it with `helm history`; a record that nobody needs can be removed")
}

/// Returns the labels of a record as `--labels` takes them; without a value, a label goes.
pub(super) fn labels(labels: &BTreeMap<&str, Option<String>>) -> String {
    let words = labels.iter().map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("null")));
    words.collect::<Vec<_>>().join(",")
}
