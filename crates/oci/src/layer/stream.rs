//! The layer as it comes out: a reader that runs while the layer is made, and at the end what it is.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use shipway_core::{Digest, ErrorKind, Result};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::{mpsc, oneshot},
};

use crate::{BlobReader, Descriptor, Distribution, carry::carry, thread::Threaded};

/// A layer that is being made: it goes on as fast as it is written, and ends when this is dropped.
pub struct LayerStream {
    pub(super) reader: BlobReader,
    pub(super) media_type: &'static str,
    /// Digest and size of the tar.
    pub(super) tar: Threaded<(Digest, u64)>,
}

impl LayerStream {
    /// Writes the layer into a repository while it is made, and returns what it is.
    ///
    /// The compressed bytes are hashed once, by the repository, which has to know what it was given.
    ///
    /// # Errors
    /// Those of making the layer come before those of the repository: `Conflict` when a file changed
    /// meanwhile, `Config` when it is no regular file any more.
    pub async fn write_to(self, repository: &dyn Distribution) -> Result<LayerSummary> {
        let written = repository.write_new_blob(self.reader).await;
        match (self.tar.wait().await, written) {
            (Ok((diff_id, uncompressed)), Ok((digest, size))) => {
                Ok(LayerSummary { media_type: self.media_type, diff_id, digest, size, uncompressed })
            }
            // Abandoned by the repository, whose reason is the better one.
            (Err(error), Err(reason)) if error.kind() == ErrorKind::Cancelled => Err(reason),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        }
    }
}

impl fmt::Debug for LayerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerStream").finish_non_exhaustive()
    }
}

/// What a layer is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerSummary {
    /// The media type, which says how it is compressed.
    pub media_type: &'static str,
    /// The digest of the tar, which the image's configuration names it by.
    pub diff_id: Digest,
    /// The digest of the compressed bytes, which the manifest names it by.
    pub digest: Digest,
    /// The count of compressed bytes.
    pub size: u64,
    /// The count of the tar's bytes.
    pub uncompressed: u64,
}

impl LayerSummary {
    /// Returns the descriptor for the manifest.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type, self.digest.clone(), self.size)
    }
}

/// Reads what the threads make of the members, which each got in turn.
pub(super) struct LayerReader {
    threads: Vec<mpsc::Receiver<Result<Bytes>>>,
    /// How the tar ended. Without an end the threads were lost.
    end: oneshot::Receiver<Result<()>>,
    ended: bool,
    turn: usize,
    now: Bytes,
}

impl LayerReader {
    pub(super) fn new(
        threads: Vec<mpsc::Receiver<Result<Bytes>>>,
        end: oneshot::Receiver<Result<()>>,
    ) -> Self {
        Self { threads, end, ended: false, turn: 0, now: Bytes::new() }
    }
}

impl AsyncRead for LayerReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.now.is_empty() {
            let turn = self.turn;
            match ready!(self.threads[turn].poll_recv(cx)) {
                Some(Ok(bytes)) => {
                    self.now = bytes;
                    self.turn = (turn + 1) % self.threads.len();
                }
                Some(Err(error)) => return Poll::Ready(Err(carry(error))),
                // The first thread in turn that has no more got no more.
                None if self.ended => return Poll::Ready(Ok(())),
                None if self.end.is_terminated() => {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                None => match ready!(Pin::new(&mut self.end).poll(cx)) {
                    Ok(Ok(())) => self.ended = true,
                    Ok(Err(error)) => return Poll::Ready(Err(carry(error))),
                    Err(_) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                },
            }
        }
        let count = self.now.len().min(buffer.remaining());
        buffer.put_slice(&self.now[..count]);
        self.now.advance(count);
        Poll::Ready(Ok(()))
    }
}
