//! What an engine may do wrong, as a scripted one does it: gone in the middle, slow, old, or hostile.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod buildkitd;
mod fake;
mod session;
mod transfer;

use std::{sync::Arc, time::Duration};

use shipway_core::{
    Cancel, CancelReason, Context, Digest, Error, ErrorKind, Image, Images, RunContext, Stage, Store, Tag,
    Target, World,
};
use shipway_docker::{BuildSpec, Daemon, DaemonStores, tar_stream};
use shipway_oci::{Distribution, Label, Layout, Stores, digest_of};

use crate::fake::{Engine, Reply, chunked, ok, status, tar};

fn context() -> Context {
    stoppable(None, Cancel::new())
}

fn stoppable(deadline: Option<Duration>, cancel: Cancel) -> Context {
    RunContext::new(World::host("/"), "engine").context(None, deadline, cancel)
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_unavailable() {
    let daemon = Daemon::open("unix:///no/such/engine.sock").unwrap();
    let error = daemon.version(&context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.may_retry() && error.report().hint.is_some());
}

#[tokio::test]
async fn what_is_no_engine_or_too_old_is_said() {
    for (ping, kind) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"[..], ErrorKind::BadOutput),
        (b"HTTP/1.1 200 OK\r\nApi-Version: x.y\r\nContent-Length: 0\r\n\r\n", ErrorKind::BadOutput),
        (b"HTTP/1.1 200 OK\r\nApi-Version: 1.24\r\nContent-Length: 0\r\n\r\n", ErrorKind::Unsupported),
        (b"\x00\x01 not HTTP", ErrorKind::Unavailable),
        (b"", ErrorKind::Unavailable),
    ] {
        let engine = Engine::start(move |_| Reply::Cut(ping.to_vec()));
        let error = engine.daemon().version(&context()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
    }
}

#[tokio::test]
async fn refusals_have_kinds_and_the_engines_words() {
    for (code, kind) in [
        (400, ErrorKind::Config),
        (401, ErrorKind::Auth),
        (409, ErrorKind::Conflict),
        (500, ErrorKind::ToolFailed),
        (501, ErrorKind::Unsupported),
        (503, ErrorKind::Unavailable),
    ] {
        let engine = Engine::start(move |path| match path {
            "/_ping" => fake::ping(),
            _ => Reply::Cut(status(code, r#"{"message":"the engine's words"}"#)),
        });
        let error = engine.daemon().image(&context(), "x").await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.report().to_string().contains("the engine's words"), "{error:?}");
    }
    let engine = Engine::start(|path| match path {
        "/_ping" => fake::ping(),
        _ => Reply::Cut(status(404, r#"{"message":"No such image: x"}"#)),
    });
    assert_eq!(engine.daemon().image(&context(), "x").await.unwrap(), None);
}

#[tokio::test]
async fn answers_are_bounded_and_must_have_their_form() {
    let endless = |path: &str| match path {
        "/_ping" => fake::ping(),
        // Whoever reads on reads for ever.
        _ => Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 64 * 1024]),
    };
    let error = Engine::start(endless).daemon().image(&context(), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadOutput);
    let tar = tar_stream(|tar| tar.folder("a", 0o755, (0, 0))).unwrap();
    let error =
        Engine::start(endless).daemon().build(&context(), &BuildSpec::new("D"), tar).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadOutput, "a line without an end: {error:?}");
    for answer in ["", "[]", "{\"Id\":\"sha256:short\"}", "nonsense"] {
        let engine = Engine::start(move |path| match path {
            "/_ping" => fake::ping(),
            _ => Reply::Cut(ok(answer)),
        });
        let error = engine.daemon().image(&context(), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadOutput, "{answer}");
    }
}

async fn build(reply: Reply) -> Error {
    let engine = Engine::start(move |path| match path {
        "/_ping" => fake::ping(),
        _ => reply.clone(),
    });
    let tar = tar_stream(|tar| tar.file("D", 0o644, (0, 0), 1, &b"x"[..])).unwrap();
    engine.daemon().build(&context(), &BuildSpec::new("D"), tar).await.unwrap_err()
}

#[tokio::test]
async fn a_build_whose_engine_goes_is_no_success() {
    let begun = "{\"stream\":\"Step 1/2\\n\"}\n";
    // Cut within a chunk, and before the last one.
    for reply in [chunked(begun, 500), chunked(begun, begun.len())] {
        let error = build(Reply::Cut(reply)).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    }
    // An end without an image, and with one that cannot be.
    for said in [begun, "{\"aux\":{\"ID\":\"sha256:x\"}}\n"] {
        let error = build(Reply::Cut(ok(said))).await;
        assert_eq!(error.kind(), ErrorKind::BadOutput, "{error:?}");
    }
    let failed = "{\"stream\":\"last words\\n\"}\n{\"error\":\"code 7\"}\n";
    let error = build(Reply::Cut(ok(failed))).await;
    assert_eq!(error.kind(), ErrorKind::ToolFailed);
    assert!(error.report().to_string().contains("last words"), "{error:?}");
}

#[tokio::test]
async fn what_goes_wrong_with_the_context_is_the_builds_error() {
    let engine = Engine::start(|path| match path {
        "/_ping" => fake::ping(),
        _ => Reply::Silence,
    });
    let tar = tar_stream(|tar| tar.file("D", 0o644, (0, 0), 5, &b"x"[..])).unwrap();
    let error = engine.daemon().build(&context(), &BuildSpec::new("D"), tar).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
}

#[tokio::test]
async fn a_silent_engine_is_given_up_when_the_task_must_stop() {
    let engine = Engine::start(|path| match path {
        "/_ping" => fake::ping(),
        _ => Reply::Silence,
    });
    let cancel = Cancel::new();
    let cx = stoppable(None, cancel.clone());
    let daemon = engine.daemon();
    let asked = async {
        engine.asked("/images/x/json").await;
        cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let (result, ()) = tokio::join!(daemon.image(&cx, "x"), asked);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    let clock = context();
    let cx = stoppable(Some(clock.clock().elapsed()), Cancel::new());
    assert_eq!(daemon.image(&cx, "x").await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn output_that_is_cut_is_no_end() {
    let attach = |head: &'static str| {
        Engine::start(move |path| match path {
            "/_ping" => fake::ping(),
            _ => Reply::Cut([head.as_bytes(), b"\x01\0\0\0\0\0\0\x09part"].concat()),
        })
    };
    let engine = attach("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    let (mut output, _input) = engine.daemon().attach_container(&context(), "c", false).await.unwrap();
    assert_eq!(output.next().await.unwrap().unwrap().1, "part");
    assert_eq!(output.next().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let engine = attach("HTTP/1.1 200 OK\r\n\r\n");
    let error = engine.daemon().attach_container(&context(), "c", false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadOutput, "a stream that is not opened");
}

/// An image of one layer, and what an engine says of it.
struct Parts {
    config: String,
    layer: Vec<u8>,
    id: Digest,
}

fn parts() -> Parts {
    let layer = tar(&[("file", b"content")]);
    let config = serde_json::json!({
        "os": "linux", "architecture": "amd64", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(&layer)]},
    })
    .to_string();
    let id = digest_of(config.as_bytes());
    Parts { config, layer, id }
}

/// Copies the image out of an engine that gives this archive, into a layout; returns what is there.
async fn save(archive: Vec<u8>) -> (Result<Image, Error>, bool) {
    let Parts { layer, id, .. } = parts();
    let inspected = serde_json::json!({
        "Id": id, "Os": "linux", "Architecture": "amd64", "RootFS": {"Layers": [digest_of(&layer)]},
    })
    .to_string();
    let engine = Engine::start(move |path| match path {
        "/_ping" => fake::ping(),
        path if path.ends_with("/json") => Reply::Cut(ok(&inspected)),
        _ => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", archive.len());
            Reply::Cut([head.as_bytes(), &archive].concat())
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let cx = context();
    let image = Image::new("web", Store::Daemon(engine.endpoint()), "web", id);
    let layout = folder.path().join("layout");
    let target = Target::new(Store::Layout(layout.clone()), "web", Tag::parse("1").unwrap());
    let result = DaemonStores::new(Stores::new()).copy(&cx, &image, &target).await;
    let place = Layout::new(Arc::clone(cx.disk()), layout);
    let there = place.manifest(&Label::Tag(target.tag)).await.unwrap();
    (result, there.is_some())
}

#[tokio::test]
async fn an_archive_is_read_in_any_order_and_under_any_names() {
    let Parts { config, layer, id } = parts();
    let (config, hex) = (config.as_bytes(), id.hex());
    let layer_hex = digest_of(&layer).hex().to_owned();
    let oci =
        [(format!("blobs/sha256/{layer_hex}"), layer.as_slice()), (format!("blobs/sha256/{hex}"), config)];
    for files in [
        vec![("1/layer.tar".to_owned(), layer.as_slice()), (format!("{hex}.json"), config)],
        vec![
            ("config.json".to_owned(), config),
            ("1/VERSION".to_owned(), b"1.0"),
            ("1/layer.tar".to_owned(), &layer),
        ],
        oci.to_vec(),
    ] {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        let (saved, there) = save(tar(&files)).await;
        assert!(saved.is_ok() && there, "{saved:?}");
    }
}

#[tokio::test]
async fn a_hostile_archive_gives_no_image() {
    let Parts { config, layer, id } = parts();
    let (config, name) = (config.as_bytes(), format!("{}.json", id.hex()));
    let whole = tar(&[("1/layer.tar", &layer), (&name, config)]);
    let other = tar(&[("file", b"another")]);
    let other_config = String::from_utf8(config.to_vec()).unwrap().replace("amd64", "arm64");
    let many: Vec<(String, &[u8])> = (0..1100).map(|n| (format!("{n}.json"), &b"{}"[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    for (archive, what) in [
        (tar(&[("1/layer.tar", &other), (&name, config)]), "another layer"),
        (tar(&[("1/layer.tar", &layer), (&name, other_config.as_bytes())]), "another configuration"),
        (tar(&[(&name, config)]), "no layer"),
        (tar(&[("1/layer.tar", &layer)]), "no configuration"),
        (tar(&many), "many documents"),
        (whole[..700].to_vec(), "cut in a layer"),
        (whole[..whole.len() - 1024].to_vec(), "cut before the end"),
        (vec![b'x'; 2048], "no archive"),
        (Vec::new(), "nothing"),
    ] {
        let (saved, there) = save(archive).await;
        let error = saved.expect_err(what);
        assert!(matches!(error.kind(), ErrorKind::BadOutput | ErrorKind::Unavailable), "{what}: {error:?}");
        assert!(!there, "{what}: the tag points to something");
    }
}
