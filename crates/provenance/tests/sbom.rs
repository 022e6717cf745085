//! Bills of materials of images made by hand, against the published schema where it is at hand, and as what an attester
//! says.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what fails is the test, and it looks for a schema"
)]

mod support;

use std::{collections::BTreeMap, io::Write as _, sync::Arc};

use serde_json::Value;
use shipway_core::{Attester as _, Context, Platform, Store};
use shipway_oci::{Distribution, Stores, digest_of};
use shipway_provenance::{Attest, Base, Bom, Ed25519Signer, Provenance};
use support::{Bench, build, ed25519, image, layer, write};

const OS: &[u8] = b"ID=debian\nVERSION_ID=\"12\"\n";
const STATUS: &[u8] = b"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n";

struct Site {
    _folder: tempfile::TempDir,
    store: Store,
    bench: Bench,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, bench) = (Store::Layout(folder.path().join("images")), Bench::new(folder.path()));
        Self { _folder: folder, store, bench }
    }

    fn cx(&self) -> Context {
        self.bench.context()
    }

    fn place(&self) -> Box<dyn Distribution> {
        Stores::new().open(&self.cx(), &self.store, "web").unwrap()
    }

    async fn bom(&self, layers: &[Vec<u8>], bases: &[Base]) -> Value {
        let place = self.place();
        let image = write(place.as_ref(), &Platform::linux_here(), layers).await;
        let repository = "registry.example/team/web";
        let read =
            async || Bom::read(&self.cx(), place.as_ref(), (repository, &image.digest), None, bases).await;
        let bom = read().await.unwrap();
        assert_eq!(bom.to_json(), read().await.unwrap().to_json(), "the same for the same image");
        let bom = bom.into_value();
        valid(&bom);
        bom
    }
}

