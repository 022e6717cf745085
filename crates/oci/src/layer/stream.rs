//! The layer as it comes out: a reader that runs while the layer is made, and at the end what it is.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use shipway_core::{Digest, Error, Result};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::mpsc,
};

use crate::{BlobReader, Descriptor, Distribution, thread::Threaded};

/// A layer that is being made: it goes on as fast as it is read, and ends when the reader is dropped.
#[non_exhaustive]
pub struct LayerStream {
    /// The compressed bytes. Reading fails when the layer cannot be made; an end is a real end.
    pub reader: BlobReader,
    /// What the layer is, known once it was read to its end.
    pub done: LayerDone,
}

impl LayerStream {
    pub(super) fn new(reader: LayerReader, work: Threaded<LayerSummary>) -> Self {
        Self { reader: Box::pin(reader), done: LayerDone(work) }
    }

    /// Writes the layer into a repository while it is made, and returns what it is.
    ///
    /// # Errors
    /// Those of making the layer come before those of the repository.
    pub async fn write_to(self, repository: &dyn Distribution) -> Result<LayerSummary> {
        let written = repository.write_new_blob(self.reader).await;
        match (self.done.wait().await, written) {
            (Ok(summary), Ok((digest, size))) if digest == summary.digest && size == summary.size => {
                Ok(summary)
            }
            (Ok(summary), Ok((digest, _))) => {
                Err(Error::bad_output(format!("the layer `{}` was written as `{digest}`", summary.digest)))
            }
            // Abandoned by the repository, whose reason is the better one.
            (Err(error), Err(reason)) if error.kind() == shipway_core::ErrorKind::Cancelled => Err(reason),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        }
    }
}

impl fmt::Debug for LayerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerStream").finish_non_exhaustive()
    }
}

/// A handle to what the layer will have been.
#[derive(Debug)]
pub struct LayerDone(Threaded<LayerSummary>);

impl LayerDone {
    /// Returns what the layer is, once it was read to its end.
    ///
    /// # Errors
    /// `Conflict` when a file changed meanwhile, `Config` when it is no regular file any more,
    /// `Cancelled` when the reader was dropped early.
    pub async fn wait(self) -> Result<LayerSummary> {
        self.0.wait().await
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

/// What comes from the threads to the reader. Without an end of either kind they were lost.
pub(super) enum Piece {
    Bytes(Bytes),
    End,
    Failed(Error),
}

/// Reads the pieces.
pub(super) struct LayerReader {
    pieces: mpsc::Receiver<Piece>,
    now: Bytes,
    ended: bool,
}

impl LayerReader {
    pub(super) fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self { pieces, now: Bytes::new(), ended: false }
    }
}

impl AsyncRead for LayerReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.now.is_empty() && !self.ended {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(Piece::Bytes(bytes)) => self.now = bytes,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Failed(error)) => return Poll::Ready(Err(crate::carry::carry(error))),
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
        let count = self.now.len().min(buffer.remaining());
        buffer.put_slice(&self.now[..count]);
        self.now.advance(count);
        Poll::Ready(Ok(()))
    }
}
