//! A small registry in memory that goes wrong as a test wants, and counts what it was sent.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::digest;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// It is answered as it should be.
    Serve,
    /// It is refused with a status and headers, before its body is read.
    Refuse(u16, Vec<(&'static str, String)>),
    /// The connection ends before anything is read.
    Hangup,
    /// So much of its body is taken, and then the connection ends.
    Take(u64),
    /// It has its effect, and the connection ends without an answer.
    Mute,
    /// Its answer ends after so much of its body.
    Cut(u64),
    /// The upload that it is about is forgotten, and that is said.
    Lose,
}

/// A request as it is seen before its body.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) length: Option<u64>,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
    /// How many requests there were before it.
    pub(crate) count: u64,
}

type Decide = dyn Fn(&Arrived) -> Act + Send + Sync;

#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) host: String,
    inner: Arc<Inner>,
}

struct Inner {
    decide: Box<Decide>,
    /// A header of the answer that begins an upload.
    chunk_minimum: Option<u64>,
    count: AtomicU64,
    taken: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By repository and digest.
    blobs: BTreeMap<(String, String), Bytes>,
    uploads: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, Bytes>,
    log: Vec<Arrived>,
}

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

impl Faulty {
    pub(crate) async fn start(decide: impl Fn(&Arrived) -> Act + Send + Sync + 'static) -> Self {
        Self::with_chunks(None, decide).await
    }

    pub(crate) async fn with_chunks(
        chunk_minimum: Option<u64>,
        decide: impl Fn(&Arrived) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let inner = Arc::new(Inner {
            decide: Box::new(decide),
            chunk_minimum,
            count: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            state: Mutex::default(),
        });
        let serving = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let inner = Arc::clone(&inner);
                    async move { inner.answer(request).await }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { host, inner }
    }

    /// How many bytes of bodies it was sent.
    pub(crate) fn taken(&self) -> u64 {
        self.inner.taken.load(Ordering::SeqCst)
    }

    pub(crate) fn log(&self) -> Vec<Arrived> {
        self.inner.state().log.clone()
    }

