//! What the tests of this crate share: a context, a registry, raw requests, and a server that answers
//! whatever a test wants.

#![expect(dead_code, reason = "each test uses a part")]

pub(crate) mod faulty;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sha2::Digest as _;
use shipway_core::{Cancel, Context, Digest, FixedCredentials, HostDisk, RunContext, World};
use shipway_oci::{BlobReader, Client, Descriptor, Registry, RegistryBuilder};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A context of a world with these credentials and nothing else.
pub(crate) fn context_with(credentials: FixedCredentials, cancel: Cancel) -> Context {
    RunContext::new(World::host("/").credentials(credentials), "test").context(None, None, cancel)
}

pub(crate) fn context() -> Context {
    context_with(FixedCredentials::new(), Cancel::new())
}

/// A client that sends each request once, for tests of what it says then.
pub(crate) fn impatient() -> Client {
    Client::builder().attempts(1).build().expect("a client")
}

/// A registry in a folder of its own, which lives as long.
pub(crate) async fn registry() -> (Registry, TempDir) {
    registry_with(|builder| builder).await
}

pub(crate) async fn registry_with(
    choose: impl FnOnce(RegistryBuilder) -> RegistryBuilder,
) -> (Registry, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let builder = Registry::builder(folder.path().join("registry"), Arc::new(HostDisk));
    (choose(builder).start().await.expect("starts"), folder)
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    let hex: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::parse(format!("sha256:{hex}")).expect("a digest")
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor::new(media_type, digest(bytes), bytes.len() as u64)
}

pub(crate) fn reader(bytes: impl Into<Vec<u8>>) -> BlobReader {
    Box::pin(std::io::Cursor::new(bytes.into()))
}

/// The bytes of a manifest of a configuration and layers.
pub(crate) fn manifest(config: &Descriptor, layers: &[Descriptor]) -> Bytes {
    let part = |part: &Descriptor| serde_json::json!({ "mediaType": part.media_type, "digest": part.digest, "size": part.size });
    let layers: Vec<_> = layers.iter().map(part).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": part(config), "layers": layers
    });
    manifest.to_string().into()
}

/// Bytes that look random and are the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The code of the first error (OCI distribution-spec, "Error Codes").
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().expect("a code").to_owned()
    }
}

/// Sends one request just as it is, on a connection of its own.
pub(crate) async fn raw(host: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Raw {
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{}content-length: {}\r\n\r\n",
        headers.concat(),
        body.len()
    );
    let mut stream = TcpStream::connect(host).await.expect("connects");
    stream.write_all(text.as_bytes()).await.expect("sent");
    // A server may refuse, and close, before it has all of the body.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Raw { status, head, body: answer[end + 4..].to_vec() }
}

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request that a server of a test has seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    /// What was sent, as far as it is text.
    pub(crate) body: String,
}

/// A header of answers that never come.
pub(crate) const SILENT: &str = "x-silent";

/// A server that answers as a test wants and remembers what it saw. It ends with the runtime.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) async fn start(
        answer: impl Fn(&Request<()>, &Seen) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen_too) = (Arc::new(answer), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen_too));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                        let authorization = head.headers.get("authorization");
                        let now = Seen {
                            method: head.method.to_string(),
                            path: head.uri.to_string(),
                            authorization: authorization
                                .map(|value| value.to_str().expect("text").to_owned()),
                            body: String::from_utf8_lossy(&body).into_owned(),
                        };
                        seen.lock().expect("not poisoned").push(now.clone());
                        let answer = answer(&Request::from_parts(head, ()), &now);
                        if answer.headers().contains_key(SILENT) {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, Infallible>(answer)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { host, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// How many requests had a credential.
    pub(crate) fn credentials(&self) -> usize {
        self.seen().iter().filter(|seen| seen.authorization.is_some()).count()
    }
}

/// An answer with a status, headers and a text.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into()).boxed_unsync()).expect("an answer")
}
