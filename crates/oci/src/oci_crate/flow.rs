//! Content between our readers and the writers and streams of `oci-client`.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as TaskContext, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use oci_client::errors::OciDistributionError;
use shipway_core::{Error, Result};
use tokio::{
    io::{AsyncRead, DuplexStream, ReadBuf},
    task::JoinHandle,
};

use crate::{
    BlobReader,
    carry::{carry, unpack},
};

/// How much goes at a time: each piece of a stream becomes a request.
const PIECE: usize = 4 * 1024 * 1024;

/// What a task writes, as a reader.
pub(super) struct Download {
    content: DuplexStream,
    work: Option<JoinHandle<Result<()>>>,
}

impl Download {
    pub(super) fn begin<F>(work: impl FnOnce(DuplexStream) -> F) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (content, into) = tokio::io::duplex(64 * 1024);
        Self { content, work: Some(tokio::spawn(work(into))) }
    }
}

impl AsyncRead for Download {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.content).poll_read(cx, buffer))?;
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // It ended: well, or not.
        if let Some(work) = &mut self.work {
            let ended = ready!(Pin::new(work).poll(cx));
            self.work = None;
            ended.map_err(io::Error::other)?.map_err(carry)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.abort();
        }
    }
}

/// What a reader gives, as a stream.
pub(super) struct Upload {
    content: BlobReader,
    piece: BytesMut,
    ended: bool,
    problem: Problem,
}

/// Why the content of an upload could not be read, which `oci-client` does not tell.
#[derive(Clone, Default)]
pub(super) struct Problem(Arc<Mutex<(Option<Error>, u64)>>);

impl Problem {
    pub(super) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.take()
    }

    /// Returns whether nothing was read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 == 0
    }
}

impl Upload {
    pub(super) fn new(content: BlobReader) -> (Self, Problem) {
        let problem = Problem::default();
        (Self { content, piece: BytesMut::new(), ended: false, problem: problem.clone() }, problem)
    }
}

impl Stream for Upload {
    type Item = Result<Bytes, OciDistributionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut buffer = vec![0; 64 * 1024];
        while !this.ended && this.piece.len() < PIECE {
            let mut read = ReadBuf::new(&mut buffer);
            let outcome = ready!(this.content.as_mut().poll_read(cx, &mut read));
            let mut state = this.problem.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.1 += read.filled().len() as u64;
            if let Err(error) = outcome {
                state.0 = Some(unpack(error, "read what is to be pushed"));
                this.ended = true;
                this.piece.clear();
                let broken = io::Error::other("the content could not be read");
                return Poll::Ready(Some(Err(OciDistributionError::IoError(broken))));
            }
            this.ended = read.filled().is_empty();
            this.piece.extend_from_slice(read.filled());
        }
        let piece = this.piece.split().freeze();
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}
