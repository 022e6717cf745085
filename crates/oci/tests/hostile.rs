//! Registries that lie, break off, never end or never answer.

mod support;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Response,
    body::{Body as HttpBody, Frame},
};
use shipway_core::{ErrorKind, Tag};
use shipway_oci::{Distribution, Fault, Label, RemoteRepository};
use support::{
    Body, CONFIG, LAYER, OCI_INDEX, OCI_MANIFEST, Server, context, descriptor, digest, impatient, manifest,
    noise, reader, registry_with, reply,
};
use tokio::io::AsyncReadExt;

fn repository(host: &str) -> RemoteRepository {
    impatient().repository(&context(), &format!("{host}/web")).expect("a repository")
}

fn tag(tag: &str) -> Label {
    Label::Tag(Tag::parse(tag).expect("a tag"))
}

/// A body without an end, and how much of it was sent.
struct Endless(Arc<AtomicU64>);

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const PIECE: &[u8] = &[b' '; 64 * 1024];
        self.0.fetch_add(PIECE.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PIECE)))))
    }
}

fn endless(sent: &Arc<AtomicU64>, media_type: &str) -> Response<Body> {
    let body = Endless(Arc::clone(sent)).boxed_unsync();
    Response::builder().header("content-type", media_type).body(body).expect("an answer")
}

#[tokio::test]
async fn endless_bodies_are_cut_off() {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let server = Server::start(move |_, _| endless(&count, OCI_MANIFEST)).await;

    let error = repository(&server.host).manifest(&tag("1")).await.expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::BadOutput);
    // What is beyond the limit lies in the buffers of the two sockets.
    assert!(sent.swap(0, Ordering::Relaxed) < 32 << 20);

    let blob = descriptor(LAYER, &noise(1, 100_000));
    let mut content = repository(&server.host).read_blob(&blob).await.expect("begins");
    let mut read = Vec::new();
    let error = content.read_to_end(&mut read).await.expect_err("too long");
    assert!(error.to_string().contains("more than 100000 bytes") || error.to_string().contains("content of"));
    assert!(read.len() <= 100_000);
    drop(content);
    assert!(sent.load(Ordering::Relaxed) < 32 << 20);
}

#[tokio::test]
async fn an_endless_refusal_is_a_refusal() {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let server = Server::start(move |_, _| {
        let mut answer = endless(&count, "text/html");
        *answer.status_mut() = hyper::StatusCode::BAD_GATEWAY;
        answer
    })
    .await;
    let error = repository(&server.host).manifest(&tag("1")).await.expect_err("refused");
    assert_eq!((error.kind(), error.may_retry()), (ErrorKind::Unavailable, true));
    assert!(sent.load(Ordering::Relaxed) < 32 << 20);
}

/// A body that says something and then never ends.
struct Dripping(Option<Bytes>);

impl HttpBody for Dripping {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
    }
}

#[tokio::test]
async fn a_refusal_whose_words_do_not_end_is_told_soon() {
    let server = Server::start(|_, _| {
        let body = Dripping(Some(Bytes::from_static(b"so"))).boxed_unsync();
        Response::builder().status(502).body(body).expect("an answer")
    })
    .await;
    let repository = repository(&server.host);
    let asking = tokio::spawn(async move { repository.manifest(&tag("1")).await });
    // Until the refusal has come.
    tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>()).await.expect_err("passes");
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    let error = asking.await.expect("no panic").expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[tokio::test]
async fn content_that_is_damaged_or_cut_on_its_way_is_an_error() {
    let (registry, _folder) = registry_with(|builder| {
        builder.faults(|request| match request.path.rsplit('/').nth(2) {
            _ if request.method != "GET" => None,
            Some("corrupt") => Some(Fault::Corrupt),
            Some("cut") => Some(Fault::Cut(100)),
            _ => None,
        })
    })
    .await;
    let (layer, config) = (noise(1, 300_000), b"{}");
    let bytes = manifest(&descriptor(CONFIG, config), &[descriptor(LAYER, &layer)]);
    for (name, kind) in [("corrupt", ErrorKind::BadOutput), ("cut", ErrorKind::Unavailable)] {
        let name = format!("{}/{name}", registry.host());
        let repository = impatient().repository(&context(), &name).expect("a repository");
        repository.write_new_blob(reader(layer.clone())).await.expect("pushed");
        repository.write_new_blob(reader(*config)).await.expect("pushed");
        let one = Tag::parse("1").expect("a tag");
        repository.write_manifest(OCI_MANIFEST, bytes.clone(), Some(&one)).await.expect("pushed");

        let error = repository.manifest(&Label::Tag(one)).await.expect_err(&name);
        assert_eq!(error.kind(), kind, "{error:?}");
        let mut content = repository.read_blob(&descriptor(LAYER, &layer)).await.expect("begins");
        let error = content.read_to_end(&mut Vec::new()).await.expect_err(&name);
        let error = error.downcast::<shipway_core::Error>().expect("one of ours");
        assert_eq!(error.kind(), kind, "{error:?}");
    }
}

