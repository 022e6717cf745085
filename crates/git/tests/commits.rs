//! Commits onto branches, looked at with git itself.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests drive git and look at the disk, and may panic"
)]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use shipway_core::{Cancel, CancelReason, Context, ErrorKind, RunContext, Stage, Timestamp, World};
use shipway_git::{Author, NewCommit, ObjectId, Repository};

struct Bench {
    folder: tempfile::TempDir,
    cx: Context,
}

impl Bench {
    /// Returns a folder with a bare repository, `env.git`.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cx = RunContext::new(World::host(folder.path()), "commits").context(None, None, Cancel::new());
        let bench = Self { folder, cx };
        bench.git(&["init", "-q", "--bare", "-b", "production", "env.git"]);
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn git(&self, args: &[&str]) -> String {
        let output = git(self.folder.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Asks git about the bare repository.
    fn bare(&self, args: &[&str]) -> String {
        self.git(&[&["--git-dir=env.git"], args].concat())
    }

    fn open(&self) -> Repository {
        Repository::open(&self.cx, Path::new("env.git")).unwrap()
    }
}

fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
    git.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_AUTHOR_NAME", "g"), ("GIT_AUTHOR_EMAIL", "g@example.com")]);
    git.envs([("GIT_COMMITTER_NAME", "g"), ("GIT_COMMITTER_EMAIL", "g@example.com")]);
    git
}

fn new(message: &str, files: &[(&str, Option<&str>)]) -> NewCommit {
    let files = files
        .iter()
        .map(|(path, content)| ((*path).to_owned(), content.map(|text| text.as_bytes().to_vec())));
    NewCommit::new(Author::new("Ship Way", "ci@example.com"), Timestamp(1_700_000_000_123), message)
        .files(files)
}

#[test]
fn a_repository_that_is_not_there_is_made_whole() {
    let folder = tempfile::tempdir().unwrap();
    let cx = RunContext::new(World::host(folder.path()), "make").context(None, None, Cancel::new());
    let made = Repository::open_or_create(&cx, Path::new("deep/er/env.git")).unwrap();
    let again = Repository::open_or_create(&cx, Path::new("deep/er/env.git")).unwrap();
    assert_eq!(made.folder(), again.folder());
    let left: Vec<_> = fs::read_dir(folder.path().join("deep/er")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    fs::create_dir(folder.path().join("empty")).unwrap();
    Repository::open_or_create(&cx, Path::new("empty")).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for wrong in ["file", "deep"] {
        let error = Repository::open_or_create(&cx, Path::new(wrong)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
    // Whoever comes at once finds one of them.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let cx =
                    RunContext::new(World::host(folder.path()), "at-once").context(None, None, Cancel::new());
                Repository::open_or_create(&cx, Path::new("shared.git")).unwrap();
            });
        }
    });
}

