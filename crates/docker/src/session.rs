//! A BuildKit session: the engine calls back for secrets, for an agent and for logins, as gRPC over
//! HTTP/2 on a connection that we opened (moby/buildkit, session/grpchijack).

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Response,
    body::{Body, Frame, Incoming},
    header::HeaderValue,
    service::service_fn,
};
use hyper_util::rt::TokioExecutor;
use shipway_core::{Context, Login, Result, Secret};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    task::AbortHandle,
};

use crate::{
    Daemon,
    exchange::Connection,
    message::{field, put},
    query::Query,
};

/// What a build may ask for while it runs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionOffer {
    /// Secrets by the id that `RUN --mount=type=secret,id=…` names.
    pub secrets: BTreeMap<String, Secret>,
    /// Sockets of agents by the id that `RUN --mount=type=ssh` names, `default` if it names none.
    pub agents: BTreeMap<String, PathBuf>,
    /// Logins by exactly the host that they are for.
    pub logins: BTreeMap<String, Login>,
}

/// A session under way; it ends when this is dropped.
pub(crate) struct Session {
    pub(crate) id: String,
    serving: AbortHandle,
    _connection: Connection,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.id).finish()
    }
}

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CHECK_AGENT: &str = "/moby.sshforward.v1.SSH/CheckAgent";
const FORWARD_AGENT: &str = "/moby.sshforward.v1.SSH/ForwardAgent";
const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";

/// The most bytes of a message that the engine sends.
const MESSAGE: usize = 4 * 1024 * 1024;

/// Codes of gRPC (grpc.io, "Status codes").
const OK: u16 = 0;
const INVALID: u16 = 3;
const NOT_FOUND: u16 = 5;
const UNIMPLEMENTED: u16 = 12;
const UNAVAILABLE: u16 = 14;

impl Session {
    /// Opens a session at the engine.
    pub(crate) async fn open(cx: &Context, daemon: &Daemon, offer: SessionOffer) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Unlike any other session's of this engine, also of another process.
        let unlike = format!("{}-{:?}-{}", cx.run_id(), cx.clock().now(), std::process::id());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = shipway_oci::digest_of(format!("{unlike}-{count}").as_bytes()).hex()[..32].to_owned();
        let mut headers = vec![
            ("upgrade", "h2c"),
            ("x-docker-expose-session-uuid", id.as_str()),
            ("x-docker-expose-session-name", "shipway"),
            ("x-docker-expose-session-sharedkey", ""),
        ];
        for method in [HEALTH, SECRET, CHECK_AGENT, FORWARD_AGENT, CREDENTIALS] {
            headers.push(("x-docker-expose-session-grpc-method", method));
        }
        let (wire, connection) = daemon.upgrade(cx, "/session", &Query::new(), &headers).await?;
        let offer = Arc::new(offer);
        let service = service_fn(move |request| {
            let offer = Arc::clone(&offer);
            async move { Ok::<_, Infallible>(answer(&offer, request).await) }
        });
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(wire.into_inner(), service);
        let serving = tokio::spawn(async move {
            // A session that breaks is the build's failure, which says so.
            let _ = serving.await;
        });
        Ok(Self { id, serving: serving.abort_handle(), _connection: connection })
    }
}

type Sender = mpsc::Sender<Frame<Bytes>>;

/// The frames of an answer as they are made.
struct Answer(mpsc::Receiver<Frame<Bytes>>);

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

