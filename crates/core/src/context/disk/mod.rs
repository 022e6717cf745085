//! The door to Shipway's own files: journals, caches, layouts, registries. What must last is made beside its
//! place, synced and renamed, so that a crash leaves the old or the new, whole.

mod host;

use std::{
    any::Any,
    fmt::{self, Debug},
    io,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

pub use self::host::HostDisk;

/// Durable files, as few operations as a crash-safe store needs; blocking.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Makes a new file; fails with `AlreadyExists` if there is one.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read it.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Returns what a look at a file shows, or `None` when there is none.
    fn entry(&self, path: &Path) -> io::Result<Option<DiskEntry>>;

    /// Notes that a file is used now, which [`DiskEntry::used`] then shows.
    fn touch(&self, path: &Path) -> io::Result<()>;

    /// Returns the lock that this file stands for, made if it is missing, or `None` while somebody else has it, in
    /// this process or in another. It ends with the value, or with the process. Only who has the lock may remove the
    /// file; then the next to lock it makes another.
    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>>;

    /// Puts a file in the place of another, or of nothing, in one step. What is being written to it goes on to be.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the entries of a folder durable: what was created, renamed or removed in it.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes a file; fine if there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder and those above it; fine if there is one.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Returns the names in a folder, sorted; none if there is no folder.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
}

/// What a look at a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskEntry {
    /// The size in bytes.
    pub size: u64,
    /// When it was written or touched last, in nanoseconds since 1970 by the disk's own clock.
    pub used: i128,
}

impl DiskEntry {
    /// Returns an entry, for another implementation of [`Disk`].
    #[must_use]
    pub fn new(size: u64, used: i128) -> Self {
        Self { size, used }
    }
}

/// A lock that lasts as long as this value.
pub struct DiskLock {
    _held: Box<dyn Any + Send + Sync>,
}

impl DiskLock {
    /// Returns the lock that ends when `held` is dropped, for another implementation of [`Disk`].
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl Debug for DiskLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskLock").finish_non_exhaustive()
    }
}

/// A file being written.
pub trait DiskFile: Write + Send {
    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// Writes a file whole or not at all: beside its place, synced, renamed, and the folder synced.
///
/// The folder must exist. When `write` fails, nothing is left.
///
/// # Errors
/// What `write` or the disk says.
pub fn publish(
    disk: &dyn Disk,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let (beside, mut file) = create_beside(disk, path)?;
    let written = (|| {
        write(&mut file)?;
        file.sync()?;
        drop(file);
        disk.rename(&beside, path)?;
        disk.sync_dir(folder_of(path))
    })();
    if written.is_err() {
        // The first error is the one to tell.
        let _ = disk.remove(&beside);
    }
    written
}

/// Returns the folder that a path is in; the parent of a name alone is an empty path, which no folder has.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        None => path,
        Some(parent) if parent == Path::new("") => Path::new("."),
        Some(parent) => parent,
    }
}

/// Makes a new file beside `path`, named `.name.<process>-<count>.new`, to be renamed to it.
///
/// # Errors
/// What the disk says, but for a name that is taken: a process that had this one's number before may
/// have been killed and left it.
pub fn create_beside(disk: &dyn Disk, path: &Path) -> io::Result<(PathBuf, Box<dyn DiskFile>)> {
    // A counter for the whole process only makes names unlike; it carries no state between pipelines.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_file_name(format!(".{name}.{}-{count}.new", std::process::id()));
        match disk.create(&beside) {
            Ok(file) => return Ok((beside, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_a_killed_process_of_the_same_number_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        // Whatever the count is now, the next hundred names are taken.
        let (first, _) = create_beside(&HostDisk, &path).expect("made");
        let count: u64 =
            first.to_string_lossy().rsplit(['-', '.']).nth(1).expect("a count").parse().expect("a number");
        for taken in count..count + 100 {
            let name = format!(".a.{}-{taken}.new", std::process::id());
            fs::write(folder.path().join(name), "left").expect("written");
        }
        publish(&HostDisk, &path, |file| file.write_all(b"new")).expect("published");
        assert_eq!(fs::read(&path).expect("there"), b"new");
    }

    #[test]
    fn a_name_alone_is_published_in_the_folder_that_it_is_in() {
        #[derive(Debug)]
        struct Below(PathBuf);
        impl Below {
            fn at(&self, path: &Path) -> PathBuf {
                if path == Path::new("") { PathBuf::new() } else { self.0.join(path) }
            }
        }
        impl Disk for Below {
            fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
                HostDisk.create(&self.at(path))
            }
            fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
                HostDisk.open(&self.at(path))
            }
            fn entry(&self, path: &Path) -> io::Result<Option<DiskEntry>> {
                HostDisk.entry(&self.at(path))
            }
            fn touch(&self, path: &Path) -> io::Result<()> {
                HostDisk.touch(&self.at(path))
            }
            fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
                HostDisk.lock(&self.at(path))
            }
            fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
                HostDisk.rename(&self.at(from), &self.at(to))
            }
            fn sync_dir(&self, path: &Path) -> io::Result<()> {
                HostDisk.sync_dir(&self.at(path))
            }
            fn remove(&self, path: &Path) -> io::Result<()> {
                HostDisk.remove(&self.at(path))
            }
            fn create_dir(&self, path: &Path) -> io::Result<()> {
                HostDisk.create_dir(&self.at(path))
            }
            fn list(&self, path: &Path) -> io::Result<Vec<String>> {
                HostDisk.list(&self.at(path))
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Below(folder.path().to_owned());
        publish(&disk, Path::new("a"), |file| file.write_all(b"new")).expect("published");
        assert_eq!(fs::read(folder.path().join("a")).expect("there"), b"new");
    }

    #[test]
    fn a_file_is_published_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        publish(&HostDisk, &path, |file| file.write_all(b"old")).expect("written");
        let cut = publish(&HostDisk, &path, |file| {
            file.write_all(b"ne")?;
            Err(io::Error::other("cut"))
        });
        assert_eq!(cut.expect_err("fails").to_string(), "cut");
        assert_eq!(fs::read(&path).expect("there"), b"old");
        assert_eq!(HostDisk.list(folder.path()).expect("listed"), ["a"]);
        let size = |path: &Path| HostDisk.entry(path).expect("known").map(|entry| entry.size);
        assert_eq!(size(&path), Some(3));
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("made");
        let refused = HostDisk.open(&fifo).err().expect("refused");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        HostDisk.remove(&path).expect("removed");
        HostDisk.remove(&path).expect("removed twice");
        assert_eq!(size(&path), None);
    }
}
