//! The environment repository: where its branches are, what they hold, and commits onto them.

use std::path::PathBuf;

use shipway_core::{Context, Result, Timestamp};
use shipway_git::{NewCommit, ObjectId, Remote, Repository};

/// A larger file of manifests is not one that somebody looks at.
const LIMIT: u64 = 64 * 1024 * 1024;

/// How many commits are looked through for those that changed one file, where many applications share a
/// repository.
const MOST_COMMITS: usize = 10_000;

/// The repository that holds what is to run and what was proved to.
#[derive(Clone, Debug)]
pub struct Environment(Place);

#[derive(Clone, Debug)]
enum Place {
    Here(PathBuf),
    There(Remote, PathBuf),
}

impl Environment {
    /// Returns the repository in a folder of this machine, below the context's root or absolute. It is opened
    /// in place, and its branches move by compare-and-swap; none of them may be checked out.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self(Place::Here(folder.into()))
    }

    /// Returns a repository elsewhere. What is fetched of it is kept in `clone`, a folder of this machine, below
    /// the context's root or absolute, which is made when it is not there.
    pub fn remote(remote: Remote, clone: impl Into<PathBuf>) -> Self {
        Self(Place::There(remote, clone.into()))
    }

    pub(super) async fn open(&self, cx: &Context) -> Result<Branches<'_>> {
        let place = self.0.clone();
        let repository = cx.blocking(move |cx| match &place {
            Place::Here(folder) => Repository::open(cx, folder),
            Place::There(_, clone) => Repository::open_or_create(cx, clone),
        });
        let remote = match &self.0 {
            Place::Here(_) => None,
            Place::There(remote, _) => Some(remote),
        };
        Ok(Branches { repository: repository.await?, remote })
    }
}

/// The branches of the repository, opened.
#[derive(Debug)]
pub(super) struct Branches<'a> {
    repository: Repository,
    remote: Option<&'a Remote>,
}

/// A commit that changed a file.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) commit: ObjectId,
    /// What the file held from then on; none when it went.
    pub(super) text: Option<String>,
    pub(super) message: String,
    pub(super) at: Timestamp,
}

impl Branches<'_> {
    /// Returns the commit that a branch is at.
    pub(super) async fn tip(&self, cx: &Context, branch: &str) -> Result<Option<ObjectId>> {
        match self.remote {
            Some(remote) => remote.fetch(cx, &self.repository, branch).await,
            None => {
                let (repository, branch) = (self.repository.clone(), branch.to_owned());
                cx.blocking(move |_| repository.branch_commit(&branch)).await
            }
        }
    }

    /// Commits onto a branch, as [`Repository::commit_onto`] does; `make` gets what the file holds.
    pub(super) async fn commit_onto(
        &self,
        cx: &Context,
        branch: &str,
        path: &str,
        mut make: impl FnMut(Option<String>) -> Result<Option<NewCommit>> + Send + 'static,
    ) -> Result<Option<ObjectId>> {
        let (repository, path) = (self.repository.clone(), path.to_owned());
        let make = move |parent| make(text(&repository, parent, &path)?);
        match self.remote {
            Some(remote) => remote.commit_onto(cx, &self.repository, branch, make).await,
            None => {
                let (repository, branch) = (self.repository.clone(), branch.to_owned());
                cx.blocking(move |cx| repository.commit_onto(cx, &branch, make)).await
            }
        }
    }

    /// Returns the commits that changed a file, the newest first, at most so many.
    pub(super) async fn versions(
        &self,
        cx: &Context,
        tip: Option<ObjectId>,
        path: &str,
        most: usize,
    ) -> Result<Vec<Version>> {
        let (repository, path) = (self.repository.clone(), path.to_owned());
        cx.blocking(move |cx| {
            let (mut versions, mut next) = (Vec::new(), tip);
            let mut file = tip.map(|tip| repository.file_id(tip, &path)).transpose()?.flatten();
            for _ in 0..MOST_COMMITS {
                let Some(commit) = next.filter(|_| versions.len() < most) else { break };
                cx.check_stopped()?;
                let read = repository.read_commit(commit)?;
                let before =
                    read.parent.map(|parent| repository.file_id(parent, &path)).transpose()?.flatten();
                if before != file {
                    let text = text(&repository, Some(commit), &path)?;
                    versions.push(Version { commit, text, message: read.message, at: read.at });
                }
                (next, file) = (read.parent, before);
            }
            Ok(versions)
        })
        .await
    }

    /// Returns what a file of a commit holds.
    pub(super) async fn text(
        &self,
        cx: &Context,
        commit: Option<ObjectId>,
        path: &str,
    ) -> Result<Option<String>> {
        let (repository, path) = (self.repository.clone(), path.to_owned());
        cx.blocking(move |_| text(&repository, commit, &path)).await
    }
}

fn text(repository: &Repository, commit: Option<ObjectId>, path: &str) -> Result<Option<String>> {
    let content = commit.map(|commit| repository.file(commit, path, LIMIT)).transpose()?.flatten();
    Ok(content.map(|content| String::from_utf8_lossy(&content).into_owned()))
}
