//! The conformance kit, for builders that push what they build from a Dockerfile.

use std::path::Path;

use shipway_core::{Artifact, Builder, Store};
use shipway_testkit::{Builders, Outcome, Suite, Verdict};

use crate::bed::{Bed, images};

/// Returns the suite of a builder, with its sources.
pub(crate) fn suite<B: Builder>(
    bed: &Bed,
    name: &str,
    builder: impl Fn() -> B + Send + Sync + 'static,
) -> Suite<Builders> {
    bed.write(&[
        ("Dockerfile", "ARG BASE\nFROM $BASE\nCOPY pages /pages\nCOPY start.txt /\n"),
        ("pages/index.html", "<p>"),
        ("start.txt", "start"),
        ("notes.txt", "n"),
    ]);
    let (credentials, requires) = (bed.credentials(), [("BASE".to_owned(), "base".to_owned())]);
    shipway_testkit::builder(builder)
        .fixture(bed.folder.path())
        .artifact(Artifact::new("fixture", Path::new(".")).requires(requires))
        .touch("pages/index.html")
        .store(Store::Registry, format!("{}/conformance/{name}", bed.registry))
        .world(move |world| world.images(images()).credentials(credentials.clone()))
}

pub(crate) fn check(outcome: &Outcome) {
    let fine = match outcome.clause {
        // No command is run on the host, and several platforms are not claimed.
        "B8" => matches!(outcome.result, Verdict::Unchecked(_)),
        "B11" => outcome.result == Verdict::NotClaimed,
        // An image says when it was made. What leaves that out with kaniko (`reproducible`) ends in a panic for bases
        // without a history, as the kit's are (go-containerregistry v0.20.4, `mutate.Time`).
        "B3" | "B10" => matches!(outcome.result, Verdict::Holds | Verdict::Unchecked(_)),
        _ => outcome.result == Verdict::Holds,
    };
    assert!(fine, "{outcome}");
}
