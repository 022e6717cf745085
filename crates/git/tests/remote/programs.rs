//! Over HTTP no program is started: neither git nor ssh nor a shell, whatever a repository's configuration names.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use shipway_core::{Cancel, ErrorKind, RunContext, World};
use shipway_git::{Remote, Repository};

use crate::{empty, new, server::Git};

/// Not a test of its own: what the next one runs, where every program is a trap.
#[tokio::test]
async fn works_among_traps() {
    let (Ok(url), Ok(folder)) = (env::var("TRAPPED_URL"), env::var("TRAPPED_FOLDER")) else { return };
    let cx = RunContext::new(World::host(folder), "trapped").context(None, None, Cancel::new());
    let ours = Repository::open(&cx, Path::new("ours.git")).unwrap();
    let remote = Remote::new(&url, true).unwrap();
    assert!(remote.fetch(&cx, &ours, "candidate").await.unwrap().is_some());
    remote.commit_onto(&cx, &ours, "candidate", |_| Ok(Some(new("two", "a", "2")))).await.unwrap();
    let work = Repository::discover(&cx, Path::new("work")).unwrap();
    work.describe(work.head().unwrap()).unwrap();
    work.status(&cx).unwrap();
    work.commit_onto(&cx, "beside", |_| Ok(Some(new("three", "b", "3")))).unwrap();
    for url in ["ext::git a", "EXT::git a", "file:///tmp", "git::git://h/a", "ssh://-oProxyCommand=nc/a"] {
        assert_eq!(Remote::new(url, true).unwrap_err().kind(), ErrorKind::Config, "{url}");
    }
}

const PROGRAMS: [&str; 12] = [
    "bash",
    "curl",
    "git",
    "git-receive-pack",
    "git-remote-ext",
    "git-remote-http",
    "git-upload-pack",
    "gpg",
    "nc",
    "ssh",
    "ssh-keygen",
    "sh",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_program_is_started() {
    let git = Git::new();
    let cx = crate::context(&git);
    empty(&git, &cx, "ours.git");
    git.commit("one", &[("a".to_owned(), "1".to_owned())]);
    let (traps, sprung) = (git.path("traps"), git.path("sprung"));
    fs::create_dir(&traps).unwrap();
    let trap = |name: &str| traps.join(name).display().to_string();
    for name in PROGRAMS {
        fs::write(trap(name), format!("#!/bin/sh\necho {name} \"$@\" >>{}\nexit 1\n", sprung.display()))
            .unwrap();
        fs::set_permissions(trap(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for folder in ["ours.git", "work/.git"] {
        for (key, value) in [
            ("core.sshCommand", "ssh"),
            ("core.gitProxy", "nc"),
            ("core.askPass", "sh"),
            ("core.fsmonitor", "sh"),
            ("core.alternateRefsCommand", "sh"),
            ("credential.helper", "!sh"),
            ("gpg.program", "gpg"),
            ("commit.gpgSign", "true"),
            ("protocol.ext.allow", "always"),
            ("remote.origin.uploadpack", "sh"),
            ("remote.origin.receivepack", "sh"),
            ("uploadpack.packObjectsHook", "sh"),
            (&format!("url.ext::{}.insteadOf", trap("sh")), &git.url()),
        ] {
            git.run(&["config", "--file", &format!("{folder}/config"), key, value]);
        }
    }
    let before = git.bare(&["rev-list", "--count", "candidate"]);
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "programs::works_among_traps"])
        .env_clear()
        .envs([("PATH", traps.to_str().unwrap()), ("GIT_SSH", &trap("ssh")), ("GIT_ASKPASS", &trap("sh"))])
        .envs([("TRAPPED_URL", git.url()), ("TRAPPED_FOLDER", git.path("").display().to_string())])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(fs::read_to_string(&sprung).unwrap_or_default(), "", "a program was started");
    assert_eq!((before.as_str(), git.bare(&["rev-list", "--count", "candidate"]).as_str()), ("1", "2"));
    // A trap that does not spring would show nothing.
    assert!(!Command::new(trap("git")).arg("x").status().unwrap().success());
    assert_eq!(fs::read_to_string(&sprung).unwrap(), "git x\n");
}