async fn answer(offer: &Arc<SessionOffer>, request: Request<Incoming>) -> Response<Answer> {
    let (send, frames) = mpsc::channel(16);
    let path = request.uri().path().to_owned();
    if path == FORWARD_AGENT {
        let id =
            request.headers().get("buildkit.ssh.id").and_then(|id| id.to_str().ok()).unwrap_or("default");
        match offer.agents.get(id).cloned() {
            Some(socket) => {
                tokio::spawn(async move {
                    let code = forward(&socket, request.into_body(), &send).await;
                    end(&send, code, "").await;
                });
            }
            None => end(&send, NOT_FOUND, "no such agent").await,
        }
    } else {
        match reply(offer, &path, request.into_body()).await {
            Ok(message) => {
                let _ = send.send(Frame::data(framed(&message))).await;
                end(&send, OK, "").await;
            }
            Err((code, text)) => end(&send, code, &text).await,
        }
    }
    let mut response = Response::new(Answer(frames));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

async fn reply(
    offer: &SessionOffer,
    path: &str,
    body: Incoming,
) -> std::result::Result<Vec<u8>, (u16, String)> {
    let mut messages = Messages { body, buffer: BytesMut::new() };
    let wrong = || (INVALID, "a message has a wrong form".to_owned());
    let message = messages.next().await.ok_or_else(wrong)?;
    let first = field(&message, 1).map_err(|_| wrong())?;
    let name = String::from_utf8_lossy(first).into_owned();
    let mut reply = Vec::new();
    match path {
        // `SERVING`.
        HEALTH => reply.extend([0x08, 0x01]),
        SECRET => match offer.secrets.get(&name) {
            Some(secret) => put(&mut reply, 1, secret.expose().as_bytes()),
            None => return Err((NOT_FOUND, format!("secret {name} is not among the build's"))),
        },
        CHECK_AGENT => {
            let id = if name.is_empty() { "default" } else { &name };
            if !offer.agents.contains_key(id) {
                return Err((NOT_FOUND, format!("agent {id} is not among the build's")));
            }
        }
        CREDENTIALS => {
            // Docker Hub has several names (docker/cli, `ConvertToHostname`).
            let host = match name.as_str() {
                "https://index.docker.io/v1/" | "registry-1.docker.io" | "index.docker.io" => "docker.io",
                host => host,
            };
            if let Some(login) = offer.logins.get(host) {
                put(&mut reply, 1, login.username.as_bytes());
                put(&mut reply, 2, login.password.expose().as_bytes());
            }
        }
        _ => return Err((UNIMPLEMENTED, format!("{path} is not served"))),
    }
    Ok(reply)
}

/// Passes bytes between the engine and an agent, both ways, until either ends.
async fn forward(socket: &PathBuf, body: Incoming, send: &Sender) -> u16 {
    let Ok(agent) = UnixStream::connect(socket).await else { return UNAVAILABLE };
    let (mut from_agent, mut to_agent) = agent.into_split();
    let mut messages = Messages { body, buffer: BytesMut::new() };
    let inward = async {
        while let Some(message) = messages.next().await {
            let Ok(bytes) = field(&message, 1) else { return INVALID };
            if to_agent.write_all(bytes).await.is_err() {
                return UNAVAILABLE;
            }
        }
        let _ = to_agent.shutdown().await;
        OK
    };
    let outward = async {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            match from_agent.read(&mut buffer).await {
                Ok(0) | Err(_) => return OK,
                Ok(count) => {
                    let mut message = Vec::new();
                    put(&mut message, 1, &buffer[..count]);
                    if send.send(Frame::data(framed(&message))).await.is_err() {
                        return OK;
                    }
                }
            }
        }
    };
    tokio::pin!(outward);
    let code = tokio::select! {
        code = inward => code,
        code = &mut outward => return code,
    };
    // Who asked has said all; the agent may still answer.
    if code == OK { outward.await } else { code }
}

/// Ends an answer with a code.
async fn end(send: &Sender, code: u16, text: &str) {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    if let Ok(text) = HeaderValue::from_str(text) {
        trailers.insert("grpc-message", text);
    }
    // Who asked may be gone.
    let _ = send.send(Frame::trailers(trailers)).await;
}

/// Returns a message with its length before it, not compressed (grpc.io, "gRPC over HTTP2").
fn framed(message: &[u8]) -> Bytes {
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed.into()
}

/// Messages as they come.
struct Messages {
    body: Incoming,
    buffer: BytesMut,
}

impl Messages {
    /// Returns the next message, or `None` at the end and for what is none.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(header) = self.buffer.first_chunk::<5>() {
                let [compressed, length @ ..] = *header;
                let length = u32::from_be_bytes(length) as usize;
                if compressed != 0 || length > MESSAGE {
                    return None;
                }
                if self.buffer.len() >= 5 + length {
                    let message = self.buffer.split_to(5 + length).freeze();
                    return Some(message.slice(5..));
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }
}