    /// The methods of the requests, in their order.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.log().into_iter().map(|arrived| arrived.method).collect()
    }

    /// Puts a blob into a repository.
    pub(crate) fn put(&self, repository: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.inner.state().blobs.insert((repository.to_owned(), digest(&bytes).to_string()), bytes);
    }

    pub(crate) fn blob(&self, repository: &str, bytes: &[u8]) -> Option<Bytes> {
        self.inner.state().blobs.get(&(repository.to_owned(), digest(bytes).to_string())).cloned()
    }

    pub(crate) fn uploads(&self) -> usize {
        self.inner.state().uploads.len()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Answer> {
        let (head, mut body) = request.into_parts();
        let text = |name: &str| head.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        let arrived = Arrived {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().replace("%3A", ":").replace("%2F", "/"),
            length: text("content-length").and_then(|length| length.parse().ok()),
            range: text("content-range").or(text("range")),
            authorization: text("authorization"),
            count: self.count.fetch_add(1, Ordering::SeqCst),
        };
        self.state().log.push(arrived.clone());
        let act = (self.decide)(&arrived);
        let upload = arrived.path.rsplit_once("/blobs/uploads/").map(|(_, id)| id.to_owned());
        let upload = upload.filter(|id| !id.is_empty());
        match &act {
            Act::Refuse(status, headers) => {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                return Ok(plain(*status, &headers, ""));
            }
            Act::Hangup => return Err(io::Error::other("on purpose")),
            Act::Lose => {
                upload.map(|id| self.state().uploads.remove(&id));
                return Ok(plain(404, &[], ""));
            }
            _ => {}
        }
        let most = if let Act::Take(most) = act { most } else { u64::MAX };
        let mut content = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
            let taken = data.len().min(usize::try_from(most).unwrap_or(usize::MAX) - content.len());
            self.taken.fetch_add(data.len() as u64, Ordering::SeqCst);
            content.extend_from_slice(&data[..taken]);
            // What came stays, whatever becomes of the request.
            let mut state = self.state();
            if let Some(upload) = upload.as_ref().and_then(|id| state.uploads.get_mut(id)) {
                upload.extend_from_slice(&data[..taken]);
            }
            drop(state);
            if content.len() as u64 >= most {
                return Err(io::Error::other("on purpose"));
            }
        }
        let answer = self.serve(&arrived, upload, content.into());
        match act {
            Act::Mute => Err(io::Error::other("on purpose")),
            Act::Cut(after) => {
                let (head, body) = answer.into_parts();
                let length = body.size_hint().exact().unwrap_or_default();
                Ok(Response::from_parts(head, Cut { body, left: after, length }.boxed_unsync()))
            }
            _ => Ok(answer),
        }
    }

    fn serve(&self, arrived: &Arrived, upload: Option<String>, content: Bytes) -> Answer {
        let mut state = self.state();
        let path = arrived.path.trim_start_matches("/v2/").to_owned();
        let part = |name: &str| {
            let found = arrived.query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            found.map(str::to_owned)
        };
        if let Some(id) = upload {
            let place = format!("/v2/{path}");
            let Some(have) = state.uploads.get(&id).map(Vec::len) else { return plain(404, &[], "") };
            let range = format!("0-{}", have.saturating_sub(1));
            return match arrived.method.as_str() {
                "GET" => plain(204, &[("location", &place), ("range", &range)], ""),
                "PATCH" => plain(202, &[("location", &place), ("range", &range)], ""),
                "DELETE" => {
                    state.uploads.remove(&id);
                    plain(204, &[], "")
                }
                _ => {
                    let bytes = Bytes::from(state.uploads.remove(&id).unwrap_or_default());
                    let wanted = part("digest").unwrap_or_default();
                    if digest(&bytes).as_str() != wanted {
                        return plain(400, &[], "the digest is another");
                    }
                    let name = path.split("/blobs/").next().unwrap_or_default().to_owned();
                    state.blobs.insert((name, wanted.clone()), bytes);
                    plain(201, &[("docker-content-digest", &wanted)], "")
                }
            };
        }
        if let Some((name, _)) = path.split_once("/blobs/uploads") {
            if let (Some(wanted), Some(from)) = (part("mount"), part("from"))
                && let Some(bytes) = state.blobs.get(&(from, wanted.clone())).cloned()
            {
                state.blobs.insert((name.to_owned(), wanted.clone()), bytes);
                return plain(201, &[("docker-content-digest", &wanted)], "");
            }
            let id = arrived.count.to_string();
            state.uploads.insert(id.clone(), Vec::new());
            let place = format!("/v2/{name}/blobs/uploads/{id}");
            let minimum = self.chunk_minimum.map(|minimum| minimum.to_string());
            let mut headers = vec![("location", place.as_str()), ("range", "0-0")];
            headers.extend(minimum.as_deref().map(|minimum| ("oci-chunk-min-length", minimum)));
            return plain(202, &headers, "");
        }
        if let Some((name, wanted)) = path.split_once("/blobs/") {
            let Some(bytes) = state.blobs.get(&(name.to_owned(), wanted.to_owned())) else {
                return plain(404, &[], "");
            };
            if arrived.method == "HEAD" {
                return plain(200, &[("content-length", &bytes.len().to_string())], "");
            }
            let from = arrived.range.as_deref().and_then(|range| range.strip_prefix("bytes="));
            let from = from.and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
            return match from {
                Some(from) => {
                    let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                    plain(206, &[("content-range", &range)], bytes.slice(from..))
                }
                None => plain(200, &[], bytes.clone()),
            };
        }
        if path.contains("/manifests/") {
            if arrived.method == "PUT" {
                state.manifests.insert(path, content);
                return plain(201, &[], "");
            }
            return match state.manifests.get(&path) {
                Some(bytes) => plain(200, &[("content-type", super::OCI_MANIFEST)], bytes.clone()),
                None => plain(404, &[], ""),
            };
        }
        plain(404, &[], "")
    }
}

fn plain(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {});
    response.body(body.boxed_unsync()).expect("an answer")
}

/// A body that breaks off.
struct Cut<B> {
    body: B,
    left: u64,
    length: u64,
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Body for Cut<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.left == 0 {
            // What came before the error is flushed while the body is pending.
            this.left = u64::MAX;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.left == u64::MAX {
            return Poll::Ready(Some(Err(io::Error::other("on purpose"))));
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                let data = data.slice(..data.len().min(usize::try_from(this.left).unwrap_or(usize::MAX)));
                this.left = 0;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            other => other,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
