//! What is attached to images, in registries that everybody runs and read by the programs that everybody has:
//! docker-registry, which keeps no lists of referrers, crane and cosign.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests of real parts: what fails is the test, and they read what the bed says"
)]

mod pipeline;
#[path = "../support/skip.rs"]
mod skip;

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use serde_json::Value;
use shipway::{
    Attester as _, BuildRecord, Cancel, Context, HostDisk, Image, Platform, RunContext, Secret, Store,
    Subject, Tester as _, World,
    oci::{Client, Distribution as _, ImageConfig, Registry, Stores, write_image},
    provenance::{Attest, Provenance, PublicKey, VerifyProvenance, signer_from_pem},
};

use crate::skip::skip;

/// The key of RFC 8410, section 10.3, and one that was made for this test.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";
const P256: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgowBPFAqtqTEq2Txk\n\
    XkcxnkM3cwwK6V3/oG0sIFi/GJGhRANCAAT9MRnE3PGZp1KjRIIQSrj6KCO1TVR2\n\
    qSeTtgGdjBCHFaS35Q4m0XqvZ0cY52ABNAM5bkOKLajrOhSisXYmwOit\n\
    -----END PRIVATE KEY-----\n";

/// Returns what a variable says, or `None` where it says nothing, which is counted for the test.
fn named(variable: &str, test: &str) -> Option<String> {
    let value = env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        skip(&format!("provenance::{test}"), variable);
    }
    value
}

fn context() -> Context {
    RunContext::new(World::host("/"), "run-1").context(None, None, Cancel::new())
}

/// Writes an image that no other run has.
async fn image(host: &str, name: &str) -> Image {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let repository = format!("{host}/provenance/{name}-{since}");
    let into = Client::new().repository(&context(), &repository).unwrap();
    let config = ImageConfig::new(Platform::new("linux", "amd64"));
    let digest = write_image(&into, &config, Vec::new(), None).await.unwrap();
    Image::new("web", Store::Registry, repository, digest)
}

/// Returns the attester that signs with this key, with connections of its own, as in a process of its own.
fn attest(key: &str) -> Attest {
    let provenance = Provenance::new().builder("https://ci.example/v1");
    let signer = Arc::from(signer_from_pem(&Secret::from(key)).unwrap());
    Attest::new(provenance).unwrap().signer(signer).stores(Stores::new()).sbom(true)
}

fn public(key: &str) -> String {
    signer_from_pem(&Secret::from(key)).unwrap().public_key().to_pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_registry_keeps_what_several_attach_at_once() {
    let test = "docker_registry_keeps_what_several_attach_at_once";
    let Some(host) = named("SHIPWAY_BED_REGISTRY", test) else { return };
    let image = image(&host, "several").await;
    let mut attaching = tokio::task::JoinSet::new();
    for number in 0..6 {
        let image = image.clone();
        attaching.spawn(async move {
            let record = BuildRecord::new(format!("run-{number}"), "web", image, "native 0.1.0");
            attest(ED25519).sbom(false).attest(&context(), &record).await
        });
    }
    while let Some(attached) = attaching.join_next().await {
        attached.unwrap().unwrap();
    }
    let place = Client::new().repository(&context(), &image.repository).unwrap();
    assert_eq!(place.referrers(&image.digest, None).await.unwrap().len(), 6);
    let signer = signer_from_pem(&Secret::from(ED25519)).unwrap();
    let gate =
        VerifyProvenance::new([signer.public_key().clone()]).unwrap().builders(["https://ci.example/*"]);
    let report = gate.test(&context(), &Subject::Image(image.clone())).await.unwrap();
    assert_eq!((report.cases.len(), report.failed().count()), (2, 0));

    let Some(crane) = named("SHIPWAY_CRANE", test) else { return };
    let list = format!("{}:sha256-{}", image.repository, image.digest.hex());
    let listed = run(Command::new(crane).args(["manifest", "--insecure", &list]));
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let listed = listed["manifests"].as_array().unwrap();
    assert_eq!(listed.len(), 6);
    assert!(listed.iter().all(|one| one["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cosign_verifies_what_we_sign() {
    let test = "cosign_verifies_what_we_sign";
    let Some(cosign) = named("SHIPWAY_COSIGN", test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
    let mut hosts = vec![registry.host()];
    hosts.extend(named("SHIPWAY_BED_REGISTRY", test));
    for host in hosts {
        for (key, other) in [(P256, ED25519), (ED25519, P256)] {
            let image = image(&host, "signed").await;
            let record = BuildRecord::new("run-1", "web", image.clone(), "native 0.1.0");
            attest(key).attest(&context(), &record).await.unwrap();
            for (kind, predicate) in [
                ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
                ("cyclonedx", "https://cyclonedx.org/bom"),
            ] {
                let verify = |key: &str| {
                    let file = folder.path().join("key.pub");
                    fs::write(&file, public(key)).unwrap();
                    verify(&cosign, folder.path(), &file, kind, &image)
                };
                let verified = verify(key);
                let said = String::from_utf8_lossy(&verified.stderr).into_owned();
                assert!(verified.status.success(), "{kind} at {host}: {said}");
                let envelope: Value = serde_json::from_slice(&verified.stdout).unwrap();
                assert_eq!(
                    envelope["payloadType"], "application/vnd.in-toto+json",
                    "{predicate}: {envelope}"
                );
                assert!(!verify(other).status.success(), "{kind} with another key");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cosign_signs_is_believed() {
    let test = "what_cosign_signs_is_believed";
    let Some(cosign) = named("SHIPWAY_COSIGN", test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
    let image = image(&registry.host(), "theirs").await;
    let cosign = |arguments: &[&str]| {
        let mut command = Command::new(&cosign);
        command.args(arguments).current_dir(folder.path()).env_clear();
        run(command.env("HOME", folder.path()).env("COSIGN_PASSWORD", ""))
    };
    cosign(&["generate-key-pair"]);
    let predicate = r#"{"buildDefinition":{"buildType":"https://ci.example/x","externalParameters":{}},
        "runDetails":{"builder":{"id":"https://ci.example/v1"}}}"#;
    fs::write(folder.path().join("predicate.json"), predicate).unwrap();
    let key = fs::read_to_string(folder.path().join("cosign.pub")).unwrap();
    let gate = VerifyProvenance::new([PublicKey::from_pem(&key).unwrap()]).unwrap();
    let gate = gate.builders(["https://ci.example/*"]);
    let subject = Subject::Image(image.clone());
    let report = gate.test(&context(), &subject).await.unwrap();
    assert_eq!(report.failed().count(), 2);
    let options = ["attest", "--new-bundle-format", "--tlog-upload=false", "--yes", "--allow-http-registry"];
    let what = ["--key", "cosign.key", "--type", "slsaprovenance1", "--predicate", "predicate.json"];
    cosign(&[&options[..], &what, &[&image.reference()]].concat());
    let report = gate.test(&context(), &subject).await.unwrap();
    assert_eq!(report.failed().count(), 0, "{:?}", report.cases);
}

fn verify(cosign: &str, home: &Path, key: &Path, kind: &str, image: &Image) -> Output {
    // It would ask the internet for one, although a key alone decides here.
    let root = home.join("root.json");
    fs::write(&root, r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#).unwrap();
    let mut command = Command::new(cosign);
    command.args(["verify-attestation", "--new-bundle-format", "--insecure-ignore-tlog", "--type", kind]);
    command.arg("--trusted-root").arg(root);
    command.args(["--allow-http-registry", "--key"]).arg(key).arg(image.reference());
    command.env_clear().env("HOME", home).output().unwrap()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
