//! The contract's clauses for `gitCommit`, in a repository with something that is not committed.

#![expect(clippy::disallowed_methods, reason = "the test drives git")]

use std::process::Command;

use shipway_core::World;
use shipway_taggers::{GitCommit, Variant};

/// Makes a repository of the world's root.
fn repository(world: World) -> World {
    let script = "git init -q && echo 1 > a && git add a && git -c user.name=a -c user.email=a@example.com commit -qm a \
                  && git tag v1 && echo 2 > a";
    let made = Command::new("sh").args(["-ec", script]).current_dir(&world.root).status();
    assert!(made.is_ok_and(|status| status.success()), "git makes a repository");
    world
}

fn main() -> std::process::ExitCode {
    shipway_testkit::tagger(|| GitCommit::new(Variant::Tags)).world(repository).main()
}
