//! What is attached to images, and what is made of it: in registries and layouts.

#![expect(clippy::unwrap_used, reason = "what fails is the test")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use serde_json::json;
use shipway_core::{
    Attester as _, Case, CaseOutcome, Context, ErrorKind, HostDisk, Image, Secret, Store, Subject,
    TestReport, Tester as _,
};
use shipway_oci::{Descriptor, Distribution, Fault, ImageManifest, Label, Registry, Stores, media};
use shipway_provenance::{
    Attest, EcdsaP256Signer, Ed25519Signer, Envelope, Provenance, PublicKey, Resource, Signer, Source,
    Statement, VerifyProvenance, signer_from_pem,
};
use support::{Bench, build, ed25519, image, put, write};
use tempfile::TempDir;

const BUILDER: &str = "https://ci.example/shipway/v1";
const SLSA: &str = "https://slsa.dev/provenance/v1";

fn ecdsa() -> Secret {
    let random = SystemRandom::new();
    support::pem(EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap().as_ref())
}

/// Writes an index of images for several platforms.
async fn index(
    bench: &Bench,
    store: &Store,
    repository: &str,
    platforms: &[&str],
) -> (Image, Vec<Descriptor>) {
    let into = Stores::new().open(&bench.context(), store, repository).unwrap();
    let mut images = Vec::new();
    for platform in platforms {
        let layer = support::layer(&[("/name", platform.as_bytes())]);
        images.push(write(into.as_ref(), &platform.parse().unwrap(), &[layer]).await);
    }
    let bytes = shipway_oci::ImageIndex::new(images.clone()).to_json();
    let digest = into.write_manifest(media::INDEX, bytes, None).await.unwrap();
    (Image::new("web", store.clone(), repository, digest), images)
}

/// Returns the cases as lines: a name, and what is wrong.
fn lines(report: &TestReport) -> Vec<String> {
    let line = |case: &Case| match &case.outcome {
        CaseOutcome::Passed => format!("ok {}", case.name),
        CaseOutcome::Failed(why) => format!("FAIL {}: {why}", case.name),
        other => format!("{other:?} {}", case.name),
    };
    report.cases.iter().map(line).collect()
}

/// A registry, a layout, and a context.
struct Site {
    registry: Registry,
    folder: TempDir,
    bench: Bench,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
        let bench = Bench::new(folder.path());
        Self { registry, folder, bench }
    }

    /// Returns both kinds of stores, each with a repository.
    fn stores(&self) -> [(Store, String); 2] {
        let layout = Store::Layout(self.folder.path().join("layout"));
        [(Store::Registry, format!("{}/team/web", self.registry.host())), (layout, "web".to_owned())]
    }

    fn cx(&self) -> Context {
        self.bench.context()
    }

    fn open(&self, image: &Image) -> Box<dyn Distribution> {
        Stores::new().open(&self.cx(), &image.store, &image.repository).unwrap()
    }

    async fn listed(&self, image: &Image) -> Vec<Descriptor> {
        self.open(image).referrers(&image.digest, None).await.unwrap()
    }

    async fn judged(&self, tester: &VerifyProvenance, image: &Image) -> Vec<String> {
        lines(&tester.test(&self.cx(), &Subject::Image(image.clone())).await.unwrap())
    }
}

fn signed(signer: impl Signer) -> Attest {
    let source = Source::new("https://git.example/shop", "3f786850e387550fdab836ed7e6dc881de23001b");
    Attest::new(Provenance::new().builder(BUILDER).source(source)).unwrap().signer(Arc::new(signer))
}

fn tester(keys: impl IntoIterator<Item = PublicKey>) -> VerifyProvenance {
    VerifyProvenance::new(keys).unwrap().builders([BUILDER]).sources(["https://git.example/*"])
}

const ALL_GOOD: [&str; 3] = ["ok web: provenance", "ok web: builder", "ok web: source"];

