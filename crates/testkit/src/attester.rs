//! Clauses A1 to A3: what an attester promises.

use std::{collections::BTreeMap, fmt, sync::Arc};

use shipway_core::{
    Attester, BuildRecord, Capabilities, FixedCredentials, Image, Platform, SecretId, Store, StoreKind, Tag,
    Timestamp,
};
use shipway_oci::{AnyManifest, Distribution, Label, Registry, Stores};

use crate::{
    clause::{Clause, Trouble, broken, ensure, unchecked},
    image::write_image,
    room::Room,
    suite::{Bench, Role, Suite},
};

/// A value that a build argument had, and that is a secret of the world.
const SECRET: &str = "a-value-that-nobody-guesses";

/// Returns the checks for the attester that the factory makes; a new one for every check.
///
/// It gets the record of a build whose image is in a layout, or in a registry where it reads no layouts, and what it attaches is
/// looked for among the image's referrers (OCI distribution-spec 1.1).
///
/// ```no_run
/// # use shipway_core::{Attester, BuildRecord, Capabilities, Context, Result};
/// # #[derive(Debug)]
/// # struct Notary;
/// # #[async_trait::async_trait]
/// # impl Attester for Notary {
/// #     fn capabilities(&self) -> Capabilities {
/// #         Capabilities::new()
/// #     }
/// #     async fn attest(&self, _cx: &Context, _build: &BuildRecord) -> Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// fn main() -> std::process::ExitCode {
///     shipway_testkit::attester(|| Notary).main()
/// }
/// ```
pub fn attester<A: Attester>(factory: impl Fn() -> A + Send + Sync + 'static) -> Suite<Attesters> {
    Suite::new(Attesters { factory: Arc::new(move || Arc::new(factory())) })
}

/// The role of attesters.
#[derive(Clone)]
pub struct Attesters {
    factory: Arc<dyn Fn() -> Arc<dyn Attester> + Send + Sync>,
}

impl fmt::Debug for Attesters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attesters")
    }
}

const CLAUSES: &[Clause<Attesters>] = &[
    Clause::always("A1", "attested twice is attested once", |bench| Box::pin(once(bench))),
    Clause::always("A2", "it attaches to the image that it is told of, and changes no image", |bench| {
        Box::pin(to_its_image(bench))
    }),
    Clause::always("A3", "no secret is in what it attaches", |bench| Box::pin(no_secret(bench))),
];

impl Role for Attesters {
    fn clauses() -> &'static [Clause<Self>] {
        CLAUSES
    }

    fn capabilities(&self) -> Capabilities {
        (self.factory)().capabilities()
    }
}

/// A room with two images in one repository, of which one was built.
struct Site {
    room: Room,
    place: Box<dyn Distribution>,
    record: BuildRecord,
    other: Image,
    _registry: Option<Registry>,
}

impl Site {
    async fn new(bench: &Bench<Attesters>) -> Result<Self, Trouble> {
        let secrets = || FixedCredentials::new().secret("token", SECRET);
        let room = bench.room_with(|world| world.images(Stores::new()).credentials(secrets()))?;
        let reads = (bench.role.factory)().capabilities().reads;
        let (store, host, registry) = if reads.is_empty() || reads.contains(&StoreKind::Layout) {
            (Store::Layout(room.store.join("images")), String::new(), None)
        } else if reads.contains(&StoreKind::Registry) {
            let registry = Registry::start(room.store.join("registry"), Arc::clone(&room.world.disk)).await?;
            (Store::Registry, format!("{}/", registry.host()), Some(registry))
        } else {
            return unchecked("it reads from no store that the kit has");
        };
        let repository = format!("{host}conformance/app");
        let place = Stores::new().open(&room.context(), &store, &repository)?;
        let image = async |name: &str| {
            let tag = Tag::parse(name)?;
            let files = [("name".to_owned(), name.as_bytes().to_vec())];
            let digest = write_image(place.as_ref(), &files, &[], &[Platform::linux_here()], &tag).await?;
            let image = Image::new("app", store.clone(), repository.as_str(), digest);
            Ok::<_, Trouble>(image.tag(tag).platforms(vec![Platform::linux_here()]))
        };
        let (built, other) = (image("built").await?, image("other").await?);
        let inputs = [("file main.txt", "9".repeat(64)), ("fact build argument TOKEN", SECRET.to_owned())];
        let record = BuildRecord::new("run-1", "app", built, "kit 1")
            .inputs(BTreeMap::from(inputs.map(|(name, value)| (name.to_owned(), value))))
            .started(Timestamp(1_795_229_036_120))
            .ended(Timestamp(1_795_229_036_320));
        Ok(Self { room, place, record, other, _registry: registry })
    }