/// Checks a document against the published schema, and says so where that is not at hand.
fn valid(bom: &Value) {
    let Some(folder) = std::env::var_os("SHIPWAY_CYCLONEDX_SCHEMA") else { return skip() };
    let schema = |name: &str| -> Value {
        let text = std::fs::read(std::path::Path::new(&folder).join(name)).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let uri = |name: &str| format!("http://cyclonedx.org/schema/{name}.schema.json");
    let registry = jsonschema::Registry::new();
    let registry = registry.add(uri("spdx"), schema("spdx.schema.json")).unwrap();
    let registry = registry.add(uri("jsf-0.82"), schema("jsf-0.82.schemax.json")).unwrap().prepare().unwrap();
    let validator =
        jsonschema::options().with_registry(&registry).build(&schema("bom-1.6.schema.json")).unwrap();
    let problems: Vec<String> =
        validator.iter_errors(bom).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(problems, [""; 0]);
}

fn skip() {
    let line = "skipped: provenance::sbom needs SHIPWAY_CYCLONEDX_SCHEMA\n";
    if let Some(path) = std::env::var_os("SHIPWAY_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// Returns what is found, by kind: the URLs of packages, else names.
fn found(bom: &Value) -> BTreeMap<&str, Vec<&str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for component in bom["components"].as_array().unwrap() {
        let name = component.get("purl").unwrap_or(&component["name"]).as_str().unwrap();
        found.entry(component["type"].as_str().unwrap()).or_default().push(name);
    }
    found
}

#[tokio::test]
async fn packages_of_all_kinds_are_found_and_files_above_the_base_are_hashed() {
    let site = Site::new();
    let base = layer(&[
        ("/etc/os-release", OS),
        ("/var/lib/dpkg/status", STATUS),
        ("/var/lib/dpkg/status.d/tzdata", b"Package: tzdata\nVersion: 2024a\n"),
        ("/var/lib/dpkg/status.d/tzdata.md5sums", b"Package: no\nVersion: 1\n"),
        ("/usr/bin/tool", b"\x7fELF"),
    ]);
    let app = layer(&[
        ("/app/node_modules/left-pad/package.json", br#"{"name":"left-pad","version":"1.3.0"}"#),
        ("/app/node_modules/left-pad/lib/package.json", br#"{"name":"lib","version":"9"}"#),
        ("/usr/lib/python3/site-packages/six-1.16.dist-info/METADATA", b"Name: six\nVersion: 1.16\n\nwords"),
        ("/app/main.txt", b"hello"),
    ]);
    let before = Base::new("registry.example/debian", digest_of(b"an index"), vec![digest_of(&base)]);
    let other = Base::new("registry.example/other", digest_of(b"other"), vec![digest_of(b"other")]);
    let bom = site.bom(&[base, app], &[other, before]).await;
    let found = found(&bom);
    assert_eq!(
        found["library"],
        [
            "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12",
            "pkg:deb/debian/tzdata@2024a?distro=debian-12",
            "pkg:npm/left-pad@1.3.0",
            "pkg:pypi/six@1.16",
        ]
    );
    assert_eq!(found["operating-system"], ["debian"]);
    let digest = digest_of(b"an index");
    let base = format!("pkg:oci/debian@sha256%3A{}?repository_url=registry.example%2Fdebian", digest.hex());
    assert_eq!(found["container"], [base]);
    assert_eq!(found["file"].len(), 4, "{:?}", found["file"]);
    let text =
        bom["components"].as_array().unwrap().iter().find(|one| one["name"] == "/app/main.txt").unwrap();
    assert_eq!(text["hashes"][0]["content"], digest_of(b"hello").hex());
    assert_eq!(bom["compositions"][0]["aggregate"], "unknown");
    assert_eq!(bom["metadata"]["properties"], serde_json::json!([]));
}

#[tokio::test]
async fn what_is_not_read_is_named_and_nothing_is_complete() {
    let site = Site::new();
    let bom = site
        .bom(&[layer(&[("/var/lib/rpm/rpmdb.sqlite", b"SQLite"), ("/app/a.jar", b"no archive")])], &[])
        .await;
    let unread: Vec<_> = bom["metadata"]["properties"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["value"].as_str().unwrap())
        .collect();
    assert_eq!(unread, ["`/app/a.jar`, or a part of it", "rpm's database `/var/lib/rpm/rpmdb.sqlite`"]);
    assert_eq!(bom["compositions"][0]["aggregate"], "incomplete");
    // Without a base all of the files are the image's own.
    assert_eq!(found(&bom)["file"].len(), 2);
}

#[tokio::test]
async fn many_files_are_bounded_and_hidden_ones_are_not_there() {
    let site = Site::new();
    let names: Vec<String> = (0..11_000).map(|number| format!("/f/{number:05}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let gone = layer(&[("/f/.wh.00000", b""), ("/x\u{1b}[31m", b"1")]);
    let bom = site.bom(&[layer(&many), gone], &[]).await;
    let files = &found(&bom)["file"];
    assert_eq!(files.len(), 10_000);
    assert!(!files.contains(&"/f/00000"));
    assert_eq!(bom["metadata"]["properties"][0]["value"], "files beyond 10000");
}

#[tokio::test]
async fn an_attester_finds_the_base_that_a_build_was_made_upon() {
    let site = Site::new();
    let place = site.place();
    let base = layer(&[("/etc/os-release", OS)]);
    let below = image(&site.bench, &site.store, "web", &[("/etc/os-release", OS)]).await;
    let whole = write(place.as_ref(), &Platform::linux_here(), &[base, layer(&[("/app", b"1")])]).await;
    let mut record = build(&below);
    record.image.digest = whole.digest.clone();
    let record = record.requires([("base".to_owned(), below.clone())]);
    let signer = Ed25519Signer::from_pem(&ed25519()).unwrap();
    let attest = Attest::new(Provenance::new()).unwrap().signer(Arc::new(signer)).sbom(true);
    attest.attest(&site.cx(), &record).await.unwrap();
    let listed = place.referrers(&whole.digest, None).await.unwrap();
    let kinds: Vec<_> =
        listed.iter().map(|one| one.annotations["dev.sigstore.bundle.predicateType"].as_str()).collect();
    assert_eq!(kinds, ["https://slsa.dev/provenance/v1", "https://cyclonedx.org/bom"]);
    // The same again is nothing new.
    attest.attest(&site.cx(), &record).await.unwrap();
    assert_eq!(place.referrers(&whole.digest, None).await.unwrap().len(), 2);
    let bom = statement(place.as_ref(), &listed[1].digest).await;
    assert_eq!(found(&bom["predicate"])["file"], ["/app"]);
    assert_eq!(bom["subject"][0]["digest"]["sha256"], whole.digest.hex());
    valid(&bom["predicate"]);
}

/// Returns the statement in a bundle, as somebody reads it who does not know us.
async fn statement(place: &dyn Distribution, digest: &shipway_core::Digest) -> Value {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use tokio::io::AsyncReadExt as _;
    let raw = place.manifest(&shipway_oci::Label::Digest(digest.clone())).await.unwrap().unwrap();
    let shipway_oci::AnyManifest::Image(manifest) = shipway_oci::AnyManifest::parse(&raw).unwrap() else {
        panic!("an index");
    };
    let mut bytes = Vec::new();
    place.read_blob(&manifest.layers[0]).await.unwrap().read_to_end(&mut bytes).await.unwrap();
    let bundle: Value = serde_json::from_slice(&bytes).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    serde_json::from_slice(&BASE64_STANDARD.decode(payload).unwrap()).unwrap()
}
