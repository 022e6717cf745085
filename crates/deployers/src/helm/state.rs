//! What crosses from rendering to applying: of a chart and its values their digests, never what they hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shipway_core::{ChangeSet, Error, Image, Manifests, Release, Result, State};
use shipway_oci::digest_of;

use super::{
    HelmConfig,
    chart::Chart,
    objects::{self, Home},
    record::Record,
};
use crate::releases::Step;

/// The version of the forms.
const FORM: u32 = 1;

/// The label of helm's records that says what a revision was rendered from.
pub(super) const FINGERPRINT: &str = "shipway.dev/fingerprint";

/// The label of helm's records that says what came of it, since helm keeps labels that it is not given anew.
pub(super) const RENDERED: &str = "shipway.dev/rendered";

/// A chart or its values, packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Packed {
    pub(super) digest: String,
    pub(super) size: usize,
}

impl Packed {
    pub(super) fn of<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut digests, mut size) = (String::new(), 0);
        for text in texts {
            digests.push_str(&digest_of(text).to_string());
            size += text.len();
        }
        Self { digest: digest_of(digests.as_bytes()).to_string(), size }
    }
}

/// The state of manifests: what they were made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Made {
    /// A chart and its values.
    From {
        /// The chart's name and version.
        chart: String,
        archive: Packed,
        values: Packed,
        /// All that decides the rendering, but for the program.
        fingerprint: String,
        /// What came of it.
        rendered: String,
    },
    /// A revision that stays as it is.
    Kept(u64),
}

impl Made {
    pub(super) fn of(manifests: &Manifests) -> Result<Self> {
        let state = manifests.state.as_ref().ok_or_else(|| {
            Error::bad_output("the manifests have no state of the deployer `helm`")
                .hint("deploy what it rendered")
        })?;
        state.read(FORM)
    }

    pub(super) fn to_state(&self) -> Result<State> {
        State::new(FORM, self)
    }
}

/// Returns the fingerprint of all that decides the rendering, but for the program and the namespace, which a record is in
/// anyway.
pub(super) fn fingerprint(
    options: &HelmConfig,
    home: &Home,
    release: &Release,
    chart: &Chart,
    values: &Packed,
) -> String {
    let pinned = |image: &Image| json!([image.name, image.reference()]);
    let labels: BTreeMap<&String, &String> = options.labels.iter().chain(&release.labels).collect();
    let all = json!({
        "chart": chart.digest, "values": values.digest, "name": home.name,
        "images": release.images.iter().map(pinned).collect::<Vec<_>>(), "labels": labels,
        "selector": options.resource_selector, "flags": options.flags, "skip tests": options.skip_tests,
        "secrets": options.use_helm_secrets,
    });
    short(&all.to_string())
}

/// Returns a digest that fits into a label.
pub(super) fn short(text: &str) -> String {
    digest_of(text.as_bytes()).hex()[..40].to_owned()
}

/// Returns the digest of manifests as a label of helm's record has it.
pub(super) fn print_of(manifests: &[shipway_core::Manifest]) -> Result<String> {
    Ok(short(&objects::digest(manifests)?))
}

/// Returns whether a record is of what a fingerprint says: helm keeps labels that it is not given anew, so that what
/// it holds must be what they say too.
pub(super) fn is_of(record: &Record, fingerprint: &str) -> Result<bool> {
    let said = record.label(FINGERPRINT).and_then(|label| label.split('-').next());
    Ok(said == Some(fingerprint)
        && print_of(&objects_of(record)?)? == record.label(RENDERED).unwrap_or_default())
}

/// Returns the objects that a record has.
pub(super) fn objects_of(record: &Record) -> Result<Vec<shipway_core::Manifest>> {
    let held = record.held()?;
    Ok(objects::rendered(&record.id.name, &held.manifest)?.objects)
}

/// The state of a change set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The revision that was deployed at `diff`.
    pub(super) live: Option<u64>,
    /// The newest revision then, however it fared.
    pub(super) newest: Option<u64>,
    pub(super) aim: Aim,
    /// What happens to objects.
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Aim {
    /// Nothing: all is as desired.
    Nothing,
    /// A new revision of the chart.
    Upgrade,
    /// A new revision that is as this one was.
    Rollback(u64),
    /// Nothing is left.
    Remove,
}

impl Plan {
    pub(super) fn of(changes: &ChangeSet) -> Result<Self> {
        let state = changes.state.as_ref().ok_or_else(|| {
            Error::bad_output("the change set has no state").hint("apply a change set that `diff` made")
        })?;
        state.read(FORM)
    }

    pub(super) fn to_state(&self) -> Result<State> {
        State::new(FORM, self)
    }
}
