//! A chart in a repository of git: its commit, and the files of it.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use shipway_core::{Context, Error, Result};
use shipway_git::{ObjectId, Remote, Repository};

/// Skaffold's order, whatever the repository's own head is (`git/gitutil.go`).
const DEFAULT_BRANCHES: [&str; 2] = ["master", "main"];

/// A commit that was found, and the repository that has it here.
struct Found {
    repository: Repository,
    commit: ObjectId,
}

/// Returns the commit that a branch, a tag or a commit's name stands for; the same all through a run.
///
/// # Errors
/// `Config` when there is nothing of the name; those of the server, and of a repository that cannot be read.
pub(super) async fn commit(cx: &Context, url: &str, reference: Option<&str>) -> Result<String> {
    Ok(found(cx, url, reference).await?.commit.to_string())
}

/// Writes the files of the commit into the task's own folder, and returns where.
///
/// # Errors
/// As [`commit`], and those of the disk.
pub(super) async fn check_out(cx: &Context, url: &str, reference: Option<&str>) -> Result<PathBuf> {
    let found = found(cx, url, reference).await?;
    cx.blocking(move |cx| {
        let folder = cx.scratch()?.join(format!("chart-{}", found.commit));
        found.repository.check_out(cx, found.commit, &folder)?;
        Ok(folder)
    })
    .await
}

async fn found(cx: &Context, url: &str, reference: Option<&str>) -> Result<std::sync::Arc<Found>> {
    let key = format!("{url}\n{}", reference.unwrap_or_default());
    // To fetch takes a large future, which few need.
    cx.once(&key, Box::pin(find(cx, url, reference))).await
}

async fn find(cx: &Context, url: &str, reference: Option<&str>) -> Result<Found> {
    let names: Vec<String> = match reference.filter(|reference| !reference.is_empty()) {
        None => DEFAULT_BRANCHES.map(str::to_owned).into(),
        Some(reference) => vec![reference.to_owned()],
    };
    if let Some(path) = here(url) {
        let wanted = names.clone();
        let found = cx.blocking(move |cx| known(Repository::open(cx, &path)?, &wanted)).await?;
        return found.ok_or_else(|| nothing(&names));
    }
    // Who names the repository may trust the way to its server.
    let remote = Remote::new(url, true)?;
    let place = place(cx, url)?;
    let repository = cx.blocking(move |cx| Repository::open_or_create(cx, &place)).await?;
    // What a commit's own name stands for never changes.
    if let [name] = names.as_slice()
        && name.len() == 40
        && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        let (repository, wanted) = (repository.clone(), names.clone());
        if let Some(found) = cx.blocking(move |_| known(repository, &wanted)).await? {
            return Ok(found);
        }
    }
    for name in &names {
        if let Some(commit) = remote.fetch_commit(cx, &repository, name).await? {
            return Ok(Found { repository, commit });
        }
    }
    Err(nothing(&names))
}

fn known(repository: Repository, names: &[String]) -> Result<Option<Found>> {
    for name in names {
        if let Some(commit) = repository.find_commit(name)? {
            return Ok(Some(Found { repository, commit }));
        }
    }
    Ok(None)
}

fn nothing(names: &[String]) -> Error {
    let names = names.join("` or `");
    Error::config(format!("the chart's repository has neither a branch nor a tag `{names}`"))
        .hint("name a branch, a tag or a whole commit")
}

/// Returns the path of a repository of this machine.
fn here(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// Returns where what is fetched is kept: beside what else can be made again, or with the task.
fn place(cx: &Context, url: &str) -> Result<PathBuf> {
    let hash = Sha256::digest(url.as_bytes());
    let name: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(match cx.cache() {
        Some(cache) => cache.folder().join("charts").join(name),
        None => cx.scratch()?.join(name),
    })
}

/// Returns a path below a checkout, which must not lead out of it.
///
/// # Errors
/// `Config` when it does.
pub(super) fn below(checkout: &Path, path: &Path) -> Result<PathBuf> {
    let clean = shipway_core::clean_path(&path.to_string_lossy());
    if clean.starts_with('/') || clean == ".." || clean.starts_with("../") {
        return Err(Error::config(format!("`{}` is not below the chart's repository", path.display())));
    }
    Ok(if clean == "." { checkout.to_owned() } else { checkout.join(clean) })
}
