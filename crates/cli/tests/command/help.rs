//! The help, which says what there is, with examples and exit codes.

use std::{fs, path::Path, process::Command};

use crate::bench::{Bench, CONFIGURATION, ended, text};

/// Returns the words of each command and its help, as the unit test in `src/help.rs` keeps them.
fn kept() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/snapshots");
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(words) = name.strip_prefix("shipway__help__").and_then(|name| name.strip_suffix(".snap"))
        else {
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        let (_, help) = text.split_once("\n---\n").expect("a head");
        kept.push((words.replace('_', " "), help.to_owned()));
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_the_help_that_is_kept_of_it() {
    let bench = Bench::new(CONFIGURATION).await;
    let kept = kept();
    assert!(kept.len() > 12, "only {} commands", kept.len());
    for (words, help) in kept {
        // The first is the command itself.
        let line = format!("{words} --help");
        let said = bench.run(line.split_once(' ').unwrap().1).await;
        assert_eq!((said.status.code(), text(&said.stderr).as_str()), (Some(0), ""), "{line}");
        assert_eq!(text(&said.stdout).trim(), help.trim(), "{line}");
    }
}

/// In a project of somebody else's, many end with what is missing there; none with a word of the command line that there is
/// not, and none in a way that the table of exit codes does not have.
#[tokio::test(flavor = "multi_thread")]
async fn each_example_runs() {
    let bench = Bench::new(CONFIGURATION).await;
    bench.run("run --builder native -d REGISTRY/team").await;
    let (mut examples, mut good) = (0, 0);
    for (_, help) in kept() {
        // No test asks a registry of somebody else's.
        let lines = help.lines().filter_map(|line| line.strip_prefix("  shipway "));
        for line in lines.filter(|line| !line.contains("registry.example")) {
            let mut command = bench.command(line);
            command.env("SKAFFOLD_DEFAULT_REPO", format!("{}/team", bench.registry.host()));
            let said = ended(command).await;
            let err = text(&said.stderr);
            assert!(matches!(said.status.code(), Some(0..=4)), "{line}: {:?} {err}", said.status);
            assert!(!err.contains("Usage:") && !err.contains("panicked"), "{line}: {err}");
            examples += 1;
            good += u32::from(said.status.success());
        }
    }
    assert!(examples > 40 && good > 20, "{good} of {examples}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_task_the_help_is_said_and_that_is_an_error() {
    let command = Command::new(env!("CARGO_BIN_EXE_shipway"));
    let said = ended(command).await;
    assert_eq!((said.status.code(), text(&said.stdout).as_str()), (Some(2), ""));
    assert!(text(&said.stderr).contains("Usage: shipway <COMMAND>"), "{}", text(&said.stderr));
}
