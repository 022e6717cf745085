//! A registry that behaves badly, in a way for each repository; the name says which.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::{Body as HttpBody, Frame, SizeHint},
};
use shipway_core::ErrorKind::{self, Auth, BadOutput, NotFound, Timeout, Unavailable, Unsupported};

use crate::support::{
    Body, CONFIG, OCI_INDEX, OCI_MANIFEST, SILENT, Seen, descriptor, digest, manifest, reply,
};

pub(crate) const BLOB: &[u8] = b"the content of a blob";

/// A zstd frame whose window has more than any machine.
pub(crate) const ZSTD_WINDOW: &[u8] = b"\x28\xb5\x2f\xfd\x00\xb0\x01\x00\x00";

/// What is done to whoever pulls, and the kind of the error; none where it is to be borne.
pub(crate) const PULL: &[(&str, Option<ErrorKind>)] = &[
    ("manifest-fine", None),
    ("manifest-404", Some(NotFound)),
    ("manifest-other-digest-said", Some(BadOutput)),
    ("manifest-endless", Some(BadOutput)),
    ("manifest-endless-with-a-length", Some(BadOutput)),
    ("manifest-too-long", Some(BadOutput)),
    ("manifest-no-json", Some(BadOutput)),
    ("manifest-nested-deeply", Some(BadOutput)),
    ("manifest-is-an-index", Some(BadOutput)),
    ("manifest-is-html", Some(Unsupported)),
    ("manifest-cut", Some(Unavailable)),
    ("manifest-slow", Some(Timeout)),
    ("manifest-silent", Some(Timeout)),
    ("pinned-other-content", Some(BadOutput)),
    ("index-lies-about-size", Some(BadOutput)),
    ("index-too-deep", Some(BadOutput)),
    ("index-of-many", Some(BadOutput)),
    ("image-config-is-a-layer", Some(Unsupported)),
    ("image-config-is-huge", Some(BadOutput)),
    ("layer-bomb", Some(BadOutput)),
    ("layer-window", Some(BadOutput)),
    ("blob-fine", None),
    ("blob-404", Some(NotFound)),
    ("blob-other-content", Some(BadOutput)),
    ("blob-endless", Some(BadOutput)),
    ("blob-short", Some(BadOutput)),
    ("blob-cut", Some(Unavailable)),
    ("blob-other-length", Some(BadOutput)),
    ("blob-partial", Some(BadOutput)),
    ("blob-slow", Some(Timeout)),
    ("blob-round-and-round", Some(BadOutput)),
    ("blob-from-metadata", Some(BadOutput)),
    ("blob-from-a-file", Some(BadOutput)),
    ("blob-from-nowhere", Some(BadOutput)),
    ("refusal-endless", Some(Unavailable)),
    ("refusal-429", Some(Unavailable)),
    ("login-never-good", Some(Auth)),
    ("login-unknown", Some(Auth)),
    ("token-from-no-url", Some(BadOutput)),
    ("token-from-metadata", Some(BadOutput)),
    ("token-endless", Some(BadOutput)),
    ("token-empty", Some(BadOutput)),
];

/// What is done to whoever pushes.
pub(crate) const PUSH: &[(&str, Option<ErrorKind>)] = &[
    ("fine", None),
    ("post-404", Some(NotFound)),
    ("post-200", Some(BadOutput)),
    ("post-nowhere", Some(BadOutput)),
    ("post-to-metadata", Some(BadOutput)),
    ("post-to-a-file", Some(BadOutput)),
    ("post-redirects", Some(BadOutput)),
    ("post-silent", Some(Timeout)),
    ("post-refuses-endlessly", Some(Unavailable)),
    ("post-refuses-slowly", Some(Auth)),
    ("post-429", Some(Unavailable)),
    ("patch-404", Some(NotFound)),
    ("patch-416", Some(BadOutput)),
    ("patch-413", Some(BadOutput)),
    ("patch-411-and-wants-huge-chunks", Some(BadOutput)),
    ("patch-307", Some(BadOutput)),
    ("patch-nowhere", Some(BadOutput)),
    ("patch-503-and-has-more", Some(BadOutput)),
    ("patch-503-and-nonsense", Some(Unavailable)),
    ("patch-silent", Some(Timeout)),
    ("patch-answers-endlessly", None),
    ("patch-401", Some(Auth)),
    ("finish-404", Some(NotFound)),
    ("finish-400", Some(BadOutput)),
    ("finish-other-digest", Some(BadOutput)),
    ("put-other-digest", Some(BadOutput)),
    ("put-500", Some(Unavailable)),
    ("put-307", Some(BadOutput)),
    ("head-of-another-size", None),
    ("head-500", Some(Unavailable)),
    ("mount-of-other-content", None),
    ("mount-403", None),
    ("mount-nowhere", None),
    ("tag-other-digest", Some(BadOutput)),
    ("tag-307", Some(BadOutput)),
    ("tag-400", Some(BadOutput)),
    ("tag-silent", Some(Timeout)),
];

