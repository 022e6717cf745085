//! Pushes and pulls that break off go on where they were, and send little twice.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use shipway_core::{Cancel, Context, ErrorKind, FixedCredentials, Login};
use shipway_oci::{BlobReader, Client, Distribution, RemoteRepository};
use support::{
    LAYER, context, context_with, descriptor, digest,
    faulty::{Act, Arrived, Faulty},
    noise, reader,
};
use tokio::io::AsyncReadExt;

fn repository(cx: &Context, host: &str, path: &str) -> RemoteRepository {
    Client::new().repository(cx, &format!("{host}/{path}")).expect("a repository")
}

/// Decides once for the first request that is such, and serves all others.
fn first(such: impl Fn(&Arrived) -> bool, act: Act) -> impl Fn(&Arrived) -> Act {
    let left = AtomicUsize::new(1);
    move |arrived| match such(arrived) && left.swap(0, Ordering::SeqCst) == 1 {
        true => act.clone(),
        false => Act::Serve,
    }
}

const MEGABYTES: usize = 16;

/// Content that is made as it is read and cannot be read twice.
fn made(bytes: Vec<u8>) -> BlobReader {
    reader(bytes)
}

#[tokio::test]
async fn a_layer_that_is_being_made_goes_on_after_a_connection_that_broke() {
    let bytes = noise(2, MEGABYTES << 20);
    for act in [Act::Take(7 << 20), Act::Hangup, Act::Mute, Act::Refuse(503, Vec::new())] {
        let server = Faulty::start(first(|arrived| arrived.method == "PATCH", act.clone())).await;
        let pushed = repository(&context(), &server.host, "web").write_new_blob(made(bytes.clone())).await;
        let known = (digest(&bytes), bytes.len() as u64);
        assert_eq!(pushed.unwrap_or_else(|error| panic!("{act:?}: {error:?}")), known);
        assert!(server.blob("web", &bytes).is_some_and(|found| found == bytes), "{act:?}");
        let sent = server.taken() as f64 / bytes.len() as f64;
        assert!(sent < 1.1, "{act:?}: {sent} of it was sent");
        assert_eq!(server.uploads(), 0, "{act:?}");
    }
}

#[tokio::test]
async fn a_push_whose_last_answer_was_lost_is_found_to_be_done() {
    let bytes = noise(4, 3 << 20);
    let server = Faulty::start(first(|arrived| arrived.method == "PUT", Act::Mute)).await;
    let repository = repository(&context(), &server.host, "web");
    repository.write_new_blob(made(bytes.clone())).await.expect("pushed");
    assert_eq!(server.methods(), ["POST", "PATCH", "PUT", "HEAD"]);
    let server = Faulty::start(first(|arrived| arrived.method == "PUT", Act::Mute)).await;
    let repository = self::repository(&context(), &server.host, "web");
    repository.write_blob(&descriptor(LAYER, &bytes), reader(bytes.clone())).await.expect("pushed");
    assert_eq!(server.methods(), ["HEAD", "POST", "PUT", "HEAD"]);
}

#[tokio::test]
async fn a_blob_that_is_known_goes_on_in_its_upload_or_begins_again() {
    let bytes = noise(6, MEGABYTES << 20);
    let blob = descriptor(LAYER, &bytes);
    let broken = Faulty::start(first(|arrived| arrived.method == "PUT", Act::Take(9 << 20))).await;
    repository(&context(), &broken.host, "web")
        .write_blob(&blob, reader(bytes.clone()))
        .await
        .expect("pushed");
    let log: Vec<Arrived> = broken.log().into_iter().filter(|arrived| arrived.method != "HEAD").collect();
    let methods: Vec<&str> = log.iter().map(|arrived| arrived.method.as_str()).collect();
    assert_eq!(methods, ["POST", "PUT", "GET", "PATCH", "PUT"]);
    let patch = &log[3];
    let had: u64 =
        patch.range.as_ref().and_then(|range| range.split('-').next()?.parse().ok()).expect("a range");
    assert_eq!(patch.length, Some(bytes.len() as u64 - had));
    assert!(broken.blob("web", &bytes).is_some());

    // A registry that loses what it had: the content is read again from where it comes from.
    let lossy = Faulty::start(first(|arrived| arrived.method == "PUT", Act::Take(9 << 20))).await;
    let lost = Faulty::start({
        let broke = AtomicUsize::new(0);
        move |arrived| match arrived.method.as_str() {
            "PUT" if broke.fetch_add(1, Ordering::SeqCst) == 0 => Act::Take(11 << 20),
            "GET" if broke.fetch_add(1, Ordering::SeqCst) == 1 => Act::Lose,
            _ => Act::Serve,
        }
    })
    .await;
    lossy.put("other", bytes.clone());
    let source = repository(&context(), &lossy.host, "other");
    repository(&context(), &lost.host, "web").copy_blob(&blob, &source).await.expect("copied");
    assert!(lost.blob("web", &bytes).is_some_and(|found| found == bytes));
    assert_eq!(lost.log().iter().filter(|arrived| arrived.method == "POST").count(), 2);
}

