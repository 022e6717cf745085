//! The two files that people published for other tools, as they stand, with sources for them.

use std::process::Command;

use crate::bench::Bench;

pub(crate) const DATE_TIME: &str =
    include_str!("../../../config/tests/skaffold/samples/skaffold-datetime.yaml");
pub(crate) const PROFILES: &str =
    include_str!("../../../config/tests/skaffold/samples/skaffold-profiles.yaml");

/// The name that the samples' image has below a default repository.
pub(crate) const IMAGE: &str = "gcr_io_terrycho-personal_node-example";

/// Writes what the samples' image is made of, and commits it under a tag.
pub(crate) fn sources(bench: &Bench, context: &str) {
    let dockerfile = "FROM scratch\nCOPY src /src\nCMD [\"node\", \"/src/index.js\"]\n";
    bench.write(format!("{context}/Dockerfile"), dockerfile);
    bench.write(format!("{context}/src/index.js"), "console.log('hello')\n");
    let script = "git init -q && git add -A && git -c user.name=a -c user.email=a@example.com commit -qm a && \
                  git tag v1.2.3";
    let made = Command::new("sh").args(["-c", script]).current_dir(bench.project()).status().unwrap();
    assert!(made.success(), "git makes a repository");
}
