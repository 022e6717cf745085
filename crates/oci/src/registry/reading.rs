//! Bodies: a blob's content as it goes out, a request's content as it comes in.

use std::{
    io,
    io::Read,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
};
use tokio::task::JoinHandle;

use super::answer::Refusal;

/// How much is read or written at a time.
const CHUNK: usize = 256 * 1024;

/// How long a client may send nothing.
const IDLE: Duration = Duration::from_secs(60);

type Piece = (Box<dyn Read + Send>, io::Result<Bytes>);

/// A file as a body: read piece by piece as the client takes them, on threads that may block.
pub(super) struct FileBody {
    reading: Option<JoinHandle<Piece>>,
    left: u64,
}

impl FileBody {
    /// The body of `length` bytes that begin at `from`; the file has as many.
    pub(super) fn new(file: Box<dyn Read + Send>, from: u64, length: u64) -> Self {
        Self { reading: (length > 0).then(|| read(file, from, length)), left: length }
    }
}

/// Reads the next piece, of at most `left` bytes, after `skip` bytes: a disk's files are read from their
/// beginning.
fn read(mut file: Box<dyn Read + Send>, skip: u64, left: u64) -> JoinHandle<Piece> {
    tokio::task::spawn_blocking(move || {
        let skipped = io::copy(&mut file.by_ref().take(skip), &mut io::sink());
        let mut piece = Vec::with_capacity(CHUNK);
        let result = skipped.and_then(|_| file.by_ref().take(left.min(CHUNK as u64)).read_to_end(&mut piece));
        (file, result.map(|_| Bytes::from(piece)))
    })
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let (file, piece) = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other)?;
        self.reading = None;
        let piece = piece?;
        if piece.is_empty() {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        self.left = self.left.saturating_sub(piece.len() as u64);
        if self.left > 0 {
            self.reading = Some(read(file, 0, self.left));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Returns the next batch of a request's content, about [`CHUNK`] of it, or nothing at its end.
pub(super) async fn next_batch(body: &mut Incoming) -> Result<Vec<Bytes>, Refusal> {
    let broken = |what: String| Refusal::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", what);
    let mut batch = Vec::new();
    let mut size = 0;
    while size < CHUNK {
        let frame = tokio::time::timeout(IDLE, body.frame())
            .await
            .map_err(|_| broken("the client sends nothing".into()))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| broken(format!("the content broke off: {error}")))?;
        if let Ok(data) = frame.into_data() {
            size += data.len();
            batch.push(data);
        }
    }
    batch.retain(|piece| !piece.is_empty());
    Ok(batch)
}

/// Returns the whole content of a request, of at most `limit` bytes.
pub(super) async fn whole(body: &mut Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let mut content = Vec::new();
    loop {
        let batch = next_batch(body).await?;
        if batch.is_empty() {
            return Ok(content.into());
        }
        for piece in batch {
            if content.len() + piece.len() > limit {
                let message = format!("a manifest has at most {limit} bytes");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message));
            }
            content.extend_from_slice(&piece);
        }
    }
}

/// Does blocking work on a thread for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}
