//! The client against the registry: round trips, side by side, cancelled.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use shipway_core::{Cancel, CancelReason, ErrorKind, FixedCredentials, Stage, Tag};
use shipway_oci::{Client, Distribution, Label};
use support::{
    CONFIG, LAYER, OCI_MANIFEST, context, context_with, descriptor, digest, impatient, manifest, noise,
    reader, registry, registry_with,
};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn an_image_goes_and_comes_back() {
    let (registry, _folder) = registry().await;
    let client = Client::new();
    let name = format!("{}/team/web", registry.host());
    let repository = client.repository(&context(), &name).expect("a repository");
    let tag = Tag::parse("1.0").expect("a tag");
    assert_eq!(repository.manifest(&Label::Tag(tag.clone())).await.expect("asked"), None);

    let layer = noise(7, 3_000_000);
    let known = descriptor(LAYER, &layer);
    assert!(!repository.has_blob(&known).await.expect("asked"));
    repository.write_blob(&known, reader(layer.clone())).await.expect("pushed");
    assert!(repository.has_blob(&known).await.expect("asked"));
    // What is there is not sent again: this content is not even read.
    repository.write_blob(&known, reader("something else")).await.expect("there already");

    let made = noise(8, 1_000_001);
    let new = repository.write_new_blob(reader(made.clone())).await.expect("pushed");
    assert_eq!(new, (digest(&made), 1_000_001));
    let empty = repository.write_new_blob(reader("")).await.expect("pushed");
    assert_eq!(empty, (digest(b""), 0));
    let config = descriptor(CONFIG, b"{}");
    repository.write_blob(&config, reader("{}")).await.expect("pushed");

    let bytes = manifest(&config, &[known.clone(), descriptor(LAYER, &made), descriptor(LAYER, b"")]);
    let written = repository.write_manifest(OCI_MANIFEST, bytes.clone(), Some(&tag)).await.expect("pushed");
    for label in [Label::Tag(tag), Label::Digest(written.clone())] {
        let found = repository.manifest(&label).await.expect("asked").expect("there");
        assert_eq!(
            (found.media_type.as_str(), &found.digest, &found.bytes),
            (OCI_MANIFEST, &written, &bytes)
        );
    }
    let mut back = Vec::new();
    let mut content = repository.read_blob(&known).await.expect("there");
    content.read_to_end(&mut back).await.expect("read");
    assert!(back == layer);
    let missing = repository.read_blob(&descriptor(LAYER, b"missing")).await.map(|_| ());
    assert_eq!(missing.expect_err("missing").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn content_that_is_not_what_its_descriptor_says_is_refused_and_not_kept() {
    let (registry, folder) = registry().await;
    let client = Client::new();
    let repository =
        client.repository(&context(), &format!("{}/web", registry.host())).expect("a repository");
    let right = noise(1, 400_000);
    let mut wrong = right.clone();
    *wrong.last_mut().expect("content") ^= 1;
    let longer = [right.as_slice(), b"x"].concat();
    let described = descriptor(LAYER, &right);
    for content in [wrong, longer, right[..399_999].to_vec(), Vec::new()] {
        let error = repository.write_blob(&described, reader(content)).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::BadOutput, "{error:?}");
        assert!(!repository.has_blob(&described).await.expect("asked"));
    }
    registry.shutdown().await;
    #[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
    let left = std::fs::read_dir(folder.path().join("registry/uploads")).expect("a folder").count();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_push_the_same_and_other_blobs_at_once() {
    let (registry, _folder) = registry().await;
    let client = Client::new();
    let cx = context();
    let same = noise(3, 600_000);
    let mut pushing = tokio::task::JoinSet::new();
    for number in 0..16u64 {
        let repository =
            client.repository(&cx, &format!("{}/r{}", registry.host(), number % 2)).expect("a repository");
        let same = same.clone();
        pushing.spawn(async move {
            let own = noise(100 + number, 50_000);
            repository.write_blob(&descriptor(LAYER, &same), reader(same.clone())).await?;
            repository.write_new_blob(reader(same.clone())).await?;
            repository.write_new_blob(reader(own.clone())).await?;
            repository.write_blob(&descriptor(CONFIG, b"{}"), reader("{}")).await?;
            let bytes =
                manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, &same), descriptor(LAYER, &own)]);
            let tag = Tag::parse(format!("t{number}"))?;
            repository.write_manifest(OCI_MANIFEST, bytes, Some(&tag)).await?;
            let mut back = Vec::new();
            let mut content = repository.read_blob(&descriptor(LAYER, &same)).await?;
            content.read_to_end(&mut back).await.expect("read");
            assert!(back == same);
            assert!(repository.manifest(&Label::Tag(tag)).await?.is_some());
            Ok::<(), shipway_core::Error>(())
        });
    }
    while let Some(pushed) = pushing.join_next().await {
        pushed.expect("no panic").expect("pushed");
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_one_clear_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let repository = impatient().repository(&context(), &format!("{host}/web")).expect("a repository");
    let error = repository.has_blob(&descriptor(LAYER, b"x")).await.expect_err("not there");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.may_retry());
    assert_eq!(error.to_string(), format!("cannot reach registry `{host}`"));
    assert!(error.report().hint.as_deref().is_some_and(|hint| hint.contains(&host)));
}

