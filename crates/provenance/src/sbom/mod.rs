//! Bills of materials: what is in an image, read from its layers without unpacking them.

mod cyclonedx;
mod go;
mod java;
mod packages;
mod search;
mod zip;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;
use shipway_core::{Context, Digest, Platform, Result};
use shipway_oci::{Distribution, ImageFiles, Limits, read_image, sorted_json};

/// The type of a predicate that is a CycloneDX document.
pub(crate) const PREDICATE_TYPE: &str = "https://cyclonedx.org/bom";
/// The same of an SPDX document, of a builder that writes these.
pub(crate) const SPDX: &str = "https://spdx.dev/Document";

/// What is in an image, as a CycloneDX document of version 1.6; the same for the same image.
///
/// Read are the packages of dpkg and apk, Maven's in Java archives (also in archives within them), modules in Go
/// programs, installed npm packages (`node_modules`) and Python ones (`dist-info`), and the files that lie above the
/// base, or all of them where it is not known, by their SHA-256. What is there and was not read, such as rpm's
/// database, is named: the document never says that it is complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Bom(Value);

/// An image that another may be made upon.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Base {
    /// Its repository.
    pub repository: String,
    /// Its digest, as it was named.
    pub digest: Digest,
    /// The digests of its layers' tars, the lowest first.
    pub diff_ids: Vec<Digest>,
}

impl Base {
    /// Returns the base.
    pub fn new(repository: impl Into<String>, digest: Digest, diff_ids: Vec<Digest>) -> Self {
        Self { repository: repository.into(), digest, diff_ids }
    }
}

/// What was found in an image.
#[derive(Debug, Default)]
struct Inventory {
    system: Option<packages::System>,
    /// By package URL.
    packages: BTreeMap<String, Package>,
    /// The SHA-256 of files by their path.
    files: BTreeMap<String, String>,
    /// What was not read, and why.
    unread: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    /// The file that says so; of several, the first.
    path: String,
}

/// The most packages and files of a document, and the most of what was not read.
const MOST_PACKAGES: usize = 20_000;
const MOST_FILES: usize = 10_000;
const MOST_UNREAD: usize = 200;

impl Inventory {
    fn add(&mut self, purl: String, package: Package) {
        if self.packages.len() >= MOST_PACKAGES && !self.packages.contains_key(&purl) {
            self.miss(format!("packages beyond {MOST_PACKAGES}"));
            return;
        }
        let first = self.packages.entry(purl).or_insert_with(|| package.clone());
        if package.path < first.path {
            *first = package;
        }
    }

    fn miss(&mut self, what: impl Into<String>) {
        if self.unread.len() < MOST_UNREAD {
            self.unread.insert(what.into());
        }
    }
}

impl Bom {
    /// Returns what is in an image of this repository, of several for a platform the one for it; of the bases, that
    /// counts which most of its layers are of.
    ///
    /// # Errors
    /// `NotFound` when there is no such image, `BadOutput` when it is malformed or hides too much in too little.
    pub async fn read(
        cx: &Context,
        place: &dyn Distribution,
        (repository, digest): (&str, &Digest),
        platform: Option<&Platform>,
        bases: &[Base],
    ) -> Result<Self> {
        let image = read_image(place, digest, platform).await?;
        let layers = &image.manifest.layers;
        let below = bases
            .iter()
            .filter(|base| !base.diff_ids.is_empty() && image.config.diff_ids.starts_with(&base.diff_ids));
        let base = below.max_by_key(|base| base.diff_ids.len());
        let files = tokio::select! {
            biased;
            stopped = cx.stopped() => return Err(stopped),
            files = ImageFiles::read(place, layers, Limits::default()) => files?,
        };
        let own_from = base.map_or(0, |base| base.diff_ids.len());
        let inventory = tokio::select! {
            biased;
            stopped = cx.stopped() => return Err(stopped),
            inventory = search::search(place, layers, &files, own_from) => inventory?,
        };
        Ok(Self(cyclonedx::document(repository, &image, base, &inventory)))
    }

    /// Returns the document as JSON, the same bytes for the same image.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        sorted_json(&self.0)
    }

    /// Returns the document as a value.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.0
    }
}
