//! Checkouts, of what git made and of what means no good.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests drive git and look at the disk, and may panic"
)]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use shipway_core::{Cancel, CancelReason, Context, ErrorKind, RunContext, Stage, World};
use shipway_git::{ObjectId, Repository};

struct Bench {
    folder: tempfile::TempDir,
    cx: Context,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cx = RunContext::new(World::host(folder.path()), "checkout").context(None, None, Cancel::new());
        let bench = Self { folder, cx };
        bench.git(&["init", "-q", "-b", "main", "work"], b"");
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn git(&self, args: &[&str], input: &[u8]) -> String {
        let mut git = Command::new("git");
        git.args(args).current_dir(self.folder.path()).env_clear();
        git.env("PATH", std::env::var_os("PATH").unwrap()).env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "g").env(format!("GIT_{who}_EMAIL"), "g@example.com");
        }
        let mut child = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn work(&self, args: &[&str], input: &[u8]) -> String {
        self.git(&[&["-C", "work"], args].concat(), input)
    }

    fn open(&self) -> Repository {
        Repository::open(&self.cx, Path::new("work")).unwrap()
    }

    /// Makes a commit of a tree of these entries, whatever git thinks of them.
    fn commit(&self, entries: &[(&str, &str, &str)]) -> ObjectId {
        let mut tree = Vec::new();
        for (mode, name, id) in entries {
            tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            tree.extend((0..20).map(|at| u8::from_str_radix(&id[at * 2..at * 2 + 2], 16).unwrap()));
        }
        let tree = self.work(&["hash-object", "-t", "tree", "-w", "--literally", "--stdin"], &tree);
        self.named(&tree)
    }

    fn named(&self, tree: &str) -> ObjectId {
        let commit = self.work(&["commit-tree", "-m", "m", tree], b"");
        self.open().find_commit(&commit).unwrap().unwrap()
    }

    fn blob(&self, content: &[u8]) -> String {
        self.work(&["hash-object", "-w", "--stdin"], content)
    }
}

#[test]
fn a_checkout_is_what_git_makes() {
    let bench = Bench::new();
    for (path, content) in [("a", "1"), ("deep/er/b", "2"), ("run.sh", "#!/bin/sh\n")] {
        fs::create_dir_all(bench.path("work").join(path).parent().unwrap()).unwrap();
        fs::write(bench.path("work").join(path), content).unwrap();
    }
    fs::set_permissions(bench.path("work/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("deep/er/b", bench.path("work/link")).unwrap();
    bench.work(&["add", "-A"], b"");
    bench.work(&["commit", "-qm", "a"], b"");
    bench.work(&["tag", "-a", "-m", "m", "heavy"], b"");
    let repository = bench.open();
    let commit = repository.find_commit("main").unwrap().unwrap();
    assert_eq!(repository.find_commit("heavy").unwrap(), Some(commit));
    assert_eq!(repository.find_commit(&commit.to_string()).unwrap(), Some(commit));
    for nothing in ["gone", "0000000000000000000000000000000000000001"] {
        assert_eq!(repository.find_commit(nothing).unwrap(), None, "{nothing}");
    }
    assert!(repository.find_commit("-x").is_err());

    repository.check_out(&bench.cx, commit, Path::new("out/there")).unwrap();
    let out = bench.path("out/there");
    assert_eq!(fs::read_to_string(out.join("deep/er/b")).unwrap(), "2");
    assert_eq!(fs::read_link(out.join("link")).unwrap(), Path::new("deep/er/b"));
    let mode = |name: &str| fs::metadata(out.join(name)).unwrap().permissions().mode() & 0o111;
    assert_eq!((mode("a"), mode("run.sh") & 0o100), (0, 0o100));
    // What is there is taken to be it.
    fs::write(out.join("a"), "changed").unwrap();
    repository.check_out(&bench.cx, commit, Path::new("out/there")).unwrap();
    assert_eq!(fs::read_to_string(out.join("a")).unwrap(), "changed");
    for _ in 0..2 {
        Repository::remove_checkout(&bench.cx, Path::new("out/there")).unwrap();
    }
    assert_eq!(fs::read_dir(bench.path("out")).unwrap().count(), 0);
}

#[test]
fn nothing_is_written_elsewhere() {
    let bench = Bench::new();
    let (blob, outside) = (bench.blob(b"x"), bench.blob(bench.path("outside").to_string_lossy().as_bytes()));
    fs::create_dir(bench.path("outside")).unwrap();
    let inner = bench.work(&["mktree"], format!("100644 blob {blob}\tx\n").as_bytes());
    for entries in [
        &[("100644", "..", blob.as_str())][..],
        &[("100644", "../x", &blob)],
        &[("40000", "..", &inner)],
        &[("100644", ".git", &blob)],
        &[("40000", ".GIT", &inner)],
        &[("100644", "", &blob)],
        &[("100644", "a\nb", &blob)],
        // A link, and then something through it.
        &[("120000", "a", &outside), ("40000", "a", &inner)],
        &[("120000", "a", &outside), ("100644", "a", &blob)],
        &[("100644", "a", "0000000000000000000000000000000000000001")],
    ] {
        let commit = bench.commit(entries);
        let refused = bench.open().check_out(&bench.cx, commit, Path::new("out/there")).unwrap_err();
        assert_ne!(refused.kind(), ErrorKind::Internal, "{entries:?}");
        assert_eq!(fs::read_dir(bench.path("out")).unwrap().count(), 0, "{entries:?}: nothing is left");
        assert_eq!(fs::read_dir(bench.path("outside")).unwrap().count(), 0, "{entries:?}");
    }
}

#[test]
fn a_checkout_is_bounded_and_can_be_stopped() {
    let bench = Bench::new();
    let blob = bench.blob(b"x");
    let mut tree = bench.work(&["mktree"], format!("100644 blob {blob}\tx\n").as_bytes());
    for _ in 0..100 {
        tree = bench.work(&["mktree"], format!("040000 tree {tree}\ta\n").as_bytes());
    }
    let refused = bench.open().check_out(&bench.cx, bench.named(&tree), Path::new("out")).unwrap_err();
    assert!(refused.to_string().contains("100 folders in each other"), "{refused}");
    let tree = bench.work(&["mktree"], format!("100644 blob {blob}\tx\n").as_bytes());
    let commit = bench.named(&tree);
    let stopped = Cancel::new();
    stopped.escalate(Stage::Forced, CancelReason::Asked);
    let cx = RunContext::new(World::host(bench.folder.path()), "stopped").context(None, None, stopped);
    let refused = bench.open().check_out(&cx, commit, Path::new("out")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Cancelled);
    assert!(!bench.path("out").exists());
}
