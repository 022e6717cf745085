//! A disk in memory that records what is done to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use shipway_core::{Disk, DiskEntry, DiskFile, DiskLock};

use super::{
    crash::{self, DiskCrash},
    operation::{FileNumber, Operation},
    tree::{Node, Tree, folder_of, is_root},
};

/// A disk in memory that records every change, and makes any state that a crash may leave; clones are the same disk.
///
/// [`RecordingDisk::crashes`] gives the disks that may be found after a crash at any moment:
///
/// - after a **kill** (`kill -9`), everything that was done is there; of a write that was under way, perhaps a
///   beginning. Nothing of it is safe from a power cut yet.
/// - after a **power cut**, what was synced is there: of a file, all bytes up to its last `sync`; of a folder, all that
///   was made, renamed and removed in it up to its last `sync_dir`. Of everything else any part may be lost, whatever
///   the order in which it was done: a later rename may be there and the bytes before it not. Bytes that are lost
///   before others that are not are zeros, and a write may be torn. A rename puts its file to the new name in one
///   step, and both names may be found where only the new one's folder was synced. Locks do not outlast either.
///
/// The folders `/` and `.` are always there. Nothing waits, and nothing depends on time.
///
/// ```
/// use std::{io::Read, path::Path};
/// use shipway_core::{Disk, publish};
/// use shipway_testkit::RecordingDisk;
///
/// let disk = RecordingDisk::new();
/// let path = Path::new("answer");
/// publish(&disk, path, |file| file.write_all(b"41"))?;
/// publish(&disk, path, |file| file.write_all(b"42"))?;
/// assert_eq!(disk.operations().last().map(String::as_str), Some("sync folder ."));
///
/// for crash in disk.crashes(7, 20) {
///     let found = crash.disk().read(path);
///     assert!([None, Some(&b"41"[..]), Some(b"42")].contains(&found.as_deref()), "{crash}: {found:?}");
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RecordingDisk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// What was there at the beginning, for good.
    start: Tree,
    operations: Vec<Operation>,
    /// What is there now.
    tree: Tree,
    locked: BTreeSet<FileNumber>,
}

impl RecordingDisk {
    /// Returns an empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a disk on which all this is there for good, but the operations, which were done to it.
    pub(super) fn after(start: Tree, operations: Vec<Operation>) -> Self {
        let mut tree = start.clone();
        operations.iter().for_each(|operation| tree.apply(operation));
        Self(Arc::new(Mutex::new(Inner { start, operations, tree, locked: BTreeSet::new() })))
    }

    /// Returns what was done, a line each, such as `write 5 bytes to a` and `sync folder .`.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        self.inner().operations.iter().map(ToString::to_string).collect()
    }

    /// Returns a file's bytes, or `None` when there is none.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.inner();
        let file = inner.tree.named(path).ok()?;
        inner.tree.file(file).map(|file| file.bytes.clone())
    }

    /// Returns every file's bytes by its path.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.inner().tree.all()
    }

    /// Returns the disks that may be found after a crash: for every moment from before the first operation to after the
    /// last, that of a kill, of a kill in the middle of a write, of a power cut that loses all that was not synced, and
    /// of `random` power cuts that lose some of it. The same seed gives the same disks.
    pub fn crashes(&self, seed: u64, random: usize) -> impl Iterator<Item = DiskCrash> + use<> {
        let inner = self.inner();
        crash::all(inner.start.clone(), inner.operations.clone(), seed, random)
    }

    /// Returns the disk that may be found after a power cut now. The same seed gives the same disk.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        let inner = self.inner();
        crash::power_cut(&inner.start, &inner.operations, seed)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn did(&mut self, operation: Operation) {
        self.tree.apply(&operation);
        self.operations.push(operation);
    }

    /// Checks that what is made at a path has a folder to be in.
    fn has_folder(&self, path: &Path) -> io::Result<()> {
        match self.tree.node(folder_of(path)) {
            Some(Node::Folder) if !is_root(path) => Ok(()),
            Some(_) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create(&mut self, path: &Path) -> io::Result<FileNumber> {
        self.has_folder(path)?;
        if self.tree.node(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = self.tree.next_file();
        self.did(Operation::Create { path: path.to_owned(), file });
        Ok(file)
    }
}

impl Disk for RecordingDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.inner().create(path)?;
        Ok(Box::new(Open { disk: self.clone(), path: path.to_owned(), file, at: 0 }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let file = self.inner().tree.named(path)?;
        Ok(Box::new(Open { disk: self.clone(), path: path.to_owned(), file, at: 0 }))
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DiskEntry>> {
        let inner = self.inner();
        Ok(match inner.tree.node(path) {
            Some(Node::File(file)) => {
                inner.tree.file(file).map(|file| DiskEntry::new(file.bytes.len() as u64, file.used))
            }
            Some(Node::Folder) => Some(DiskEntry::new(0, 0)),
            None => None,
        })
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        let file = inner.tree.named(path)?;
        inner.did(Operation::Touch { path: path.to_owned(), file });
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        let mut inner = self.inner();
        let file = match inner.tree.named(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => inner.create(path)?,
            found => found?,
        };
        Ok(inner.locked.insert(file).then(|| DiskLock::new(Held { disk: self.clone(), file })))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        let file = inner.tree.named(from)?;
        inner.has_folder(to)?;
        if inner.tree.node(to) == Some(Node::Folder) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        inner.did(Operation::Rename { from: from.to_owned(), to: to.to_owned(), file });
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        match inner.tree.node(path) {
            Some(Node::Folder) => inner.did(Operation::SyncFolder { path: path.to_owned() }),
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        match inner.tree.named(path) {
            Ok(_) => inner.did(Operation::Remove { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        let mut missing: Vec<&Path> = path.ancestors().filter(|path| !is_root(path)).collect();
        missing.reverse();
        for path in missing.into_iter().filter(|path| *path != Path::new("")) {
            match inner.tree.node(path) {
                Some(Node::Folder) => {}
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => inner.did(Operation::CreateFolder { path: path.to_owned() }),
            }
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let inner = self.inner();
        match inner.tree.node(path) {
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            Some(Node::Folder) => Ok(inner.tree.list(path)),
            None => Ok(Vec::new()),
        }
    }
}

/// An open file, whatever becomes of its name.
struct Open {
    disk: RecordingDisk,
    /// What it was called when it was opened.
    path: PathBuf,
    file: FileNumber,
    at: usize,
}

impl Read for Open {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let inner = self.disk.inner();
        let bytes = inner.tree.file(self.file).map(|file| &*file.bytes).unwrap_or_default();
        let count = bytes.get(self.at..).unwrap_or_default().read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

impl Write for Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (path, file) = (self.path.clone(), self.file);
        self.disk.inner().did(Operation::Write { path, file, bytes: bytes.into() });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for Open {
    fn sync(&mut self) -> io::Result<()> {
        let (path, file) = (self.path.clone(), self.file);
        self.disk.inner().did(Operation::Sync { path, file });
        Ok(())
    }
}

/// A lock; its end is no change of the disk.
struct Held {
    disk: RecordingDisk,
    file: FileNumber,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.inner().locked.remove(&self.file);
    }
}
