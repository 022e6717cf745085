use shipway_core::{Digest, Image, Store, Timestamp};
use shipway_oci::digest_of;

use super::*;

/// Hides what a pipeline's secrets are.
struct Hidden;

impl Words for Hidden {
    fn shown(&self, text: &str) -> String {
        text.replace("hunter2", "***")
    }
}

fn build() -> BuildRecord {
    let image = Image::new("web", Store::Registry, "registry.example/web", digest_of(b"image"));
    let inputs = [
        ("file web/main.rs", format!("0644 {}", "ab".repeat(32))),
        ("file web/link", "link ../hunter2".to_owned()),
        ("file web/gone", "missing".to_owned()),
        ("fact build argument VERSION", "1.2".to_owned()),
        ("fact build argument PASSWORD", "hunter2".to_owned()),
        ("image alpine:3.20", format!("sha256:{}", "cd".repeat(32))),
        ("image https://ci:hunter2@registry.example/base", format!("sha256:{}", "ce".repeat(32))),
        ("required image base", format!("sha256:{}", "ef".repeat(32))),
        ("secret npm-token", "0123456789abcdef".to_owned()),
        ("tag", "1.2.3".to_owned()),
    ];
    let inputs: BTreeMap<String, String> =
        inputs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let base = Image::new(
        "base",
        Store::Registry,
        "registry.example/own/base",
        Digest::parse(format!("sha256:{}", "ef".repeat(32))).unwrap(),
    );
    BuildRecord::new("run-1", "web", image.platforms(vec!["linux/amd64".parse().unwrap()]), "native 0.1.0")
        .inputs(inputs)
        .requires([("base".to_owned(), base)])
        .started(Timestamp(1_795_242_240_000))
        .ended(Timestamp(1_795_242_241_500))
}

fn statement(provenance: &Provenance, build: &BuildRecord) -> (Value, String) {
    let subjects = vec![Resource::of(&build.image.digest).name("registry.example/web")];
    let statement = provenance.statement(build, subjects, &Hidden).unwrap();
    let text = String::from_utf8(statement.to_json().to_vec()).unwrap();
    assert_eq!(
        text.as_bytes(),
        &*provenance.statement(build, statement.subjects, &Hidden).unwrap().to_json()
    );
    (serde_json::from_str(&text).unwrap(), text)
}

#[test]
fn provenance_has_what_slsa_asks_for() {
    let source = Source::new(
        "https://bot:hunter2@git.example/shop?token=hunter2",
        "3f786850e387550fdab836ed7e6dc881de23001b",
    );
    let provenance = Provenance::new().builder("https://ci.example/v1").source(source);
    let (said, _) = statement(&provenance, &build());
    assert_eq!(said["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(said["predicateType"], "https://slsa.dev/provenance/v1");
    assert_eq!(said["subject"][0]["digest"]["sha256"], digest_of(b"image").hex());
    let definition = &said["predicate"]["buildDefinition"];
    assert_eq!(definition["buildType"], BUILD_TYPE);
    assert_eq!(definition["externalParameters"]["artifact"], "web");
    assert_eq!(definition["externalParameters"]["platforms"], json!(["linux/amd64"]));
    let version = json!({ "sha256": digest_of(b"1.2").hex() });
    assert_eq!(definition["externalParameters"]["facts"]["build argument VERSION"], version);
    assert_eq!(definition["externalParameters"]["secrets"], json!(["npm-token"]));
    let dependencies = definition["resolvedDependencies"].as_array().unwrap();
    assert_eq!(
        dependencies[0],
        json!({
            "uri": "git+https://git.example/shop",
            "digest": { "gitCommit": "3f786850e387550fdab836ed7e6dc881de23001b" },
        })
    );
    let named = |name: &str| dependencies.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(named("web/main.rs")["digest"]["blake3"], "ab".repeat(32));
    assert_eq!(named("web/main.rs")["annotations"]["mode"], "0644");
    assert_eq!(named("alpine:3.20")["digest"]["sha256"], "cd".repeat(32));
    assert_eq!(named("base")["digest"]["sha256"], "ef".repeat(32));
    let details = &said["predicate"]["runDetails"];
    assert_eq!(details["builder"]["id"], "https://ci.example/v1");
    assert_eq!(details["builder"]["version"]["builder/native"], "0.1.0");
    assert_eq!(
        details["metadata"],
        json!({
            "invocationId": "run-1",
            "startedOn": "2026-11-21T06:24:00.000Z",
            "finishedOn": "2026-11-21T06:24:01.500Z",
        })
    );
    let claims = Claims::of(&said["predicate"]).unwrap();
    assert_eq!((claims.builder.as_str(), claims.sources.len()), ("https://ci.example/v1", 1));
}

#[test]
fn nothing_secret_is_said() {
    let (said, text) = statement(&Provenance::new(), &build());
    for secret in ["hunter2", digest_of(b"hunter2").hex(), "0123456789abcdef", "ci:"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let password =
        &said["predicate"]["buildDefinition"]["externalParameters"]["facts"]["build argument PASSWORD"];
    assert_eq!(*password, json!({ "secret": true }));
    assert_eq!(said["predicate"]["runDetails"]["builder"]["id"], NOBODY);
}

#[test]
fn of_many_files_the_list_is_said_by_its_digest() {
    let file = |number: usize| (format!("file {number}"), format!("0644 {number:064}"));
    let many: BTreeMap<String, String> = (0..5000).map(file).collect();
    let (said, text) = statement(&Provenance::new(), &build().inputs(many.clone()));
    assert!(text.len() < 10_000, "{}", text.len());
    let dependencies = said["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    let files = dependencies.iter().find(|one| one["name"] == "files").unwrap();
    assert_eq!(files["annotations"]["count"], 5000);
    let mut other = many;
    other.insert("file 77".to_owned(), format!("0644 {:064}", 1));
    let (said, _) = statement(&Provenance::new(), &build().inputs(other));
    assert!(!said.to_string().contains(files["digest"]["sha256"].as_str().unwrap()));
}

#[test]
fn what_cannot_be_right_is_refused_before_a_build() {
    for builder in ["", "ci", "https://ci example/"] {
        assert!(Provenance::new().builder(builder).check().is_err(), "{builder}");
    }
    for commit in ["", "main", "3F786850E387550FDAB836ED7E6DC881DE23001B"] {
        assert!(Provenance::new().source(Source::new("https://git.example", commit)).check().is_err());
    }
}

#[test]
fn urls_lose_their_logins() {
    for (url, clean) in [
        ("https://a:b@h.example/x", "https://h.example/x"),
        ("https://a:b@c@h.example:8443/x@y?t=1#z", "https://h.example:8443/x@y"),
        ("https://token@h.example", "https://h.example"),
        ("h.example/x", "h.example/x"),
    ] {
        assert_eq!(without_login(url), clean);
    }
}
