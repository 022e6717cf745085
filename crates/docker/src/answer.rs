//! Answers of the engine: bounded, and their errors in our kinds.

use std::{error::Error as StdError, io, pin::Pin, task::Poll};

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{StatusCode, body::Body};
use serde::de::DeserializeOwned;
use shipway_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    Endpoint,
    exchange::{Answer, Connection},
};

/// The most bytes of an answer that is read as a whole.
const WHOLE: usize = 32 * 1024 * 1024;

/// The most bytes of an error's text that are kept.
const MESSAGE: usize = 4096;

/// The most bytes of one line of a stream.
const LINE: usize = 8 * 1024 * 1024;

/// Returns the error for a connection that was lost, or for what our own content said.
pub(crate) fn lost(endpoint: &Endpoint, error: &hyper::Error) -> Error {
    let mut source: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(ours) = inner.and_then(|inner| inner.downcast_ref::<Error>()) {
            return ours.report().clone().into();
        }
        source = cause.source();
    }
    Error::new(ErrorKind::Unavailable, format!("the connection to the engine at `{endpoint}` was lost"))
        .note(error.to_string())
}

impl Answer {
    /// Returns the answer if it is no error.
    pub(crate) async fn success(self, endpoint: &Endpoint, what: &str) -> Result<Self> {
        let status = self.response.status();
        if status.is_success() || status.is_informational() || status == StatusCode::NOT_MODIFIED {
            return Ok(self);
        }
        let message = self.message(endpoint).await;
        Err(refused(status, what, &message))
    }

    async fn message(self, endpoint: &Endpoint) -> String {
        #[derive(serde::Deserialize)]
        struct Message {
            message: String,
        }
        let bytes = self.bytes_at_most(endpoint, MESSAGE).await.unwrap_or_default();
        serde_json::from_slice::<Message>(&bytes)
            .map_or_else(|_| String::from_utf8_lossy(&bytes).into_owned(), |answer| answer.message)
    }

    /// Reads the whole answer.
    pub(crate) async fn bytes(self, endpoint: &Endpoint) -> Result<Bytes> {
        self.bytes_at_most(endpoint, WHOLE).await
    }

    async fn bytes_at_most(self, endpoint: &Endpoint, limit: usize) -> Result<Bytes> {
        let mut body = self.response.into_body();
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| lost(endpoint, &error))?.into_data() else { continue };
            if bytes.len() + data.len() > limit {
                return Err(Error::bad_output(format!("the engine answers with more than {limit} bytes")));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    }

    /// Reads the whole answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(self, endpoint: &Endpoint, what: &str) -> Result<T> {
        let bytes = self.bytes(endpoint).await?;
        serde_json::from_slice(&bytes).map_err(|error| malformed(what, error))
    }

    /// Returns the content as it comes.
    pub(crate) fn reader(self, endpoint: &Endpoint) -> AnswerReader {
        AnswerReader {
            body: self.response.into_body(),
            now: Bytes::new(),
            endpoint: endpoint.clone(),
            _connection: self.connection,
        }
    }

    /// Returns the content as lines of JSON.
    pub(crate) fn lines(self, endpoint: &Endpoint) -> Lines {
        Lines { body: self, endpoint: endpoint.clone(), buffer: BytesMut::new(), searched: 0, ended: false }
    }
}

/// Returns the error for an answer that is not what it must be.
pub(crate) fn malformed(what: &str, error: serde_json::Error) -> Error {
    Error::bad_output(format!("the engine's answer to `{what}` has a wrong form")).source(error)
}

/// Returns the error for a refusal; `what` is what was asked for.
fn refused(status: StatusCode, what: &str, message: &str) -> Error {
    let kind = match status.as_u16() {
        400 => ErrorKind::Config,
        401 | 403 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        501 => ErrorKind::Unsupported,
        502..=504 => ErrorKind::Unavailable,
        _ => ErrorKind::ToolFailed,
    };
    let error = Error::new(kind, format!("docker cannot {what}"));
    match message.trim() {
        "" => error.note(format!("it answers {status}")),
        message => error.note(message),
    }
}

/// Reads an answer's content. An end is a real end: a lost connection is an error.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    body: hyper::body::Incoming,
    now: Bytes,
    endpoint: Endpoint,
    _connection: Connection,
}

impl AsyncRead for AnswerReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.now.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(frame)) => self.now = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(lost(&self.endpoint, &error)))),
            }
        }
        let count = self.now.len().min(buffer.remaining());
        buffer.put_slice(&self.now[..count]);
        self.now.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// Lines of JSON, one value each, as they come.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Answer,
    endpoint: Endpoint,
    buffer: BytesMut,
    searched: usize,
    ended: bool,
}

impl Lines {
    /// Returns the next line's value, or `None` at the end; cancel-safe.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self, what: &str) -> Result<Option<T>> {
        loop {
            let found = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
            let line = match found {
                Some(at) => self.buffer.split_to(self.searched + at + 1),
                None if self.ended && self.buffer.is_empty() => return Ok(None),
                None if self.ended => self.buffer.split(),
                None => {
                    self.searched = self.buffer.len();
                    self.fill().await?;
                    continue;
                }
            };
            self.searched = 0;
            if line.trim_ascii().is_empty() {
                continue;
            }
            return serde_json::from_slice(&line).map(Some).map_err(|error| malformed(what, error));
        }
    }

    async fn fill(&mut self) -> Result<()> {
        match self.body.response.body_mut().frame().await {
            None => self.ended = true,
            Some(frame) => {
                let frame = frame.map_err(|error| lost(&self.endpoint, &error))?;
                self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default());
            }
        }
        if self.buffer.len() > LINE {
            return Err(Error::bad_output(format!(
                "the engine answers with a line of more than {LINE} bytes"
            )));
        }
        Ok(())
    }
}
