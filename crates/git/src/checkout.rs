//! The files of a commit, written into a folder of their own.

#![expect(
    clippy::disallowed_methods,
    reason = "a checkout is files and links with modes, of which the doors know none"
)]

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink},
    },
    path::Path,
};

use gix::{bstr::ByteSlice as _, objs::tree::EntryKind};
use shipway_core::{Context, Error, ErrorKind, Result};

use crate::{ObjectId, Repository, commit::check_path, failure::failed};

/// The most files, folders and links of a checkout.
const MOST_ENTRIES: usize = 200_000;

/// In bytes, of all files of a checkout.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// How deep folders may lie in each other.
const DEEPEST: usize = 100;

/// What is left of what a checkout may have.
struct Left {
    entries: usize,
    bytes: u64,
}

impl Repository {
    /// Returns the commit that a name stands for: a branch, or a tag, or a commit by its full name; none when there is
    /// nothing of the name here.
    ///
    /// # Errors
    /// `Config` when it is no such name; `BadOutput` when it is something else than a commit, or cannot be read.
    pub fn find_commit(&self, name: &str) -> Result<Option<ObjectId>> {
        if let Some(commit) = self.branch_commit(name)? {
            return Ok(Some(commit));
        }
        let repository = self.inner.to_thread_local();
        let tag = repository.try_find_reference(&format!("refs/tags/{name}"));
        let tag = tag.map_err(|error| self.unreadable("a tag", error))?;
        match tag.and_then(|tag| Some(tag.try_id()?.detach())).or_else(|| full(name)) {
            Some(id) if repository.has_object(id) => self.peeled(id).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the commit that an object is, or that it names as a tag.
    pub(crate) fn peeled(&self, id: gix::ObjectId) -> Result<ObjectId> {
        let repository = self.inner.to_thread_local();
        let object = repository.find_object(id).map_err(|error| self.unreadable("an object", error))?;
        match object.peel_to_kind(gix::objs::Kind::Commit) {
            Ok(commit) => Ok(ObjectId(commit.id)),
            Err(error) => {
                Err(failed(ErrorKind::BadOutput, "find a commit by its tag in", self.folder(), error))
            }
        }
    }

    /// Writes the files of a commit into a folder that is not there yet; where it is, it is taken to be that.
    ///
    /// There is a whole folder or none. Nothing is filtered, no submodule is followed, and nothing is written
    /// through a link.
    ///
    /// # Errors
    /// `BadOutput` when the commit cannot be read, or has what is no file of a checkout; `Unavailable` and others as
    /// the disk says; `Cancelled` or `Timeout` when the task must stop.
    pub fn check_out(&self, cx: &Context, commit: ObjectId, folder: &Path) -> Result<()> {
        self.check_out_within(cx, commit, folder, Left { entries: MOST_ENTRIES, bytes: MOST_BYTES })
    }

    fn check_out_within(&self, cx: &Context, commit: ObjectId, folder: &Path, mut left: Left) -> Result<()> {
        let place = cx.path(folder);
        let unwritable = |error: io::Error| Error::io("write", &place, error);
        if place.is_dir() {
            return Ok(());
        }
        let above = place.parent().unwrap_or(Path::new("/"));
        cx.disk().create_dir(above).map_err(unwritable)?;
        // Beside, so that it can be renamed, and with a name that no other task has: that of its scratch folder.
        let name = cx.scratch()?.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = above.join(format!(".{name}.new"));
        let tree = self.tree(commit, b"")?;
        let written = fs::DirBuilder::new()
            .mode(0o755)
            .create(&beside)
            .map_err(unwritable)
            .and_then(|()| self.write_tree(cx, tree.0, &beside, 0, &mut left))
            .and_then(|()| match fs::rename(&beside, &place) {
                // Another was quicker.
                Err(_) if place.is_dir() => {
                    let _ = fs::remove_dir_all(&beside);
                    Ok(())
                }
                renamed => renamed.map_err(unwritable),
            });
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_dir_all(&beside);
        }
        written
    }

    /// Removes a folder that [`Self::check_out`] made; fine if there is none.
    ///
    /// # Errors
    /// As the disk says.
    pub fn remove_checkout(cx: &Context, folder: &Path) -> Result<()> {
        let place = cx.path(folder);
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &place, error)),
            _ => Ok(()),
        }
    }

    fn write_tree(
        &self,
        cx: &Context,
        tree: gix::ObjectId,
        folder: &Path,
        depth: usize,
        left: &mut Left,
    ) -> Result<()> {
        let repository = self.inner.to_thread_local();
        let unreadable = |error| self.unreadable("a tree", error);
        let tree = repository.find_tree(tree).map_err(unreadable)?;
        let too_much = || {
            let message = format!(
                "a commit of `{}` has more than {MOST_ENTRIES} files, {MOST_BYTES} bytes or {DEEPEST} folders in each other",
                self.folder().display()
            );
            Error::new(ErrorKind::BadOutput, message)
        };
        for entry in tree.iter() {
            let entry = entry.map_err(unreadable)?;
            cx.check_stopped()?;
            let name =
                entry.filename().to_str().map_err(|_| Error::bad_output("a file's name is no UTF-8"))?;
            if name.contains('/') || check_path(name).is_err() {
                let shown = name.escape_debug();
                return Err(Error::bad_output(format!(
                    "a tree of `{}` has the name `{shown}` in it",
                    self.folder().display()
                )));
            }
            left.entries = left.entries.checked_sub(1).filter(|_| depth < DEEPEST).ok_or_else(too_much)?;
            let path = folder.join(name);
            // Each is made new, so that nothing is followed that the same tree made before.
            let made = match entry.mode().kind() {
                EntryKind::Tree => {
                    let made = fs::DirBuilder::new().mode(0o755).create(&path);
                    made.map_err(|error| Error::io("make", &path, error))?;
                    self.write_tree(cx, entry.object_id(), &path, depth + 1, left)?;
                    Ok(())
                }
                // A submodule is an empty folder, as before `git submodule update`.
                EntryKind::Commit => fs::DirBuilder::new().mode(0o755).create(&path),
                kind => {
                    let header = repository.find_header(entry.object_id()).map_err(unreadable)?;
                    left.bytes = left.bytes.checked_sub(header.size()).ok_or_else(too_much)?;
                    let blob = repository.find_blob(entry.object_id()).map_err(unreadable)?;
                    match kind {
                        EntryKind::Link if blob.data.len() > 4096 || blob.data.contains(&0) => {
                            return Err(Error::bad_output(format!("the link `{name}` leads nowhere")));
                        }
                        EntryKind::Link => symlink(std::ffi::OsStr::from_bytes(&blob.data), &path),
                        _ => {
                            let mode = if kind == EntryKind::BlobExecutable { 0o755 } else { 0o644 };
                            let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
                            file.and_then(|mut file| file.write_all(&blob.data))
                        }
                    }
                }
            };
            made.map_err(|error| Error::io("write", &path, error))?;
        }
        Ok(())
    }
}

/// Returns the id that a full name is.
pub(crate) fn full(name: &str) -> Option<gix::ObjectId> {
    (name.len() == 40).then(|| gix::ObjectId::from_hex(name.as_bytes()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use shipway_core::{Cancel, RunContext, Timestamp, World};

    use super::*;
    use crate::{Author, NewCommit};

    #[test]
    fn a_checkout_has_at_most_so_many_files_and_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let cx = RunContext::new(World::host(folder.path()), "checkout").context(None, None, Cancel::new());
        let repository = Repository::open_or_create(&cx, Path::new("git")).expect("a repository");
        let files = ["a", "b/c"].map(|path| (path.to_owned(), Some(b"12345".to_vec())));
        let new = NewCommit::new(Author::new("a", "a@example.com"), Timestamp(0), "m").files(files);
        let commit = repository.commit(None, &new).expect("a commit");
        for (entries, bytes, fits) in [(3, 10, true), (2, 10, false), (3, 9, false)] {
            let place = Path::new("out").join(format!("{entries}-{bytes}"));
            let done = repository.check_out_within(&cx, commit, &place, Left { entries, bytes });
            assert_eq!((done.is_ok(), cx.path(&place).exists()), (fits, fits), "{done:?}");
        }
    }
}
