//! Blobs of a layout as they are written and read, in chunks, each on a thread that may block.

use std::{
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use shipway_core::{Disk, DiskFile, Error, Result, create_beside};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, ReadBuf},
    task::JoinHandle,
};

use crate::{BlobReader, carry::unpack};

const CHUNK: usize = 256 * 1024;

/// Reads the next chunk into `chunk`, which is empty; still empty at the end.
pub(super) async fn fill(content: &mut BlobReader, mut chunk: Vec<u8>) -> Result<Vec<u8>> {
    chunk.reserve(CHUNK);
    while chunk.len() < CHUNK {
        let room = (CHUNK - chunk.len()) as u64;
        let read = content.take(room).read_buf(&mut chunk).await;
        if read.map_err(|error| unpack(error, "read the content of a blob"))? == 0 {
            break;
        }
    }
    Ok(chunk)
}

/// A blob that is not in its place yet; removed when it is dropped before that.
pub(super) struct NewBlob {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Option<Box<dyn DiskFile>>,
}

impl NewBlob {
    pub(super) fn create(disk: Arc<dyn Disk>, layout: &Path) -> Result<Self> {
        // In the layout's own folder, because `blobs/sha256` must hold blobs and nothing else.
        let created = create_beside(disk.as_ref(), &layout.join("blob"));
        let (path, file) = created.map_err(|error| Error::io("write a blob into", layout, error))?;
        Ok(Self { disk, path, file: Some(file) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(|error| Error::io("write", &self.path, error)),
            None => Err(Error::internal("a blob was written after its end")),
        }
    }

    pub(super) fn publish(mut self, place: &Path) -> Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let published = file.sync().and_then(|()| {
            drop(file);
            self.disk.rename(&self.path, place)?;
            self.disk.sync_dir(place.parent().unwrap_or(place))
        });
        if published.is_err() {
            self.remove();
        }
        published.map_err(|error| Error::io("write", place, error))
    }

    fn remove(&self) {
        // Nothing refers to it, and what went wrong first is what is told.
        let _ = self.disk.remove(&self.path);
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            self.remove();
        }
    }
}

/// Reads a file of the disk.
pub(super) struct DiskReader(State);

enum State {
    Idle(Option<Open>),
    Busy(JoinHandle<io::Result<Open>>),
}

struct Open {
    file: Box<dyn Read + Send>,
    chunk: Vec<u8>,
    at: usize,
}

impl DiskReader {
    pub(super) fn new(file: Box<dyn Read + Send>) -> Self {
        Self(State::Idle(Some(Open { file, chunk: Vec::new(), at: 0 })))
    }
}

impl Open {
    fn read(mut self) -> io::Result<Self> {
        self.chunk.resize(CHUNK, 0);
        let count = loop {
            match self.file.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.chunk.truncate(count);
        self.at = 0;
        Ok(self)
    }
}

impl AsyncRead for DiskReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match &mut self.0 {
                State::Idle(open) => {
                    let Some(mut now) = open.take() else {
                        // The last read failed.
                        return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                    };
                    if now.at == now.chunk.len() {
                        self.0 = State::Busy(tokio::task::spawn_blocking(move || now.read()));
                        continue;
                    }
                    let count = (now.chunk.len() - now.at).min(buffer.remaining());
                    buffer.put_slice(&now.chunk[now.at..now.at + count]);
                    now.at += count;
                    *open = Some(now);
                    return Poll::Ready(Ok(()));
                }
                State::Busy(work) => {
                    let read = ready!(Pin::new(work).poll(cx)).map_err(io::Error::other).flatten();
                    self.0 = State::Idle(None);
                    let now = read?;
                    let end = now.chunk.is_empty();
                    self.0 = State::Idle(Some(now));
                    if end {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}