/// A body that goes on as its kind says.
enum Odd {
    /// Without an end, counted.
    Endless(Arc<AtomicU64>),
    /// A piece, and then nothing ever.
    Slow(Option<Bytes>),
    /// A piece, and then the end although more was promised.
    Cut(Option<Bytes>, bool),
}

impl HttpBody for Odd {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const PIECE: &[u8] = &[b' '; 64 * 1024];
        match &mut *self {
            Self::Endless(sent) => {
                sent.fetch_add(PIECE.len() as u64, Ordering::Relaxed);
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PIECE)))))
            }
            Self::Slow(piece) => {
                piece.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
            }
            Self::Cut(piece, _) => Poll::Ready(piece.take().map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Cut(Some(piece), true) => SizeHint::with_exact(piece.len() as u64 * 2),
            Self::Cut(None, true) => SizeHint::with_exact(1),
            _ => SizeHint::default(),
        }
    }
}

fn odd(status: u16, headers: &[(&str, &str)], body: Odd) -> Response<Body> {
    let (head, _) = reply(status, headers, "").into_parts();
    Response::from_parts(head, body.boxed_unsync())
}

fn image() -> Vec<u8> {
    manifest(&descriptor(CONFIG, b"{}"), &[]).to_vec()
}

/// An index of one manifest, said to have this size.
pub(crate) fn index_of(media_type: &str, bytes: &[u8], size: usize) -> Vec<u8> {
    let held = serde_json::json!({ "mediaType": media_type, "digest": digest(bytes), "size": size });
    serde_json::json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [held] }).to_string().into()
}

/// An image, and indexes in each other around it.
pub(crate) fn deep() -> Vec<Vec<u8>> {
    let mut all = vec![image()];
    let mut media_type = OCI_MANIFEST;
    for _ in 0..5 {
        let last = all.last().expect("one");
        all.push(index_of(media_type, last, last.len()));
        media_type = OCI_INDEX;
    }
    all
}

/// 200 KiB of gzip that are 200 MiB of zeros, which begin a tar's file of as many.
pub(crate) fn bomb() -> &'static [u8] {
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    BOMB.get_or_init(|| {
        use std::io::Write as _;
        let mut header = tar::Header::new_ustar();
        header.set_path("zeros").expect("a path");
        header.set_size(200 << 20);
        header.set_cksum();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(header.as_bytes()).expect("written");
        for _ in 0..200 {
            gzip.write_all(&[0; 1 << 20]).expect("written");
        }
        gzip.finish().expect("written")
    })
}

