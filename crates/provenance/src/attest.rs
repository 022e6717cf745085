//! The attester: provenance, and if it is wanted a bill of materials, beside each image.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{
    Attester, BuildRecord, Capabilities, Catalog, Context, Error, ErrorKind, Image, PluginConfig, Result,
    SecretId, Store, StoreKind,
};
use shipway_oci::{Client, Distribution, HostOptions, Reference, Stores, read_image};

use crate::{
    attached::{self, Said},
    images::{Parts, platform_of},
    sbom::{self, Base, Bom},
    signer::{Signer, signer_from_pem},
    slsa::{self, Provenance},
    statement::{Resource, Statement},
};

/// The most images that a build may be made upon, of which it is looked up whether it is.
const BASES: usize = 16;

/// Attaches to an image how it was built, as SLSA's provenance, and what is in it.
///
/// An index and each of its images get the same provenance, so that whoever knows one of the digests finds it; a bill
/// of materials is of one image. Without a signer it is there to be read and proves nothing.
///
/// ```
/// use std::sync::Arc;
/// use shipway_core::Secret;
/// use shipway_provenance::{Attest, Ed25519Signer, Provenance, Source};
///
/// # fn signing_key() -> Secret {
/// #     let key = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
/// #     use base64::Engine as _;
/// #     let text = base64::prelude::BASE64_STANDARD.encode(key.as_ref());
/// #     Secret::from(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"))
/// # }
/// let source = Source::new("https://git.example/shop", "3f786850e387550fdab836ed7e6dc881de23001b");
/// let attest = Attest::new(Provenance::new().builder("https://ci.example/shipway/v1").source(source))?
///     .signer(Arc::new(Ed25519Signer::from_pem(&signing_key())?))
///     .sbom(true);
/// # let _ = attest;
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attest {
    provenance: Provenance,
    signing: Signing,
    sbom: bool,
    stores: Stores,
}

#[derive(Clone, Debug)]
enum Signing {
    Nobody,
    Signer(Arc<dyn Signer>),
    /// A private key that the context's credentials have.
    Secret(SecretId),
}

impl Attest {
    /// Returns the attester that says this beside what the run knows, unsigned.
    ///
    /// # Errors
    /// `Config` when the builder's id is no URI, or the sources' commit none.
    pub fn new(provenance: Provenance) -> Result<Self> {
        provenance.check()?;
        Ok(Self { provenance, signing: Signing::Nobody, sbom: false, stores: Stores::new() })
    }

    /// Sets who signs.
    #[must_use]
    pub fn signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signing = Signing::Signer(signer);
        self
    }

    /// Sets the secret that holds the private key, as PEM (PKCS#8), by which it is signed.
    #[must_use]
    pub fn key(mut self, key: SecretId) -> Self {
        self.signing = Signing::Secret(key);
        self
    }

    /// Sets whether there is to be a bill of materials.
    #[must_use]
    pub fn sbom(mut self, sbom: bool) -> Self {
        self.sbom = sbom;
        self
    }

    /// Sets how registries are reached.
    #[must_use]
    pub fn stores(mut self, stores: Stores) -> Self {
        self.stores = stores;
        self
    }

    async fn signer_for(&self, cx: &Context) -> Result<Option<Arc<dyn Signer>>> {
        match &self.signing {
            Signing::Nobody => Ok(None),
            Signing::Signer(signer) => Ok(Some(Arc::clone(signer))),
            Signing::Secret(id) => {
                let signer = signer_from_pem(&cx.secret(id).await?);
                signer
                    .map(|signer| Some(Arc::from(signer)))
                    .map_err(|error| error.note(format!("it is the secret `{id}`")))
            }
        }
    }

    /// Returns the images that this one may be made upon, as far as they can be read: it need not be.
    async fn bases(&self, cx: &Context, build: &BuildRecord, parts: &Parts) -> Result<Vec<Base>> {
        let mut named = BTreeSet::new();
        for (key, digest) in &build.inputs {
            let reference =
                key.strip_prefix("image ").and_then(|reference| reference.parse::<Reference>().ok());
            if let (Some(reference), Ok(digest)) = (reference, digest.parse()) {
                named.insert((None, reference.repository(), digest));
            }
        }
        for Image { store, repository, digest, .. } in build.requires.values() {
            let layout = match store {
                Store::Layout(path) => Some(path.clone()),
                Store::Registry => None,
                _ => continue,
            };
            named.insert((layout, repository.clone(), digest.clone()));
        }
        let mut bases = Vec::new();
        for (layout, repository, digest) in named.into_iter().take(BASES) {
            let store = layout.map_or(Store::Registry, Store::Layout);
            let place = self.stores.open(cx, &store, &repository)?;
            for image in &parts.images {
                match read_image(place.as_ref(), &digest, platform_of(image)).await {
                    Ok(base) => {
                        bases.push(Base::new(repository.clone(), digest.clone(), base.config.diff_ids));
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout) => {
                        return Err(error);
                    }
                    // It may have been removed since, or be another's to read.
                    Err(_) => {}
                }
            }
        }
        Ok(bases)
    }

    async fn bills(&self, cx: &Context, build: &BuildRecord, place: &Place<'_>) -> Result<()> {
        let bases = self.bases(cx, build, place.parts).await?;
        let repository = place.image.repository.as_str();
        for image in &place.parts.images {
            let bom = Bom::read(cx, place.repository, (repository, &image.digest), None, &bases).await?;
            let subject = vec![Resource::of(&image.digest).name(cx.masked(repository))];
            let statement = Statement::new(subject, sbom::PREDICATE_TYPE, bom.into_value());
            place.attach(cx, image, &statement, false).await?;
        }
        Ok(())
    }
}

