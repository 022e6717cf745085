//! Over ssh: git's own program, and an `ssh` that runs on this machine what it was to run on the other.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use shipway_core::{Cancel, Context, ErrorKind, RunContext, World};
use shipway_git::{Remote, Repository};

use crate::{new, server::Git};

/// Says what it was asked, and does it here.
const SSH: &str = "#!/bin/sh
echo \"$@\" >> \"$HOME/asked\"
case \"$*\" in
*locked.git*) echo 'git@host: \x1b[31mPermission denied (publickey).' >&2; exit 255 ;;
*away.git*) echo 'ssh: connect to host host port 22: Connection refused' >&2; exit 255 ;;
esac
for last; do :; done
eval \"exec $last\"
";

fn context(git: &Git) -> Context {
    let programs = git.path("bin");
    fs::create_dir_all(&programs).unwrap();
    fs::write(programs.join("ssh"), SSH).unwrap();
    fs::set_permissions(programs.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let home = git.folder.path().to_str().unwrap().to_owned();
    let env = [("PATH".to_owned(), path), ("HOME".to_owned(), home)];
    RunContext::new(World::host(git.folder.path()).env(env), "remote").context(None, None, Cancel::new())
}

fn url(git: &Git, name: &str) -> String {
    format!("git@host:{}", git.path(name).display())
}

#[tokio::test]
async fn what_is_fetched_and_pushed_over_ssh_is_what_git_has() {
    let git = Git::new();
    let (cx, remote) = (context(&git), Remote::new(&url(&git, "env.git"), false).unwrap());
    let ours = Repository::open_or_create(&cx, Path::new("ours.git")).unwrap();
    assert_eq!(remote.fetch(&cx, &ours, "candidate").await.unwrap(), None);
    let make = |_| Ok(Some(new("one", "a", "1")));
    let one = remote.commit_onto(&cx, &ours, "candidate", make).await.unwrap().unwrap();
    assert_eq!(git.bare(&["rev-parse", "candidate"]), one.to_string());
    let two = ours.commit(Some(one), &new("two", "a", "2")).unwrap();
    for from in [None, Some(two)] {
        let error = remote.push(&cx, &ours, "candidate", from, two).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
    remote.push(&cx, &ours, "candidate", Some(one), two).await.unwrap();
    let again = Repository::open_or_create(&cx, Path::new("again.git")).unwrap();
    assert_eq!(remote.fetch(&cx, &again, "candidate").await.unwrap(), Some(two));
    assert_eq!(again.file(two, "a", 10).unwrap().unwrap(), b"2");
    assert_eq!(again.read_commit(two).unwrap().parent, Some(one));
    let asked = fs::read_to_string(git.path("asked")).unwrap();
    assert!(asked.lines().all(|line| line.starts_with("-oBatchMode=yes ")), "{asked}");
}

#[tokio::test]
async fn what_goes_wrong_over_ssh_is_said_without_a_terminals_commands() {
    let git = Git::new();
    let cx = context(&git);
    let ours = Repository::open_or_create(&cx, Path::new("ours.git")).unwrap();
    for (name, kind, retry) in [
        ("locked.git", ErrorKind::Auth, false),
        ("nowhere.git", ErrorKind::NotFound, false),
        ("away.git", ErrorKind::Unavailable, true),
    ] {
        let remote = Remote::new(&url(&git, name), false).unwrap();
        let error = remote.fetch(&cx, &ours, "candidate").await.unwrap_err();
        assert_eq!((error.kind(), error.may_retry()), (kind, retry), "{error}");
        assert!(!error.to_string().contains('\x1b'), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_writers_over_ssh_lose_nothing() {
    let git = Git::new();
    let cx = context(&git);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (cx, url) = (cx.clone(), url(&git, "env.git"));
        let through = Repository::open_or_create(&cx, Path::new(&format!("writer-{number}.git"))).unwrap();
        writers.spawn(async move {
            let name = format!("service-{number}");
            let make = |_| Ok(Some(new(&name, &name, "1")));
            let remote = Remote::new(&url, false).unwrap();
            remote.commit_onto(&cx, &through, "candidate", make).await.unwrap().unwrap().to_string()
        });
    }
    let made: BTreeSet<String> = writers.join_all().await.into_iter().collect();
    let log = git.bare(&["log", "--format=%H", "candidate"]);
    assert_eq!(log.lines().map(str::to_owned).collect::<BTreeSet<_>>(), made);
    assert_eq!(git.bare(&["ls-tree", "--name-only", "candidate"]).lines().count(), 4);
}
