//! The door to sources: read only, and never outside the folder that was named. Every step of a path
//! is opened beneath the step before it without following links, so that nothing that is swapped
//! meanwhile can lead out.

use std::{
    fmt::Debug,
    io,
    io::Read,
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
    slice,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags},
    io::Errno,
    path::Arg,
};

use super::walk::{BUFFER, MAX_LOOKS, walk};
use crate::{Context, Error, ErrorKind, Result, ignore::IgnoreRules, inputs::Tree};

/// Reads sources; blocking, so call it inside [`Context::blocking`].
pub trait Files: Debug + Send + Sync + 'static {
    /// Returns what is below the root and not left out by each of the lists of patterns, which are those of
    /// [`Tree::ignore`]: one result for each list, in their order, sorted by path, without the root itself.
    ///
    /// Each folder is read once, however many lists there are, so that what several of them keep is the same in
    /// all results. Folders are entries too, also one that is left out but holds something that is not. A link is
    /// an entry and never followed. Sockets, FIFOs and devices are entries of kind [`EntryKind::Special`].
    ///
    /// # Errors
    /// `NotFound` when there is no root; `Unavailable` or `Auth` when something cannot be read that any of the
    /// lists may keep; `Cancelled` or `Timeout` when the task must stop.
    fn walk_each(&self, cx: &Context, root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>>;

    /// Returns what is below the tree's root and not left out, as [`walk_each`](Self::walk_each) does for one list.
    ///
    /// # Errors
    /// Those of `walk_each`.
    fn walk(&self, cx: &Context, tree: &Tree) -> Result<Vec<Entry>> {
        let mut entries = self.walk_each(cx, &tree.root, slice::from_ref(&tree.ignore))?;
        Ok(entries.pop().unwrap_or_default())
    }

    /// Returns what is in the folder at a path below `root`, sorted; an empty path is the root itself. The paths are below
    /// the root.
    ///
    /// What is in it is not entered, so that a folder that nobody may read does not keep the others from being listed.
    ///
    /// # Errors
    /// `NotFound` when there is no such folder; `Config` when the path leads out of the root or through a link;
    /// `Unavailable` or `Auth` when it cannot be read.
    fn list(&self, cx: &Context, root: &Path, path: &str) -> Result<Vec<Entry>> {
        let mut entries = self.walk(cx, &Tree::new(root.join(path)).ignore(["*/*".to_owned()]))?;
        entries.iter_mut().for_each(|entry| entry.path = below(path, &entry.path));
        Ok(entries)
    }

    /// Returns the entry at a path below `root`, or `None` when there is nothing.
    ///
    /// # Errors
    /// `Config` when the path leads out of the root.
    fn entry(&self, cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>>;

    /// Opens the regular file at a path below `root`.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Config` when the path leads out of the root, through a link,
    /// or to something that is not a regular file.
    fn open(&self, cx: &Context, root: &Path, path: &str) -> Result<OpenFile>;
}

/// Something below a root.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The path below the root, with `/` between its steps.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// The permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The size in bytes, of a regular file.
    pub size: u64,
    /// When the content changed, in nanoseconds since 1970.
    pub modified: i128,
    /// When the content or the metadata changed, in nanoseconds since 1970.
    pub changed: i128,
    /// The number of the inode.
    pub inode: u64,
}

impl Entry {
    /// Returns an entry that nobody may but read, without a size, times and an inode, for another implementation of
    /// [`Files`]: one without times or without an inode is read each time.
    pub fn new(path: impl Into<String>, kind: EntryKind) -> Self {
        Self { path: path.into(), kind, mode: 0o444, size: 0, modified: 0, changed: 0, inode: 0 }
    }
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, with its text.
    Link(String),
    /// A socket, a FIFO or a device.
    Special,
}

/// A regular file that was opened: its entry is of the very file that `reader` reads.
#[non_exhaustive]
pub struct OpenFile {
    /// What is read.
    pub entry: Entry,
    /// The content.
    pub reader: Box<dyn Read + Send>,
}

impl OpenFile {
    /// Returns an opened file, for another implementation of [`Files`].
    pub fn new(entry: Entry, reader: impl Read + Send + 'static) -> Self {
        Self { entry, reader: Box::new(reader) }
    }

    /// Returns the whole content, if it has at most `limit` bytes.
    ///
    /// # Errors
    /// `Config` when it is larger.
    pub fn read(self, limit: usize) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let path = Path::new(&self.entry.path);
        self.reader
            .take(limit as u64 + 1)
            .read_to_end(&mut content)
            .map_err(|error| Error::io("read", path, error))?;
        if content.len() > limit {
            return Err(Error::config(format!("`{}` has more than {limit} bytes", path.display())));
        }
        Ok(content)
    }
}

impl Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenFile").field("entry", &self.entry).finish_non_exhaustive()
    }
}

/// The machine's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostFiles;

impl Files for HostFiles {
    fn walk_each(&self, cx: &Context, root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        let rules = ignore.iter().map(|patterns| IgnoreRules::new(patterns)).collect::<Result<Vec<_>>>()?;
        walk(cx, &cx.path(root), &rules)
    }

