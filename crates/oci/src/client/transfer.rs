//! Content on its way out of an answer: a reader that goes on where a connection broke.

use std::{
    io,
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE},
};
use shipway_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    again::{Again, QUICK, SLOW, Trouble},
    answer::{broken, header},
    exchange::{Call, Exchange},
};
use crate::{BlobReader, carry::carry, stop::until_stopped};

/// How long making a connection may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a registry may let nothing come or go. It is real time, whatever the context's clock says:
/// the network does not follow that.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// How much must have come since a connection broke for it to count as another thing's first attempt.
pub(super) const PROGRESS: u64 = 1024 * 1024;

type Next = Pin<Box<dyn Future<Output = (Download, Result<Option<Bytes>>)> + Send>>;

/// The content of an answer; reading it fails when the connection is idle for too long, and when the
/// task must stop at once.
pub(super) struct Incoming {
    next: Option<Next>,
    piece: Bytes,
}

impl Incoming {
    /// Returns the content of the answer to a request, which is asked for again from where it broke off.
    pub(super) fn resumed(exchange: &Exchange, call: Call, response: Response) -> BlobReader {
        Self::begin(exchange, Some(call), response)
    }

    /// Returns the content of an answer.
    pub(super) fn once(exchange: &Exchange, response: Response) -> BlobReader {
        Self::begin(exchange, None, response)
    }

    fn begin(exchange: &Exchange, call: Option<Call>, response: Response) -> BlobReader {
        let again = exchange.again();
        let download =
            Download { exchange: exchange.clone(), call, response, at: 0, skip: 0, again, broke: 0 };
        let incoming = Self { next: Some(Box::pin(download.next())), piece: Bytes::new() };
        until_stopped(&exchange.cx, Box::pin(incoming))
    }
}

struct Download {
    exchange: Exchange,
    call: Option<Call>,
    response: Response,
    /// How much has come.
    at: u64,
    /// How much comes now that came before.
    skip: u64,
    again: Again,
    /// Where it broke off last.
    broke: u64,
}

impl Download {
    async fn next(mut self) -> (Self, Result<Option<Bytes>>) {
        let piece = loop {
            let trouble = match self.piece().await {
                Ok(Some(piece)) if piece.is_empty() => continue,
                Ok(piece) => break Ok(piece),
                Err(trouble) => trouble,
            };
            if let Err(error) = self.resume(trouble).await {
                break Err(error);
            }
        };
        (self, piece)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Trouble> {
        let host = &self.exchange.host;
        let piece = match tokio::time::timeout(IDLE, self.response.chunk()).await {
            Ok(piece) => piece.map_err(|error| Trouble { error: broken(host, error), cost: Some(QUICK) })?,
            Err(_) => return Err(Trouble { error: idle(host), cost: Some(SLOW) }),
        };
        let Some(mut piece) = piece else { return Ok(None) };
        let known = self.skip.min(piece.len() as u64);
        piece.advance(usize::try_from(known).unwrap_or(usize::MAX));
        self.skip -= known;
        self.at += piece.len() as u64;
        Ok(Some(piece))
    }

    /// Asks for what has not come yet, after a while.
    async fn resume(&mut self, trouble: Trouble) -> Result<()> {
        let (Some(call), Some(cost)) = (&self.call, trouble.cost) else { return Err(trouble.error) };
        if self.at >= self.broke + PROGRESS {
            self.again = self.exchange.again();
        }
        self.broke = self.at;
        if !self.again.wait(cost, None).await? {
            return Err(trouble.error);
        }
        let range = HeaderValue::try_from(format!("bytes={}-", self.at))
            .map_err(|error| Error::internal("a range is no header").source(error))?;
        let call = call.clone().headers(HeaderMap::from_iter([(RANGE, range)]));
        let response = self.exchange.send(&call).await?;
        let begins = header(&response, &CONTENT_RANGE);
        let begins = begins.as_deref().and_then(|range| range.strip_prefix("bytes ")?.split('-').next());
        self.skip = match (response.status(), begins) {
            (StatusCode::PARTIAL_CONTENT, Some(from)) if from == self.at.to_string() => 0,
            // It does not do ranges.
            (StatusCode::OK, _) => self.at,
            _ => return Err(trouble.error.note("it does not go on where the connection broke")),
        };
        self.response = response;
        Ok(())
    }
}

/// Returns the error for a registry that lets nothing come or go.
pub(super) fn idle(host: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("registry `{host}` does not go on"))
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
            let (download, piece) = ready!(coming.as_mut().poll(cx));
            this.next = None;
            let Some(piece) = piece.map_err(carry)? else { return Poll::Ready(Ok(())) };
            this.piece = piece;
            this.next = Some(Box::pin(download.next()));
        }
        let taken = this.piece.len().min(buf.remaining());
        buf.put_slice(&this.piece[..taken]);
        this.piece.advance(taken);
        Poll::Ready(Ok(()))
    }
}
