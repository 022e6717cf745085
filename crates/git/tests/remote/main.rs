//! Fetching from and pushing to git's own server, and what happens with one that means no good.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests drive git and look at the disk, and may panic"
)]

mod cut;
mod hostile;
mod programs;
mod server;
mod ssh;
mod states;

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use shipway_core::{Cancel, Context, ErrorKind, FixedCredentials, Login, RunContext, Timestamp, World};
use shipway_git::{Author, NewCommit, Remote, Repository};

use self::server::{Git, answer, backend};

fn context(git: &Git) -> Context {
    RunContext::new(World::host(git.folder.path()), "remote").context(None, None, Cancel::new())
}

/// Makes an empty repository for what is fetched.
fn empty(git: &Git, cx: &Context, name: &str) -> Repository {
    git.run(&["init", "-q", "--bare", name]);
    Repository::open(cx, Path::new(name)).unwrap()
}

fn new(message: &str, path: &str, content: &str) -> NewCommit {
    let files = [(path.to_owned(), Some(content.as_bytes().to_vec()))];
    NewCommit::new(Author::new("a", "a@example.com"), Timestamp(1_700_000_000_000), message).files(files)
}

#[tokio::test]
async fn what_is_fetched_and_pushed_is_what_git_has() {
    let git = Git::new();
    let (cx, remote) = (context(&git), Remote::new(&format!("{}/", git.url()), true).unwrap());
    let ours = empty(&git, &cx, "ours.git");
    assert_eq!(remote.fetch(&cx, &ours, "candidate").await.unwrap(), None);

    let one = ours.commit(None, &new("one", "deep/er/a", "1")).unwrap();
    remote.push(&cx, &ours, "candidate", None, one).await.unwrap();
    assert_eq!(git.bare(&["fsck", "--strict"]), "");
    assert_eq!(git.bare(&["show", "candidate:deep/er/a"]), "1");
    let mut tip = one;
    for number in 0..3 {
        tip = ours.commit(Some(tip), &new("more", &format!("b{number}"), "2")).unwrap();
    }
    remote.push(&cx, &ours, "candidate", Some(one), tip).await.unwrap();
    assert_eq!(git.bare(&["rev-list", "--count", "candidate"]), "4");
    assert_eq!(git.bare(&["ls-tree", "-r", "--name-only", "candidate"]), "b0\nb1\nb2\ndeep/er/a");
    remote.push(&cx, &ours, "production", None, one).await.unwrap();
    assert_eq!(git.bare(&["rev-parse", "production"]), one.to_string());

    // What git made, with deltas between its objects.
    git.run(&["clone", "-q", "-b", "candidate", "env.git", "work"]);
    let text = |number: usize| (0..200).map(|line| format!("{number} line {line}\n")).collect::<String>();
    let files =
        |round: usize| (0..50).map(move |number| (format!("d/{number}"), text(number) + &round.to_string()));
    for round in 0..5 {
        git.commit("by git", &files(round).collect::<Vec<_>>());
    }
    git.bare(&["repack", "-adqf"]);
    for name in ["ours.git", "fresh.git"] {
        let into = if name == "ours.git" { ours.clone() } else { empty(&git, &cx, name) };
        let tip = remote.fetch(&cx, &into, "candidate").await.unwrap().unwrap();
        assert_eq!(git.bare(&["rev-parse", "candidate"]), tip.to_string());
        assert_eq!(into.file(tip, "d/7", 1 << 20).unwrap().unwrap(), (text(7) + "4").into_bytes());
        let there = format!("--git-dir={name}");
        assert_eq!(git.run(&[&there, "fsck", "--strict", "--no-dangling"]), "");
        assert_eq!(git.run(&[&there, "rev-list", "--count", &tip.to_string()]), "9");
        assert_eq!(git.run(&[&there, "rev-parse", "refs/remotes/origin/candidate"]), tip.to_string());
        let left = fs::read_dir(git.path(name).join("objects/pack")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(left.iter().all(|name| name.ends_with(".pack") || name.ends_with(".idx")), "{left:?}");
        // Nothing new, nothing fetched.
        assert_eq!(remote.fetch(&cx, &into, "candidate").await.unwrap(), Some(tip));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_writers_give_ten_commits() {
    let git = Git::new();
    let cx = context(&git);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..10 {
        let (cx, url) = (cx.clone(), git.url());
        let through = empty(&git, &cx, &format!("writer-{number}.git"));
        writers.spawn(async move {
            let name = format!("service-{number}");
            let make = |_| Ok(Some(new(&name, &name, "1")));
            let commit = Remote::new(&url, true).unwrap().commit_onto(&cx, &through, "candidate", make).await;
            commit.unwrap().unwrap().to_string()
        });
    }
    let made: BTreeSet<String> = writers.join_all().await.into_iter().collect();
    let log = git.bare(&["log", "--format=%H", "candidate"]);
    assert_eq!(log.lines().map(str::to_owned).collect::<BTreeSet<_>>(), made);
    assert_eq!(git.bare(&["ls-tree", "--name-only", "candidate"]).lines().count(), 10);
    assert_eq!(git.bare(&["fsck", "--strict", "--no-dangling"]), "");
}

#[tokio::test]
async fn whoever_comes_second_is_told() {
    let git = Git::new();
    let (cx, remote) = (context(&git), Remote::new(&git.url(), true).unwrap());
    let ours = empty(&git, &cx, "ours.git");
    let one = ours.commit(None, &new("one", "a", "1")).unwrap();
    remote.push(&cx, &ours, "candidate", None, one).await.unwrap();
    let two = ours.commit(Some(one), &new("two", "a", "2")).unwrap();
    for from in [None, Some(two)] {
        let error = remote.push(&cx, &ours, "candidate", from, two).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
    // Another is quicker after we looked: the server itself compares.
    let mut quicker = true;
    git.twist(move |request, root| {
        if request.is_push() && std::mem::take(&mut quicker) {
            let script = "git commit-tree -p candidate -m other candidate^{tree} | xargs git update-ref refs/heads/candidate";
            let mut shell = std::process::Command::new("sh");
            let names = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
            shell.args(["-ec", script]).current_dir(root.join("env.git")).envs(names.map(|name| (name, "g")));
            assert!(shell.status().unwrap().success());
        }
        None
    });
    let error = remote.push(&cx, &ours, "candidate", Some(one), two).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(git.bare(&["log", "--format=%s", "candidate"]), "other\none");
    let make =
        |parent: Option<shipway_git::ObjectId>| Ok(Some(new("two", "a", &parent.unwrap().to_string())));
    remote.commit_onto(&cx, &ours, "candidate", make).await.unwrap();
    assert_eq!(git.bare(&["log", "--format=%s", "candidate"]), "two\nother\none");
}

#[tokio::test]
async fn a_server_that_dies_in_a_push_makes_no_second_commit() {
    for before in [true, false] {
        let git = Git::new();
        let (cx, remote) = (context(&git), Remote::new(&git.url(), true).unwrap());
        let ours = empty(&git, &cx, "ours.git");
        let mut dies = true;
        git.twist(move |request, root| {
            if !request.is_push() || !std::mem::take(&mut dies) {
                return None;
            }
            if !before {
                backend(root, request);
            }
            Some(None)
        });
        let seen = ours.clone();
        let make = move |parent| match parent {
            Some(parent) if seen.file(parent, "run", 10)?.as_deref() == Some(b"7") => Ok(None),
            _ => Ok(Some(new("run 7", "run", "7"))),
        };
        let error = remote.commit_onto(&cx, &ours, "candidate", make.clone()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Unavailable && error.may_retry(), "{error}");
        remote.commit_onto(&cx, &ours, "candidate", make).await.unwrap().unwrap();
        assert_eq!(git.bare(&["log", "--format=%s", "candidate"]), "run 7", "died before: {before}");
    }
}

#[tokio::test]
async fn a_refusal_is_said_and_a_login_is_for_its_host_alone() {
    let git = Git::new();
    let remote = Remote::new(&git.url(), true).unwrap();
    let (anonymous, ours) = (context(&git), empty(&git, &context(&git), "ours.git"));
    let one = ours.commit(None, &new("one", "a", "1")).unwrap();
    let hook = git.path("env.git/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let error = remote.push(&anonymous, &ours, "candidate", None, one).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Auth && error.to_string().contains("hook"), "{error}");
    fs::remove_file(hook).unwrap();

    git.twist(|request, _| match request.header("authorization") {
        // ci:pa55
        Some("Basic Y2k6cGE1NQ==") => None,
        _ => Some(Some(answer("401 Unauthorized", "text/plain", b"no"))),
    });
    let error = remote.push(&anonymous, &ours, "candidate", None, one).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    let with = |host: String| {
        let credentials = FixedCredentials::new().login(host.as_str(), Login::new("ci", "pa55"));
        let world = World::host(git.folder.path()).credentials(credentials);
        RunContext::new(world, "remote").context(None, None, Cancel::new())
    };
    let other = with("127.0.0.1".to_owned());
    let error = remote.push(&other, &ours, "candidate", None, one).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    let right = with(format!("127.0.0.1:{}", git.server.port));
    remote.push(&right, &ours, "candidate", None, one).await.unwrap();
}
