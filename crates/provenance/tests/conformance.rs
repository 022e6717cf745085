//! The tester `verify-provenance` against the contract: one image has provenance, the other what somebody else said.

#![expect(clippy::disallowed_methods, reason = "it prepares the fixture")]

mod support;

use std::{process::ExitCode, sync::Arc};

use shipway_core::{Attester as _, Secret, Store, Subject};
use shipway_provenance::{Attest, Ed25519Signer, Provenance, Signer as _, VerifyProvenance};
use support::{Bench, build, ed25519, image};

fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = folder.path().join("fixture");
    std::fs::create_dir(&fixture).expect("made");
    let key = ed25519();
    let signer = Ed25519Signer::from_pem(&key).expect("a key");
    std::fs::write(fixture.join("release.pem"), signer.public_key().to_pem()).expect("written");

    let store = Store::Layout(folder.path().join("images"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let subject = |key: &Secret, name: &str| {
        runtime.block_on(async {
            let bench = Bench::new(folder.path());
            let image = image(&bench, &store, name, &[("/name", name.as_bytes())]).await;
            let provenance = Provenance::new().builder("https://ci.example/v1");
            let signer = Ed25519Signer::from_pem(key).expect("a key");
            let attest = Attest::new(provenance).expect("right").signer(Arc::new(signer)).sbom(true);
            attest.attest(&bench.context(), &build(&image)).await.expect("attached");
            Subject::Image(image)
        })
    };
    let (passes, fails) = (subject(&key, "passes"), subject(&ed25519(), "fails"));
    let tester = || {
        VerifyProvenance::from_files(["release.pem"])
            .expect("right")
            .builders(["https://ci.example/*"])
            .require_sbom(true)
    };
    shipway_testkit::tester(tester).fixture(&fixture).subjects(passes, fails).main()
}
