//! A cache of files, one for each key.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use super::{Disk, cores::cores, create_beside};

/// The form of the files; whoever changes it changes the number.
const FORM: &str = "shipway cache 1";

/// The largest value that is kept.
const LARGEST: u64 = 64 << 20;

/// A file beside its place whose writer must have died, in nanoseconds.
const STALE: i128 = 24 * 3600 * 1_000_000_000;

/// Keeps bytes under keys in a folder, which many processes may use at once; no locks.
///
/// Nothing in it is sure to last: it is bounded, what was not used for longest goes first, and what a crash or a
/// power cut left torn is as if it were not there. Values of more than 64 MiB are not kept.
#[derive(Clone, Debug)]
pub struct DiskCache {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    limit: u64,
    /// How many bytes were stored since the last sweep, if there was one yet.
    stored: Arc<Mutex<Option<u64>>>,
    /// Who reads or writes at once: more threads than run at once wait for one another.
    pub(crate) slots: Arc<Semaphore>,
}

impl DiskCache {
    /// Returns the cache in a folder, made when it is first written to, of at most 10 GiB.
    pub fn new(disk: Arc<dyn Disk>, folder: impl Into<PathBuf>) -> Self {
        let slots = Arc::new(Semaphore::new(cores()));
        Self { disk, folder: folder.into(), limit: 10 << 30, stored: Arc::default(), slots }
    }

    /// Sets how many bytes it keeps at most, as sizes of files; each process that writes may be over it by a
    /// thirty-second part for a while.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what was put under the key, and notes that it is used; blocking.
    ///
    /// # Errors
    /// What the disk says; nothing that was written is an error, however torn it is.
    pub fn load(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.path(key);
        let mut file = match self.disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return self.forget(&path),
            Err(error) => return Err(error),
        };
        let (mut start, mut value) = (Vec::new(), Vec::new());
        let length = header(key, &blake3::hash(b"")).len() as u64;
        file.by_ref().take(length).read_to_end(&mut start)?;
        file.take(LARGEST + 1).read_to_end(&mut value)?;
        // Whatever is written there is only believed when it is what `store` writes for this key and this value.
        if start != header(key, &blake3::hash(&value)).as_bytes() {
            return self.forget(&path);
        }
        // It may have been removed meanwhile, or the disk may be read-only; the value is right all the same.
        let _ = self.disk.touch(&path);
        Ok(Some(value))
    }

    /// Puts bytes under the key, and removes what was not used for longest when there is too much; blocking.
    ///
    /// # Errors
    /// What the disk says.
    pub fn store(&self, key: &str, value: &[u8]) -> io::Result<()> {
        let (path, header) = (self.path(key), header(key, &blake3::hash(value)));
        let size = (header.len() + value.len()) as u64;
        if value.len() as u64 > LARGEST || size > self.limit {
            // What was put there before is not what was put there last.
            return self.disk.remove(&path);
        }
        self.disk.create_dir(path.parent().unwrap_or(&self.folder))?;
        let (beside, mut file) = create_beside(self.disk.as_ref(), &path)?;
        let written = (|| {
            file.write_all(header.as_bytes())?;
            file.write_all(value)?;
            drop(file);
            // Not synced, unlike what must last: after a power cut the name may be there and the content not, and a
            // file that does not match its header is no entry. A cache may lose, and never lies.
            self.disk.rename(&beside, &path)
        })();
        if let Err(error) = written {
            // The first error is the one to tell.
            let _ = self.disk.remove(&beside);
            return Err(error);
        }
        if self.is_due(size) { self.sweep(&path) } else { Ok(()) }
    }

    /// Removes what is no entry.
    fn forget(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        // Where it cannot be removed, it is no entry the next time either.
        let _ = self.disk.remove(path);
        Ok(None)
    }

    /// Notes that so much was stored, and returns whether it is time to sweep.
    fn is_due(&self, size: u64) -> bool {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = stored.map(|bytes| bytes + size).filter(|bytes| *bytes < self.limit / 32);
        *stored = Some(sum.unwrap_or(0));
        sum.is_none()
    }

    /// Removes what was not used for longest, down to nine tenths of the limit, if the limit is passed, and what
    /// dead writers left. Other processes may do so at the same time.
    fn sweep(&self, just_stored: &Path) -> io::Result<()> {
        // The disk's own clock tells what is old, as it tells when something was used.
        let Some(now) = self.disk.entry(just_stored)?.map(|entry| entry.used) else { return Ok(()) };
        let mut found = Vec::new();
        for shelf in self.disk.list(&self.folder)?.into_iter().filter(|name| is_hex(name, 2)) {
            for name in self.disk.list(&self.folder.join(&shelf))? {
                let path = self.folder.join(&shelf).join(&name);
                let Some(entry) = self.disk.entry(&path)? else { continue };
                if is_hex(&name, 64) && name.starts_with(&shelf) {
                    // What was used long after now was used before the clock was set back.
                    let used = if entry.used > now + STALE { i128::MIN } else { entry.used };
                    found.push((used, path, entry.size));
                } else if name.starts_with('.') && name.ends_with(".new") && entry.used < now - STALE {
                    self.disk.remove(&path)?;
                }
            }
        }
        let mut sum: u64 = found.iter().map(|(.., size)| size).sum();
        if sum > self.limit {
            found.sort_unstable();
            for (_, path, size) in found {
                if sum <= self.limit / 10 * 9 {
                    break;
                }
                self.disk.remove(&path)?;
                sum -= size;
            }
        }
        Ok(())
    }

    /// Returns the place of a key: one of 256 folders, so that none of them gets too large.
    fn path(&self, key: &str) -> PathBuf {
        let name = blake3::hash(key.as_bytes()).to_hex();
        self.folder.join(&name[..2]).join(name.as_str())
    }
}

/// Returns what a file begins with: enough to tell that the rest is whole, and, for who looks at it, what it is.
fn header(key: &str, value: &blake3::Hash) -> String {
    format!("{FORM} {value}\n{key}\n")
}

fn is_hex(name: &str, length: usize) -> bool {
    name.len() == length && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
