//! The contract's clauses for `native` with a Dockerfile upon a required image.

use shipway_builders::{Native, NativeConfig};
use shipway_core::Artifact;

fn main() -> std::process::ExitCode {
    let artifact = Artifact::new("site", ".").requires([("base".to_owned(), "other".to_owned())]);
    let native = || Native::new(NativeConfig::default()).expect("no options are fine");
    shipway_testkit::builder(native).fixture("tests/fixtures/site").artifact(artifact).main()
}