#[tokio::test]
async fn a_layer_whose_upload_is_lost_late_is_one_error_that_says_to_begin_again() {
    let bytes = noise(8, (2 * MEGABYTES) << 20);
    let server = Faulty::start({
        let patched = AtomicUsize::new(0);
        move |arrived| match arrived.method.as_str() {
            "PATCH" if patched.fetch_add(1, Ordering::SeqCst) == 0 => Act::Take(24 << 20),
            "GET" => Act::Lose,
            _ => Act::Serve,
        }
    })
    .await;
    let pushed = repository(&context(), &server.host, "web").write_new_blob(made(bytes)).await;
    let error = pushed.expect_err("lost");
    assert_eq!((error.kind(), error.may_retry()), (ErrorKind::Unavailable, true), "{error:?}");
    assert!(error.to_string().contains("lost an upload"), "{error:?}");
    assert_eq!(server.uploads(), 0);

    // While all of it is still kept, losing the upload is no matter.
    let small = noise(10, 3 << 20);
    let server = Faulty::start(first(|arrived| arrived.method == "PATCH", Act::Lose)).await;
    let pushed = repository(&context(), &server.host, "web").write_new_blob(made(small.clone())).await;
    assert_eq!(pushed.expect("pushed").0, digest(&small));
}

#[tokio::test]
async fn a_registry_that_wants_chunks_gets_them() {
    let bytes = noise(12, 20 << 20);
    // It takes no body without a length, none that is too long, and asks for chunks that are not short.
    let chunky = |most: u64| {
        move |arrived: &Arrived| match (arrived.method.as_str(), arrived.length) {
            ("PATCH", None) => Act::Refuse(411, Vec::new()),
            ("PATCH" | "PUT", Some(length)) if length > most => Act::Refuse(413, Vec::new()),
            _ => Act::Serve,
        }
    };
    for most in [9 << 20, 2 << 20] {
        let server = Faulty::with_chunks(Some(1 << 20), chunky(most)).await;
        let repository = repository(&context(), &server.host, "web");
        assert_eq!(repository.write_new_blob(made(bytes.clone())).await.expect("pushed").0, digest(&bytes));
        let known = noise(14, 20 << 20);
        let blob = descriptor(LAYER, &known);
        repository.write_blob(&blob, reader(known.clone())).await.expect("pushed");
        assert!(server.blob("web", &known).is_some());
        let chunks: Vec<u64> = server
            .log()
            .iter()
            .filter(|arrived| arrived.method == "PATCH")
            .filter_map(|arrived| arrived.length.filter(|length| *length <= most))
            .collect();
        assert!(chunks.iter().filter(|length| **length < 1 << 20).count() <= 2, "{chunks:?}");
        assert!(server.taken() as f64 <= 1.3 * 40.0 * f64::from(1 << 20), "{}", server.taken());
    }
    // One that wants more at once than is held.
    let server = Faulty::with_chunks(Some(1 << 40), chunky(1)).await;
    let pushed = repository(&context(), &server.host, "web").write_new_blob(made(noise(16, 1 << 20))).await;
    assert_eq!(pushed.expect_err("too much").kind(), ErrorKind::BadOutput);
}

/// Content that is made while it is read, and counted.
struct Counted(tokio::io::Take<tokio::io::Repeat>, Arc<AtomicU64>);

impl tokio::io::AsyncRead for Counted {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::pin::Pin::new(&mut self.0).poll_read(cx, buffer);
        self.1.fetch_add((buffer.filled().len() - before) as u64, Ordering::SeqCst);
        read
    }
}

