//! Commits that are made without a worktree: objects are written, then a branch moves to them.

use std::collections::BTreeMap;

use gix::{
    ObjectId as Id,
    actor::Signature,
    bstr::{BString, ByteSlice},
    date::Time,
    objs::{Commit, tree::EntryKind},
    validate::path::component,
};
use shipway_core::{Error, ErrorKind, Result, Timestamp};

use crate::{ObjectId, Repository, failure::failed};

/// Who made a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

impl Author {
    /// Returns the author of this name and address.
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Self {
        Self { name: name.into(), email: email.into() }
    }
}

/// What a commit says, and what it changes of its parent.
///
/// ```no_run
/// use std::path::Path;
/// use shipway_core::{Cancel, RunContext, World};
/// use shipway_git::{Author, NewCommit, Repository};
///
/// let cx = RunContext::new(World::host("/"), "run").context(None, None, Cancel::new());
/// let manifests = [("web.yaml".to_owned(), Some(b"kind: Service".to_vec())), ("old.yaml".to_owned(), None)];
/// let new = NewCommit::new(Author::new("ci", "ci@example.com"), cx.clock().now(), "web 1.2.3").files(manifests);
/// let environment = Repository::open(&cx, Path::new("environment.git"))?;
/// environment.commit_onto(&cx, "candidate", |_parent| Ok(Some(new.clone())))?;
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewCommit {
    /// Who made it.
    pub author: Author,
    /// When.
    pub at: Timestamp,
    /// What it says.
    pub message: String,
    /// Files by their paths, with `/` between the steps: the new content; none takes a file away, or a whole
    /// folder.
    ///
    /// A file that was executable stays so, a new one is not. A file that is in the way of a path becomes a
    /// folder.
    pub files: BTreeMap<String, Option<Vec<u8>>>,
}

impl NewCommit {
    /// Returns a commit that changes nothing.
    pub fn new(author: Author, at: Timestamp, message: impl Into<String>) -> Self {
        Self { author, at, message: message.into(), files: BTreeMap::new() }
    }

    /// Sets the files.
    #[must_use]
    pub fn files(mut self, files: impl IntoIterator<Item = (String, Option<Vec<u8>>)>) -> Self {
        self.files = files.into_iter().collect();
        self
    }

    fn signature(&self) -> Result<Signature> {
        let Author { name, email } = &self.author;
        for text in [name, email] {
            // Some end a name in git's own format; others steer the terminal of who reads the history.
            if text.contains(|c: char| c == '<' || c == '>' || c.is_control()) {
                return Err(Error::config(format!("`{text}` cannot be an author's name or address")));
            }
        }
        let seconds = i64::try_from(self.at.0 / 1000).unwrap_or(i64::MAX);
        Ok(Signature {
            name: BString::from(name.trim()),
            email: BString::from(email.trim()),
            time: Time::new(seconds, 0),
        })
    }
}

impl Repository {
    /// Writes a commit on top of another, or the first one of a history, and returns its name. No branch
    /// moves, no hook is run and no worktree changes.
    ///
    /// # Errors
    /// `Config` when a path, the author or the message is none that git takes, on whatever system it is
    /// checked out; `BadOutput` when the parent cannot be read; `Unavailable` when nothing can be written.
    pub fn commit(&self, parent: Option<ObjectId>, new: &NewCommit) -> Result<ObjectId> {
        let signature = new.signature()?;
        if new.message.contains('\0') {
            return Err(Error::config("a commit's message has a NUL in it"));
        }
        for path in new.files.keys() {
            check_path(path)?;
            let mut folders = path.match_indices('/').map(|(end, _)| &path[..end]);
            if let Some(file) = folders.find(|folder| matches!(new.files.get(*folder), Some(Some(_)))) {
                return Err(Error::config(format!("`{file}` cannot be a file and hold `{path}`")));
            }
        }
        let repository = self.inner.to_thread_local();
        let tree = match parent {
            Some(parent) => {
                repository.find_commit(parent.0).and_then(|commit| commit.tree_id()).map(gix::Id::detach)
            }
            None => Ok(Id::empty_tree(repository.object_hash())),
        };
        let tree = tree.map_err(|error| self.unreadable("a commit", error))?;
        let unwritable = |error| failed(ErrorKind::Unavailable, "write to", self.folder(), error);
        let mut editor = repository.edit_tree(tree).map_err(|error| self.unreadable("a tree", error))?;
        let before = repository.find_tree(tree).map_err(|error| self.unreadable("a tree", error))?;
        for (path, content) in &new.files {
            for (end, _) in path.match_indices('/') {
                let folder = &path[..end];
                let entry = before.lookup_entry_by_path(folder);
                let entry = entry.map_err(|error| self.unreadable("a tree", error))?;
                if entry.is_some_and(|entry| entry.mode().is_commit()) {
                    return Err(Error::config(format!("`{path}` lies in the submodule `{folder}`")).hint(
                        "commit it in the submodule's own repository, or take the submodule away before",
                    ));
                }
            }
            let Some(content) = content else {
                editor.remove(path.as_str()).map_err(|error| self.unreadable("a tree", error))?;
                continue;
            };
            let old = before.lookup_entry_by_path(path).map_err(|error| self.unreadable("a tree", error))?;
            let kind = match old {
                Some(old) if old.mode().kind() == EntryKind::BlobExecutable => EntryKind::BlobExecutable,
                _ => EntryKind::Blob,
            };
            let blob = repository.write_blob(content).map_err(unwritable)?;
            editor.upsert(path.as_str(), kind, blob).map_err(|error| self.unreadable("a tree", error))?;
        }
        let commit = Commit {
            tree: editor.write().map_err(unwritable)?.detach(),
            parents: parent.into_iter().map(|parent| parent.0).collect(),
            author: signature.clone(),
            committer: signature,
            encoding: None,
            message: BString::from(new.message.as_str()),
            extra_headers: Vec::new(),
        };
        repository.write_object(&commit).map(|id| ObjectId(id.detach())).map_err(unwritable)
    }

