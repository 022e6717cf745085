//! What is fetched and pushed from repositories in states that are not the usual one.

use std::{collections::BTreeSet, fs, path::Path, process::Stdio};

use shipway_git::{Remote, Repository};

use crate::{context, empty, new, server::Git};

/// Returns every file below a folder of the test's, but those of git's objects and references.
fn files(git: &Git, folder: &str) -> BTreeSet<String> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![git.path(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ours = ["objects", "refs"].iter().any(|name| path.ends_with(name));
            match path.is_dir() {
                true if !ours => folders.push(path),
                true => {}
                false => drop(files.insert(path.display().to_string())),
            }
        }
    }
    files
}

#[tokio::test]
async fn what_a_shallow_clone_lacks_is_sent_when_it_is_needed() {
    let git = Git::new();
    let (cx, remote) = (context(&git), Remote::new(&git.url(), true).unwrap());
    for (name, content) in [("one", "1"), ("two", "2"), ("three", "3")] {
        git.commit(name, &[(name.to_owned(), content.to_owned())]);
    }
    let url = format!("file://{}", git.path("env.git").display());
    git.run(&["clone", "-q", "--bare", "--depth", "1", "-b", "candidate", &url, "ours.git"]);
    let ours = Repository::open(&cx, Path::new("ours.git")).unwrap();
    // A commit upon the shallow end.
    remote.commit_onto(&cx, &ours, "candidate", |_| Ok(Some(new("four", "four", "4")))).await.unwrap();
    assert_eq!(git.bare(&["log", "--format=%s", "candidate"]), "four\nthree\ntwo\none");
    // The branch goes back to where we never were, and on from there.
    git.run(&["-C", "work", "reset", "-q", "--hard", "candidate~2"]);
    git.commit("other", &[("other".to_owned(), "5".to_owned())]);
    let tip = remote.fetch(&cx, &ours, "candidate").await.unwrap().unwrap();
    for (path, content) in [("one", "1"), ("other", "5")] {
        assert_eq!(ours.file(tip, path, 10).unwrap().as_deref(), Some(content.as_bytes()), "{path}");
    }
    git.run(&["--git-dir=ours.git", "fsck", "--no-dangling", "--connectivity-only"]);
    remote.commit_onto(&cx, &ours, "candidate", |_| Ok(Some(new("five", "five", "6")))).await.unwrap();
    assert_eq!(git.bare(&["log", "--format=%s", "candidate"]), "five\nother\none");
    assert_eq!(git.bare(&["fsck", "--strict", "--no-dangling"]), "");
}

#[tokio::test]
async fn a_submodule_is_carried_along_and_never_looked_into() {
    let git = Git::new();
    let (cx, remote) = (context(&git), Remote::new(&git.url(), true).unwrap());
    git.commit("one", &[("one".to_owned(), "1".to_owned())]);
    // A commit that is nowhere, in a repository that is nowhere, at a place that git once wrote through.
    let modules = "[submodule \"x\"]\n\tpath = \"lib\\r\"\n\turl = ext::sh -c touch% sprung\n\tupdate = !touch sprung\n";
    fs::write(git.path("work/.gitmodules"), modules).unwrap();
    let gitlink = format!("160000,{},lib", "1234567890".repeat(4));
    git.run(&["-C", "work", "update-index", "--add", "--cacheinfo", &gitlink]);
    git.run(&["-C", "work", "add", ".gitmodules"]);
    git.run(&["-C", "work", "commit", "-q", "-m", "two"]);
    git.run(&["-C", "work", "push", "-q", "origin", "candidate"]);
    let ours = empty(&git, &cx, "ours.git");
    let before = files(&git, "ours.git");
    remote.commit_onto(&cx, &ours, "candidate", |_| Ok(Some(new("three", "a", "3")))).await.unwrap();
    assert_eq!(git.bare(&["log", "--format=%s", "candidate"]), "three\ntwo\none");
    let list = git.bare(&["ls-tree", "--format=%(objecttype) %(path)", "candidate"]);
    assert_eq!(list, "blob .gitmodules\nblob a\ncommit lib\nblob one");
    assert_eq!(files(&git, "ours.git"), before, "something was checked out");
    assert!(!git.path("sprung").exists());
}

#[tokio::test]
async fn names_that_lead_out_of_a_worktree_are_data_and_nothing_is_written_by_them() {
    let git = Git::new();
    let (cx, remote) = (context(&git), Remote::new(&git.url(), true).unwrap());
    let make = |tree: &str| {
        let mut make = git.command(&["--git-dir=env.git", "mktree", "--missing"]);
        let mut child = make.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), tree.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    };
    fs::write(git.path("hook"), "#!/bin/sh\ntouch sprung\n").unwrap();
    let blob = git.bare(&["hash-object", "-w", "hook"]);
    let hooks = make(&format!("100755 blob {blob}\tpost-checkout\n"));
    let dot_git = make(&format!("040000 tree {hooks}\thooks\n100644 blob {blob}\tconfig\n"));
    let names = [".git", ".GIT", "git~1", "..", "a\\b", "lib\r", "-h", "--upload-pack=x", "\u{1b}[2J"];
    let tree: String = names
        .iter()
        .map(|name| {
            format!("040000 tree {dot_git}\t\"{}\"\n", name.replace('\\', "\\\\").replace('\r', "\\r"))
        })
        .collect();
    let tree = make(&tree);
    let commit = git.bare(&["commit-tree", "-m", "hostile", &tree]);
    git.bare(&["update-ref", "refs/heads/candidate", &commit]);
    let ours = empty(&git, &cx, "ours.git");
    let before = files(&git, "");
    let tip = remote.fetch(&cx, &ours, "candidate").await.unwrap().unwrap();
    assert_eq!(tip.to_string(), commit);
    assert!(ours.file(tip, ".git/hooks/post-checkout", 100).unwrap().is_some(), "as data it can be read");
    ours.tree(tip, b".git/hooks").unwrap();
    assert!(ours.file(tip, "no/such", 100).unwrap().is_none());
    let fetched: Vec<_> = files(&git, "").difference(&before).cloned().collect();
    assert!(fetched.iter().all(|name| name.contains("/ours.git/") && !name.contains("hooks")), "{fetched:?}");
    assert!(!git.path("sprung").exists());
}