/// Answers a request as its repository's name says.
pub(crate) fn answer(request: &Request<()>, seen: &Seen, sent: &Arc<AtomicU64>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let name = path.split('/').nth(2).unwrap_or_default().to_owned();
    let rest = path.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
    let method = request.method().as_str();
    let pulls = PULL.iter().any(|(own, _)| *own == name) || path.starts_with("/endless");
    if path.starts_with("/endless") {
        return odd(200, &[], Odd::Endless(Arc::clone(sent)));
    }
    if path.starts_with("/empty") {
        return reply(200, &[], r#"{"token":""}"#);
    }
    if pulls { pull(&name, &rest, request, seen, sent) } else { push(&name, method, seen, sent) }
}

fn pull(name: &str, rest: &str, request: &Request<()>, seen: &Seen, sent: &Arc<AtomicU64>) -> Response<Body> {
    let host = request.headers()["host"].to_str().expect("text");
    let typed = [("content-type", OCI_MANIFEST)];
    let challenge = |challenge: String| reply(401, &[("www-authenticate", &challenge)], "");
    let redirect = |to: &str| reply(307, &[("location", to)], "");
    match name {
        "manifest-fine" => reply(200, &typed, image()),
        "manifest-404" | "blob-404" => reply(404, &[], ""),
        "manifest-other-digest-said" => {
            let other = digest(b"other").to_string();
            reply(200, &[typed[0], ("docker-content-digest", &other)], image())
        }
        "manifest-endless" => odd(200, &typed, Odd::Endless(Arc::clone(sent))),
        "manifest-endless-with-a-length" => {
            odd(200, &[typed[0], ("content-length", "99999999999")], Odd::Endless(Arc::clone(sent)))
        }
        "manifest-too-long" => reply(200, &typed, vec![b' '; (4 << 20) + 1]),
        "manifest-no-json" => reply(200, &typed, "hello"),
        "manifest-nested-deeply" => reply(200, &typed, vec![b'['; 1 << 20]),
        "manifest-is-an-index" => reply(200, &typed, index_of(OCI_MANIFEST, &image(), image().len())),
        "manifest-is-html" => reply(200, &[("content-type", "text/html")], "<html>"),
        "manifest-cut" => odd(200, &typed, Odd::Cut(Some(image().into()), true)),
        "manifest-slow" => odd(200, &typed, Odd::Slow(Some(Bytes::from_static(b"{")))),
        "manifest-silent" => reply(200, &[(SILENT, "")], ""),
        "pinned-other-content" => reply(200, &typed, image()),
        "index-lies-about-size" if rest.ends_with(digest(&image()).as_str()) => reply(200, &typed, image()),
        "index-lies-about-size" => {
            reply(200, &[("content-type", OCI_INDEX)], index_of(OCI_MANIFEST, &image(), 7))
        }
        "index-too-deep" => {
            let found = deep().into_iter().find(|bytes| rest.ends_with(digest(bytes).as_str()));
            let found = found.unwrap_or_else(image);
            let media_type = if found == image() { OCI_MANIFEST } else { OCI_INDEX };
            reply(200, &[("content-type", media_type)], found)
        }
        "index-of-many" => {
            let held = serde_json::json!({ "mediaType": OCI_MANIFEST, "digest": digest(b"x"), "size": 7 });
            let index = serde_json::json!({ "schemaVersion": 2, "manifests": vec![held; 30_000] });
            reply(200, &[("content-type", OCI_INDEX)], index.to_string())
        }
        "image-config-is-a-layer" => {
            let bytes = manifest(&descriptor(crate::support::LAYER, b"{}"), &[]);
            reply(200, &typed, bytes)
        }
        "image-config-is-huge" => {
            let mut config = descriptor(CONFIG, b"{}");
            config.size = 1 << 40;
            reply(200, &typed, manifest(&config, &[]))
        }
        "layer-bomb" => reply(200, &[], bomb()),
        "layer-window" => reply(200, &[], ZSTD_WINDOW),
        "blob-fine" => reply(200, &[], BLOB),
        "blob-other-content" => reply(200, &[], b"The content of a blob".as_slice()),
        "blob-endless" => odd(200, &[], Odd::Endless(Arc::clone(sent))),
        "blob-short" => odd(200, &[], Odd::Cut(Some(BLOB.slice(..5)), false)),
        "blob-cut" => odd(200, &[], Odd::Cut(Some(BLOB.slice(..5)), true)),
        "blob-other-length" => reply(200, &[], b"the content of another blob".as_slice()),
        "blob-partial" => reply(206, &[("content-range", "bytes 0-4/21")], BLOB.slice(..5)),
        "blob-slow" => odd(200, &[], Odd::Slow(Some(BLOB.slice(..5)))),
        "blob-round-and-round" => redirect(&seen.path),
        "blob-from-metadata" => redirect("http://169.254.169.254/latest/meta-data"),
        "blob-from-a-file" => redirect("file:///etc/passwd"),
        "blob-from-nowhere" => reply(307, &[], ""),
        "refusal-endless" => odd(502, &[], Odd::Endless(Arc::clone(sent))),
        "refusal-429" => reply(429, &[("retry-after", "0")], ""),
        "login-never-good" => challenge("Basic realm=\"r\"".to_owned()),
        "login-unknown" => challenge("Negotiate".to_owned()),
        "token-from-no-url" => challenge("Bearer realm=\"::\"".to_owned()),
        "token-from-metadata" => challenge("Bearer realm=\"http://169.254.169.254/\"".to_owned()),
        "token-endless" => challenge(format!("Bearer realm=\"http://{host}/endless\"")),
        "token-empty" => challenge(format!("Bearer realm=\"http://{host}/empty\"")),
        other => panic!("there is no behaviour `{other}`"),
    }
}

trait Slice {
    fn slice(&self, range: std::ops::RangeTo<usize>) -> Bytes;
}

impl Slice for &'static [u8] {
    fn slice(&self, range: std::ops::RangeTo<usize>) -> Bytes {
        Bytes::from_static(&self[range])
    }
}

