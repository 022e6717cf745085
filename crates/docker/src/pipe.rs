//! A stream of bytes from a task or thread to a reader, whose end is a real end: a writer that is lost
//! or fails is an error to the reader.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use shipway_core::{Error, ErrorKind, Result};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::mpsc,
};

enum Piece {
    Bytes(Bytes),
    End,
    Failed(Error),
}

/// The end that is written to.
#[derive(Clone)]
pub(crate) struct PipeWriter(mpsc::Sender<Piece>);

/// The end that is read.
pub(crate) struct PipeReader {
    pieces: mpsc::Receiver<Piece>,
    now: Bytes,
    ended: bool,
}

/// Returns both ends; a few pieces may wait between them.
pub(crate) fn pipe() -> (PipeWriter, PipeReader) {
    let (send, pieces) = mpsc::channel(4);
    (PipeWriter(send), PipeReader { pieces, now: Bytes::new(), ended: false })
}

fn gone() -> Error {
    Error::cancelled("nobody reads on")
}

impl PipeWriter {
    pub(crate) async fn write(&self, bytes: impl Into<Bytes>) -> Result<()> {
        self.0.send(Piece::Bytes(bytes.into())).await.map_err(|_| gone())
    }

    /// Ends the stream, or passes the error on.
    pub(crate) async fn finish(self, result: Result<()>) {
        // A reader that is gone asked for no more.
        let _ = self.0.send(result.map_or_else(Piece::Failed, |()| Piece::End)).await;
    }

    /// Ends the stream from a thread, or passes the error on.
    pub(crate) fn finish_blocking(self, result: Result<()>) {
        let _ = self.0.blocking_send(result.map_or_else(Piece::Failed, |()| Piece::End));
    }
}

/// From a thread, not from a task.
impl io::Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Piece::Bytes(Bytes::copy_from_slice(bytes));
        self.0.blocking_send(piece).map_err(|_| io::Error::other(gone()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.now.is_empty() && !self.ended {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(Piece::Bytes(bytes)) => self.now = bytes,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Failed(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
        let count = self.now.len().min(buffer.remaining());
        buffer.put_slice(&self.now[..count]);
        self.now.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// Blocks a thread until there is more; the other way round than [`PipeReader`]'s asynchronous reading.
impl io::Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.now = bytes,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Failed(error)) => return Err(io::Error::other(error)),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = self.now.len().min(buffer.len());
        self.now.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Returns the error that a stream carried; when it carried none, the stream's own.
pub(crate) fn carried(error: io::Error, what: &str) -> Error {
    let own = |error| Error::new(ErrorKind::Unavailable, format!("cannot {what}")).source(error);
    error.downcast().unwrap_or_else(own)
}
