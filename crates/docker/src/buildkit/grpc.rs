//! gRPC by hand, both sides of it: messages with their lengths before them in the bodies of HTTP/2
//! (grpc.io, "gRPC over HTTP2"). Nothing is compressed, and what comes in is bounded.

use std::{convert::Infallible, pin::Pin, task::Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Response,
    body::{Body, Frame, Incoming},
    header::HeaderValue,
};
use prost::Message;
use tokio::sync::mpsc;

/// Codes of gRPC (grpc.io, "Status codes").
pub(crate) mod code {
    pub(crate) const OK: u16 = 0;
    pub(crate) const CANCELLED: u16 = 1;
    pub(crate) const UNKNOWN: u16 = 2;
    pub(crate) const INVALID: u16 = 3;
    pub(crate) const NOT_FOUND: u16 = 5;
    pub(crate) const DENIED: u16 = 7;
    pub(crate) const UNIMPLEMENTED: u16 = 12;
    pub(crate) const UNAVAILABLE: u16 = 14;
    pub(crate) const UNAUTHENTICATED: u16 = 16;
}

/// The most bytes of an error's text that are kept.
const TEXT: usize = 64 * 1024;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Status {
    pub(crate) fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(crate) fn ok() -> Self {
        Self::new(code::OK, "")
    }

    /// Reads the headers after an answer, or before one that has nothing else.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
        let text = headers.get("grpc-message").map(|text| from_percent(text.as_bytes()));
        Some(Self { code, text: text.unwrap_or_default() })
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", HeaderValue::from(self.code));
        if let Ok(text) = HeaderValue::from_str(&self.text) {
            headers.insert("grpc-message", text);
        }
        headers
    }
}

/// Reads `%0A` as the byte that it stands for.
fn from_percent(text: &[u8]) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let (Some((byte, after)), true) = (rest.split_first(), bytes.len() < TEXT) {
        let hex = after.get(..2).filter(|_| *byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(meant) => {
                bytes.push(meant);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where the messages of one direction are put in.
#[derive(Clone, Debug)]
pub(crate) struct Outlet(mpsc::Sender<Frame<Bytes>>);

/// Frames as they are made.
#[derive(Debug)]
pub(crate) struct Frames(mpsc::Receiver<Frame<Bytes>>);

/// Returns both ends of one direction; a few messages may wait between them.
pub(crate) fn frames() -> (Outlet, Frames) {
    let (send, frames) = mpsc::channel(16);
    (Outlet(send), Frames(frames))
}

/// Returns one message, and the end after it.
pub(crate) fn alone(message: &impl Message) -> Frames {
    let (outlet, frames) = frames();
    // There is room for one.
    let _ = outlet.0.try_send(Frame::data(framed(message)));
    frames
}

impl Outlet {
    /// Puts a message in, and returns whether anybody still takes it.
    pub(crate) async fn put(&self, message: &impl Message) -> bool {
        self.0.send(Frame::data(framed(message))).await.is_ok()
    }

    /// As [`Outlet::put`], from a thread.
    pub(crate) fn put_blocking(&self, message: &impl Message) -> bool {
        self.0.blocking_send(Frame::data(framed(message))).is_ok()
    }

    /// Ends an answer. Who asked may be gone.
    pub(crate) async fn end(&self, status: &Status) {
        let _ = self.0.send(Frame::trailers(status.headers())).await;
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// Returns an answer with these frames.
pub(crate) fn response(frames: Frames) -> Response<Frames> {
    let mut response = Response::new(frames);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn framed(message: &impl Message) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.encoded_len());
    framed.put_u8(0);
    framed.put_u32(message.encoded_len() as u32);
    framed.extend_from_slice(&message.encode_to_vec());
    framed.freeze()
}

/// Why there is no message.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection was lost.
    Lost(hyper::Error),
    /// What came is no message, or too long.
    Malformed,
}

/// Messages as they come.
#[derive(Debug)]
pub(crate) struct Messages {
    body: Incoming,
    buffer: BytesMut,
    limit: usize,
    ended: Option<Status>,
}

impl Messages {
    pub(crate) fn new(body: Incoming, limit: usize) -> Self {
        Self { body, buffer: BytesMut::new(), limit, ended: None }
    }

    /// Reads an answer; one that has nothing else has its end in its headers.
    pub(crate) fn of(response: Response<Incoming>, limit: usize) -> Self {
        let ended = Status::read(response.headers());
        Self { ended, ..Self::new(response.into_body(), limit) }
    }

    /// Returns how the call ended, after its last message.
    pub(crate) fn status(&self) -> Option<&Status> {
        self.ended.as_ref()
    }

    /// Returns the next message, or `None` at the end; cancel-safe.
    pub(crate) async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Broken> {
        loop {
            if let Some(header) = self.buffer.first_chunk::<5>() {
                let [compressed, length @ ..] = *header;
                let length = u32::from_be_bytes(length) as usize;
                if compressed != 0 || length > self.limit {
                    return Err(Broken::Malformed);
                }
                if self.buffer.len() >= 5 + length {
                    let message = self.buffer.split_to(5 + length).freeze().slice(5..);
                    return M::decode(message).map(Some).map_err(|_| Broken::Malformed);
                }
            }
            let Some(frame) = self.body.frame().await else {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Broken::Malformed) };
            };
            match frame.map_err(Broken::Lost)?.into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    self.ended = Status::read(&trailers).or(self.ended.take());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_with_its_text() {
        let read = |code: &str, text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", HeaderValue::from_str(code).unwrap());
            headers.insert("grpc-message", HeaderValue::from_str(text).unwrap());
            Status::read(&headers)
        };
        assert_eq!(
            read("2", "failed: 100%25 of%0Ait %zz%4"),
            Some(Status::new(2, "failed: 100% of\nit %zz%4"))
        );
        assert_eq!(read("two", ""), None);
        assert_eq!(Status::read(&HeaderMap::new()), None);
        assert_eq!(Status::read(&Status::new(5, "gone").headers()), Some(Status::new(5, "gone")));
        assert_eq!(from_percent(&[b'a'; 2 * TEXT]).len(), TEXT);
    }
}
