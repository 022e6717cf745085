//! A disk that fails once.

use std::{
    fmt,
    io::{self, Read, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use shipway_core::{Disk, DiskEntry, DiskFile, DiskLock};

/// A disk in front of another, one use of which fails; clones are the same disk.
///
/// Every call of [`Disk`] is a use, and every read, write and sync of its files. To see what comes of a failure
/// anywhere, count on until nothing fails any more:
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use shipway_core::publish;
/// use shipway_testkit::{DiskFault, FailingDisk, RecordingDisk};
///
/// for n in 0.. {
///     let below = RecordingDisk::new();
///     let disk = FailingDisk::new(Arc::new(below.clone()), n, DiskFault::Full);
///     let published = publish(&disk, Path::new("answer"), |file| file.write_all(b"42"));
///     if !disk.failed() {
///         break;
///     }
///     assert!(published.is_err());
///     assert!(below.files().keys().all(|path| path == Path::new("answer")), "nothing is left beside it");
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FailingDisk {
    below: Arc<dyn Disk>,
    fault: Arc<Fault>,
}

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskFault {
    /// The disk is full (`ENOSPC`): a write leaves half of its bytes.
    Full,
    /// The hardware fails (`EIO`).
    Broken,
    /// The file system was made read-only (`EROFS`).
    ReadOnly,
    /// The process has too many files open (`EMFILE`).
    TooManyFiles,
    /// A write or a read does only half of what it was asked for, which is no error; other uses go well.
    Short,
}

impl DiskFault {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Full, Self::Broken, Self::ReadOnly, Self::TooManyFiles, Self::Short];

    /// Returns the error; none where it is no error.
    fn error(self) -> io::Result<()> {
        // The numbers are the same on Linux, macOS and the BSDs.
        let number = match self {
            Self::Full => 28,
            Self::Broken => 5,
            Self::ReadOnly => 30,
            Self::TooManyFiles => 24,
            Self::Short => return Ok(()),
        };
        Err(io::Error::from_raw_os_error(number))
    }
}

#[derive(Debug)]
struct Fault {
    kind: DiskFault,
    at: usize,
    used: AtomicUsize,
}

impl Fault {
    /// Counts a use, and returns whether it is the one that fails.
    fn comes(&self) -> bool {
        self.used.fetch_add(1, Ordering::SeqCst) == self.at
    }

    fn check(&self) -> io::Result<()> {
        if self.comes() { self.kind.error() } else { Ok(()) }
    }
}

impl FailingDisk {
    /// Returns a disk whose `n`-th use fails, counted from 0; all before and after it go through.
    #[must_use]
    pub fn new(below: Arc<dyn Disk>, n: usize, fault: DiskFault) -> Self {
        Self { below, fault: Arc::new(Fault { kind: fault, at: n, used: AtomicUsize::new(0) }) }
    }

    /// Returns whether the failure has come: otherwise there were fewer uses.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.fault.used.load(Ordering::SeqCst) > self.fault.at
    }

    fn open_file<F>(&self, file: F) -> Failing<F> {
        Failing { file, fault: Arc::clone(&self.fault) }
    }
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.fault.check()?;
        Ok(Box::new(self.open_file(self.below.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.fault.check()?;
        Ok(Box::new(self.open_file(self.below.open(path)?)))
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DiskEntry>> {
        self.fault.check()?;
        self.below.entry(path)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        self.fault.check()?;
        self.below.touch(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        self.fault.check()?;
        self.below.lock(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fault.check()?;
        self.below.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.fault.check()?;
        self.below.sync_dir(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fault.check()?;
        self.below.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.fault.check()?;
        self.below.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.fault.check()?;
        self.below.list(path)
    }
}

struct Failing<F> {
    file: F,
    fault: Arc<Fault>,
}

impl Read for Failing<Box<dyn Read + Send>> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.fault.comes() {
            return self.file.read(buffer);
        }
        self.fault.kind.error()?;
        let half = buffer.len().div_ceil(2);
        self.file.read(&mut buffer[..half])
    }
}

impl Write for Failing<Box<dyn DiskFile>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.fault.comes() {
            return self.file.write(bytes);
        }
        let half = &bytes[..bytes.len().div_ceil(2)];
        if self.fault.kind == DiskFault::Full {
            self.file.write_all(half)?;
        }
        self.fault.kind.error()?;
        self.file.write(half)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl DiskFile for Failing<Box<dyn DiskFile>> {
    fn sync(&mut self) -> io::Result<()> {
        self.fault.check()?;
        self.file.sync()
    }
}

impl<F> fmt::Debug for Failing<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failing").field("fault", &self.fault).finish_non_exhaustive()
    }
}