    /// Returns the content of a file of a commit, of at most `limit` bytes; none when there is nothing.
    ///
    /// # Errors
    /// `Config` when it is larger, or there is something else at the path or on the way to it; `BadOutput` when it cannot be read.
    pub fn file(&self, commit: ObjectId, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let repository = self.inner.to_thread_local();
        let Some(entry) = self.file_id(commit, path)? else { return Ok(None) };
        let size = repository.find_header(entry.0).map_err(|error| self.unreadable("a file", error))?.size();
        if size > limit {
            return Err(Error::config(format!("`{path}` of commit `{commit}` has more than {limit} bytes")));
        }
        let mut blob = repository.find_blob(entry.0).map_err(|error| self.unreadable("a file", error))?;
        Ok(Some(blob.take_data()))
    }

    /// Returns the name of the content of a file of a commit; none when there is nothing. Two files have the
    /// same name when they have the same content.
    ///
    /// # Errors
    /// `Config` when there is something else at the path, such as a folder or a link, or on the way to it;
    /// `BadOutput` when it cannot be read.
    pub fn file_id(&self, commit: ObjectId, path: &str) -> Result<Option<ObjectId>> {
        let repository = self.inner.to_thread_local();
        let tree = repository.find_commit(commit.0).and_then(|commit| commit.tree());
        let tree = tree.map_err(|error| self.unreadable("a commit", error))?;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends {
            let entry = tree.lookup_entry_by_path(&path[..end]);
            let Some(entry) = entry.map_err(|error| self.unreadable("a commit", error))? else {
                return Ok(None);
            };
            let last = end == path.len();
            match entry.mode().kind() {
                EntryKind::Blob | EntryKind::BlobExecutable if last => {
                    return Ok(Some(ObjectId(entry.object_id())));
                }
                EntryKind::Tree if !last => {}
                _ => {
                    let what = if last { "a file" } else { "a folder" };
                    return Err(Error::config(format!(
                        "`{}` of commit `{commit}` is not {what}",
                        &path[..end]
                    ))
                    .hint("choose another path, or take what is there away first"));
                }
            }
        }
        Ok(None)
    }
}

/// Refuses what some system takes for something else than a file below the worktree (git's own
/// `verify_path` with `core.protectHFS` and `core.protectNTFS`).
pub(crate) fn check_path(path: &str) -> Result<()> {
    let steps =
        path.split('/').map(|step| component(step.as_bytes().as_bstr(), None, component::Options::default()));
    for step in steps {
        step.map_err(|error| {
            Error::config(format!("`{path}` cannot be a path in a repository: {error}"))
                .hint("write a path below the repository's folder, with `/` between its steps")
        })?;
    }
    // Git takes control characters; what wrote through a submodule's path ended with one (CVE-2025-48384).
    if path.contains(char::is_control) || path.len() > 4096 {
        return Err(Error::config("a path in a repository has control characters, or more than 4096 bytes"));
    }
    Ok(())
}
