//! The project's own tasks: the test command, the check of the dependency tree, and the foreign tools
//! that tests compare with. Only for this checkout; nothing of it is published.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a person at a terminal")]

mod bed;
mod bench;
mod cache;
mod deny;
mod fuzz;
mod history;
mod picture;
mod soak;
mod test;
mod tools;
mod workspace;

use std::{env, path::Path, process::ExitCode};

use crate::{cache::Cache, workspace::Workspace};

/// What a task answers: a message for the person where it could not do its work.
type Result<T> = std::result::Result<T, String>;

const HELP: &str = "\
The project's own tasks.

usage: cargo xtask <task>

    test [FILTER]   run all tests, documentation tests and examples; with FILTER only the tests whose
                    name holds it
    fuzz [TARGET] [SECONDS]
                    fuzz what reads foreign bytes, by coverage; 60 seconds each
    soak [MINUTES]  the long versions of tests: leaks, kills, simulated schedules; 20 minutes and more
    bench           measure what Shipway must reach, against others on the same work
    deny            check licences, bans, duplicates and sources of the dependency tree
    history SCHEMAS
                    make the table of skaffold.yaml's fields anew from the published JSON schemas
    picture [CAPTURE]
                    draw docs/terminal.svg anew from the command in a terminal; or print the picture of a captured screen
    bed TASK        up, down, status or env of the test bed: Docker, containerd, BuildKit, registries, git over
                    HTTP and Kubernetes, in a network namespace of their own
    tools           get the foreign tools that tests compare with, and say where they are

environment:
    SHIPWAY_CACHE   the folder for tools; otherwise $XDG_CACHE_HOME/shipway or ~/.cache/shipway
    SHIPWAY_BED     the name of the bed, where there are several
    SHIPWAY_KUBE_CONTEXT
                    a context of your own kubeconfig (kind, minikube, k3d): the tests run against that cluster, and
                    without a bed
    SHIPWAY_CORPUS  real configuration files, for the tests that read them
    CI              `true`: a test that is skipped for want of a tool or the bed is a failure

`cargo xtask <task> --help` says more.";

const TEST_HELP: &str = "\
Runs all that is tested: unit, integration and documentation tests, then each example, which must exit
with 0. Tools that tests need are made meanwhile (see `cargo xtask tools --help`) and passed on as
what `cargo xtask tools` names (SHIPWAY_CRANE and so on); a test bed is brought up (see `cargo xtask bed --help`), in whose network
the tests run, and taken down at the end, however that comes. A test that lacks something appends a line `skipped: NAME needs THING` to
the file that SHIPWAY_SKIPPED names, and returns. The last line is `N passed, N failed, N skipped`.

usage: cargo xtask test [FILTER]

    cargo xtask test              everything
    cargo xtask test digest       tests whose name (with its modules) holds `digest`; no examples
    CI=true cargo xtask test      as in CI: needs the tools and the bed";

const DENY_HELP: &str = "\
Runs cargo-deny (bans, licences, sources) with deny.toml, after installing it into the cache where it is
missing; that takes some minutes, once. Advisories are not checked: they need the internet.

usage: cargo xtask deny

    cargo xtask deny";

const BENCH_HELP: &str = "\
Builds and pushes images with Shipway, crane, Docker and BuildKit on a bed of its own, and compares the times with
the least that the work takes. Prints the table and writes it to docs/benchmarks.md; fails where a target is missed.
Takes some minutes, on a machine that does nothing else meanwhile.

usage: cargo xtask bench [engines|cluster|charts]

    cargo xtask bench             everything
    cargo xtask bench charts      a part, which is printed and not written";

const FUZZ_HELP: &str = "\
Builds the fuzz targets (fuzz/targets) with libFuzzer, which needs a C++ compiler, and runs one or all of them, on
what is kept in fuzz/corpus and what earlier runs have learned, which is in the cache. What breaks a target is put
into fuzz/crashes and reported with what to do about it. The test command replays fuzz/corpus without libFuzzer.

usage: cargo xtask fuzz [TARGET] [SECONDS]

    cargo xtask fuzz              every target for 60 seconds
    cargo xtask fuzz tar          one target
    cargo xtask fuzz tar 600      for longer
    cargo xtask fuzz 600          every target for longer";

const SOAK_HELP: &str = "\
Builds and deploys for so many minutes, in one process that goes on and in others that are killed and resume, and
fails where memory, open files or temporary files grow; then runs the simulation with 100,000 seeds and the kills with
a thousand, which takes as long as it takes.

usage: cargo xtask soak [MINUTES]

    cargo xtask soak              20 minutes
    cargo xtask soak 1440         a day";

const HISTORY_HELP: &str = "\
Makes crates/config/src/skaffold/history.tsv: every field of skaffold.yaml with its type and the versions that have it,
from a folder with the JSON schema of each version (v1alpha1.json and so on).

usage: cargo xtask history SCHEMAS

    cargo xtask history ../skaffold/docs-v2/content/en/schemas";

const PICTURE_HELP: &str = "\
Builds a sample in tmux, which must be installed, and writes the screen with its colours to docs/terminal.svg. With
CAPTURE it prints the picture of a screen that `tmux capture-pane -e -p` wrote into that file.

usage: cargo xtask picture [CAPTURE]

    cargo xtask picture
    tmux capture-pane -e -p > screen && cargo xtask picture screen > screen.svg";

const TOOLS_HELP: &str = "\
Makes crane, helm 3, helm 4, kustomize and cosign in the cache (needs go) and finds skopeo, or installs it (needs root and
apt-get).

usage: cargo xtask tools

    cargo xtask tools
    SHIPWAY_CACHE=/tmp/tools cargo xtask tools";

