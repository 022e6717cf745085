//! The role of attesters and what they are told. Here until it is in the core.

use std::{collections::BTreeMap, fmt::Debug};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{Capabilities, Context, Fingerprint, Image, Result, Timestamp};

/// Says how an image came about, beside the image.
#[async_trait]
pub trait Attester: Debug + Send + Sync + 'static {
    /// Returns what the attester can do; constant, and made without IO.
    fn capabilities(&self) -> Capabilities;

    /// Attaches what it has to say about this build to its image; idempotent: what is there already is left
    /// alone.
    ///
    /// # Errors
    /// When it could not be attached.
    async fn attest(&self, cx: &Context, build: &BuildRecord) -> Result<()>;
}

/// How an image was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BuildRecord {
    /// The run's id.
    pub run: String,
    /// The artifact's name.
    pub artifact: String,
    /// The image, in the store that readers read.
    pub image: Image,
    /// The builder's kind and version.
    pub builder: String,
    /// The fingerprint of all inputs.
    pub fingerprint: Option<Fingerprint>,
    /// The snapshot: each input with its hash or fact.
    pub inputs: BTreeMap<String, String>,
    /// The required images by their alias.
    pub requires: BTreeMap<String, Image>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Whether it is what an earlier run built.
    pub reused: bool,
}

impl BuildRecord {
    /// Returns the record with these required fields, the others at their defaults.
    pub fn new(
        run: impl Into<String>,
        artifact: impl Into<String>,
        image: Image,
        builder: impl Into<String>,
    ) -> Self {
        Self {
            run: run.into(),
            artifact: artifact.into(),
            image,
            builder: builder.into(),
            fingerprint: None,
            inputs: BTreeMap::new(),
            requires: BTreeMap::new(),
            started: None,
            ended: None,
            reused: false,
        }
    }

    /// Sets the fingerprint.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: impl Into<Option<Fingerprint>>) -> Self {
        self.fingerprint = fingerprint.into();
        self
    }

    /// Sets the snapshot.
    #[must_use]
    pub fn inputs(mut self, inputs: impl Into<BTreeMap<String, String>>) -> Self {
        self.inputs = inputs.into();
        self
    }

    /// Sets the required images.
    #[must_use]
    pub fn requires(mut self, requires: impl Into<BTreeMap<String, Image>>) -> Self {
        self.requires = requires.into();
        self
    }

    /// Sets when it began.
    #[must_use]
    pub fn started(mut self, started: impl Into<Option<Timestamp>>) -> Self {
        self.started = started.into();
        self
    }

    /// Sets when it ended.
    #[must_use]
    pub fn ended(mut self, ended: impl Into<Option<Timestamp>>) -> Self {
        self.ended = ended.into();
        self
    }

    /// Sets whether it is what an earlier run built.
    #[must_use]
    pub fn reused(mut self, reused: bool) -> Self {
        self.reused = reused;
        self
    }
}