fn push(name: &str, method: &str, seen: &Seen, sent: &Arc<AtomicU64>) -> Response<Body> {
    let place = format!("/v2/{name}/blobs/uploads/1");
    let location = [("location", place.as_str())];
    let other = digest(b"other").to_string();
    let said = [("docker-content-digest", other.as_str())];
    let mounts = seen.path.contains("mount=");
    match (name, method) {
        ("post-404", "POST") | ("patch-404", "PATCH") | ("finish-404", "PUT") => reply(404, &[], ""),
        ("post-200", "POST") => reply(200, &location, ""),
        ("post-nowhere", "POST") => reply(202, &[], ""),
        ("post-to-metadata", "POST") => reply(202, &[("location", "http://169.254.169.254/")], ""),
        ("post-to-a-file", "POST") => reply(202, &[("location", "file:///tmp/x")], ""),
        ("post-redirects" | "tag-307" | "put-307" | "patch-307", "POST" | "PUT" | "PATCH")
            if !(method == "POST" && name != "post-redirects") =>
        {
            reply(307, &location, "")
        }
        ("post-silent", "POST") | ("patch-silent", "PATCH") | ("tag-silent", "PUT") => {
            reply(200, &[(SILENT, "")], "")
        }
        ("post-refuses-endlessly", "POST") => odd(500, &[], Odd::Endless(Arc::clone(sent))),
        ("post-refuses-slowly", "POST") => odd(403, &[], Odd::Slow(None)),
        ("post-429", "POST") => reply(429, &[("retry-after", "0")], ""),
        ("patch-416", "PATCH") => reply(416, &[("range", "0-7")], ""),
        ("patch-413", "PATCH") => reply(413, &[], ""),
        ("patch-411-and-wants-huge-chunks", "POST") => {
            reply(202, &[location[0], ("oci-chunk-min-length", "99999999999")], "")
        }
        ("patch-411-and-wants-huge-chunks", "PATCH") => reply(411, &[], ""),
        ("patch-nowhere", "PATCH") => reply(202, &[], ""),
        ("patch-503-and-has-more" | "patch-503-and-nonsense", "PATCH") => reply(503, &[], ""),
        ("patch-503-and-has-more", "GET") => reply(204, &[("range", "0-99999999")], ""),
        ("patch-503-and-nonsense", "GET") => reply(204, &[("range", "all-of-it")], ""),
        ("patch-answers-endlessly", "PATCH") => odd(202, &location, Odd::Endless(Arc::clone(sent))),
        ("patch-401", "PATCH") => reply(401, &[("www-authenticate", "Negotiate")], ""),
        ("finish-400" | "tag-400", "PUT") => reply(400, &[], "no"),
        ("finish-other-digest" | "put-other-digest" | "tag-other-digest", "PUT") => reply(201, &said, ""),
        ("put-500", "PUT") => reply(500, &[], ""),
        ("head-of-another-size", "HEAD") => reply(200, &[("content-length", "7")], ""),
        ("head-500", "HEAD") => reply(500, &[], ""),
        ("mount-of-other-content", "POST") if mounts => reply(201, &said, ""),
        ("mount-403", "POST") if mounts => reply(403, &[], ""),
        ("mount-nowhere", "POST") if mounts => reply(202, &[], ""),
        // Where nothing is wrong.
        (_, "POST" | "PATCH") => reply(202, &location, ""),
        (_, "PUT") => reply(201, &[], ""),
        (_, "DELETE") => reply(204, &[], ""),
        _ => reply(404, &[], ""),
    }
}