#[tokio::test]
async fn what_was_signed_is_believed_by_either_algorithm_in_either_store() {
    let site = Site::new().await;
    for (store, repository) in site.stores() {
        let signers: [Box<dyn Signer>; 2] = [
            Box::new(Ed25519Signer::from_pem(&ed25519()).unwrap()),
            Box::new(EcdsaP256Signer::from_pem(&ecdsa()).unwrap()),
        ];
        for (number, signer) in signers.into_iter().enumerate() {
            let image = image(&site.bench, &store, &repository, &[("/n", &[number as u8])]).await;
            let tester = tester([signer.public_key().clone()]);
            let source = Source::new("https://git.example/shop", "3f786850e387550fdab836ed7e6dc881de23001b");
            let attest = Attest::new(Provenance::new().builder(BUILDER).source(source)).unwrap();
            let attest = attest.signer(Arc::from(signer));
            let before = site.judged(&tester, &image).await;
            assert_eq!(before[0], "FAIL web: provenance: there is none");
            assert_eq!(before.len(), 3);
            // Twice, as a run does that is resumed: it is there once.
            for _ in 0..2 {
                attest.attest(&site.cx(), &build(&image)).await.unwrap();
            }
            assert_eq!(site.listed(&image).await.len(), 1);
            assert_eq!(site.judged(&tester, &image).await, ALL_GOOD);
        }
    }
}

#[tokio::test]
async fn what_an_earlier_run_built_is_told_of_once_and_another_build_again() {
    let site = Site::new().await;
    let (store, repository) = site.stores()[0].clone();
    let image = image(&site.bench, &store, &repository, &[("/n", b"")]).await;
    let attest = signed(Ed25519Signer::from_pem(&ed25519()).unwrap());
    let again = |run: &str, reused| {
        let mut record = build(&image).reused(reused);
        record.run = run.to_owned();
        record
    };
    for (record, count) in
        [(again("1", false), 1), (again("2", true), 1), (again("3", false), 2), (again("4", true), 2)]
    {
        attest.attest(&site.cx(), &record).await.unwrap();
        assert_eq!(site.listed(&image).await.len(), count, "{}", record.run);
    }
    // What somebody else says does not keep us from it.
    let other = signed(Ed25519Signer::from_pem(&ed25519()).unwrap());
    other.attest(&site.cx(), &again("5", true)).await.unwrap();
    assert_eq!(site.listed(&image).await.len(), 3);
    Attest::new(Provenance::new()).unwrap().attest(&site.cx(), &again("6", true)).await.unwrap();
    assert_eq!(site.listed(&image).await.len(), 4);
}

#[tokio::test]
async fn an_index_and_each_of_its_images_are_told_of() {
    let site = Site::new().await;
    for (store, repository) in site.stores() {
        let (image, parts) = index(&site.bench, &store, &repository, &["linux/amd64", "linux/arm64"]).await;
        let signer = Ed25519Signer::from_pem(&ed25519()).unwrap();
        let tester = tester([signer.public_key().clone()]).require_sbom(true);
        let attest = signed(signer);
        attest.attest(&site.cx(), &build(&image)).await.unwrap();
        assert_eq!(
            site.judged(&tester, &image).await[3..],
            [
                "FAIL web linux/amd64: bill of materials: there is none",
                "FAIL web linux/arm64: bill of materials: there is none",
            ]
        );
        attest.sbom(true).attest(&site.cx(), &build(&image)).await.unwrap();
        assert_eq!(
            site.judged(&tester, &image).await[3..],
            ["ok web linux/amd64: bill of materials", "ok web linux/arm64: bill of materials",]
        );
        // Whoever deploys one of them knows only its digest.
        let one = Image::new("web", store, repository, parts[1].digest.clone());
        assert_eq!(site.judged(&tester, &one).await[..3], ALL_GOOD);
        assert_eq!(site.judged(&tester, &one).await[3], "ok web: bill of materials");
    }
}

/// Attaches whatever a test wants.
async fn attach(place: &dyn Distribution, subject: &Image, kind: &str, layer_kind: &str, layer: Bytes) {
    let layer = put(place, layer_kind, layer.to_vec()).await;
    let config = put(place, media::EMPTY, b"{}".to_vec()).await;
    let mut manifest = ImageManifest::new(config, vec![layer]);
    manifest.artifact_type = Some(kind.to_owned());
    manifest.subject = Some(Box::new(Descriptor::new(media::MANIFEST, subject.digest.clone(), 1)));
    place.write_referrer(&manifest).await.unwrap();
}

const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

fn said(about: &Image, builder: &str) -> Statement {
    let predicate = json!({
        "buildDefinition": { "resolvedDependencies": [{ "uri": "git+https://git.example/shop" }] },
        "runDetails": { "builder": { "id": builder } },
    });
    Statement::new(vec![Resource::of(&about.digest)], SLSA, predicate)
}

