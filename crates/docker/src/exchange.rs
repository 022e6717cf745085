//! One request and its answer on a connection of its own. A request whose future or answer is dropped
//! closes its connection, which is how the engine learns that nobody wants the work any more.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response,
    body::{Body, Frame, Incoming},
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use shipway_core::{Error, ErrorKind, Result};
use shipway_oci::BlobReader;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    task::AbortHandle,
};

use crate::{Endpoint, answer, query::Query};

/// A request's content.
pub(crate) enum Content {
    None,
    Json(serde_json::Value),
    Tar(BlobReader),
}

/// A request, with the path and query that it asks for.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content: Content,
}

impl Ask {
    pub(crate) fn new(method: Method, path: &str, query: &Query) -> Self {
        Self { method, target: format!("{path}{query}"), headers: Vec::new(), content: Content::None }
    }

    pub(crate) fn json(mut self, value: serde_json::Value) -> Self {
        self.content = Content::Json(value);
        self
    }

    pub(crate) fn tar(mut self, reader: BlobReader) -> Self {
        self.content = Content::Tar(reader);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers may hold a login.
        f.debug_struct("Ask")
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// An answer whose content has not been read yet.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) connection: Connection,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&self.response.status()).finish()
    }
}

/// Closes the connection when it is dropped.
#[derive(Debug)]
pub(crate) struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A stream of bytes both ways.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// Sends a request and returns the answer, whatever its status is.
pub(crate) async fn send(endpoint: &Endpoint, ask: Ask) -> Result<Answer> {
    let lost = |error: hyper::Error| answer::lost(endpoint, &error);
    let wire = connect(endpoint).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(lost)?;
    let connection = tokio::spawn(async move {
        // What went wrong is said by the request or by its answer.
        let _ = connection.with_upgrades().await;
    });
    let connection = Connection(connection.abort_handle());
    let response = sender.send_request(request(ask)?).await.map_err(lost)?;
    Ok(Answer { response, connection })
}

/// Connects to an endpoint.
pub(crate) async fn dial(endpoint: &Endpoint) -> io::Result<Box<dyn Wire>> {
    Ok(match endpoint {
        Endpoint::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Endpoint::Tcp(address) => {
            let wire = TcpStream::connect(address.as_str()).await?;
            // Small messages go to and fro.
            wire.set_nodelay(true)?;
            Box::new(wire)
        }
    })
}

async fn connect(endpoint: &Endpoint) -> Result<Box<dyn Wire>> {
    dial(endpoint).await.map_err(|error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let kind = if denied { ErrorKind::Auth } else { ErrorKind::Unavailable };
        Error::new(kind, format!("cannot reach the engine at `{endpoint}`")).source(error).hint(if denied {
            "run with the right to use its socket"
        } else {
            "start it, or name the endpoint at which it listens"
        })
    })
}

fn request(ask: Ask) -> Result<Request<RequestBody>> {
    let mut request = Request::builder().method(ask.method).uri(&ask.target).header(HOST, "docker");
    for (name, value) in ask.headers {
        request = request.header(name, value);
    }
    let never = |never: std::convert::Infallible| match never {};
    let request = match ask.content {
        Content::None => request.body(Empty::new().map_err(never).boxed_unsync()),
        Content::Json(value) => {
            let body = Full::new(Bytes::from(value.to_string()));
            request.header(CONTENT_TYPE, "application/json").body(body.map_err(never).boxed_unsync())
        }
        Content::Tar(reader) => {
            let body = ReaderBody { reader, buffer: BytesMut::new() };
            request.header(CONTENT_TYPE, "application/x-tar").body(body.boxed_unsync())
        }
    };
    request.map_err(|error| Error::internal("a request to the engine has a wrong form").source(error))
}

/// Sends what a reader gives, piece by piece.
struct ReaderBody {
    reader: BlobReader,
    buffer: BytesMut,
}

const PIECE: usize = 64 * 1024;

impl Body for ReaderBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        this.buffer.resize(PIECE, 0);
        let mut room = ReadBuf::new(&mut this.buffer);
        if let Err(error) = ready!(this.reader.as_mut().poll_read(cx, &mut room)) {
            return Poll::Ready(Some(Err(error)));
        }
        let count = room.filled().len();
        if count == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(this.buffer.split_to(count).freeze()))))
    }
}