const BED_HELP: &str = "\
The test bed: dockerd, containerd, buildkitd, three docker-registries (plain, with a login, with TLS), git over
HTTP, and Kubernetes with one node, in a network namespace of their own, with base images made here. Needs root; what
is missing is installed by apt-get or built with go into the cache, once.

usage: cargo xtask bed up [engines]|down|status|env|kill PART|start PART

    cargo xtask bed up                     bring it up, and print what `env` prints
    cargo xtask bed up engines             without Kubernetes
    eval \"$(cargo xtask bed env)\"         take the variables that tests read
    cargo xtask bed status                 what runs, since when, and where it logs
    cargo xtask bed kill kube-apiserver    end a part as a crash does
    cargo xtask bed start kube-apiserver   start it, and what needs it, again
    cargo xtask bed down                   take it down, without a trace
    SHIPWAY_BED=two cargo xtask bed up     another one beside it

`cargo xtask test` brings up one of its own and takes it down.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match task(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments ask for, and returns whether all was well.
fn task(arguments: &[&str]) -> Result<bool> {
    let help = match arguments {
        [] | ["help" | "--help" | "-h", ..] => Some(HELP),
        ["test", "--help" | "-h"] => Some(TEST_HELP),
        ["deny", "--help" | "-h"] => Some(DENY_HELP),
        ["bed"] | ["bed", "--help" | "-h"] => Some(BED_HELP),
        ["bench", "--help" | "-h"] => Some(BENCH_HELP),
        ["fuzz", "--help" | "-h"] => Some(FUZZ_HELP),
        ["soak", "--help" | "-h"] => Some(SOAK_HELP),
        ["history"] | ["history", "--help" | "-h"] => Some(HISTORY_HELP),
        ["picture", "--help" | "-h"] => Some(PICTURE_HELP),
        ["tools", "--help" | "-h"] => Some(TOOLS_HELP),
        _ => None,
    };
    if let Some(help) = help {
        println!("{help}");
        return Ok(true);
    }
    match arguments {
        ["test"] => test::run(&Workspace::here()?, &Cache::open()?, None),
        ["test", filter] if !filter.starts_with('-') => {
            test::run(&Workspace::here()?, &Cache::open()?, Some(filter))
        }
        ["deny"] => deny::run(&Workspace::here()?, &Cache::open()?),
        ["bed", "guard", name, owner] => bed::guard(&Cache::open()?, name, owner),
        ["bed", task @ ..] => bed::run(task, &Cache::open()?),
        ["bench"] => bench::run(&Workspace::here()?, &Cache::open()?, None),
        ["bench", part] if let Some(part) = bench::Part::named(part) => {
            bench::run(&Workspace::here()?, &Cache::open()?, Some(part))
        }
        ["fuzz", of @ ..] => {
            let (only, seconds) = fuzzed(of)?;
            fuzz::run(&Workspace::here()?, &Cache::open()?, only, seconds)
        }
        ["soak"] => soak::run(&Workspace::here()?, 20),
        ["soak", minutes] => {
            let minutes = number(minutes).ok_or("name a number of minutes: see `cargo xtask --help`")?;
            soak::run(&Workspace::here()?, minutes)
        }
        ["history", schemas] => history::run(&Workspace::here()?, Path::new(schemas)),
        ["picture"] => picture::run(&Workspace::here()?),
        ["picture", capture] if !capture.starts_with('-') => picture::convert(Path::new(capture)),
        ["tools"] => tools::run(&Cache::open()?),
        _ => Err(format!("do not know `{}`: see `cargo xtask --help`", arguments.join(" "))),
    }
}

/// Reads which target is to be fuzzed, if it is one, and for how many seconds.
fn fuzzed<'a>(arguments: &[&'a str]) -> Result<(Option<&'a str>, u64)> {
    let seconds = arguments.last().and_then(|last| number(last));
    let rest = &arguments[..arguments.len() - usize::from(seconds.is_some())];
    match *rest {
        [] => Ok((None, seconds.unwrap_or(60))),
        [target] if !target.starts_with('-') => Ok((Some(target), seconds.unwrap_or(60))),
        _ => Err(format!("do not know `fuzz {}`: see `cargo xtask --help`", arguments.join(" "))),
    }
}

/// Returns the number that an argument is, from 1.
fn number(argument: &str) -> Option<u64> {
    argument.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_fuzz_and_how_long_are_told_apart() {
        assert_eq!(fuzzed(&[]), Ok((None, 60)));
        assert_eq!(fuzzed(&["5"]), Ok((None, 5)));
        assert_eq!(fuzzed(&["tar"]), Ok((Some("tar"), 60)));
        assert_eq!(fuzzed(&["tar", "5"]), Ok((Some("tar"), 5)));
    }

    #[test]
    fn every_task_has_help_and_a_wrong_one_is_refused() {
        for arguments in [
            &[][..],
            &["--help"],
            &["test", "--help"],
            &["deny", "-h"],
            &["tools", "--help"],
            &["bed"],
            &["bench", "-h"],
            &["fuzz", "--help"],
            &["soak", "-h"],
            &["picture", "--help"],
        ] {
            assert_eq!(task(arguments), Ok(true), "{arguments:?}");
        }
        for arguments in [
            &["tset"][..],
            &["test", "--all"],
            &["deny", "now"],
            &["test", "a", "b"],
            &["bed", "u"],
            &["bench", "1"],
            &["fuzz", "tar", "long"],
            &["fuzz", "--all"],
            &["soak", "0"],
            &["picture", "--all"],
        ] {
            let message = task(arguments).unwrap_err();
            assert!(message.contains("cargo xtask --help"), "{message}");
        }
    }
}