/// Where an image is, and who signs there.
struct Place<'a> {
    image: &'a Image,
    repository: &'a dyn Distribution,
    parts: &'a Parts,
    signer: Option<Arc<dyn Signer>>,
}

impl Place<'_> {
    async fn attach(
        &self,
        cx: &Context,
        subject: &shipway_oci::Descriptor,
        statement: &Statement,
        any: bool,
    ) -> Result<()> {
        let payload = statement.to_json();
        // What is longer nobody would read, we neither.
        if payload.len() as u64 * 3 / 2 > attached::LIMIT {
            return Err(Error::unsupported(format!("a statement of {} bytes is too long", payload.len())));
        }
        let said = Said { predicate_type: statement.predicate_type.clone(), payload, any };
        attached::attach(cx, self.repository, subject, &said, self.signer.as_deref()).await
    }
}

#[async_trait]
impl Attester for Attest {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .version(concat!("attest ", env!("CARGO_PKG_VERSION")))
            .reads(BTreeSet::from([StoreKind::Registry, StoreKind::Layout]))
    }

    async fn attest(&self, cx: &Context, build: &BuildRecord) -> Result<()> {
        let image = &build.image;
        let repository = self.stores.open(cx, &image.store, &image.repository)?;
        let parts = Parts::read(repository.as_ref(), &image.digest).await?;
        let signer = self.signer_for(cx).await?;
        let place = Place { image, repository: repository.as_ref(), parts: &parts, signer };
        let name = cx.masked(&image.repository);
        let subjects = parts.all().map(|part| Resource::of(&part.digest).name(&*name)).collect();
        let statement = self.provenance.statement(build, subjects, cx)?;
        for part in parts.all() {
            // What an earlier run built, it has told of.
            place.attach(cx, part, &statement, build.reused).await?;
        }
        if self.sbom { self.bills(cx, build, &place).await } else { Ok(()) }
    }
}

/// The options of the attester `attest`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct AttestConfig {
    /// The builder's id; see [`Provenance::builder`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// Where the sources come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<slsa::Source>,
    /// The secret with the private key; see [`Attest::key`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretId>,
    /// Whether there is to be a bill of materials.
    #[serde(default)]
    pub sbom: bool,
    /// Hosts of registries that are spoken to without TLS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub insecure_registry: Vec<String>,
}

impl PluginConfig for AttestConfig {
    const KIND: &'static str = "attest";
    type Plugin = Attest;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Attest> {
        let provenance = Provenance { builder: self.builder, source: self.source };
        let mut attest = Attest::new(provenance)?.sbom(self.sbom).stores(stores(&self.insecure_registry)?);
        if let Some(key) = self.key {
            attest = attest.key(key);
        }
        Ok(attest)
    }
}

/// Returns the stores, with these hosts of registries spoken to without TLS.
pub(crate) fn stores(insecure: &[String]) -> Result<Stores> {
    let mut client = Client::builder();
    for host in insecure {
        client = client.host(host, HostOptions::new().plain_http());
    }
    Ok(Stores::with_client(client.build()?))
}
