//! Contexts that try to get something from outside into an image, or to make the build hang.
#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(clippy::disallowed_methods, reason = "tests prepare their sources and look at what came out")]
#![expect(unreachable_pub, reason = "the tests share a module")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::{
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink, net::UnixListener},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use shipway_builders::NativeConfig;
use shipway_core::ErrorKind;
use support::Bench;

const CANARY: &str = "canary-1f6b2a";

fn none() -> NativeConfig {
    NativeConfig::default()
}

/// Returns a context beside which lies a folder with a secret.
fn beside_a_secret(dockerfile: &str) -> Bench {
    let bench = Bench::new().dockerfile(dockerfile);
    fs::create_dir(bench.root().join("outside")).unwrap();
    fs::write(bench.root().join("outside/f"), CANARY).unwrap();
    bench
}

#[tokio::test]
async fn links_out_of_the_context_are_kept_as_links() {
    let bench = beside_a_secret("FROM scratch\nCOPY . /\n");
    let outside = bench.root().join("outside");
    let bench = bench
        .link("folder", &outside.to_string_lossy())
        .link("file", "../outside/f")
        .link("up", "../../../../../../../../../etc/passwd")
        .link("loop", "loop");
    let look = bench.look(&bench.build(none()).await.unwrap()).await;
    assert!(!String::from_utf8_lossy(&look.all_bytes()).contains(CANARY));
    let links = look.files().lines().filter(|line| line.contains(" -> ")).count();
    assert_eq!(links, 4, "{}", look.files());
    assert!(!look.paths().iter().any(|path| path.contains("folder/")));
}

#[tokio::test]
async fn a_source_through_a_link_never_leads_out() {
    let sources = ["file", "fi*", "up", "folder", "folder/f", "folder/", "./folder/../folder/f", "chain/f"];
    for source in sources {
        let bench = beside_a_secret(&format!("FROM scratch\nCOPY {source} /x/\n"));
        let outside = bench.root().join("outside");
        let bench = bench
            .link("file", "../outside/f")
            .link("up", "../../../../../../../../../etc/passwd")
            .link("folder", &outside.to_string_lossy())
            .link("chain", "folder/../folder");
        let report = bench.refused(none()).await;
        let start = "not found: web/Dockerfile:2:1: `";
        assert!(report.starts_with(start) && report.contains("never out of the context"), "{report}");
    }
    for (source, fine) in [("folder/*", false), ("fold*/f", true)] {
        let bench = beside_a_secret(&format!("FROM scratch\nCOPY {source} /x/\n"));
        let outside = bench.root().join("outside");
        let bench = bench.link("folder", &outside.to_string_lossy());
        if fine {
            assert_eq!(bench.look(&bench.build(none()).await.unwrap()).await.files(), "", "{source}");
        } else {
            assert!(bench.refused(none()).await.contains("never out of the context"), "{source}");
        }
    }
    let bench = Bench::new().dockerfile("FROM scratch\nCOPY loop /\n").link("loop", "./loop");
    assert!(bench.refused(none()).await.contains("leads through more than 40 links"));
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test says what it needs")]
async fn sockets_and_fifos_are_errors_that_name_them_and_never_block() {
    let bench = Bench::new().dockerfile("FROM scratch\nCOPY . /\n");
    let _socket = UnixListener::bind(bench.path("socket")).unwrap();
    assert!(bench.refused(none()).await.contains("socket` is a FIFO, a socket or a device"));

    let bench = Bench::new().dockerfile("FROM scratch\nCOPY fifo /\n");
    if !Command::new("mkfifo").arg(bench.path("fifo")).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: needs mkfifo");
        return;
    }
    assert!(bench.refused(none()).await.contains("fifo` is a FIFO, a socket or a device"));
    let bench = bench.dockerfile("FROM scratch\nCOPY . /\n").file(".dockerignore", "fifo\n");
    assert!(bench.build(none()).await.is_ok());
    fs::remove_file(bench.path("Dockerfile")).unwrap();
    fs::rename(bench.path("fifo"), bench.path("Dockerfile")).unwrap();
    assert!(bench.refused(none()).await.contains("is not a regular file"));
}

#[tokio::test]
async fn odd_names_are_kept_or_refused() {
    let bench =
        Bench::new().dockerfile("FROM scratch\nCOPY . /\n").file("new\nline", "1").file(" blank ", "2");
    let look = bench.look(&bench.build(none()).await.unwrap()).await;
    assert!(look.paths().contains(&"new\nline") && look.paths().contains(&" blank "));
    let bench = bench.file(".wh.x", "");
    assert!(bench.refused(none()).await.contains("`.wh.x` cannot be in an image"));

    let bench = Bench::new().dockerfile("FROM scratch\nCOPY . /\n");
    fs::write(bench.path("").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    let report = bench.refused(none()).await;
    assert!(report.contains("a file's name is not UTF-8"), "{report}");
}

#[tokio::test]
async fn hard_links_are_plain_files() {
    let bench = Bench::new().dockerfile("FROM scratch\nCOPY a b /\n").file("a", "same");
    fs::hard_link(bench.path("a"), bench.path("b")).unwrap();
    let look = bench.look(&bench.build(none()).await.unwrap()).await;
    assert_eq!(look.files(), "0644 0:0 0 a = same\n0644 0:0 0 b = same\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_swapped_for_a_link_meanwhile_never_leads_out() {
    let bench =
        beside_a_secret("FROM scratch\nCOPY d /one\nCOPY . /all/\nCOPY d/f /f\n").file("d/f", "inside");
    symlink("../outside", bench.path("link")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (stop, d, link, away) =
            (Arc::clone(&stop), bench.path("d"), bench.path("link"), bench.path("away"));
        move || {
            let mut swaps = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&d, &away).unwrap();
                fs::rename(&link, &d).unwrap();
                fs::rename(&d, &link).unwrap();
                fs::rename(&away, &d).unwrap();
                swaps += 1;
            }
            swaps
        }
    });
    let (mut built, mut refused) = (0, 0);
    for _ in 0..250 {
        match bench.build(none()).await {
            Ok(image) => {
                let look = bench.look(&image).await;
                let all = look.all_bytes();
                assert!(!String::from_utf8_lossy(&all).contains(CANARY), "{}", look.files());
                built += 1;
            }
            Err(error) => {
                assert!(!error.report().to_string().contains(CANARY));
                let fine =
                    [ErrorKind::Config, ErrorKind::Conflict, ErrorKind::NotFound, ErrorKind::Unavailable];
                assert!(fine.contains(&error.kind()), "{error:?}");
                refused += 1;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = swapper.join().unwrap();
    assert!(swaps > 250 && built + refused == 250, "{swaps} swaps, {built} built, {refused} refused");
}