async fn sealed(cx: &Context, kind: &str, statement: &Statement, signer: &dyn Signer) -> Envelope {
    Envelope::sign(cx, kind, statement.to_json(), signer).await.unwrap()
}

/// Each of these is attached to the image, and none is believed.
#[tokio::test]
async fn forgeries_are_failed_cases_that_say_why() {
    let site = Site::new().await;
    let (store, repository) = site.stores()[0].clone();
    let cx = site.cx();
    let ours = Ed25519Signer::from_pem(&ed25519()).unwrap();
    let theirs = Ed25519Signer::from_pem(&ed25519()).unwrap();
    let tester = tester([ours.public_key().clone()]);
    let other = image(&site.bench, &store, &repository, &[("/other", b"")]).await;
    let in_toto = "application/vnd.in-toto+json";

    let mut number = 0_u8;
    let mut fresh = async || {
        number += 1;
        image(&site.bench, &store, &repository, &[("/n", &[number])]).await
    };
    let mut verdicts = Vec::new();
    let judge = async |image: &Image, kind: &str, layer_kind: &str, bytes: Bytes| {
        attach(site.open(image).as_ref(), image, kind, layer_kind, bytes).await;
        site.judged(&tester, image).await[0].clone()
    };

    let image = fresh().await;
    let unsigned = said(&image, BUILDER).to_json();
    verdicts.push(("is not signed", judge(&image, in_toto, in_toto, unsigned).await));

    let image = fresh().await;
    let wrong_key = sealed(&cx, in_toto, &said(&image, BUILDER), &theirs).await;
    verdicts.push(("none of the keys", judge(&image, ENVELOPE, ENVELOPE, wrong_key.to_json()).await));

    let image = fresh().await;
    let replayed = sealed(&cx, in_toto, &said(&other, BUILDER), &ours).await;
    verdicts.push(("about another image", judge(&image, ENVELOPE, ENVELOPE, replayed.to_json()).await));

    let image = fresh().await;
    let mut changed = sealed(&cx, in_toto, &said(&other, BUILDER), &ours).await;
    changed.payload = said(&image, BUILDER).to_json();
    verdicts.push(("none of the keys", judge(&image, ENVELOPE, ENVELOPE, changed.to_json()).await));

    let image = fresh().await;
    let other_type = sealed(&cx, "text/plain", &said(&image, BUILDER), &ours).await;
    verdicts.push((
        "something else than a statement",
        judge(&image, ENVELOPE, ENVELOPE, other_type.to_json()).await,
    ));

    let image = fresh().await;
    let mut vex = said(&image, BUILDER);
    vex.predicate_type = "https://openvex.dev/ns".to_owned();
    let vex = sealed(&cx, in_toto, &vex, &ours).await;
    verdicts.push(("it says something else", judge(&image, ENVELOPE, ENVELOPE, vex.to_json()).await));

    for (kind, content) in [
        (ENVELOPE, &b"{"[..]),
        (ENVELOPE, br#"{"payload":"","payloadType":"","signatures":[]}"#),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", b"{}"),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", br#"{"mediaType":"x","dsseEnvelope":null}"#),
        ("text/plain", b"trust me"),
    ] {
        let image = fresh().await;
        let verdict = judge(&image, ENVELOPE, kind, Bytes::from_static(content)).await;
        verdicts.push(("cannot be read", verdict));
    }
    for (why, verdict) in verdicts {
        assert!(verdict.starts_with("FAIL web: provenance: ") && verdict.contains(why), "{why}: {verdict}");
    }
}

#[tokio::test]
async fn the_wrong_builder_and_source_are_failed_cases_and_good_words_are_not_put_together() {
    let site = Site::new().await;
    let (store, repository) = site.stores()[1].clone();
    let key = ed25519();
    let gate = tester([Ed25519Signer::from_pem(&key).unwrap().public_key().clone()]);
    let image = image(&site.bench, &store, &repository, &[("/n", b"")]).await;
    let by = async |builder: &str, url: &str, run: &str| {
        let source = Source::new(url, "3f786850e387550fdab836ed7e6dc881de23001b");
        let attest = Attest::new(Provenance::new().builder(builder).source(source)).unwrap();
        let mut record = build(&image);
        record.run = run.to_owned();
        attest.signer(Arc::from(signer_from_pem(&key).unwrap())).attest(&site.cx(), &record).await.unwrap();
        site.judged(&gate, &image).await
    };
    let wrong = by("https://laptop.example/v1", "https://git.example/shop", "1").await;
    assert_eq!(
        wrong[1],
        "FAIL web: builder: it was built by `https://laptop.example/v1`, which is not trusted"
    );
    assert_eq!(wrong[2], "ok web: source");
    let both = by(BUILDER, "https://git.example.evil/shop", "2").await;
    assert_eq!(both.iter().filter(|line| line.starts_with("FAIL")).count(), 1, "{both:?}");
    assert_eq!(by(BUILDER, "https://git.example/shop", "3").await, ALL_GOOD);
}

#[tokio::test]
async fn a_threshold_needs_different_keys_for_one_statement() {
    let site = Site::new().await;
    let (store, repository) = site.stores()[0].clone();
    let (one, two) = (ed25519(), ecdsa());
    let signer = |key| signer_from_pem(key).unwrap();
    let keys = [signer(&one).public_key().clone(), signer(&two).public_key().clone()];
    let gate = VerifyProvenance::new(keys).unwrap().threshold(2);
    let image = image(&site.bench, &store, &repository, &[("/n", b"")]).await;
    let by = async |key, run: &str| {
        let mut record = build(&image);
        record.run = run.to_owned();
        let attest = Attest::new(Provenance::new()).unwrap().signer(Arc::from(signer(key)));
        attest.attest(&site.cx(), &record).await.unwrap();
        site.judged(&gate, &image).await[0].clone()
    };
    assert!(by(&one, "1").await.contains("signed by 1 of the keys"));
    assert!(by(&two, "2").await.contains("signed by 1 of the keys"), "of two statements, one signed each");
    assert_eq!(by(&two, "1").await, "ok web: provenance");
}

#[tokio::test]
async fn a_registry_that_is_down_is_an_error_and_so_is_an_image_that_is_gone() {
    let site = Site::new().await;
    let (store, repository) = site.stores()[0].clone();
    let gate = tester([Ed25519Signer::from_pem(&ed25519()).unwrap().public_key().clone()]);
    let image = image(&site.bench, &store, &repository, &[("/n", b"")]).await;
    let gone = Image::new("web", store, repository, shipway_oci::digest_of(b"gone"));
    let error = gate.test(&site.cx(), &Subject::Image(gone)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let cx = site.cx().within(Some(std::time::Duration::from_secs(2)));
    site.registry.shutdown().await;
    let error = gate.test(&cx, &Subject::Image(image)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error:?}");
}

#[tokio::test]
async fn what_is_attached_can_be_read_without_us() {
    let site = Site::new().await;
    let (store, repository) = site.stores()[0].clone();
    let image = image(&site.bench, &store, &repository, &[("/n", b"")]).await;
    let signer = Ed25519Signer::from_pem(&ed25519()).unwrap();
    let key = signer.public_key().clone();
    signed(signer).attest(&site.cx(), &build(&image)).await.unwrap();
    Attest::new(Provenance::new()).unwrap().attest(&site.cx(), &build(&image)).await.unwrap();
    let place = site.open(&image);
    let kinds = ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.in-toto+json"];
    let mut contents = Vec::new();
    for kind in kinds {
        let listed = place.referrers(&image.digest, Some(kind)).await.unwrap();
        assert_eq!(listed.len(), 1, "{kind}");
        let raw = place.manifest(&Label::Digest(listed[0].digest.clone())).await.unwrap().unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&raw.bytes).unwrap();
        assert_eq!(manifest["subject"]["digest"], image.digest.as_str());
        assert_eq!(manifest["config"]["mediaType"], media::EMPTY);
        assert_eq!(manifest["layers"][0]["mediaType"], kind);
        let layer = manifest["layers"][0].clone();
        let (digest, size) = (layer["digest"].as_str().unwrap(), layer["size"].as_u64().unwrap());
        let layer = Descriptor::new(kind, digest.parse().unwrap(), size);
        let mut bytes = Vec::new();
        use tokio::io::AsyncReadExt as _;
        place.read_blob(&layer).await.unwrap().read_to_end(&mut bytes).await.unwrap();
        contents.push(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap());
    }
    let bundle = &contents[0];
    assert_eq!(bundle["mediaType"], kinds[0]);
    assert!(bundle["verificationMaterial"]["publicKey"]["hint"].is_string());
    let envelope = Envelope::from_json(bundle["dsseEnvelope"].to_string().as_bytes()).unwrap();
    assert_eq!(envelope.signed_by(&[key]).len(), 1);
    assert_eq!(contents[1]["_type"], "https://in-toto.io/Statement/v1");
}

/// A builder's other platforms, and one image alone.
#[tokio::test]
async fn attestations_that_buildkit_leaves_in_an_index_are_no_images() {
    let site = Site::new().await;
    let (store, repository) = site.stores()[1].clone();
    let into = Stores::new().open(&site.cx(), &store, &repository).unwrap();
    let platform = "linux/amd64".parse().unwrap();
    let image = write(into.as_ref(), &platform, &[support::layer(&[("/n", b"")])]).await;
    let mut said =
        write(into.as_ref(), &"linux/arm64".parse().unwrap(), &[support::layer(&[("/m", b"")])]).await;
    said.platform = Some("unknown/unknown".parse().unwrap());
    let bytes = shipway_oci::ImageIndex::new(vec![image, said.clone()]).to_json();
    let digest = into.write_manifest(media::INDEX, bytes, None).await.unwrap();
    let index = Image::new("web", store.clone(), repository.clone(), digest);
    let attest = signed(Ed25519Signer::from_pem(&ed25519()).unwrap()).sbom(true);
    attest.attest(&site.cx(), &build(&index)).await.unwrap();
    assert_eq!(site.listed(&Image::new("web", store, repository, said.digest)).await, []);
}

/// Whatever a registry does, nothing is believed, and nothing but its being away is an error.
#[tokio::test]
async fn a_registry_that_lies_is_a_failed_case() {
    let site = Site::new().await;
    let key = ed25519();
    let signer = || Ed25519Signer::from_pem(&key).unwrap();
    let gate = VerifyProvenance::new([signer().public_key().clone()]).unwrap();
    for (part, why) in [("/referrers/", "cannot be listed"), ("/blobs/", "cannot be read"), ("/late", "")] {
        let lies = Arc::new(AtomicBool::new(false));
        let now = Arc::clone(&lies);
        let registry = Registry::builder(site.folder.path().join(&part[1..5]), Arc::new(HostDisk))
            .faults(move |request| {
                let spoiled = request.method == "GET" && request.path.contains(part);
                (spoiled && now.load(Ordering::SeqCst)).then_some(Fault::Corrupt)
            })
            .start()
            .await
            .unwrap();
        let image =
            image(&site.bench, &Store::Registry, &format!("{}/web", registry.host()), &[("/n", b"")]).await;
        signed(signer()).attest(&site.cx(), &build(&image)).await.unwrap();
        assert_eq!(site.judged(&gate, &image).await, ["ok web: provenance"]);
        lies.store(true, Ordering::SeqCst);
        let judged = site.judged(&gate, &image).await;
        match why {
            "" => assert_eq!(judged, ["ok web: provenance"]),
            why => assert!(judged[0].starts_with("FAIL") && judged[0].contains(why), "{judged:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_a_failed_case() {
    let site = Site::new().await;
    let (store, repository) = site.stores()[1].clone();
    let gate = VerifyProvenance::new([Ed25519Signer::from_pem(&ed25519()).unwrap().public_key().clone()]);
    let gate = gate.unwrap();
    let large = image(&site.bench, &store, &repository, &[("/n", b"large")]).await;
    let bytes = Bytes::from(vec![b' '; (32 << 20) + 1]);
    attach(site.open(&large).as_ref(), &large, ENVELOPE, ENVELOPE, bytes).await;
    assert!(site.judged(&gate, &large).await[0].contains("bytes, more than"));
    let many = image(&site.bench, &store, &repository, &[("/n", b"many")]).await;
    for number in 0..201 {
        let bytes = Bytes::from(number.to_string());
        attach(site.open(&many).as_ref(), &many, ENVELOPE, ENVELOPE, bytes).await;
    }
    assert!(site.judged(&gate, &many).await[0].contains("too much is attached"));
}
