//! The tester `verify-provenance`: what is to be true of how an image was built, before it is released.

mod judge;

use std::{collections::BTreeSet, path::Path};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{
    Capabilities, Case, Catalog, Context, Error, ErrorKind, Image, Inputs, Location, PluginConfig, Result,
    StoreKind, Subject, TestReport, Tester,
};
use shipway_oci::{Distribution, Stores};

use self::judge::{Judged, Requirements, matches};
use crate::{
    attached,
    attest::stores,
    images::{Parts, platform_of},
    keys::{self, PublicKey},
    sbom, slsa,
    verifier::Verifier,
};

/// Verifies that an image was built as it should have been, by statements that trusted keys have signed.
///
/// It judges an image, or all images of a deployment. That provenance is missing, forged, about something else, or
/// of another builder is a failed case, which says so; that the registry cannot be asked is an error. What refers to
/// the image by its digest counts, and nothing else: neither tags nor what somebody says about another digest.
///
/// An embedder that signs what it builds, and deploys only what it signed:
///
/// ```
/// use std::sync::Arc;
/// use shipway_core::{
///     Attester, BuildRecord, Cancel, CaseOutcome, Image, Platform, RunContext, Secret, Store, Subject, Tag, Tester, World,
/// };
/// use shipway_oci::{ImageConfig, Stores, write_image};
/// use shipway_provenance::{
///     Attest, Ed25519Signer, Provenance, Signer, VerifyProvenance,
/// };
///
/// # use base64::Engine as _;
/// # let key = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
/// # let key = base64::prelude::BASE64_STANDARD.encode(key.as_ref());
/// # let key = Secret::from(format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"));
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// // The image, as a build leaves it: here an empty one in a layout.
/// let cx = RunContext::new(World::host(folder.path()), "run-1").context(None, None, Cancel::new());
/// let store = Store::Layout("images".into());
/// let into = Stores::new().open(&cx, &store, "web")?;
/// let digest = write_image(into.as_ref(), &ImageConfig::new(Platform::linux_here()), vec![], None).await?;
/// let image = Image::new("web", store, "web", digest);
///
/// let signer = Ed25519Signer::from_pem(&key)?;
/// let gate = VerifyProvenance::new([signer.public_key().clone()])?.builders(["https://ci.example/shipway/*"]);
/// let subject = Subject::Image(image.clone());
/// let before = gate.test(&cx, &subject).await?;
/// assert!(before.failed().next().is_some(), "nothing was said about it yet");
///
/// let attest = Attest::new(Provenance::new().builder("https://ci.example/shipway/v1"))?.signer(Arc::new(signer));
/// attest.attest(&cx, &BuildRecord::new("run-1", "web", image, "native 0.1.0")).await?;
/// let after = gate.test(&cx, &subject).await?;
/// assert!(after.cases.iter().all(|case| case.outcome == CaseOutcome::Passed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct VerifyProvenance {
    keys: Vec<Key>,
    threshold: usize,
    requirements: Requirements,
    stores: Stores,
}

/// A key, or where one or more are.
#[derive(Clone, Debug)]
enum Key {
    Known(PublicKey),
    File(String),
}

