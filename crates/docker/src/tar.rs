//! Tar archives in the making: written by a thread while somebody reads them, never held whole.

use std::{
    fmt,
    io::{self, Read, Write},
    path::Path,
};

use shipway_core::{Context, EntryKind, Error, ErrorKind, Result, Tree};
use shipway_oci::BlobReader;
use tar::{Builder, EntryType, Header};

use crate::pipe::{PipeWriter, carried, pipe};

/// Begins an archive, which `write` makes on a thread of its own while the reader is read.
///
/// Reading fails with the error that `write` returns; when the reader is dropped, writing fails.
///
/// # Errors
/// `Unavailable` when there is no thread to be had.
pub fn tar_stream(write: impl FnOnce(&mut TarWriter) -> Result<()> + Send + 'static) -> Result<BlobReader> {
    let (writer, reader) = pipe();
    let work = move || {
        let mut tar = TarWriter(Builder::new(io::BufWriter::with_capacity(64 * 1024, writer.clone())));
        let result = write(&mut tar).and_then(|()| tar.finish());
        writer.finish_blocking(result);
    };
    // Not on tokio's pool: it waits for whoever reads, who may need the pool's threads.
    let begun = std::thread::Builder::new().name("shipway-docker-tar".to_owned()).spawn(work);
    begun.map_err(|error| {
        Error::new(ErrorKind::Unavailable, "cannot start a thread for an archive").source(error)
    })?;
    Ok(Box::pin(reader))
}

/// Writes entries into an archive. All have the time 1970 and a given owner.
pub struct TarWriter(Builder<io::BufWriter<PipeWriter>>);

impl fmt::Debug for TarWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TarWriter").finish_non_exhaustive()
    }
}

impl TarWriter {
    /// Adds a regular file, whose content must have this very size.
    ///
    /// # Errors
    /// `Conflict` when the content has another size.
    pub fn file(
        &mut self,
        path: &str,
        mode: u32,
        owner: (u64, u64),
        size: u64,
        content: impl Read,
    ) -> Result<()> {
        let mut header = header(EntryType::Regular, mode, owner);
        header.set_size(size);
        let mut counted = Counted { content, count: 0, limit: size };
        self.0.append_data(&mut header, path, &mut counted).map_err(failed)?;
        if counted.count == size {
            return Ok(());
        }
        Err(Error::conflict(format!("`{path}` changed while it was read"))
            .note(format!("it had {size} bytes before")))
    }

    /// Adds a folder.
    pub fn folder(&mut self, path: &str, mode: u32, owner: (u64, u64)) -> Result<()> {
        let mut header = header(EntryType::Directory, mode, owner);
        self.0.append_data(&mut header, path, io::empty()).map_err(failed)
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, text: &str, owner: (u64, u64)) -> Result<()> {
        let mut header = header(EntryType::Symlink, 0o777, owner);
        self.0.append_link(&mut header, path, text).map_err(failed)
    }

    /// Adds what is in a folder of the sources, with its ignore rules; blocking.
    ///
    /// # Errors
    /// What the context's door to files says; `Config` for a FIFO, a socket or a device.
    pub fn tree(&mut self, cx: &Context, tree: &Tree, owner: (u64, u64)) -> Result<()> {
        for entry in cx.files().walk(cx, tree)? {
            self.entry(cx, &tree.root, &entry, owner)?;
        }
        Ok(())
    }

    /// Adds an entry of a folder of the sources; blocking.
    ///
    /// # Errors
    /// As [`TarWriter::tree`].
    pub fn entry(
        &mut self,
        cx: &Context,
        root: &Path,
        entry: &shipway_core::Entry,
        owner: (u64, u64),
    ) -> Result<()> {
        cx.check_stopped()?;
        match &entry.kind {
            EntryKind::Folder => self.folder(&entry.path, entry.mode, owner),
            EntryKind::Link(text) => self.link(&entry.path, text, owner),
            EntryKind::File => {
                let file = cx.files().open(cx, root, &entry.path)?;
                let (mode, size) = (file.entry.mode, file.entry.size);
                self.file(&entry.path, mode, owner, size, file.reader)
            }
            _ => {
                let place = cx.path(root).join(&entry.path);
                Err(Error::config(format!("`{}` is a FIFO, a socket or a device", place.display()))
                    .hint("remove it, or leave it out with an ignore rule"))
            }
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.0.finish().and_then(|()| self.0.get_mut().flush()).map_err(failed)
    }
}

fn header(kind: EntryType, mode: u32, (uid, gid): (u64, u64)) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_mtime(0);
    header.set_size(0);
    header
}

fn failed(error: io::Error) -> Error {
    carried(error, "write an archive")
}

/// Reads no more than a limit, and counts.
struct Counted<R> {
    content: R,
    count: u64,
    limit: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.limit - self.count).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.content.read(&mut buffer[..left])?;
        self.count += count as u64;
        Ok(count)
    }
}
