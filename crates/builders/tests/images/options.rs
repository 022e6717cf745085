//! Images of the builder's own options, and how a build ends.

use std::sync::Arc;

use shipway_builders::{FileCopy, ImageSettings, LayerCompression, Mode, Native, Owner, Prepare};
use shipway_core::{Builder as _, Cancel, CancelReason, ErrorKind, HostDisk, RunContext, Stage};
use shipway_oci::{Compression, Layout, media, read_image};

use crate::{none, support::Bench};

#[tokio::test]
async fn options_become_an_image_with_what_commands_made() {
    let bench = Bench::new().file_with_mode("assets/a", "a", 0o600).file("Makefile", "hello");
    let script = r#"umask 077; mkdir "$SHIPWAY_OUTPUT/lib"; cp Makefile "$1/lib/data"; cp Makefile "$1/run"; chmod 700 "$1/run"; echo $WORD >> "$1/run""#;
    let config = none()
        .base("scratch")
        .prepare(
            Prepare::new(["sh", "-c", script, "-", "{output}"]).dependencies(["Makefile"]).env("WORD", "-w"),
        )
        .file(FileCopy::new("assets", "/assets").chown(Owner::new(1, 2)))
        .file(FileCopy::new("{output}/run", "bin/"))
        .file(FileCopy::new("{output}", "/all").chmod(Mode::new(0o500).unwrap()))
        .config(
            ImageSettings::default()
                .entrypoint(["/srv/bin/run"])
                .cmd(["a"])
                .env("A", "b")
                .user("1")
                .workdir("/srv")
                .label("l", "v")
                .expose("80"),
        );
    let bench = bench.env("SOURCE_DATE_EPOCH", "1700000000");
    let look = bench.look(&bench.build(config).await.unwrap()).await;
    insta::assert_snapshot!(look.files(), @"
    0755 1:1 1700000000 srv/
    --
    0755 1:2 1700000000 assets/
    0600 1:2 1700000000 assets/a = a
    --
    0755 0:0 1700000000 srv/bin/
    0755 0:0 1700000000 srv/bin/run = hello-w

    --
    0500 0:0 1700000000 all/
    0500 0:0 1700000000 all/lib/
    0500 0:0 1700000000 all/lib/data = hello
    0500 0:0 1700000000 all/run = hello-w
    ");
    insta::assert_snapshot!(look.config["config"], @r#"{"Cmd":["a"],"Entrypoint":["/srv/bin/run"],"Env":["A=b"],"ExposedPorts":{"80/tcp":{}},"Labels":{"l":"v"},"User":"1","WorkingDir":"/srv"}"#);
    assert_eq!(look.config["created"], "2023-11-14T22:13:20Z");
}

#[tokio::test]
async fn the_digest_is_the_same_whatever_the_folder_and_the_threads() {
    let mut digests = Vec::new();
    for (name, threads) in [("web", 1), ("another-name", 2), ("third", 3), ("web", 4)] {
        let mut bench =
            Bench::named(name).dockerfile("FROM scratch\nCOPY . /srv/\nWORKDIR /srv\nCMD [\"/srv/a\"]\n");
        let order: Vec<usize> = if threads % 2 == 0 { (0..60).collect() } else { (0..60).rev().collect() };
        for i in order {
            bench = bench.file(&format!("d{}/f{i}", i % 7), &"x".repeat(i * 4096));
        }
        bench = bench.env("TZ", "Asia/Tokyo");
        let builder = Native::new(none()).unwrap().compression(Compression::default().threads(threads));
        digests.push(builder.build(&bench.cx(), &bench.request()).await.unwrap().digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[tokio::test]
async fn layers_are_compressed_as_the_options_say() {
    let bench = Bench::new()
        .dockerfile("FROM scratch\nCOPY a /\n")
        .file("a", &(0..40_000).map(|at| format!("{} ", at * at % 8_191)).collect::<String>());
    let mut sizes = Vec::new();
    for (compression, media_type) in [
        (LayerCompression::gzip().level(1), media::LAYER_GZIP),
        (LayerCompression::gzip(), media::LAYER_GZIP),
        (LayerCompression::zstd(), media::LAYER_ZSTD),
    ] {
        let image = bench.build(none().compression(compression)).await.unwrap();
        let layout = Layout::new(Arc::new(HostDisk), bench.root().join("layout"));
        let layer = read_image(&layout, &image.digest, None).await.unwrap().manifest.layers.remove(0);
        assert_eq!(layer.media_type, media_type);
        sizes.push(layer.size);
    }
    assert!(sizes[0] > sizes[1], "{sizes:?}");
}

#[tokio::test]
async fn what_a_command_makes_does_not_hang_on_its_umask() {
    let mut digests = Vec::new();
    for umask in ["000", "022", "077"] {
        let bench = Bench::new().file("umask", umask);
        let script = r#"umask $(cat umask); mkdir -p "$1/d"; echo x > "$1/d/f"; cp /bin/sh "$1/d/x""#;
        let config = none()
            .base("scratch")
            .prepare(Prepare::new(["sh", "-c", script, "-", "{output}"]))
            .file(FileCopy::new("{output}/d", "/d"));
        digests.push(bench.build(config).await.unwrap().digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[tokio::test]
async fn a_build_that_is_forced_to_stop_leaves_nothing_running_and_no_tag() {
    let bench = Bench::new();
    let options =
        none().base("scratch").prepare(Prepare::new(["sh", "-c", "echo $$ > pid; sleep 60; sleep 60"]));
    let cancel = Cancel::new();
    let cx = RunContext::new(bench.world(), "run").context(None, None, cancel.clone());
    let pid = bench.path("pid");
    let force = async {
        while !pid.exists() {
            tokio::task::yield_now().await;
        }
        cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let builder = Native::new(options).unwrap();
    let request = bench.request();
    let (image, ()) = tokio::join!(builder.build(&cx, &request), force);
    assert_eq!(image.expect_err("stopped").kind(), ErrorKind::Cancelled);
    assert!(!bench.root().join("layout/index.json").exists());
    let text = std::fs::read_to_string(pid).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", text.trim())).unwrap_or_default();
    assert!(status.is_empty() || status.contains("State:\tZ"), "still running: {status}");
}
