//! A buildkitd over its own API (moby/buildkit, api/services/control/control.proto): one connection, with the
//! build, what it tells and the session as calls beside each other.

use std::{fmt, pin::Pin, time::Duration};

use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use shipway_core::{Context, Digest, Error, ErrorKind, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::AbortHandle,
};

use super::{
    BuildkitAddress, SolveSpec,
    grpc::{Broken, Frames, Messages, Outlet, Status, alone, code, frames},
    messages::{BytesMessage, InfoRequest, InfoResponse, SolveResponse, StatusRequest, StatusResponse},
    session::{self, ID, METHOD, SHARED_KEY, SessionOffer},
};
use crate::{
    build::failure,
    daemon::unless_stopped,
    progress::{End, Progress},
};

const INFO: &str = "/moby.buildkit.v1.Control/Info";
const SOLVE: &str = "/moby.buildkit.v1.Control/Solve";
const STATUS: &str = "/moby.buildkit.v1.Control/Status";
const SESSION: &str = "/moby.buildkit.v1.Control/Session";

/// The most bytes of a message (containerd, defaults.DefaultMaxRecvMsgSize).
const MESSAGE: usize = 16 * 1024 * 1024;

/// The most bytes of headers: an error may have the whole Dockerfile beside it.
const HEADERS: u32 = 4 * 1024 * 1024;

/// The bytes that a session sends at once.
const PIECE: usize = 32 * 1024;

/// How long a question that does no work may take.
const QUICK: Duration = Duration::from_secs(20);

/// For how long the rest of what a build tells is waited for.
const REST: Duration = Duration::from_secs(3);

/// For how long a build that is stopped is waited for.
const STOP: Duration = Duration::from_secs(5);

/// For how long nothing may come for a session: buildkitd asks for its health every five seconds
/// (session/grpc.go, `monitorHealth`).
const QUIET: Duration = Duration::from_secs(120);

/// A connection to a buildkitd, which ends when this is dropped, and with it what it is asked for.
pub struct Buildkit {
    address: BuildkitAddress,
    sender: SendRequest<Frames>,
    connection: AbortHandle,
}

impl fmt::Debug for Buildkit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Buildkit").field(&self.address).finish()
    }
}

impl Drop for Buildkit {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Ends a task when it is dropped.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Buildkit {
    /// Connects to a buildkitd.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached; `Auth` when it or we are not trusted.
    pub async fn connect(cx: &Context, address: &BuildkitAddress) -> Result<Self> {
        let connecting = async {
            let wire = address.connect().await?;
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.adaptive_window(true).max_header_list_size(HEADERS);
            builder.handshake(TokioIo::new(wire)).await.map_err(|error| address.lost(&error))
        };
        let (sender, connection) = unless_stopped(cx, within(address, connecting)).await?;
        let connection = tokio::spawn(async move {
            // What went wrong is said by the calls.
            let _ = connection.await;
        });
        Ok(Self { address: address.clone(), sender, connection: connection.abort_handle() })
    }

    /// Returns the version of the buildkitd; empty for one that is too old to say it (before 0.12).
    ///
    /// # Errors
    /// `Unavailable` when the connection is lost; `BadOutput` when it is no buildkitd.
    pub async fn version(&self, cx: &Context) -> Result<String> {
        let asking = async { Ok(self.unary::<InfoResponse>(INFO, alone(&InfoRequest {})).await) };
        match unless_stopped(cx, within(&self.address, asking)).await? {
            Ok(info) => Ok(info.version.unwrap_or_default().version),
            Err(Failed::Status(status)) if status.code == code::UNIMPLEMENTED => Ok(String::new()),
            Err(failed) => Err(self.error(failed, &End { step: None, text: String::new() })),
        }
    }

    /// Builds an image, pushes it and returns its digest. Everything that the build prints becomes events.
    ///
    /// # Errors
    /// `ToolFailed` with the step that failed and the end of what it printed; `Unavailable` when the connection
    /// is lost; `Cancelled` and `Timeout`, with the build stopped.
    pub async fn solve(&self, cx: &Context, spec: &SolveSpec) -> Result<Digest> {
        cx.check_stopped()?;
        let (id, session) = (crate::unlike(cx), crate::unlike(cx));
        let mut talking = self.session(&session, &spec.offer, &spec.shared_key)?;
        let mut progress = Progress::new(cx);
        let mut solving = Box::pin(self.unary::<SolveResponse>(SOLVE, alone(&spec.request(&id, &session))));
        let mut telling = Box::pin(self.tell(id, &mut progress));
        let mut told = false;
        let mut stopped = Box::pin(cx.stopped());
        let ended = loop {
            tokio::select! {
                biased;
                stopped = &mut stopped => break Err(stopped),
                solved = &mut solving => break Ok(solved),
                () = &mut telling, if !told => told = true,
                () = &mut talking.ended => {
                    // Where the session ends with the build, the build says why.
                    let solved = tokio::time::timeout(REST, &mut solving).await;
                    break Ok(solved.unwrap_or(Err(Failed::Quiet)));
                }
            }
        };
        // A call that is dropped is cancelled, and with it the build. Its end is told when it has stopped.
        drop(solving);
        let patience = if ended.is_ok() { REST } else { STOP };
        if !told {
            let _ = tokio::time::timeout(patience, &mut telling).await;
        }
        drop(telling);
        drop(talking);
        let end = progress.finish();
        let failure = spec.offer.folders.values().find_map(|folder| folder.failure());
        // The same stop may have closed the connection, and that have been heard of first.
        if !matches!(ended, Ok(Ok(_))) {
            cx.check_stopped()?;
        }
        match (ended?, failure) {
            (Ok(answer), _) => {
                let digest = answer.exporter_response.get("containerimage.digest");
                let digest = digest.map(String::as_str).unwrap_or_default();
                Digest::parse(digest).map_err(|error| {
                    Error::bad_output("buildkitd does not say what it pushed").note(end.text).source(error)
                })
            }
            // Why our own files could not be sent says more than that the build did not get them.
            (Err(_), Some(failure)) => Err(failure),
            (Err(failed), None) => Err(self.error(failed, &end)),
        }
    }

