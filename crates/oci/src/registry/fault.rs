//! Faults on purpose, for tests of whatever talks to a registry.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    StatusCode,
    body::{Body as HttpBody, Frame, SizeHint},
    header::CONTENT_LENGTH,
};

use super::answer::{Answer, Refusal};

/// A request, as the one who decides on faults sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RegistryRequest<'a> {
    /// The method, such as `GET`.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// How many requests there were before it.
    pub count: u64,
}

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request is refused with this status and has no effect.
    Status(u16),
    /// The connection ends without an answer, and the request has no effect.
    Hangup,
    /// The answer is the true one, and the connection ends after at most this many bytes of its
    /// body.
    Cut(u64),
    /// The answer is the true one, and the first byte of its body is another.
    Corrupt,
}

pub(super) type Faults = dyn Fn(&RegistryRequest<'_>) -> Option<Fault> + Send + Sync;

impl Fault {
    /// Returns the answer in place of the true one, if the request is not to be looked at.
    pub(super) fn instead(&self) -> Option<io::Result<Answer>> {
        match self {
            Self::Status(status) => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Some(Ok(Refusal::new(status, "UNKNOWN", "this is a fault on purpose").answer()))
            }
            Self::Hangup => Some(Err(io::Error::other("a fault on purpose"))),
            Self::Cut(_) | Self::Corrupt => None,
        }
    }

    /// Spoils the true answer.
    pub(super) fn spoil(self, answer: Answer) -> Answer {
        let (parts, body) = answer.into_parts();
        // Without a length of its own, a body that is cut would be a shorter one.
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.or(body.size_hint().exact()).unwrap_or_default();
        Answer::from_parts(parts, Spoilt { body, fault: self, length, first: true }.boxed_unsync())
    }
}

struct Spoilt<B> {
    body: B,
    fault: Fault,
    length: u64,
    first: bool,
}

impl<B: HttpBody<Data = Bytes, Error = io::Error> + Unpin> HttpBody for Spoilt<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.fault == Fault::Cut(0) {
            // What came before the error is flushed while the body is pending.
            if std::mem::take(&mut this.first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err(io::Error::other("a fault on purpose"))));
        }
        let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)?) else { return Poll::Ready(None) };
        let Ok(mut data) = frame.into_data() else { return Poll::Ready(None) };
        match &mut this.fault {
            Fault::Cut(left) => {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
            }
            Fault::Corrupt if this.first && !data.is_empty() => {
                let mut other = data.to_vec();
                other[0] ^= 1;
                data = other.into();
                this.first = false;
            }
            _ => {}
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