    fn entry(&self, cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>> {
        let root = cx.path(root);
        let (parent, name) = match open_parent(&root, path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match entry_at(&parent, name.as_str(), path.to_owned()) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &root.join(path), error)),
        }
    }

    fn list(&self, cx: &Context, root: &Path, path: &str) -> Result<Vec<Entry>> {
        cx.check_stopped()?;
        let root = cx.path(root);
        let failed = |error: io::Error| Error::io("read", &root.join(path), error);
        let folder = match path {
            "" => open_root(&root)?,
            path => {
                let (parent, name) = open_parent(&root, path)?;
                open_folder(&parent, name.as_str()).map_err(failed)?
            }
        };
        let (mut entries, mut buffer) = (Vec::new(), Vec::with_capacity(BUFFER));
        let mut items = RawDir::new(&folder, buffer.spare_capacity_mut());
        while let Some(item) = items.next() {
            let item = item.map_err(|error| failed(error.into()))?;
            let name = item.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(text) = name.to_str() else {
                let path = below(path, &name.to_string_lossy());
                let error = io::Error::new(io::ErrorKind::InvalidInput, "a file's name is not UTF-8");
                return Err(Error::io("read", &root.join(path), error));
            };
            match entry_at(&folder, name, below(path, text)) {
                Ok(entry) => entries.push(entry),
                // It went away since it was listed, so it is not there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn open(&self, cx: &Context, root: &Path, path: &str) -> Result<OpenFile> {
        let root = cx.path(root);
        let place = root.join(path);
        let (parent, name) = open_parent(&root, path)?;
        // To open a FIFO lets its writer go, and a device may do anything; so we look before we open.
        let seen = entry_at(&parent, name.as_str(), path.to_owned());
        if seen.map_err(|error| Error::io("open", &place, error))?.kind != EntryKind::File {
            return Err(not_regular(&place));
        }
        // What was put there meanwhile must not block us, nor become our terminal; a regular file
        // ignores these flags.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&parent, name.as_str(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::LOOP | Errno::NXIO) => return Err(not_regular(&place)),
            Err(error) => return Err(Error::io("open", &place, error.into())),
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| Error::io("read", &place, error.into()))?;
        let entry = entry_of(path.to_owned(), &stat, None);
        if entry.kind != EntryKind::File {
            return Err(not_regular(&place));
        }
        Ok(OpenFile::new(entry, std::fs::File::from(file)))
    }
}

/// Returns the path of something in a folder; the folder is the root itself where its own is empty.
fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn not_regular(place: &Path) -> Error {
    Error::config(format!("`{}` is not a regular file", place.display()))
        .hint("links, FIFOs, sockets and devices are never read")
}

pub(super) fn open_root(root: &Path) -> Result<OwnedFd> {
    // The root itself is the user's word, so links in it are followed.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(root, flags, Mode::empty()).map_err(|error| Error::io("open", root, error.into()))
}

pub(super) fn open_folder(parent: &OwnedFd, name: impl Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Opens the folder that holds `path`, step by step, and returns the last step's name.
fn open_parent(root: &Path, path: &str) -> Result<(OwnedFd, String)> {
    let mut steps = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(step) => steps.push(step),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(Error::config(format!("`{path}` leads out of `{}`", root.display()))
                    .hint("name a path below that folder"));
            }
        }
    }
    let mut folder = open_root(root)?;
    let Some((name, above)) = steps.split_last() else {
        return Err(not_regular(root));
    };
    let name = name.to_string_lossy().into_owned();
    // One call where the kernel has it (Linux 5.6) and nobody forbids it; what it refuses is told step by step.
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if above.len() > 1
        && let Ok(parent) =
            rustix::fs::openat2(&folder, above.iter().collect::<PathBuf>(), flags, Mode::empty(), beneath)
    {
        return Ok((parent, name));
    }
    for step in above {
        folder = open_folder(&folder, *step).map_err(|error| {
            let place = root.join(path);
            if not_a_folder(&error) {
                return Error::config(format!(
                    "`{}` goes through something that is not a folder",
                    place.display()
                ))
                .hint("links to folders are not followed");
            }
            Error::io("open", &place, error)
        })?;
    }
    Ok((folder, name))
}

pub(super) fn not_a_folder(error: &io::Error) -> bool {
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    is(Errno::LOOP) || is(Errno::NOTDIR)
}

pub(super) fn entry_at(folder: &OwnedFd, name: impl Arg + Copy, path: String) -> io::Result<Entry> {
    let mut looks = 0;
    loop {
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return Ok(entry_of(path, &stat, None));
        }
        match rustix::fs::readlinkat(folder, name, Vec::new()) {
            Ok(text) => {
                let text = text
                    .into_string()
                    .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a link's text is not UTF-8"))?;
                return Ok(entry_of(path, &stat, Some(text)));
            }
            // It was swapped for something else since the look.
            Err(Errno::INVAL) if looks < MAX_LOOKS => looks += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn entry_of(path: String, stat: &rustix::fs::Stat, link: Option<String>) -> Entry {
    let kind = match (FileType::from_raw_mode(stat.st_mode), link) {
        (FileType::RegularFile, _) => EntryKind::File,
        (FileType::Directory, _) => EntryKind::Folder,
        (FileType::Symlink, Some(text)) => EntryKind::Link(text),
        _ => EntryKind::Special,
    };
    let nanoseconds = |seconds: i64, nanos: u64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let size = if kind == EntryKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    Entry {
        path,
        kind,
        mode: stat.st_mode & 0o7777,
        size,
        modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
        changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        inode: stat.st_ino,
    }
}
