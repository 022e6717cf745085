//! States that a repository can be in, made by git itself; what it says of each is compared with ours.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the test drives git and looks at the disk, and may panic"
)]

mod table;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Mutex,
};

use shipway_core::{Cancel, Context, RunContext, World};
use shipway_git::Repository;

/// What every script begins with: commits one minute after another, and nothing of this machine's git.
const PRELUDE: &str = r#"
n=0
tick() {
    n=$((n + 60))
    export GIT_AUTHOR_DATE="$((1700000000 + n)) +0000" GIT_COMMITTER_DATE="$((1700000000 + n)) +0000"
}
commit() { tick; git add -A; git commit -q --allow-empty -m "$1"; }
start() { git init -q -b main "${1:-.}"; }
base() { start; mkdir -p web/src api; echo 1 > web/src/a; echo 2 > api/b; echo 3 > c; commit one; }
"#;

struct State {
    folder: tempfile::TempDir,
}

impl State {
    fn new(script: &str) -> Self {
        let state = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(state.folder.path().join("home")).unwrap();
        fs::create_dir_all(state.folder.path().join("work")).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-ec", &format!("{PRELUDE}\n{script}")]);
        let output = state.run(&mut shell, &state.folder.path().join("work"));
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        state
    }

    fn run(&self, command: &mut Command, folder: &Path) -> Output {
        command
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path().join("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "a")
            .env("GIT_AUTHOR_EMAIL", "a@example.com")
            .env("GIT_COMMITTER_NAME", "a")
            .env("GIT_COMMITTER_EMAIL", "a@example.com")
            // What git refreshes in its index on the way must not help us.
            .env("GIT_OPTIONAL_LOCKS", "0")
            .output()
            .unwrap()
    }

    /// Returns what git prints, or nothing when it fails.
    fn git(&self, folder: &Path, args: &[&str]) -> Option<Vec<u8>> {
        let output = self.run(Command::new("git").args(args), folder);
        output.status.success().then_some(output.stdout)
    }

    fn line(&self, folder: &Path, args: &[&str]) -> Option<String> {
        self.git(folder, args).map(|line| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn context(&self) -> Context {
        let home = self.folder.path().join("home").to_str().unwrap().to_owned();
        let world = World::host(self.folder.path()).env([("HOME".to_owned(), home)]);
        RunContext::new(world, "states").context(None, None, Cancel::new())
    }

    /// Returns every folder that is not git's own.
    fn folders(&self) -> Vec<PathBuf> {
        let mut found = vec![self.folder.path().join("work")];
        let mut next = 0;
        while let Some(folder) = found.get(next).cloned() {
            next += 1;
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let skip = [".git", "objects", "refs", "hooks", "info", "logs", "branches"];
                if entry.file_type().unwrap().is_dir() && !skip.iter().any(|name| entry.file_name() == *name)
                {
                    found.push(entry.path());
                }
            }
        }
        found
    }

    /// Lets all files rest since long before the indices were written, so that looks tell what changed.
    fn rest(&self) {
        let script = "find . -path '*/.git' -prune -o ! -type d -exec touch -h -d 2020-01-01 {} +
            git update-index -q --refresh || true";
        for folder in self.folders().into_iter().filter(|folder| folder.join(".git").exists()) {
            self.run(Command::new("sh").args(["-c", script]), &folder);
        }
    }

    /// Returns where git and we differ.
    fn differences(&self) -> Vec<String> {
        let cx = self.context();
        let mut differences = Vec::new();
        // What is of the whole repository is asked once.
        let mut whole = BTreeSet::new();
        for folder in self.folders() {
            let mut compare = |what: &str, git: Option<String>, ours: Result<String, shipway_core::Error>| {
                if git.as_ref() != ours.as_ref().ok() {
                    let ours = ours.map_err(|error| format!("{error:?}"));
                    differences.push(format!("{}: {what}: git {git:?}, ours {ours:?}", folder.display()));
                }
            };
            let ours = Repository::discover(&cx, &folder);
            let inside = self.line(&folder, &["rev-parse", "--show-toplevel"]);
            compare("worktree", inside.clone(), clone(&ours).map(|ours| ours.folder().display().to_string()));
            let (Some(worktree), Ok(ours)) = (inside, ours) else { continue };
            let commit = ours.head();
            if whole.insert(worktree) {
                compare("commit", self.line(&folder, &["rev-list", "-1", "HEAD"]), commit_text(&commit));
                compare(
                    "short commit",
                    self.line(&folder, &["rev-list", "-1", "HEAD", "--abbrev-commit"]),
                    clone(&commit).and_then(|commit| ours.abbreviate(commit)),
                );
                compare(
                    "describe",
                    self.line(&folder, &["describe", "--tags", "--always"]),
                    clone(&commit).and_then(|commit| ours.describe(commit)),
                );
                compare(
                    "branch",
                    self.line(&folder, &["branch", "--show-current"]),
                    ours.branch().map(Option::unwrap_or_default),
                );
            }
            let below = ours.path_below(&cx, &folder).unwrap();
            // Skaffold asks for `HEAD:./` in the root.
            let path = if below.is_empty() { "." } else { std::str::from_utf8(&below).unwrap() };
            let tree = clone(&commit).and_then(|commit| ours.tree(commit, &below));
            let revision = format!("HEAD:{path}/");
            compare(
                "tree",
                self.line(&folder, &["rev-parse", "--verify", "-q", &revision]),
                tree_text(&tree),
            );
            compare(
                "short tree",
                self.line(&folder, &["rev-parse", "--verify", "-q", "--short", &revision]),
                clone(&tree).and_then(|tree| ours.abbreviate(tree)),
            );
            let status = ours.status(&cx);
            let git =
                self.git(&folder, &["status", "--porcelain", "."]).map(|list| (!list.is_empty()).to_string());
            let dirty = clone(&status).map(|status| status.below(&below).next().is_some().to_string());
            // Where a tracked file became a folder, git says nothing of what is new in there, unless asked
            // for each untracked file; such a folder is not what was committed, and so we say it.
            if !folder.ends_with("became-a-folder") {
                compare("dirty", git, dirty);
            }
            let mut args = vec!["status", "--porcelain", "-z", "--no-renames", "."];
            if self.line(&folder, &["config", "status.showUntrackedFiles"]).is_none() {
                args.push("-uall");
            }
            let list = self.git(&folder, &args).map(|list| paths(&list));
            let ours = clone(&status).map(|status| {
                let paths: BTreeSet<String> =
                    status.below(&below).map(|path| String::from_utf8_lossy(path).into_owned()).collect();
                format!("{paths:?}")
            });
            compare("paths", list, ours);
        }
        differences
    }
}

/// Returns the paths of a porcelain listing.
fn paths(list: &[u8]) -> String {
    let lines = list.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    let paths: BTreeSet<String> =
        lines.map(|line| String::from_utf8_lossy(&line[3..]).trim_end_matches('/').to_owned()).collect();
    format!("{paths:?}")
}

fn clone<T: Clone>(result: &Result<T, shipway_core::Error>) -> Result<T, shipway_core::Error> {
    result.as_ref().cloned().map_err(|error| shipway_core::Error::new(error.kind(), error.to_string()))
}

fn commit_text(
    commit: &Result<shipway_git::ObjectId, shipway_core::Error>,
) -> Result<String, shipway_core::Error> {
    clone(commit).map(|commit| commit.to_string())
}

fn tree_text(
    tree: &Result<shipway_git::ObjectId, shipway_core::Error>,
) -> Result<String, shipway_core::Error> {
    commit_text(tree)
}

/// Returns what `git config` would make of these settings.
fn configured(state: &State, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        state.git(&state.folder.path().join("work"), &["config", key, value]).unwrap();
    }
}

#[test]
fn nothing_that_a_repository_names_is_run() {
    let state =
        State::new("base; printf '*.txt filter=f diff=f\\n' > .gitattributes; echo 1 > a.txt; commit two");
    let ran = state.folder.path().join("ran");
    let touch = format!("touch {}", ran.display());
    configured(
        &state,
        &[
            ("filter.f.clean", &touch),
            ("filter.f.smudge", &touch),
            ("filter.f.process", &touch),
            ("filter.f.required", "true"),
            ("diff.f.textconv", &touch),
            ("diff.external", &touch),
            ("core.fsmonitor", &touch),
            ("core.sshCommand", &touch),
            ("core.alternateRefsCommand", &touch),
            ("gpg.program", &touch),
        ],
    );
    let hook = state.folder.path().join("work/.git/hooks/fsmonitor-watchman");
    fs::write(&hook, format!("#!/bin/sh\n{touch}\n")).unwrap();
    fs::write(state.folder.path().join("work/a.txt"), "2").unwrap();
    let cx = state.context();
    let ours = Repository::discover(&cx, Path::new("work")).unwrap();
    let commit = ours.head().unwrap();
    ours.describe(commit).unwrap();
    assert_eq!(ours.status(&cx).unwrap().below(b"").collect::<Vec<_>>(), [b"a.txt"]);
    assert!(!ran.exists(), "something was run");
    // What is configured is what git itself would run.
    state.git(&state.folder.path().join("work"), &["status"]);
    assert!(ran.exists(), "the repository names nothing");
}

#[test]
fn the_environment_of_the_process_does_not_count() {
    let nowhere =
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "HOME"];
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "equals_git_in_every_state_of_the_table"]).env("STATE", "a changed file");
    for variable in nowhere {
        again.env(variable, "/nowhere");
    }
    again.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "core.bare").env("GIT_CONFIG_VALUE_0", "true");
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_status_stops_when_the_task_must() {
    let state = State::new("base; echo 9 > c");
    let cx = state.context();
    let ours = Repository::discover(&cx, Path::new("work")).unwrap();
    cx.cancel().escalate(shipway_core::Stage::Forced, shipway_core::CancelReason::Asked);
    assert_eq!(ours.status(&cx).unwrap_err().kind(), shipway_core::ErrorKind::Cancelled);
}

#[test]
fn equals_git_in_every_state_of_the_table() {
    let only = std::env::var("STATE").ok();
    let chosen = table::STATES.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name));
    let todo: Mutex<Vec<_>> = Mutex::new(chosen.collect());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some((name, script)) = todo.lock().unwrap().pop() else { return };
                    let state = State::new(script);
                    let mut differences = state.differences();
                    state.rest();
                    differences.extend(state.differences().into_iter().map(|one| format!("rested: {one}")));
                    if !differences.is_empty() {
                        wrong.lock().unwrap().push(format!("{name}:\n  {}", differences.join("\n  ")));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} states differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(table::STATES.len() >= 60, "the table has {} states", table::STATES.len());
    let names: BTreeSet<_> = table::STATES.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), table::STATES.len(), "two states have one name");
}