impl VerifyProvenance {
    /// Returns the tester that believes any one of these keys.
    ///
    /// # Errors
    /// `Config` when there is none.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self> {
        Self::of(keys.into_iter().map(Key::Known).collect())
    }

    fn of(keys: Vec<Key>) -> Result<Self> {
        if keys.is_empty() {
            return Err(Error::config("the tester `verify-provenance` names no `keys`")
                .hint("name at least one public key: without one, anybody's word would do"));
        }
        let requirements = Requirements::default();
        Ok(Self { keys, threshold: 1, requirements, stores: Stores::new() })
    }

    /// Returns the tester that believes any one of the keys in these files, each below the context's root or
    /// absolute, as PEM.
    ///
    /// # Errors
    /// `Config` when there is none.
    pub fn from_files<S: Into<String>>(files: impl IntoIterator<Item = S>) -> Result<Self> {
        Self::of(files.into_iter().map(|file| Key::File(file.into())).collect())
    }

    /// Sets how many different keys must have signed the same statement.
    #[must_use]
    pub fn threshold(mut self, threshold: usize) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets the builders that are trusted, by their ids; a `*` stands for anything, also for `/`.
    #[must_use]
    pub fn builders<S: Into<String>>(mut self, builders: impl IntoIterator<Item = S>) -> Self {
        self.requirements.builders = builders.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the repositories that sources may come from, by their URLs; a `*` stands for anything, also for `/`.
    #[must_use]
    pub fn sources<S: Into<String>>(mut self, sources: impl IntoIterator<Item = S>) -> Self {
        self.requirements.sources = sources.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether there must be a signed bill of materials of each image.
    #[must_use]
    pub fn require_sbom(mut self, require: bool) -> Self {
        self.requirements.sbom = require;
        self
    }

    /// Sets how registries are reached.
    #[must_use]
    pub fn stores(mut self, stores: Stores) -> Self {
        self.stores = stores;
        self
    }

    async fn verifier(&self, cx: &Context) -> Result<Verifier> {
        let keys = self.keys.clone();
        let keys = cx.blocking(move |cx| {
            let mut all = Vec::new();
            for key in keys {
                match key {
                    Key::Known(key) => all.push(key),
                    Key::File(file) => all.extend(read_keys(cx, &file)?),
                }
            }
            Ok(all)
        });
        Verifier::new(keys.await?)?.threshold(self.threshold)
    }

    /// Judges one image.
    async fn judge(
        &self,
        cx: &Context,
        verifier: &Verifier,
        image: &Image,
        cases: &mut Vec<Case>,
    ) -> Result<()> {
        let repository = self.stores.open(cx, &image.store, &image.repository)?;
        let repository = repository.as_ref();
        let parts = Parts::read(repository, &image.digest).await?;
        let judged = self.look(cx, verifier, repository, (&image.digest, &[slsa::PREDICATE_TYPE])).await?;
        cases.extend(self.requirements.provenance(&image.name, &judged));
        if self.requirements.sbom {
            for part in &parts.images {
                let name = match platform_of(part).filter(|_| parts.is_index()) {
                    Some(platform) => format!("{} {platform}", image.name),
                    None => image.name.clone(),
                };
                let kinds = [sbom::PREDICATE_TYPE, sbom::SPDX];
                let judged = self.look(cx, verifier, repository, (&part.digest, &kinds)).await?;
                cases.push(judged.case(format!("{name}: bill of materials")));
            }
        }
        Ok(())
    }

    async fn look(
        &self,
        cx: &Context,
        verifier: &Verifier,
        repository: &dyn Distribution,
        (digest, kinds): (&shipway_core::Digest, &[&str]),
    ) -> Result<Judged> {
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        for kind in kinds {
            match attached::read(cx, repository, digest, kind).await {
                Ok(some) => found.extend(some),
                // Whoever can write there may have spoiled the list: nothing of it is believed.
                Err(error) if error.kind() == ErrorKind::BadOutput => {
                    faults.push(format!("what is attached cannot be listed: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Judged::of(verifier, digest, kinds, &found, faults))
    }
}

#[async_trait]
impl Tester for VerifyProvenance {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .version(concat!("verify-provenance ", env!("CARGO_PKG_VERSION")))
            .reads(BTreeSet::from([StoreKind::Registry, StoreKind::Layout]))
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        let mut inputs = Inputs::new();
        let mut fact = |name: &str, value: String| inputs.facts.insert(name.to_owned(), value);
        fact("tester", format!("verify-provenance {}", env!("CARGO_PKG_VERSION")));
        fact("requirements", format!("{} {:?}", self.threshold, self.requirements));
        for key in &self.keys {
            match key {
                Key::Known(key) => {
                    inputs.facts.insert(format!("key {}", key.key_id()), String::new());
                }
                Key::File(file) => {
                    inputs.files.insert(file.into());
                }
            }
        }
        Ok(inputs)
    }

    async fn test(&self, cx: &Context, subject: &Subject) -> Result<TestReport> {
        let images = match subject {
            Subject::Image(image) => std::slice::from_ref(image),
            Subject::Deployment(deployment) => &*deployment.manifests.release.images,
            _ => return Err(Error::unsupported("provenance is of images")),
        };
        let verifier = self.verifier(cx).await?;
        let mut cases = Vec::new();
        for image in images {
            tokio::select! {
                biased;
                stopped = cx.stopped() => return Err(stopped),
                judged = self.judge(cx, &verifier, image, &mut cases) => judged?,
            }
        }
        Ok(TestReport::new().cases(named(cases)))
    }
}

/// Returns the cases under names that no two have.
fn named(mut cases: Vec<Case>) -> Vec<Case> {
    let mut names = BTreeSet::new();
    for case in &mut cases {
        let name = case.name.clone();
        let mut count = 1;
        while !names.insert(case.name.clone()) {
            count += 1;
            case.name = format!("{name} ({count})");
        }
    }
    cases
}

/// Reads the keys in a file. Blocking.
fn read_keys(cx: &Context, file: &str) -> Result<Vec<PublicKey>> {
    let place = cx.path(Path::new(file));
    let folder = place.parent().unwrap_or(Path::new("/"));
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let here = || Location::new(file, 0, 0);
    let content = cx.files().open(cx, folder, &name)?.read(keys::LIMIT)?;
    let text = String::from_utf8(content).map_err(|_| Error::config("the file is not UTF-8").at(here()))?;
    PublicKey::all_from_pem(&text).map_err(|error| error.at(here()))
}

/// The options of the tester `verify-provenance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct VerifyProvenanceConfig {
    /// The public keys that are believed, each as PEM or as a file of such.
    pub keys: Vec<String>,
    /// How many of them must have signed; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<usize>,
    /// See [`VerifyProvenance::builders`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builders: Vec<String>,
    /// See [`VerifyProvenance::sources`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// See [`VerifyProvenance::require_sbom`].
    #[serde(default)]
    pub require_sbom: bool,
    /// Hosts of registries that are spoken to without TLS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub insecure_registry: Vec<String>,
}

impl PluginConfig for VerifyProvenanceConfig {
    const KIND: &'static str = "verify-provenance";
    type Plugin = VerifyProvenance;

    fn into_plugin(self, _catalog: &Catalog) -> Result<VerifyProvenance> {
        let mut keys = Vec::new();
        for text in self.keys {
            match text.contains("-----BEGIN") {
                true => keys.extend(PublicKey::all_from_pem(&text)?.into_iter().map(Key::Known)),
                false => keys.push(Key::File(text)),
            }
        }
        let threshold = self.threshold.unwrap_or(1);
        if threshold == 0 {
            return Err(Error::config("`threshold` is 0").hint("at least one key must have signed"));
        }
        for pattern in self.builders.iter().chain(&self.sources) {
            // By which everything would be let through that a key has signed.
            if matches(pattern, "") {
                return Err(Error::config(format!("the pattern `{pattern}` requires nothing"))
                    .hint("leave it out, or name what you trust"));
            }
        }
        Ok(VerifyProvenance::of(keys)?
            .threshold(threshold)
            .builders(self.builders)
            .sources(self.sources)
            .require_sbom(self.require_sbom)
            .stores(stores(&self.insecure_registry)?))
    }
}