#[tokio::test]
async fn manifests_that_are_not_what_they_are_said_to_be_are_refused() {
    let good = manifest(&descriptor(CONFIG, b"{}"), &[]);
    let right = digest(&good).to_string();
    let wrong = digest(b"other").to_string();
    let table: [(&str, Option<&str>, Bytes, bool); 6] = [
        (OCI_MANIFEST, None, good.clone(), true),
        ("application/vnd.oci.image.manifest.v1+json; charset=utf-8", Some(&right), good.clone(), true),
        (OCI_MANIFEST, Some(&wrong), good.clone(), false),
        (OCI_INDEX, None, good.clone(), false),
        ("text/html", None, good.clone(), false),
        (OCI_MANIFEST, None, Bytes::from_static(b"{}"), false),
    ];
    for (media_type, said, body, fine) in table {
        let (shown, said) = (media_type.to_owned(), said.map(str::to_owned));
        let server = Server::start(move |_, _| {
            let mut headers = vec![("content-type", shown.as_str())];
            headers.extend(said.as_deref().map(|said| ("docker-content-digest", said)));
            reply(200, &headers, body.clone())
        })
        .await;
        let found = repository(&server.host).manifest(&tag("1")).await;
        assert_eq!(found.is_ok(), fine, "{media_type} {found:?}");
        // By digest, nothing but that content will do.
        let other = repository(&server.host).manifest(&Label::Digest(digest(b"other"))).await;
        assert_eq!(other.expect_err("other content").kind(), ErrorKind::BadOutput);
    }
}

#[tokio::test]
async fn a_registry_that_takes_other_content_or_stops_reading_is_not_believed() {
    let server = Server::start(|request, _| match request.method().as_str() {
        "POST" => reply(202, &[("location", "/v2/web/blobs/uploads/1")], ""),
        "HEAD" => reply(404, &[], ""),
        "PATCH" => reply(202, &[("location", "/v2/web/blobs/uploads/1")], ""),
        _ => reply(201, &[("docker-content-digest", digest(b"other").as_str())], ""),
    })
    .await;
    let repository = repository(&server.host);
    for error in [
        repository.write_blob(&descriptor(LAYER, b"x"), reader("x")).await.expect_err("other content"),
        repository.write_new_blob(reader("x")).await.map(|_| ()).expect_err("other content"),
        repository
            .write_manifest(OCI_MANIFEST, "{}".into(), None)
            .await
            .map(|_| ())
            .expect_err("other content"),
    ] {
        assert_eq!(error.kind(), ErrorKind::BadOutput, "{error:?}");
    }
}

#[tokio::test]
async fn a_registry_that_never_answers_is_given_up_after_a_while() {
    // Takes connections and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let repository = repository(&host);
    let asking = tokio::spawn(async move { repository.has_blob(&descriptor(LAYER, b"x")).await });
    let (stream, _) = listener.accept().await.expect("connects");
    stream.readable().await.expect("asks");
    // From here on time passes as fast as nothing happens.
    tokio::time::pause();
    let error = asking.await.expect("no panic").expect_err("given up");
    assert_eq!((error.kind(), error.may_retry()), (ErrorKind::Unavailable, true));
    assert!(error.to_string().contains("does not go on"), "{error}");
}
