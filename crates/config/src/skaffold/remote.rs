//! Checkouts of git repositories that configurations require, kept in the caller's folder: for each repository with
//! what is wanted of it a folder with what was fetched, the commit that was looked at last, and that commit's
//! files, which stay until two newer ones came.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use shipway_core::{Context, Error, Result, publish};
use shipway_git::{ObjectId, Remote, Repository as Git};

use super::{
    Options, SyncRemoteCache,
    modules::{Repository, Wanted},
};

/// Skaffold's order, whatever the repository's own head is (`git/gitutil.go`).
const DEFAULT_BRANCHES: [&str; 2] = ["master", "main"];

/// Returns the folder of a repository's checkout.
pub(super) async fn checked_out(
    cx: &Context,
    repository: &Repository,
    wanted: &Wanted,
    options: &Options,
) -> Result<PathBuf> {
    let Some(cache) = &options.remote_cache else {
        return Err(Error::config("a git repository is required, and there is no folder for its checkout")
            .hint("name one with `Options::remote_cache`"));
    };
    let folder = cx.path(cache).join(folder_name(repository));
    let kept = cx.blocking({
        let folder = folder.clone();
        move |cx| kept(cx, &folder)
    });
    let kept = kept.await?;
    let look = match options.sync_remote_cache {
        SyncRemoteCache::Always => kept.is_empty() || wanted.sync != Some(false),
        SyncRemoteCache::Missing => kept.is_empty(),
        SyncRemoteCache::Never => false,
    };
    if !look {
        return match kept.into_iter().next() {
            Some(commit) => Ok(folder.join(commit)),
            None => Err(Error::config(format!("there is no checkout of `{}`", repository.url))
                .hint("let it be made with `--sync-remote-cache=missing`")),
        };
    }
    let (git, commit) = fetched(cx, repository, wanted, &folder).await?;
    cx.blocking(move |cx| {
        let checkout = folder.join(commit.to_string());
        git.check_out(cx, commit, &checkout)?;
        keep(cx, &folder, &commit.to_string(), kept)?;
        Ok(checkout)
    })
    .await
}

/// Brings the commit that is wanted here.
async fn fetched(
    cx: &Context,
    repository: &Repository,
    wanted: &Wanted,
    folder: &Path,
) -> Result<(Git, ObjectId)> {
    let Repository { url, reference } = repository.clone();
    let names: Vec<String> = match reference.as_str() {
        "" => DEFAULT_BRANCHES.map(str::to_owned).into(),
        _ => vec![reference],
    };
    let nothing = |names: &[String]| {
        Error::config(format!("the repository has neither a branch nor a tag `{}`", names.join("` or `")))
            .hint("say with `ref` what is meant")
    };
    if let Some(path) = here(&url) {
        if wanted.by_remote {
            return Err(Error::config("a repository elsewhere cannot require one of this machine"));
        }
        return cx
            .blocking(move |cx| {
                let git = Git::open(cx, &path)?;
                for name in &names {
                    if let Some(commit) = git.find_commit(name)? {
                        return Ok((git, commit));
                    }
                }
                Err(nothing(&names))
            })
            .await;
    }
    // Who writes a file of this machine may trust the way to a server; what comes from elsewhere may not.
    let remote = Remote::new(&url, !wanted.by_remote)?;
    let place = folder.join("git");
    let git = cx.blocking(move |cx| Git::open_or_create(cx, &place)).await?;
    for name in &names {
        if let Some(commit) = remote.fetch_commit(cx, &git, name).await? {
            return Ok((git, commit));
        }
    }
    Err(nothing(&names))
}

/// Returns the path of a repository of this machine.
fn here(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    path.starts_with('/').then(|| PathBuf::from(path))
}

fn folder_name(repository: &Repository) -> String {
    let mut hash = Sha256::new();
    hash.update(repository.url.as_bytes());
    hash.update([0]);
    hash.update(repository.reference.as_bytes());
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the commits that are kept, the newest first.
fn kept(cx: &Context, folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("commits");
    let mut text = String::new();
    match cx.disk().open(&path).and_then(|file| file.take(1024).read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|error| Error::io("read", &path, error))?,
    };
    let is_commit = |line: &&str| line.len() == 40 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut kept = Vec::new();
    for commit in text.lines().filter(is_commit) {
        if cx.files().entry(cx, folder, commit)?.is_some() {
            kept.push(commit.to_owned());
        }
    }
    Ok(kept)
}

/// Notes which commit was looked at last, and removes the files of those that are not kept any more.
fn keep(cx: &Context, folder: &Path, commit: &str, before: Vec<String>) -> Result<()> {
    if before.first().is_some_and(|first| first == commit) {
        return Ok(());
    }
    let mut all = vec![commit.to_owned()];
    all.extend(before.into_iter().filter(|before| before != commit));
    let gone = all.split_off(all.len().min(3));
    let path = folder.join("commits");
    publish(cx.disk().as_ref(), &path, |file| file.write_all((all.join("\n") + "\n").as_bytes()))
        .map_err(|error| Error::io("write", &path, error))?;
    gone.iter().try_for_each(|commit| Git::remove_checkout(cx, &folder.join(commit)))
}
