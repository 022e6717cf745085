//! A tar archive from anywhere, read as a stream: compressed or not, hostile or not.

use std::{
    fmt,
    io::{self, Read},
};

use shipway_core::{Error, Result};

use super::{
    files::{LayerTar, Limited, Limits, beyond, decompress},
    tar_reader::{TarEntry, TarReader, unreadable},
};

/// The entries of a tar archive in their order, each with its content.
pub struct Archive {
    tar: LayerTar,
    entries: u64,
}

impl Archive {
    /// Begins to read an archive, which is plain or compressed as its first bytes say.
    ///
    /// # Errors
    /// `Unsupported` when it is compressed with bzip2 or xz.
    pub fn open(mut input: impl Read + Send + 'static, limits: Limits) -> Result<Self> {
        let mut start = Vec::new();
        input.by_ref().take(6).read_to_end(&mut start).map_err(unreadable)?;
        for (name, magic) in [("bzip2", &b"BZh"[..]), ("xz", b"\xfd7zXZ\0")] {
            if start.starts_with(magic) {
                return Err(Error::unsupported(format!("it is compressed with {name}, which is not read"))
                    .hint("compress it with gzip"));
            }
        }
        let input = decompress(io::Cursor::new(start).chain(input))?;
        let tar = TarReader::new(Limited { input, left: limits.bytes });
        Ok(Self { tar, entries: limits.entries })
    }

    /// Returns the next entry, or `None` at the end; what was not read of the one before is skipped.
    ///
    /// # Errors
    /// `BadOutput` when the archive is malformed or goes beyond the limits; `Unsupported` when it holds
    /// something that is neither a file, a folder, a link nor a device.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>> {
        let entry = self.tar.next()?;
        if entry.is_some() {
            self.entries = self.entries.checked_sub(1).ok_or_else(|| beyond("files"))?;
        }
        Ok(entry)
    }
}

/// Reads the content of the entry that came last.
impl Read for Archive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tar.read_content(buffer)
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").finish_non_exhaustive()
    }
}
