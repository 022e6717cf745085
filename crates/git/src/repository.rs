//! A repository that lies on disk: its head, its trees and how git names them.

use std::{
    fmt,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use gix::{
    bstr::{BString, ByteSlice},
    commit::describe::SelectRef,
    config::Source,
    discover::upwards,
    open, sec,
};
use shipway_core::{Context, Error, ErrorKind, Result};

use crate::{failure::failed, global};

/// Ten writers of one branch come after one another; git's own 100 ms are for two.
const LOCK_TIMEOUT: &str = "core.filesRefLockTimeout=2000";

/// The name of an object: 40 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub(crate) gix::ObjectId);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

/// A repository on this machine's disk; clones share it.
///
/// All methods block, so call them inside [`Context::blocking`].
///
/// ```no_run
/// use std::path::Path;
/// use shipway_core::{Cancel, RunContext, World};
/// use shipway_git::Repository;
///
/// let cx = RunContext::new(World::host("/sources"), "run").context(None, None, Cancel::new());
/// let repository = Repository::discover(&cx, Path::new("web"))?;
/// let below = repository.path_below(&cx, Path::new("web"))?;
/// let dirty = repository.status(&cx)?.below(&below).next().is_some();
/// println!("{} dirty: {dirty}", repository.describe(repository.head()?)?);
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Repository {
    pub(crate) inner: gix::ThreadSafeRepository,
    pub(crate) folder: PathBuf,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Repository {
    /// Opens the repository whose worktree the folder lies in, as git finds it: upwards, within one file
    /// system.
    ///
    /// Who owns it does not matter, as nothing of it is ever run. Of the configuration, its own counts,
    /// and of the user's, `core.excludesFile`, when the context's environment says where that is (`HOME`,
    /// `XDG_CONFIG_HOME`).
    ///
    /// # Errors
    /// `Config` when the folder is not there, in no repository, or in one without a worktree; `BadOutput`
    /// when the repository cannot be read.
    pub fn discover(cx: &Context, folder: &Path) -> Result<Self> {
        let folder = real(&cx.path(folder))?;
        let inner = opened(cx, |options| {
            let search = upwards::Options {
                trust: upwards::TrustPolicy::Assume(sec::Trust::Full),
                ..upwards::Options::default()
            };
            let options = sec::trust::Mapping { full: options.clone(), reduced: options };
            gix::ThreadSafeRepository::discover_opts(&folder, search, options)
        })?
        .map_err(|error| {
            failed(kind(&error), "open the git repository of", &folder, error)
                .hint("put the folder into a git repository, or choose a tagger that needs none")
        })?;
        let worktree = inner.to_thread_local().workdir().map(Path::to_owned);
        let Some(worktree) = worktree else {
            return Err(Error::config(format!(
                "the git repository of `{}` has no worktree",
                folder.display()
            ))
            .hint("clone it, and work in the clone"));
        };
        Ok(Self { inner, folder: real(&worktree)? })
    }

    /// Returns the folder in which [`Self::discover`] would find the repository of this one, by a look at the
    /// folders above; none where it is not that simple.
    ///
    /// # Errors
    /// `Config` when the folder is not there.
    pub fn find_worktree(cx: &Context, folder: &Path) -> Result<Option<PathBuf>> {
        let folder = real(&cx.path(folder))?;
        let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
        let own = device(&folder);
        for above in folder.ancestors() {
            // Git does not look beyond a mount, and takes a folder with a head of its own for a repository.
            if device(above) != own || above.join("HEAD").exists() {
                return Ok(None);
            }
            if above.join(".git").exists() {
                return Ok(Some(above.to_owned()));
            }
        }
        Ok(None)
    }

    /// Opens the repository in exactly this folder: a worktree's, or that of a repository without one.
    ///
    /// # Errors
    /// `Config` when there is none; `BadOutput` when it cannot be read.
    pub fn open(cx: &Context, folder: &Path) -> Result<Self> {
        let folder = real(&cx.path(folder))?;
        let open = |options: open::Options| {
            gix::ThreadSafeRepository::open_opts(&folder, options.with(sec::Trust::Full))
        };
        let inner = opened(cx, open)?.map_err(|error| {
            failed(kind(&error), "open the git repository in", &folder, error)
                .hint("name the folder of a repository, as `git clone` or `git init --bare` makes it")
        })?;
        Ok(Self { inner, folder })
    }

    /// Opens the repository in exactly this folder, and makes one without a worktree where there is nothing:
    /// for what is fetched from a [`Remote`](crate::Remote).
    ///
    /// # Errors
    /// As [`Self::open`]; `Unavailable` when it cannot be made.
    pub fn open_or_create(cx: &Context, folder: &Path) -> Result<Self> {
        let place = cx.path(folder);
        match Self::open(cx, folder) {
            Err(error) if error.kind() == ErrorKind::Config && is_empty(&place) => {}
            opened => return opened,
        }
        let made = make(cx, &place);
        match (made, Self::open(cx, folder)) {
            // Another may have been quicker.
            (_, Ok(repository)) => Ok(repository),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        }
    }

    /// Returns the worktree's folder, or else the repository's own, without links.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder that git's program takes for the repository (`--git-dir`).
    pub(crate) fn git_folder(&self) -> String {
        self.inner.git_dir().to_string_lossy().into_owned()
    }

    /// Returns the folder's path below the worktree, with `/` between its steps; empty for the worktree
    /// itself.
    ///
    /// # Errors
    /// `Config` when it is not below the worktree.
    pub fn path_below(&self, cx: &Context, folder: &Path) -> Result<Vec<u8>> {
        let folder = real(&cx.path(folder))?;
        let below = folder.strip_prefix(&self.folder).map_err(|_| {
            Error::config(format!("`{}` is not below `{}`", folder.display(), self.folder.display()))
        })?;
        Ok(below.as_os_str().as_bytes().to_vec())
    }

    /// Returns the commit that is checked out.
    ///
    /// # Errors
    /// `Config` when there is no commit yet; `BadOutput` when it cannot be read.
    pub fn head(&self) -> Result<ObjectId> {
        let repository = self.inner.to_thread_local();
        let head = repository.head().map_err(|error| self.unreadable("the head", error))?;
        if head.is_unborn() {
            return Err(Error::config(format!("`{}` has no commit yet", self.folder.display()))
                .hint("commit something, or choose a tagger that needs no commit"));
        }
        let commit = repository.head_commit().map_err(|error| self.unreadable("the head", error))?;
        Ok(ObjectId(commit.id))
    }

    /// Returns the name of the branch that is checked out, without `refs/heads/`; none for a detached
    /// head.
    ///
    /// # Errors
    /// `BadOutput` when it cannot be read.
    pub fn branch(&self) -> Result<Option<String>> {
        let repository = self.inner.to_thread_local();
        let name = repository.head_name().map_err(|error| self.unreadable("the head", error))?;
        Ok(name.map(|name| name.shorten().to_str_lossy().into_owned()))
    }

    /// Returns the tree of a folder of a commit, by its [path](Self::path_below).
    ///
    /// # Errors
    /// `Config` when the commit has no such folder; `BadOutput` when it cannot be read.
    pub fn tree(&self, commit: ObjectId, path: &[u8]) -> Result<ObjectId> {
        let repository = self.inner.to_thread_local();
        let tree = repository.find_commit(commit.0).and_then(|commit| commit.tree());
        let tree = tree.map_err(|error| self.unreadable("a tree", error))?;
        if path.is_empty() {
            return Ok(ObjectId(tree.id));
        }
        let steps = path.split(|byte| *byte == b'/');
        let entry = tree.lookup_entry(steps).map_err(|error| self.unreadable("a tree", error))?;
        match entry {
            Some(entry) if entry.mode().is_tree() => Ok(ObjectId(entry.object_id())),
            _ => Err(Error::config(format!(
                "commit `{commit}` of `{}` has no folder `{}`",
                self.folder.display(),
                path.as_bstr()
            ))
            .hint("commit the folder, or choose another variant")),
        }
    }

    /// Returns the shortest form of a name that git would print: `core.abbrev` digits, or more where
    /// those would mean several objects.
    ///
    /// # Errors
    /// `BadOutput` when the objects cannot be read.
    pub fn abbreviate(&self, id: ObjectId) -> Result<String> {
        let repository = self.inner.to_thread_local();
        let short = repository
            .find_object(id.0)
            .and_then(|object| object.id().shorten())
            .map_err(|error| self.unreadable("an object", error))?;
        Ok(short.to_string())
    }

    /// Returns what `git describe --tags --always` says of a commit: its tag; else the nearest tag with
    /// the count of commits since and the abbreviated name; else the abbreviated name.
    ///
    /// # Errors
    /// `BadOutput` when the history cannot be read.
    pub fn describe(&self, commit: ObjectId) -> Result<String> {
        let mut repository = self.inner.to_thread_local();
        // Ancestors are read several times.
        repository.object_cache_size_if_unset(4 * 1024 * 1024);
        let commit = repository.find_commit(commit.0).map_err(|error| self.unreadable("a commit", error))?;
        let name = commit
            .describe()
            .names(SelectRef::AllTags)
            .format()
            .map_err(|error| self.unreadable("the history", error))?;
        Ok(name.to_string())
    }

    pub(crate) fn unreadable(&self, what: &str, error: gix::Error) -> Error {
        failed(ErrorKind::BadOutput, &format!("read {what} of"), &self.folder, error)
    }
}

fn kind(error: &gix::Error) -> ErrorKind {
    if error.classify().is_not_found() { ErrorKind::Config } else { ErrorKind::BadOutput }
}

/// Makes a repository without a worktree beside its place, so that there is a whole one or none.
#[expect(clippy::disallowed_methods, reason = "gix makes repositories past the doors too")]
fn make(cx: &Context, place: &Path) -> Result<()> {
    let unwritable = |error: std::io::Error| Error::io("make the git repository", place, error);
    let above = place.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
    cx.disk().create_dir(above).map_err(unwritable)?;
    // Beside, so that it can be renamed, and with a name that no other task has: that of its scratch folder.
    let name = cx.scratch()?.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = above.join(format!(".{name}.new"));
    let made = gix::create::into(&beside, gix::create::Kind::Bare, gix::create::Options::default())
        .map_err(|error| failed(ErrorKind::Unavailable, "make the git repository", place, error))
        .and_then(|_| std::fs::rename(&beside, place).map_err(unwritable));
    if made.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_dir_all(&beside);
    }
    made
}

#[expect(clippy::disallowed_methods, reason = "gix makes repositories past the doors too")]
fn is_empty(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn real(path: &Path) -> Result<PathBuf> {
    gix::path::realpath(path).map_err(|error| failed(ErrorKind::Config, "find", path, error))
}

/// Opens a repository as we read all of them.
fn opened(
    cx: &Context,
    open: impl Fn(open::Options) -> gix::Result<gix::ThreadSafeRepository>,
) -> Result<gix::Result<gix::ThreadSafeRepository>> {
    let first = match open(options(None)) {
        Ok(first) => first,
        failed => return Ok(failed),
    };
    let repository = first.to_thread_local();
    let own = repository.config_snapshot().string("core.excludesFile");
    let own = own.map(|value| value.to_str_lossy().into_owned());
    let worktree = repository.workdir().unwrap_or(repository.git_dir());
    Ok(match global::excludes_file(cx, own, worktree)? {
        Some(excludes) => open(options(Some(&excludes))),
        None => Ok(first),
    })
}

fn options(excludes: Option<&Path>) -> open::Options {
    let mut permissions = open::Permissions::isolated();
    permissions.config.includes = true;
    let excludes = excludes.map(|path| {
        let mut setting = BString::from("core.excludesFile=");
        setting.extend_from_slice(path.as_os_str().as_bytes());
        setting
    });
    open::Options::default()
        .permissions(permissions)
        // What may name a program to run, such as a clean filter, counts only where we say it ourselves.
        .filter_config_section(|section| section.source == Source::Api)
        .config_overrides(excludes.into_iter().chain([LOCK_TIMEOUT.into()]))
}