    /// Hands on what a build tells until it ends. What is lost of it is not the build's failure.
    async fn tell(&self, reference: String, progress: &mut Progress<'_>) {
        let Ok(response) = self.call(STATUS, alone(&StatusRequest { reference })).await else { return };
        let mut messages = Messages::of(response, MESSAGE);
        while let Ok(Some(part)) = messages.next::<StatusResponse>().await {
            progress.trace(&part);
        }
    }

    /// Opens a session, in which the buildkitd asks and we answer.
    fn session(&self, id: &str, offer: &SessionOffer, shared_key: &str) -> Result<Talking> {
        let (ours, theirs) = tokio::io::duplex(4 * PIECE);
        let serving = tokio::spawn(session::serve(TokioIo::new(ours), offer.clone()));
        let (out, body) = frames();
        let mut request = Request::post(uri(SESSION));
        request = request.header(ID, id).header(SHARED_KEY, shared_key);
        for method in session::methods(offer) {
            request = request.header(METHOD, method);
        }
        let request = grpc(request, body)?;
        let mut sender = self.sender.clone();
        let carrying = tokio::spawn(async move {
            if let Ok(response) = sender.send_request(request).await {
                carry(theirs, Messages::of(response, MESSAGE), out).await;
            }
        });
        let running = [serving.abort_handle(), carrying.abort_handle()].map(Running);
        let ended = Box::pin(async move { drop(carrying.await) });
        Ok(Talking { ended, _running: running })
    }

    /// Asks for something that has one answer.
    async fn unary<M: Message + Default>(&self, path: &str, body: Frames) -> std::result::Result<M, Failed> {
        let response = self.call(path, body).await?;
        let mut messages = Messages::of(response, MESSAGE);
        let answer = messages.next().await?;
        // The end is what counts: an answer without one is none.
        while messages.next::<M>().await?.is_some() {}
        match (messages.status(), answer) {
            (Some(status), Some(answer)) if status.code == code::OK => Ok(answer),
            (Some(status), None) if status.code == code::OK => Err(Failed::Malformed),
            (Some(status), _) => Err(Failed::Status(status.clone())),
            (None, _) => Err(Failed::Malformed),
        }
    }

    async fn call(&self, path: &str, body: Frames) -> std::result::Result<Response<Incoming>, Failed> {
        let request = grpc(Request::post(uri(path)), body).map_err(|_| Failed::Malformed)?;
        let response = self.sender.clone().send_request(request).await.map_err(Failed::Lost)?;
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => Err(Failed::Malformed),
        }
    }

    fn error(&self, failed: Failed, end: &End) -> Error {
        let status = match failed {
            Failed::Lost(error) => return self.address.lost(&error),
            Failed::Quiet => {
                return Error::new(
                    ErrorKind::Unavailable,
                    format!("the session with buildkitd at `{}` was lost", self.address),
                );
            }
            Failed::Malformed => {
                return Error::bad_output(format!("`{}` does not answer as a buildkitd does", self.address))
                    .hint("name the address of a buildkitd");
            }
            Failed::Status(status) => status,
        };
        let kind = match status.code {
            code::UNAVAILABLE | code::CANCELLED => ErrorKind::Unavailable,
            code::UNAUTHENTICATED | code::DENIED => ErrorKind::Auth,
            code::UNIMPLEMENTED => ErrorKind::Unsupported,
            _ => ErrorKind::ToolFailed,
        };
        failure(kind, "`buildkitd` failed to build the image", &status.text, end)
    }
}

/// A session that goes on until this is dropped.
struct Talking {
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    _running: [Running; 2],
}

/// Why a call gave nothing.
#[derive(Debug)]
enum Failed {
    Lost(hyper::Error),
    Malformed,
    Quiet,
    Status(Status),
}

impl From<Broken> for Failed {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Lost(error) => Self::Lost(error),
            Broken::Malformed => Self::Malformed,
        }
    }
}

fn uri(path: &str) -> String {
    format!("http://buildkitd{path}")
}

fn grpc(request: hyper::http::request::Builder, body: Frames) -> Result<Request<Frames>> {
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    request
        .body(body)
        .map_err(|error| Error::internal("a request to buildkitd has a wrong form").source(error))
}

/// Passes bytes between the connection that a session is and the messages that carry it.
async fn carry(wire: DuplexStream, mut messages: Messages, out: Outlet) {
    let (mut from_us, mut to_us) = tokio::io::split(wire);
    let inward = async {
        while let Ok(Ok(Some(message))) = tokio::time::timeout(QUIET, messages.next::<BytesMessage>()).await {
            if to_us.write_all(&message.data).await.is_err() {
                break;
            }
        }
    };
    let outward = async {
        let mut buffer = vec![0; PIECE];
        while let Ok(count @ 1..) = from_us.read(&mut buffer).await {
            if !out.put(&BytesMessage { data: Bytes::copy_from_slice(&buffer[..count]) }).await {
                break;
            }
        }
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}

async fn within<T>(address: &BuildkitAddress, asking: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(QUICK, asking).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, format!("buildkitd at `{address}` does not answer"))
            .note(format!("it was asked for {QUICK:?}")))
    })
}
