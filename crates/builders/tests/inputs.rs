//! What the native builder declares: exactly what counts.
#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(clippy::disallowed_methods, reason = "tests prepare their sources")]
#![expect(unreachable_pub, reason = "the tests share a module")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::{fmt::Write as _, os::unix::fs::PermissionsExt as _};

use shipway_builders::{FileCopy, LayerCompression, Native, NativeConfig, Prepare};
use shipway_core::{Builder as _, Inputs, Snapshot};
use shipway_oci::Compression;
use support::Bench;

async fn inputs(bench: &Bench, config: NativeConfig) -> Inputs {
    Native::new(config).unwrap().inputs(&bench.cx(), &bench.artifact).await.unwrap()
}

/// Returns the files, trees and images, a line each.
fn shown(inputs: &Inputs) -> String {
    let mut text = String::new();
    for file in &inputs.files {
        writeln!(text, "file {}", file.display()).unwrap();
    }
    for tree in &inputs.trees {
        writeln!(text, "tree {} {:?}", tree.root.display(), tree.ignore).unwrap();
    }
    for image in &inputs.images {
        writeln!(text, "image {:?} {}", image.store, image.reference).unwrap();
    }
    text
}

#[tokio::test]
async fn a_dockerfile_reads_only_what_it_copies() {
    let text = "ARG FROM=registry.example/base:1\nFROM $FROM\nARG D=src\nENV E=$D/b\nCOPY a $D/x.rs $E /s/\nCOPY gone* *.md missing /\n";
    let bench = Bench::new()
        .dockerfile(text)
        .file(".dockerignore", "*.log\n!keep.log\n")
        .file("a", "")
        .file("src/x.rs", "")
        .file("src/b/c", "")
        .file("other", "");
    insta::assert_snapshot!(shown(&inputs(&bench, NativeConfig::default()).await), @r#"
    file web/.dockerignore
    file web/Dockerfile
    file web/Dockerfile.dockerignore
    file web/missing
    tree web ["*", "!*.md", "!a", "!gone*", "!src/b", "!src/x.rs", "*.log"]
    image Registry registry.example/base:1
    "#);
    let bench = bench.dockerfile(&text.replace(" gone* *.md", ""));
    insta::assert_snapshot!(shown(&inputs(&bench, NativeConfig::default().arg("D", "other").arg("FROM", "scratch")).await), @r#"
    file web/.dockerignore
    file web/Dockerfile
    file web/Dockerfile.dockerignore
    file web/missing
    tree web ["*", "!a", "!other/b", "!other/x.rs", "*.log"]
    "#);
}

#[tokio::test]
async fn a_source_that_hangs_on_the_base_may_be_anything() {
    let bench = Bench::new().file("a", "").dockerfile("FROM lib\nENV X=${DIR:-a}\nCOPY $X /\n");
    let config = NativeConfig::default().context("lib", "images/lib");
    insta::assert_snapshot!(shown(&inputs(&bench, config).await), @r#"
    file web/.dockerignore
    file web/Dockerfile
    file web/Dockerfile.dockerignore
    tree web []
    image Layout("images/lib") lib:latest
    "#);
    let bench = bench.dockerfile("FROM scratch\nENV X=${DIR:-a}\nCOPY $X /\n");
    insta::assert_snapshot!(shown(&inputs(&bench, NativeConfig::default()).await), @r#"
    file web/.dockerignore
    file web/Dockerfile
    file web/Dockerfile.dockerignore
    tree web ["*", "!a"]
    "#);
}

#[tokio::test]
async fn the_mode_of_a_left_out_folder_counts_where_it_comes_in() {
    let bench = Bench::new()
        .dockerfile("FROM scratch\nCOPY . /\n")
        .file(".dockerignore", "*\n!src/main.rs\n")
        .file("src/main.rs", "");
    let made = async || {
        let inputs = inputs(&bench, NativeConfig::default()).await;
        let fingerprint = Snapshot::take(&bench.cx(), &inputs).await.unwrap().fingerprint();
        (fingerprint, bench.build(NativeConfig::default()).await.unwrap().digest)
    };
    let before = made().await;
    std::fs::set_permissions(bench.path("src"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let after = made().await;
    assert!(before.0 != after.0 && before.1 != after.1, "{before:?} {after:?}");
}

#[tokio::test]
async fn links_count_and_what_they_lead_to() {
    let bench = Bench::new()
        .dockerfile("FROM scratch\nCOPY a /\nCOPY *.conf /\nCOPY gone /\nCOPY lib/*.so /\n")
        .file("b", "")
        .file("v1/x", "")
        .link("a", "b")
        .link("c.conf", "conf")
        .link("gone", "nothing/x")
        .link("lib", "./v1");
    insta::assert_snapshot!(shown(&inputs(&bench, NativeConfig::default()).await), @r#"
    file web/.dockerignore
    file web/Dockerfile
    file web/Dockerfile.dockerignore
    file web/conf
    file web/nothing
    tree web ["*", "!*.conf", "!a", "!b", "!c.conf", "!gone", "!lib", "!lib/*.so", "!v1/*.so"]
    "#);
}

#[tokio::test]
async fn options_read_what_they_and_their_commands_name() {
    let bench = Bench::new()
        .file(".dockerignore", "cmd\n")
        .file("a b", "")
        .file("cmd/main.go", "")
        .file("go.mod", "");
    let config = NativeConfig::default()
        .base("scratch")
        .file(FileCopy::new("a b", "/"))
        .file(FileCopy::new("{output}/web", "/web"))
        .prepare(Prepare::new(["go", "build"]).dependencies(["cmd", "./go.mod", "vendor"]));
    let inputs = inputs(&bench, config).await;
    insta::assert_snapshot!(shown(&inputs), @r#"
    file web/.dockerignore
    file web/vendor
    tree web ["*", "!a[ ]b", "cmd"]
    tree web ["*", "!cmd", "!go.mod"]
    "#);
    let facts: Vec<&str> = inputs.facts.keys().map(String::as_str).collect();
    assert_eq!(facts, ["SOURCE_DATE_EPOCH", "layers", "options", "platform here"]);
    let options = &inputs.facts["options"];
    assert!(options.contains(r#""command":["go","build"]"#), "{options}");
}

#[tokio::test]
async fn how_layers_are_compressed_decides_the_key() {
    let bench = Bench::new().file("Dockerfile", "FROM scratch\nCOPY a /\n").file("a", "");
    let mut seen = Vec::new();
    for (compression, expected) in [
        (None, "form 2, gzip level 6"),
        (Some(LayerCompression::gzip().level(1)), "form 2, gzip level 1"),
        (Some(LayerCompression::zstd()), "form 2, zstd level 3"),
        (Some(LayerCompression::zstd().level(6)), "form 2, zstd level 6"),
    ] {
        let mut config = NativeConfig::default();
        config.compression = compression;
        let facts = inputs(&bench, config).await.facts;
        assert_eq!(facts["layers"], expected);
        seen.push(facts["options"].clone());
    }
    seen.dedup();
    assert_eq!(seen.len(), 4);
    // Whatever an embedder sets besides the options counts too.
    let native = Native::new(NativeConfig::default()).unwrap().compression(Compression::zstd(9));
    let facts = native.inputs(&bench.cx(), &bench.artifact).await.unwrap().facts;
    assert_eq!(facts["layers"], "form 2, zstd level 9");
}

#[tokio::test]
async fn a_command_sees_and_depends_on_the_variables_that_it_names() {
    let bench = Bench::new().env("MODE", "debug").env("OTHER", "secret");
    let command = ["/bin/sh", "-c", "echo ${MODE-none} ${OTHER-none} >{output}/seen"];
    let config = NativeConfig::default()
        .base("scratch")
        .prepare(Prepare::new(command).inherit(["MODE", "GONE"]))
        .file(FileCopy::new("{output}/seen", "/seen"));
    let inputs = inputs(&bench, config.clone()).await;
    assert_eq!(
        (inputs.facts["variable MODE"].as_str(), inputs.facts["variable GONE"].as_str()),
        ("= debug", "absent")
    );
    assert!(!inputs.facts.contains_key("variable OTHER"));
    // A command that names no files may read any.
    assert!(shown(&inputs).contains("tree web []"), "{}", shown(&inputs));
    let image = bench.build(config).await.unwrap();
    let look = bench.look(&image).await;
    let text = String::from_utf8_lossy(&look.all_bytes()).into_owned();
    assert!(text.contains("debug none"), "{text}");
}

#[tokio::test]
async fn the_machine_counts_where_its_platform_does() {
    for (text, platforms, counts) in [
        ("FROM scratch\n", vec![], true),
        ("FROM scratch\n", vec!["linux/arm64"], false),
        ("FROM --platform=$BUILDPLATFORM scratch\n", vec!["linux/arm64"], true),
    ] {
        let mut bench = Bench::new().dockerfile(text);
        bench.artifact.platforms = platforms.iter().map(|platform| platform.parse().unwrap()).collect();
        let inputs = inputs(&bench, NativeConfig::default()).await;
        assert_eq!(inputs.facts.contains_key("platform here"), counts, "{text} {platforms:?}");
    }
}

#[tokio::test]
async fn the_declaration_says_only_what_counts_and_is_the_same_again() {
    let bench = Bench::new().dockerfile("FROM scratch\nCOPY . /\n").file("a", "1");
    let config = || NativeConfig::default();
    let first = inputs(&bench, config()).await;
    assert_eq!(inputs(&bench, config()).await, first);
    let epoch =
        Bench::new().dockerfile("FROM scratch\nCOPY . /\n").env("SOURCE_DATE_EPOCH", "1").env("OTHER", "x");
    let other = inputs(&epoch, config()).await;
    assert_eq!(other.facts["SOURCE_DATE_EPOCH"], "1");
    assert_eq!((other.files, other.trees), (first.files, first.trees));
    assert_ne!(inputs(&bench, config().arg("A", "b")).await.facts, first.facts);
}
