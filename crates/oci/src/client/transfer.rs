//! Content on its way: out of an answer as a reader, out of a reader as a request's body.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context as TaskContext, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use reqwest::Response;
use shipway_core::{Context, Digest, Error};
use tokio::io::{AsyncRead, ReadBuf};

use super::answer::broken;
use crate::{BlobReader, Hasher, carry::carry};

/// How long making a connection may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a registry may let nothing come or go. It is real time, whatever the context's clock says:
/// the network does not follow that.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// How much of a body is sent at a time.
const CHUNK: usize = 128 * 1024;

type Next = Pin<Box<dyn Future<Output = (Response, shipway_core::Result<Option<Bytes>>)> + Send>>;

/// The content of an answer; reading it fails when the connection is idle for too long, and when the
/// task is stopped.
pub(super) struct Incoming {
    next: Option<Next>,
    piece: Bytes,
    host: Arc<str>,
    stopped: Pin<Box<dyn Future<Output = Error> + Send>>,
}

impl Incoming {
    pub(super) fn new(cx: &Context, host: &Arc<str>, response: Response) -> Self {
        let cx = cx.clone();
        Self {
            next: Some(next(response, Arc::clone(host))),
            piece: Bytes::new(),
            host: Arc::clone(host),
            stopped: Box::pin(async move { cx.stopped().await }),
        }
    }
}

fn next(mut response: Response, host: Arc<str>) -> Next {
    Box::pin(async move {
        let piece = match tokio::time::timeout(IDLE, response.chunk()).await {
            Ok(piece) => piece.map_err(|error| broken(&host, error)),
            Err(_) => Err(idle(&host)),
        };
        (response, piece)
    })
}

/// Returns the error for a registry that lets nothing come or go.
pub(super) fn idle(host: &str) -> Error {
    Error::new(shipway_core::ErrorKind::Unavailable, format!("registry `{host}` does not go on"))
        .note(format!("nothing came or went for {} s", IDLE.as_secs()))
        .hint(format!("see whether `{host}` is overloaded, then try again"))
}

impl AsyncRead for Incoming {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.piece.is_empty() {
            let Some(coming) = &mut this.next else { return Poll::Ready(Ok(())) };
            if let Poll::Ready(error) = this.stopped.as_mut().poll(cx) {
                return Poll::Ready(Err(carry(error)));
            }
            let (response, piece) = ready!(coming.as_mut().poll(cx));
            this.next = None;
            let Some(piece) = piece.map_err(carry)? else { return Poll::Ready(Ok(())) };
            this.piece = piece;
            this.next = Some(next(response, Arc::clone(&this.host)));
        }
        let taken = this.piece.len().min(buf.remaining());
        buf.put_slice(&this.piece[..taken]);
        this.piece.advance(taken);
        Poll::Ready(Ok(()))
    }
}

/// How an upload fares, seen from outside its body.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Grows whenever the body is asked for more, and while it waits for its own source.
    moves: AtomicU64,
    outcome: Mutex<Outcome>,
}

#[derive(Debug, Default)]
enum Outcome {
    #[default]
    Sending,
    Sent(Digest, u64),
    Failed(io::Error),
    Starved,
}

impl Progress {
    /// Returns a number that is another one when the body moved, or `None` while it waits for its own
    /// source, which is no fault of the registry.
    pub(super) fn moves(&self) -> Option<u64> {
        let starved = matches!(*self.lock(), Outcome::Starved);
        (!starved).then(|| self.moves.load(Ordering::Relaxed))
    }

    /// Returns the error that reading the source ended with, if that is why the upload failed.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        let mut outcome = self.lock();
        if !matches!(*outcome, Outcome::Failed(_)) {
            return None;
        }
        match std::mem::take(&mut *outcome) {
            Outcome::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Returns digest and size of all that was sent; none when the body was not sent to its end.
    pub(super) fn sent(&self) -> Option<(Digest, u64)> {
        match &*self.lock() {
            Outcome::Sent(digest, size) => Some((digest.clone(), *size)),
            _ => None,
        }
    }

    fn set(&self, outcome: Outcome) {
        self.moves.fetch_add(1, Ordering::Relaxed);
        *self.lock() = outcome;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's body that is read while it is sent, and hashed.
///
/// A piece is sent only when the one after it, or the end, was read. So content that turns out to be
/// wrong at its end is never sent whole.
pub(super) struct Outgoing {
    // Bodies must be `Sync`, which a lock that is never contended makes of the reader.
    content: Mutex<BlobReader>,
    buffer: Box<[u8]>,
    ready: Option<Bytes>,
    hasher: Option<Hasher>,
    left: Option<u64>,
    progress: Arc<Progress>,
}

impl Outgoing {
    /// Returns the body and what tells how it fares; `size` if it is known, which the content must
    /// have.
    pub(super) fn new(content: BlobReader, size: Option<u64>) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        let body = Self {
            content: Mutex::new(content),
            buffer: vec![0; CHUNK].into(),
            ready: None,
            hasher: Some(Hasher::new()),
            left: size,
            progress: Arc::clone(&progress),
        };
        (body, progress)
    }

    fn emit(&mut self, piece: Option<Bytes>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let (Some(left), Some(piece)) = (&mut self.left, &piece) {
            *left = left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        loop {
            if this.hasher.is_none() {
                let last = this.ready.take();
                return this.emit(last);
            }
            let mut buf = ReadBuf::new(&mut this.buffer);
            let content = this.content.get_mut().unwrap_or_else(PoisonError::into_inner);
            match content.as_mut().poll_read(cx, &mut buf) {
                Poll::Pending => {
                    this.progress.set(Outcome::Starved);
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => {
                    this.hasher = None;
                    this.ready = None;
                    this.progress.set(Outcome::Failed(error));
                    return Poll::Ready(Some(Err(io::Error::other("the content could not be read"))));
                }
                Poll::Ready(Ok(())) => {}
            }
            let piece = Bytes::copy_from_slice(buf.filled());
            if let Some(hasher) = this.hasher.take_if(|_| piece.is_empty()) {
                let (digest, size) = hasher.finish();
                this.progress.set(Outcome::Sent(digest, size));
                continue;
            }
            this.progress.set(Outcome::Sending);
            if let Some(hasher) = &mut this.hasher {
                hasher.update(&piece);
            }
            if let Some(before) = this.ready.replace(piece) {
                return this.emit(Some(before));
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