    /// Attests as core does, with a context of its own in which the secret is known.
    async fn attest(&self, attester: &dyn Attester) -> Result<(), Trouble> {
        let cx = self.room.context();
        cx.secret(&SecretId::parse("token")?).await?;
        Ok(attester.attest(&cx, &self.record).await?)
    }

    /// Returns all that is attached to an image, each manifest with what it points to.
    async fn attached(&self, image: &Image) -> Result<Vec<Vec<u8>>, Trouble> {
        let mut all = Vec::new();
        for descriptor in self.place.referrers(&image.digest, None).await? {
            let label = Label::Digest(descriptor.digest.clone());
            let Some(raw) = self.place.manifest(&label).await? else {
                return broken(format!("what is listed, {}, is not there", descriptor.digest));
            };
            let mut bytes = raw.bytes.to_vec();
            if let AnyManifest::Image(manifest) = AnyManifest::parse(&raw)? {
                for blob in manifest.layers.iter().chain([&manifest.config]) {
                    let mut content = self.place.read_blob(blob).await?;
                    tokio::io::AsyncReadExt::read_to_end(&mut content, &mut bytes)
                        .await
                        .map_err(|error| Trouble::Broken(format!("{}: {error}", blob.digest)))?;
                }
            }
            all.push(bytes);
        }
        all.sort();
        Ok(all)
    }
}

async fn once(bench: Bench<Attesters>) -> Result<(), Trouble> {
    let site = Site::new(&bench).await?;
    let (one, another) = ((bench.role.factory)(), (bench.role.factory)());
    site.attest(one.as_ref()).await?;
    let first = site.attached(&site.record.image).await?;
    for again in [one, another] {
        site.attest(again.as_ref()).await?;
        let now = site.attached(&site.record.image).await?;
        ensure(now == first, || {
            format!("{} were attached, and then there were {}, or others", first.len(), now.len())
        })?;
    }
    Ok(())
}

async fn to_its_image(bench: Bench<Attesters>) -> Result<(), Trouble> {
    let site = Site::new(&bench).await?;
    let manifests = async || {
        let mut manifests = Vec::new();
        for tag in ["built", "other"] {
            manifests.push(site.place.manifest(&Label::Tag(Tag::parse(tag)?)).await?.map(|raw| raw.bytes));
        }
        Ok::<_, Trouble>(manifests)
    };
    let before = manifests().await?;
    site.attest((bench.role.factory)().as_ref()).await?;
    ensure(manifests().await? == before, || "a tag of an image names something else now".to_owned())?;
    let attached = site.attached(&site.record.image).await?.len();
    ensure(attached > 0, || "nothing refers to the image".to_owned())?;
    let elsewhere = site.attached(&site.other).await?.len();
    ensure(elsewhere == 0, || format!("{elsewhere} refer to an image that it was not told of"))
}

async fn no_secret(bench: Bench<Attesters>) -> Result<(), Trouble> {
    let site = Site::new(&bench).await?;
    site.attest((bench.role.factory)().as_ref()).await?;
    for bytes in site.attached(&site.record.image).await? {
        let text = String::from_utf8_lossy(&bytes);
        ensure(!text.contains(SECRET), || "a secret stands in what is attached as it is".to_owned())?;
    }
    let told = format!("{:?}", site.room.record.events());
    ensure(!told.contains(SECRET), || "a secret stands in an event".to_owned())
}
