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

#[tokio::test]
async fn nothing_that_a_repository_names_is_run_or_asked_over_ssh() {
    let git = Git::new();
    git.commit("one", &[("a".to_owned(), "1".to_owned())]);
    let (cx, url, sprung) = (context(&git), url(&git, "env.git"), git.path("sprung"));
    let ours = Repository::open_or_create(&cx, Path::new("ours.git")).unwrap();
    Repository::open_or_create(&cx, Path::new("other.git")).unwrap();
    let trap = git.path("trap").display().to_string();
    fs::write(&trap, format!("#!/bin/sh\necho \"$0 $@\" >>{}\nexit 1\n", sprung.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    for hook in ["pre-push", "reference-transaction", "post-update"] {
        fs::create_dir_all(git.path("ours.git/hooks")).unwrap();
        fs::copy(&trap, git.path("ours.git/hooks").join(hook)).unwrap();
    }
    fs::create_dir_all(git.path("ours.git/objects/info")).unwrap();
    let alternates = git.path("other.git/objects").display().to_string();
    fs::write(git.path("ours.git/objects/info/alternates"), alternates + "\n").unwrap();
    git.bare(&["config", "receive.certNonceSeed", "x"]);
    for (key, value) in [
        ("core.sshCommand", trap.as_str()),
        ("core.alternateRefsCommand", &trap),
        ("core.fsmonitor", &trap),
        ("core.hooksPath", git.path("ours.git/hooks").to_str().unwrap()),
        ("credential.helper", &trap),
        ("gpg.program", &trap),
        ("push.gpgSign", "true"),
        ("protocol.ext.allow", "always"),
        ("protocol.file.allow", "always"),
        (&format!("remote.{url}.uploadpack"), &trap),
        (&format!("remote.{url}.receivepack"), &trap),
        (&format!("url.ext::{trap} .insteadOf"), "git@host:"),
        (&format!("url.ext::{trap} .pushInsteadOf"), "git@host:"),
    ] {
        git.run(&["config", "--file", "ours.git/config", key, value]);
    }
    let remote = Remote::new(&url, false).unwrap();
    remote.commit_onto(&cx, &ours, "candidate", |_| Ok(Some(new("two", "a", "2")))).await.unwrap();
    assert_eq!(fs::read_to_string(&sprung).unwrap_or_default(), "", "something was run");
    assert_eq!(git.bare(&["log", "--format=%s", "candidate"]), "two\none");
    // What would go by another protocol does not go at all.
    git.run(&["config", "--file", "ours.git/config", &format!("remote.{url}.vcs"), &format!("ext::{trap}")]);
    remote.commit_onto(&cx, &ours, "candidate", |_| Ok(Some(new("never", "a", "0")))).await.unwrap_err();
    git.run(&["config", "--file", "ours.git/config", "--unset", &format!("remote.{url}.vcs")]);
    // Also where the embedder names an `ssh` of its own.
    let home = git.folder.path().to_str().unwrap().to_owned();
    let own = git.path("bin/ssh").display().to_string();
    let env = [("PATH", std::env::var("PATH").unwrap()), ("HOME", home), ("GIT_SSH", own)];
    let world = World::host(git.folder.path()).env(env.map(|(name, value)| (name.to_owned(), value)));
    let cx = RunContext::new(world, "remote").context(None, None, Cancel::new());
    remote.commit_onto(&cx, &ours, "candidate", |_| Ok(Some(new("three", "a", "3")))).await.unwrap();
    assert_eq!(fs::read_to_string(&sprung).unwrap_or_default(), "", "something was run");
}