#[tokio::test]
async fn refusals_are_errors_of_the_kind_that_says_what_to_do() {
    use shipway_oci::Fault;
    for (status, kind, retry) in [
        (403, ErrorKind::Auth, false),
        (429, ErrorKind::Unavailable, true),
        (500, ErrorKind::Unavailable, true),
        (503, ErrorKind::Unavailable, true),
        (405, ErrorKind::Unsupported, false),
        (418, ErrorKind::BadOutput, false),
    ] {
        let (registry, _folder) =
            registry_with(|builder| builder.faults(move |_| Some(Fault::Status(status)))).await;
        let repository =
            impatient().repository(&context(), &format!("{}/web", registry.host())).expect("a repository");
        let error = repository.write_new_blob(reader("x")).await.expect_err("refused");
        assert_eq!((error.kind(), error.may_retry()), (kind, retry), "{status}");
        assert!(error.to_string().contains(&registry.host()), "{error}");
    }
    let (registry, _folder) = registry_with(|builder| builder.faults(|_| Some(Fault::Hangup))).await;
    let repository =
        impatient().repository(&context(), &format!("{}/web", registry.host())).expect("a repository");
    let error = repository.has_blob(&descriptor(LAYER, b"x")).await.expect_err("hangs up");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn an_upload_that_fails_or_is_stopped_is_given_up() {
    let deleted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&deleted);
    let (registry, _folder) = registry_with(|builder| {
        builder.faults(move |request| {
            if request.method == "DELETE" {
                count.fetch_add(1, Ordering::SeqCst);
            }
            None
        })
    })
    .await;
    let cancel = Cancel::new();
    let cx = context_with(FixedCredentials::new(), cancel.clone());
    let repository =
        Client::new().repository(&cx, &format!("{}/web", registry.host())).expect("a repository");

    // The source breaks.
    let broken = breaking(b"some", "the disk is gone");
    let error = repository.write_new_blob(broken).await.expect_err("broken");
    assert!(error.report().causes.iter().any(|cause| cause == "the disk is gone"), "{error:?}");
    assert_eq!(deleted.load(Ordering::SeqCst), 1);

    // The source never ends, and the task is stopped.
    let stop = async {
        tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>())
            .await
            .expect_err("time passes");
        cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let (pushed, ()) = tokio::join!(repository.write_new_blob(Box::pin(tokio::io::repeat(b'x'))), stop);
    assert_eq!(pushed.expect_err("stopped").kind(), ErrorKind::Cancelled);
    assert_eq!(deleted.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_upload_is_given_up_when_whoever_pushes_is_dropped() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let (registry, folder) = registry_with(|builder| {
        builder.faults(move |request| {
            if request.method == "PATCH" {
                count.fetch_add(1, Ordering::SeqCst);
            }
            None
        })
    })
    .await;
    let repository =
        Client::new().repository(&context(), &format!("{}/web", registry.host())).expect("a repository");
    #[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
    let left = || std::fs::read_dir(folder.path().join("registry/uploads")).expect("a folder").count();
    let until = async |done: &(dyn Fn() -> bool + Sync)| {
        let wait = async {
            while !done() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("in time");
    };
    for pushed in 1..3 {
        // Its source never gives anything.
        let (source, _never) = tokio::io::duplex(1);
        let repository = repository.clone();
        let pushing = tokio::spawn(async move { repository.write_new_blob(Box::pin(source)).await });
        until(&|| begun.load(Ordering::SeqCst) == pushed).await;
        assert_eq!(left(), 1);
        pushing.abort();
        until(&|| left() == 0).await;
    }
}

/// The registry cannot mount, and begins an upload instead, when nobody is there for it any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_began_in_place_of_a_mount_is_given_up_too() {
    let (asked, deleted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (asking, deleting) = (Arc::clone(&asked), Arc::clone(&deleted));
    let (go, wait) = std::sync::mpsc::channel();
    let wait = std::sync::Mutex::new(wait);
    let (registry, _folder) = registry_with(|builder| {
        builder.faults(move |request| {
            if request.method == "POST" {
                asking.fetch_add(1, Ordering::SeqCst);
                wait.lock().expect("not poisoned").recv().expect("told to go on");
            }
            deleting.fetch_add(usize::from(request.method == "DELETE"), Ordering::SeqCst);
            None
        })
    })
    .await;
    let repository = |path: &str| {
        Client::new().repository(&context(), &format!("{}/{path}", registry.host())).expect("a repository")
    };
    let (source, target) = (repository("base"), repository("web"));
    let pushing =
        tokio::spawn(async move { target.copy_blob(&descriptor(LAYER, b"missing"), &source).await });
    let until = async |count: &AtomicUsize| {
        let wait = async {
            while count.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("in time");
    };
    until(&asked).await;
    pushing.abort();
    assert!(pushing.await.expect_err("aborted").is_cancelled());
    go.send(()).expect("the registry waits");
    until(&deleted).await;
}

/// A reader of some bytes and then an error.
fn breaking(bytes: &'static [u8], how: &'static str) -> shipway_oci::BlobReader {
    struct End(Option<std::io::Error>);
    impl tokio::io::AsyncRead for End {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(self.0.take().map_or(Ok(()), Err))
        }
    }
    Box::pin(bytes.chain(End(Some(std::io::Error::other(how)))))
}