#[test]
fn git_finds_what_was_committed_and_nothing_wrong_with_it() {
    let bench = Bench::new();
    let ours = bench.open();
    assert_eq!(ours.branch_commit("candidate").unwrap(), None);
    let one = ours
        .commit(None, &new("one\n\nand more", &[("a.yaml", Some("1")), ("deep/er/b", Some("2"))]))
        .unwrap();
    assert_eq!(ours.branch_commit("candidate").unwrap(), None, "no branch moves by itself");
    ours.move_branch("candidate", None, one).unwrap();
    let two =
        new("two", &[("a.yaml", Some("3")), ("deep/er/b", None), ("not/there", None), ("new", Some(""))]);
    let two = ours.commit(Some(one), &two).unwrap();
    ours.move_branch("candidate", Some(one), two).unwrap();
    ours.move_branch("teams/a/production", None, one).unwrap();

    assert_eq!(bench.bare(&["fsck", "--strict", "--full"]), "");
    assert_eq!(bench.bare(&["log", "--format=%H %s", "candidate"]), format!("{two} two\n{one} one"));
    let who = "Ship Way <ci@example.com> 1700000000";
    assert_eq!(bench.bare(&["log", "-1", "--format=%an <%ae> %at", "candidate"]), who);
    assert_eq!(bench.bare(&["log", "-1", "--format=%cn <%ce> %ct", "candidate"]), who);
    assert_eq!(bench.bare(&["log", "-1", "--format=%B", &one.to_string()]).trim(), "one\n\nand more");
    assert_eq!(bench.bare(&["ls-tree", "-r", "--name-only", "candidate"]), "a.yaml\nnew", "empty folders go");
    assert_eq!(bench.bare(&["show", "candidate:a.yaml"]), "3");
    assert_eq!(bench.bare(&["rev-parse", "teams/a/production"]), one.to_string());

    let three = new("three", &[("a.yaml", None), ("a.yaml/now", Some("4")), ("deep", Some("5"))]);
    let three = ours.commit(Some(one), &three).unwrap();
    assert_eq!(bench.bare(&["ls-tree", "-r", "--name-only", &three.to_string()]), "a.yaml/now\ndeep");

    let file = |commit, path| {
        ours.file(commit, path, 10).unwrap().map(|content| String::from_utf8(content).unwrap())
    };
    assert_eq!(file(one, "deep/er/b").as_deref(), Some("2"));
    assert_eq!((file(two, "deep/er/b"), file(two, "deep")), (None, None));
    for other in ["deep/er", "a.yaml/b"] {
        assert_eq!(ours.file(one, other, 10).unwrap_err().kind(), ErrorKind::Config, "{other}");
    }
    assert_eq!(ours.file(one, "a.yaml", 0).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn what_git_committed_is_gone_on_from() {
    let bench = Bench::new();
    bench.git(&["clone", "-q", "env.git", "work"]);
    let work = bench.path("work");
    fs::create_dir(work.join("bin")).unwrap();
    fs::write(work.join("bin/run"), "1").unwrap();
    fs::set_permissions(work.join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(work.join("was-a-file"), "1").unwrap();
    let script =
        "git add -A && git commit -qm one && git push -q origin HEAD:candidate && git -C ../env.git gc -q";
    let made = git(&work).args(["-c", &format!("alias.x=!{script}"), "x"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let ours = bench.open();
    let change = new("two", &[("bin/run", Some("2")), ("was-a-file/now", Some("3"))]);
    ours.commit_onto(&bench.cx, "candidate", |parent| {
        assert!(parent.is_some());
        Ok(Some(change.clone()))
    })
    .unwrap();
    assert_eq!(bench.bare(&["fsck", "--strict"]), "");
    let list = bench.bare(&["ls-tree", "-r", "--format=%(objectmode) %(path)", "candidate"]);
    assert_eq!(list, "100755 bin/run\n100644 was-a-file/now");
}

#[test]
fn whoever_comes_second_is_told_and_loses_nothing() {
    let bench = Bench::new();
    let (ours, theirs) = (bench.open(), bench.open());
    let one = ours.commit(None, &new("one", &[("a", Some("1"))])).unwrap();
    ours.move_branch("candidate", None, one).unwrap();
    let two = ours.commit(Some(one), &new("two", &[("a", Some("2"))])).unwrap();
    let other = theirs.commit(Some(one), &new("other", &[("a", Some("3"))])).unwrap();
    ours.move_branch("candidate", Some(one), two).unwrap();
    for from in [Some(one), None, Some(other)] {
        let error = theirs.move_branch("candidate", from, other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
    let error = theirs.move_branch("never-made", Some(one), other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(bench.bare(&["rev-parse", "candidate"]), two.to_string());
    assert_eq!(ours.branch_commit("never-made").unwrap(), None);
}

#[test]
fn ten_writers_give_ten_commits_beside_git_itself() {
    let bench = Bench::new();
    let made: Vec<ObjectId> = std::thread::scope(|scope| {
        let ours = (0..10).map(|number| {
            let bench = &bench;
            scope.spawn(move || {
                let path = format!("service-{number}");
                let change = new(&path, &[(path.as_str(), Some("1"))]);
                bench
                    .open()
                    .commit_onto(&bench.cx, "candidate", |_| Ok(Some(change.clone())))
                    .unwrap()
                    .unwrap()
            })
        });
        let ours: Vec<_> = ours.collect();
        let theirs = scope.spawn(|| {
            let script = r#"
                for i in 1 2 3; do
                    while :; do
                        old=$(git rev-parse -q --verify refs/heads/candidate) || continue
                        new=$(git commit-tree -p $old -m git-$i $old^{tree})
                        git update-ref refs/heads/candidate $new $old 2>/dev/null && break
                    done
                done
            "#;
            let mut alias = git(&bench.path("env.git"));
            let output = alias.args(["-c", &format!("alias.x=!{script}"), "x"]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        });
        let made = ours.into_iter().map(|writer| writer.join().unwrap()).collect();
        theirs.join().unwrap();
        made
    });
    // What was written for nothing, because another was quicker, hangs in the air until git cleans up.
    assert_eq!(bench.bare(&["fsck", "--strict", "--no-dangling"]), "");
    let log = bench.bare(&["log", "--format=%H", "candidate"]);
    let history: BTreeSet<&str> = log.lines().collect();
    assert_eq!(history.len(), 13);
    assert!(made.iter().all(|commit| history.contains(commit.to_string().as_str())), "a commit is lost");
    let files = bench.bare(&["ls-tree", "--name-only", "candidate"]);
    assert_eq!(files.lines().count(), 10, "{files}");
}

#[test]
fn what_is_no_path_no_name_and_no_branch_is_refused() {
    let bench = Bench::new();
    let ours = bench.open();
    for path in [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        ".git",
        ".git/hooks/x",
        "a/.GIT/b",
        ".Git",
        "git~1",
        "a\\b",
        "..\\a",
        "c:",
        "C:/a",
        "con",
        "a/NUL",
        "aux.txt",
        "a\0b",
        ".g\u{200c}it/config",
        ".git ",
        ".git.",
        ".git::$INDEX_ALLOCATION/x",
        "a:b",
        "lib\r",
        "a\r/b",
        "a\nb",
        "\u{1b}[2Ja",
        "a\u{7f}",
    ] {
        let error = ours.commit(None, &new("a", &[(path, Some("1"))])).expect_err(path);
        assert_eq!(error.kind(), ErrorKind::Config, "{path}: {error}");
        assert!(ours.commit(None, &new("a", &[(path, None)])).is_err(), "{path}");
    }
    let both = ours.commit(None, &new("a", &[("a", Some("1")), ("a/b/c", Some("1"))]));
    assert_eq!(both.unwrap_err().kind(), ErrorKind::Config);
    for (name, email) in
        [("a\nb", "e"), ("a <b>", "e"), ("a", "e>"), ("a\0", "e"), ("a", "e\r"), ("\u{1b}[2J", "e")]
    {
        let commit = NewCommit::new(Author::new(name, email), Timestamp(0), "a");
        assert_eq!(ours.commit(None, &commit).unwrap_err().kind(), ErrorKind::Config);
    }
    assert_eq!(ours.commit(None, &new("a\0b", &[])).unwrap_err().kind(), ErrorKind::Config);
    let commit = ours.commit(None, &new("", &[])).unwrap();
    for branch in [
        "",
        "-h",
        "--upload-pack=x",
        "a b",
        "a..b",
        "a/",
        "/a",
        "a.lock",
        "@{",
        "a~1",
        "a\nb",
        "a\r",
        "a\\b",
        ".a",
        "a:b",
    ] {
        let error = ours.move_branch(branch, None, commit).expect_err(branch);
        assert_eq!(error.kind(), ErrorKind::Config, "{branch}: {error}");
        assert!(ours.branch_commit(branch).is_err(), "{branch}");
    }
    assert_eq!(bench.bare(&["for-each-ref"]), "");
}

#[test]
fn a_worktree_is_not_left_behind_and_no_hook_is_run() {
    let bench = Bench::new();
    let ran = bench.path("ran");
    for hook in
        ["reference-transaction", "update", "post-update", "pre-commit", "post-commit", "post-receive"]
    {
        let path = bench.path("env.git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let ours = bench.open();
    ours.commit_onto(&bench.cx, "production", |_| Ok(Some(new("one", &[("a", Some("1"))])))).unwrap();
    assert!(!ran.exists());
    bench.bare(&["branch", "other", "production"]);
    assert!(ran.exists(), "git runs none of these hooks");

    bench.git(&["clone", "-q", "env.git", "work"]);
    let work = Repository::open(&bench.cx, Path::new("work")).unwrap();
    let refused = work.commit_onto(&bench.cx, "production", |_| Ok(Some(new("two", &[]))));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config);
    work.commit_onto(&bench.cx, "candidate", |_| Ok(Some(new("two", &[("a", Some("2"))])))).unwrap();
    assert_eq!(bench.git(&["-C", "work", "status", "--porcelain"]), "");
}

#[test]
fn it_is_committed_to_whatever_state_a_repository_is_in() {
    let bench = Bench::new();
    let commit = |folder: &str, branch: &str| {
        let ours = Repository::open(&bench.cx, Path::new(folder)).unwrap();
        let new = new(branch, &[("a", Some(branch))]);
        ours.commit_onto(&bench.cx, branch, |_| Ok(Some(new.clone())))
    };
    let subjects = |folder: &str, branch: &str| bench.git(&["-C", folder, "log", "--format=%s", branch]);
    // No commit yet, with a worktree.
    bench.git(&["init", "-q", "-b", "main", "young"]);
    commit("young", "candidate").unwrap();
    assert_eq!(subjects("young", "candidate"), "candidate");
    assert_eq!(commit("young", "main").unwrap_err().kind(), ErrorKind::Config);
    // A detached head: no branch is checked out, and the head stays where it is.
    commit("env.git", "production").unwrap();
    bench.git(&["clone", "-q", "env.git", "work"]);
    bench.git(&["-C", "work", "checkout", "-q", "--detach"]);
    let head = bench.git(&["-C", "work", "rev-parse", "HEAD"]);
    commit("work", "production").unwrap();
    assert_eq!(subjects("work", "production"), "production\nproduction");
    assert_eq!(bench.git(&["-C", "work", "rev-parse", "HEAD"]), head);
    assert_eq!(bench.git(&["-C", "work", "status", "--porcelain"]), "");
    // A shallow clone.
    let url = format!("file://{}", bench.path("env.git").display());
    commit("env.git", "production").unwrap();
    bench.git(&["clone", "-q", "--bare", "--depth", "1", &url, "shallow.git"]);
    commit("shallow.git", "production").unwrap();
    assert_eq!(subjects("shallow.git", "production"), "production\nproduction");
    bench.git(&["--git-dir=shallow.git", "fsck", "--strict"]);
}

#[test]
fn no_worktree_of_a_repository_is_left_behind() {
    let bench = Bench::new();
    let ours = bench.open();
    for branch in ["production", "candidate", "side"] {
        let new = new("one", &[("a", Some("1"))]);
        ours.commit_onto(&bench.cx, branch, |_| Ok(Some(new.clone()))).unwrap();
    }
    bench.bare(&["worktree", "add", "-q", "linked", "candidate"]);
    bench.git(&["clone", "-q", "env.git", "work"]);
    bench.git(&["-C", "work", "worktree", "add", "-q", "../beside", "-b", "side", "origin/side"]);
    let refused = |folder: &str, branch: &str| {
        let ours = Repository::open(&bench.cx, Path::new(folder)).unwrap();
        match ours.commit_onto(&bench.cx, branch, |_| Ok(Some(new("two", &[("a", Some("2"))])))) {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::Config => true,
            Err(error) => panic!("{error}"),
        }
    };
    for (folder, branch, expected) in [
        ("env.git", "candidate", true),
        ("env.git", "production", false),
        ("linked", "candidate", true),
        ("linked", "side", false),
        ("work", "side", true),
        ("beside", "production", true),
    ] {
        assert_eq!(refused(folder, branch), expected, "{branch} of {folder}");
    }
    for folder in ["linked", "work", "beside"] {
        assert_eq!(bench.git(&["-C", folder, "status", "--porcelain"]), "", "{folder}");
    }
}

#[test]
fn a_submodule_stays_what_it_is_and_nothing_is_written_into_it() {
    let bench = Bench::new();
    let ours = bench.open();
    bench.git(&["clone", "-q", "env.git", "work"]);
    let gitlink = format!("160000,{},lib", "1234567890".repeat(4));
    bench.git(&["-C", "work", "update-index", "--add", "--cacheinfo", &gitlink]);
    bench.git(&["-C", "work", "commit", "-q", "-m", "one"]);
    bench.git(&["-C", "work", "push", "-q", "origin", "HEAD:candidate"]);
    let make = |files: &[(&str, Option<&str>)]| {
        let new = new("next", files);
        ours.commit_onto(&bench.cx, "candidate", |_| Ok(Some(new.clone())))
    };
    let list = || bench.bare(&["ls-tree", "-r", "--format=%(objecttype) %(path)", "candidate"]);
    make(&[("a", Some("1")), ("lib.txt", Some("2"))]).unwrap();
    assert_eq!(list(), "blob a\ncommit lib\nblob lib.txt");
    for path in ["lib/x", "lib/deep/er"] {
        let error = make(&[(path, Some("1"))]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("the submodule `lib`"), "{error}");
        assert!(make(&[(path, None)]).is_err());
    }
    make(&[("lib", None)]).unwrap();
    make(&[("lib/x", Some("3"))]).unwrap();
    assert_eq!(list(), "blob a\nblob lib.txt\nblob lib/x");
}

#[test]
fn a_lock_that_is_left_behind_and_a_task_that_must_stop_end_it() {
    let bench = Bench::new();
    let ours = bench.open();
    let one = ours.commit_onto(&bench.cx, "candidate", |_| Ok(Some(new("one", &[])))).unwrap();
    fs::write(bench.path("env.git/refs/heads/candidate.lock"), "").unwrap();
    let error = ours.commit_onto(&bench.cx, "candidate", |_| Ok(Some(new("two", &[])))).unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.may_retry(), "{error}");
    fs::remove_file(bench.path("env.git/refs/heads/candidate.lock")).unwrap();
    bench.cx.cancel().escalate(Stage::Forced, CancelReason::Asked);
    let error = ours.commit_onto(&bench.cx, "candidate", |_| Ok(Some(new("two", &[])))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(ours.branch_commit("candidate").unwrap(), one);
}

#[test]
fn what_is_no_repository_is_a_config_error() {
    let bench = Bench::new();
    fs::create_dir(bench.path("empty")).unwrap();
    for folder in ["empty", "nowhere", "env.git/refs"] {
        let error = Repository::open(&bench.cx, Path::new(folder)).expect_err(folder);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
}
