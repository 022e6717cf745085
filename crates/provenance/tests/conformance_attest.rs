//! The attester `attest` against the contract.

#[expect(dead_code, reason = "other programs need more of it")]
mod support;

use std::{process::ExitCode, sync::Arc};

use shipway_provenance::{Attest, Ed25519Signer, Provenance};
use support::ed25519;

fn main() -> ExitCode {
    let key = ed25519();
    let attester = move || {
        let provenance = Provenance::new().builder("https://ci.example/v1");
        let signer = Ed25519Signer::from_pem(&key).expect("a key");
        Attest::new(provenance).expect("right").signer(Arc::new(signer)).sbom(true)
    };
    shipway_testkit::attester(attester).main()
}