#[tokio::test]
async fn a_registry_that_wants_a_huge_chunk_has_no_layer_held_in_memory_for_it() {
    // It breaks each connection once it took a little.
    let server = Faulty::with_chunks(Some(1 << 40), |arrived| match arrived.method.as_str() {
        "PATCH" => Act::Take(50_000),
        _ => Act::Serve,
    })
    .await;
    let read = Arc::new(AtomicU64::new(0));
    let content = Counted(tokio::io::repeat(7).take(128 << 20), Arc::clone(&read));
    let pushed = repository(&context(), &server.host, "web").write_new_blob(Box::pin(content)).await;
    assert_eq!(pushed.expect_err("it never takes enough").kind(), ErrorKind::Unavailable);
    // As much as connections buffer, and no chunk.
    let read = read.load(Ordering::SeqCst);
    assert!(read < 64 << 20, "{read} bytes were read");
}

#[tokio::test]
async fn a_pull_goes_on_where_the_connection_broke() {
    let bytes = noise(18, 6 << 20);
    let server = Faulty::start(|arrived| match (arrived.method.as_str(), arrived.count) {
        ("GET", 0) => Act::Cut(2 << 20),
        ("GET", 1) => Act::Hangup,
        ("GET", 2) => Act::Cut(1 << 20),
        _ => Act::Serve,
    })
    .await;
    server.put("web", bytes.clone());
    let repository = repository(&context(), &server.host, "web");
    let mut content = repository.read_blob(&descriptor(LAYER, &bytes)).await.expect("begins");
    let mut read = Vec::new();
    content.read_to_end(&mut read).await.expect("read");
    assert!(read == bytes);
    let ranges: Vec<Option<String>> = server.log().into_iter().map(|arrived| arrived.range).collect();
    assert_eq!(ranges.len(), 4);
    assert!(ranges[0].is_none() && ranges[1] == ranges[2] && ranges[3] > ranges[2], "{ranges:?}");
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted_with_a_token_for_both() {
    // Gives a token that says what it is for, and asks for one for what the request needs.
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let token = support::Server::start(move |request, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let query = request.uri().query().unwrap_or_default();
        let scopes = query.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/");
        support::reply(200, &[], format!(r#"{{"token":"{}"}}"#, scopes.replace('&', "+")))
    })
    .await;
    let realm = token.host.clone();
    let server = Faulty::start(move |arrived| {
        let needs: &[&str] = match arrived.method.as_str() {
            "HEAD" => &["scope=repository:web:pull"],
            _ if arrived.query.contains("from=") => {
                &["scope=repository:web:pull,push", "scope=repository:base:pull"]
            }
            _ => &["scope=repository:web:pull,push"],
        };
        let token = arrived.authorization.as_deref().unwrap_or_default();
        if needs.iter().all(|scope| token.contains(scope)) {
            return Act::Serve;
        }
        let scope = needs[0].trim_start_matches("scope=");
        let challenge = format!("Bearer realm=\"http://{realm}/token\",service=\"s\",scope=\"{scope}\"");
        Act::Refuse(401, vec![("www-authenticate", challenge)])
    })
    .await;
    let (bytes, other) = (noise(20, 100_000), noise(22, 100_000));
    server.put("base", bytes.clone());
    let cx = context();
    let (source, target) = (repository(&cx, &server.host, "base"), repository(&cx, &server.host, "web"));
    target.copy_blob(&descriptor(LAYER, &bytes), &source).await.expect("mounted");
    assert!(server.blob("web", &bytes).is_some());
    assert_eq!((server.taken(), server.uploads()), (0, 0));

    // What the other repository has no more is asked for, and the upload that began instead is given up.
    let missing = target.copy_blob(&descriptor(LAYER, &other), &source).await;
    assert!(missing.is_err());
    let asking = async {
        while server.uploads() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), asking).await.expect("given up");
    let uploads = server.log().iter().filter(|arrived| arrived.method == "POST").count();
    assert_eq!(uploads, 3, "each once, and the first again with its token");
    assert!(asked.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn a_token_that_expires_while_a_layer_is_pushed_is_got_anew() {
    let registry = Faulty::start({
        let patched = AtomicUsize::new(0);
        move |arrived| {
            let expired = arrived.method == "PATCH" && patched.fetch_add(1, Ordering::SeqCst) == 0;
            match arrived.authorization {
                Some(_) if !expired => Act::Serve,
                _ => Act::Refuse(401, vec![("www-authenticate", "Basic realm=\"r\"".to_owned())]),
            }
        }
    })
    .await;
    let login = FixedCredentials::new().login(registry.host.as_str(), Login::new("ci", "hunter2"));
    let cx = context_with(login, Cancel::new());
    let bytes = noise(24, 2 << 20);
    let pushed = repository(&cx, &registry.host, "web").write_new_blob(made(bytes.clone())).await;
    assert_eq!(pushed.expect("pushed").0, digest(&bytes));
}
