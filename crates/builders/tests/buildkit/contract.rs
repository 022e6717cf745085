//! The conformance kit, against the bed's own buildkitd.

use std::{path::Path, time::Duration};

use shipway_builders::Buildkit;
use shipway_core::{Artifact, Store};
use shipway_testkit::Verdict;

use crate::{
    bed::{Bed, images},
    build::there,
};

#[test]
fn the_builder_keeps_its_contract() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(bed) = runtime.block_on(Bed::up("buildkit", "the_builder_keeps_its_contract")) else { return };
    let Some(options) = there(&bed, "the_builder_keeps_its_contract") else { return };
    bed.write(&[
        ("Dockerfile", "ARG BASE\nFROM $BASE\nCOPY pages /pages\nCOPY start.txt /\n"),
        ("pages/index.html", "<p>"),
        ("start.txt", "start"),
        ("notes.txt", "n"),
    ]);
    let credentials = bed.credentials();
    let requires = [("BASE".to_owned(), "base".to_owned())];
    let suite = shipway_testkit::builder(move || Buildkit::new(options.clone()).unwrap())
        .fixture(bed.folder.path())
        .artifact(Artifact::new("fixture", Path::new(".")).requires(requires))
        .touch("pages/index.html")
        .store(Store::Registry, format!("{}/conformance/buildkit", bed.registry))
        .world(move |world| world.images(images()).credentials(credentials.clone()))
        .deadline(Duration::from_secs(120));
    for outcome in suite.check_all() {
        let fine = match outcome.clause {
            // No command is run on the host, and several platforms are not claimed.
            "B8" => matches!(outcome.result, Verdict::Unchecked(_)),
            "B11" => outcome.result == Verdict::NotClaimed,
            // An image says when it was made, where buildkitd has not made it before.
            "B3" | "B10" => matches!(outcome.result, Verdict::Holds | Verdict::Unchecked(_)),
            _ => outcome.result == Verdict::Holds,
        };
        assert!(fine, "{outcome}");
    }
    runtime.block_on(bed.down());
}
