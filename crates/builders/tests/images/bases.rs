//! Images upon other images, and for several platforms.

use std::sync::Arc;

use shipway_core::{ErrorKind, HostDisk, Platform, Store, Tag};
use shipway_oci::{
    Descriptor, Distribution as _, ImageFiles, ImageManifest, Layout, Limits, Registry, digest_of, media,
};

use crate::{none, support::Bench};

#[tokio::test]
async fn a_base_is_a_layout_a_required_artifact_or_a_registry_s() {
    let base = Bench::new()
        .dockerfile("FROM scratch\nENV APP=/opt/app\nCOPY . /\nWORKDIR $APP\nENTRYPOINT [\"/bin/e\"]\nCMD [\"c\"]\nUSER 7\n")
        .file(".dockerignore", "Dockerfile\n.dockerignore\n")
        .file("usr/bin/e", "e")
        .link("bin", "usr/bin");
    let base_image = base.build(none()).await.unwrap();
    let text = "FROM lib\nCOPY x $APP/\nCOPY x /bin\nCOPY d/ /\nCOPY x /bin/y\nCOPY x sub/z\nCMD [\"d\"]\n";
    let bench = || Bench::new().dockerfile(text).file("x", "x").file("d/usr/bin/w", "w").file("d/new/v", "v");

    let named = bench();
    let layout = base.root().join("layout:v1");
    let image = named.build(none().context("lib", layout.to_string_lossy())).await.unwrap();
    let look = named.look(&image).await;
    insta::assert_snapshot!(look.files(), @"
    0777 0:0 0 bin -> usr/bin
    0755 0:0 0 usr/
    0755 0:0 0 usr/bin/
    0644 0:0 0 usr/bin/e = e
    --
    0755 0:0 0 opt/
    0755 0:0 0 opt/app/
    --
    0644 0:0 0 opt/app/x = x
    --
    0644 0:0 0 usr/bin/x = x
    --
    0755 0:0 0 new/
    0644 0:0 0 new/v = v
    0755 0:0 0 usr/
    0755 0:0 0 usr/bin/
    0644 0:0 0 usr/bin/w = w
    --
    0644 0:0 0 usr/bin/y = x
    --
    0755 0:0 0 opt/app/sub/
    0644 0:0 0 opt/app/sub/z = x
    ");
    assert_eq!(look.digests[..2], base.look(&base_image).await.digests);
    insta::assert_snapshot!(look.config["config"], @r#"{"Cmd":["d"],"Entrypoint":["/bin/e"],"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","APP=/opt/app"],"User":"7","WorkingDir":"/opt/app"}"#);

    let mut required = bench();
    required.artifact.requires.insert("lib".to_owned(), "base".to_owned());
    let mut base_image = base_image;
    base_image.store = Store::Layout(base.root().join("layout"));
    let mut request = required.request();
    request.requires.insert("lib".to_owned(), base_image);
    assert_eq!(required.build_request(&request, none()).await.unwrap().digest, image.digest);

    let registry = Registry::start(base.root().join("registry"), Arc::new(HostDisk)).await.unwrap();
    let repository = format!("{}/team/lib", registry.host());
    let mut request = base.request();
    request.target.store = Store::Registry;
    request.target.repository.clone_from(&repository);
    let pushed = base.build_request(&request, none()).await.unwrap();
    let from_registry = bench().dockerfile(&text.replace("FROM lib", &format!("FROM {repository}:v1")));
    assert_eq!(from_registry.build(none()).await.unwrap().digest, image.digest);
    let pinned = bench().dockerfile(&text.replace("FROM lib", &format!("FROM {}", pushed.reference())));
    let mut request = pinned.request();
    request.target.store = Store::Registry;
    request.target.repository = format!("{}/team/web", registry.host());
    let built = pinned.build_request(&request, none()).await.unwrap();
    assert_eq!((built.digest, built.store), (image.digest, Store::Registry));
    let missing = bench().dockerfile(&format!("FROM {repository}:v2\n"));
    let report = missing.refused(none()).await.replace(&registry.host(), "HOST");
    insta::assert_snapshot!(report, @"
    not found: web/Dockerfile:1:1: there is no image `HOST/team/lib:v2`
      note: its repository has no tag `v2`
      hint: check the name, or push the image first
    ");
    registry.shutdown().await;
}

/// Writes an image of no layers with this configuration beside the bench's context.
async fn bare_image(bench: &Bench, settings: &str) {
    let layout = Layout::new(Arc::new(HostDisk), bench.root().join("bare"));
    let architecture = Platform::linux_here().architecture;
    let config = format!(
        r#"{{"os":"linux","architecture":"{architecture}","rootfs":{{"diff_ids":[]}},"config":{settings}}}"#
    );
    let descriptor = Descriptor::new(media::CONFIG, digest_of(config.as_bytes()), config.len() as u64);
    layout.write_blob(&descriptor, Box::pin(std::io::Cursor::new(config))).await.unwrap();
    let manifest = ImageManifest::new(descriptor, Vec::new()).to_json();
    let tag = Tag::parse("latest").unwrap();
    layout.write_manifest(media::MANIFEST, manifest, Some(&tag)).await.unwrap();
}

#[tokio::test]
async fn a_base_decides_the_shell_and_the_command_and_its_triggers_run() {
    let bench = Bench::new().dockerfile("FROM bare\nENTRYPOINT a b\nENV A=${B:-no}\n");
    let options = || none().context("bare", "bare");
    bare_image(
        &bench,
        r#"{"Shell":["/bin/bash","-ec"],"Cmd":["old"],"Env":["B=yes"],"Healthcheck":{"Test":["NONE"]}}"#,
    )
    .await;
    let image = bench.build(options()).await.unwrap();
    assert_eq!(image.platforms, [Platform::linux_here()]);
    let look = bench.look(&image).await;
    insta::assert_snapshot!(look.config["config"], @r#"{"Entrypoint":["/bin/bash","-ec","a b"],"Env":["B=yes","PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=yes"],"Healthcheck":{"Test":["NONE"]},"Shell":["/bin/bash","-ec"]}"#);

    let bench = bench.dockerfile("FROM bare\nCMD [\"new\"]\n");
    bare_image(&bench, r#"{"Cmd":["old"],"OnBuild":["RUN make"]}"#).await;
    insta::assert_snapshot!(bench.refused(options()).await, @"
    unsupported: web/Dockerfile:1:1: builder `native` does not run commands
      hint: use a builder that can: `docker`, `buildkit` or `kaniko`
    ");
}

#[tokio::test]
async fn a_base_is_for_the_platform_of_the_build() {
    let mut base = Bench::new().dockerfile("FROM scratch\n");
    base.artifact.platforms = vec!["linux/riscv64".parse().unwrap()];
    base.build(none()).await.unwrap();
    let layout = base.root().join("layout:v1");
    let options = || none().context("lib", layout.to_string_lossy());
    let mut bench = Bench::new().dockerfile("FROM lib\nARG TARGETARCH\nENV A=$TARGETARCH\n");
    let report = bench.refused(options()).await.replace(&Platform::linux_here().to_string(), "HERE");
    insta::assert_snapshot!(report, @"
    config: web/Dockerfile:1:1: the image `lib` is for `linux/riscv64`, and the build is for `HERE`
      hint: take a base that is for `HERE` too, or ask for `linux/riscv64` in the artifact's `platforms`
    ");
    bench.artifact.platforms = vec!["linux/riscv64".parse().unwrap()];
    let look = bench.look(&bench.build(options()).await.unwrap()).await;
    assert_eq!(look.config["config"]["Env"][1], "A=riscv64");

    // Two spellings of one platform.
    let mut bench = Bench::new().dockerfile("FROM --platform=linux/arm64 scratch\n");
    bench.artifact.platforms = vec!["linux/arm64/v8".parse().unwrap()];
    assert!(bench.build(none()).await.is_ok());
    let bench = bench.dockerfile("FROM --platform=linux/arm lib\n");
    let refused = bench.refused(options()).await;
    assert!(refused.starts_with("config: web/Dockerfile:1:1: `FROM` is for `linux/arm/v7`"), "{refused}");
    // Nothing is for every platform.
    let bench = bench.dockerfile("FROM --platform=linux/arm scratch\n");
    assert_eq!(bench.look(&bench.build(none()).await.unwrap()).await.config["architecture"], "arm64");
}

#[tokio::test]
async fn a_link_of_the_base_that_leads_to_nothing_yet_is_followed() {
    let base = Bench::new().dockerfile("FROM scratch\nCOPY d/ /\n").file("d/x", "").link("d/app", "/opt/app");
    base.build(none()).await.unwrap();
    let bench =
        Bench::new().dockerfile("FROM lib\nCOPY f /app/\nWORKDIR /app/sub\nCOPY f .\n").file("f", "f");
    let options = none().context("lib", base.root().join("layout:v1").to_string_lossy());
    let look = bench.look(&bench.build(options).await.unwrap()).await;
    insta::assert_snapshot!(look.files(), @"
    0777 0:0 0 app -> /opt/app
    0644 0:0 0 x
    --
    0755 0:0 0 opt/
    0755 0:0 0 opt/app/
    0644 0:0 0 opt/app/f = f
    --
    0755 0:0 0 opt/app/sub/
    --
    0644 0:0 0 opt/app/sub/f = f
    ");
}

#[tokio::test]
async fn several_platforms_are_one_index_and_a_daemon_is_not_supported() {
    let text = "FROM scratch\nARG TARGETARCH\nCOPY a-$TARGETARCH common /x/\n";
    let mut bench = Bench::new().dockerfile(text);
    bench = bench.file("a-amd64", "1").file("a-arm64", "2").file("common", "c").file("a-s390x", "3");
    let platforms = [Platform::new("linux", "amd64"), Platform::new("linux", "arm64")];
    bench.artifact.platforms = platforms.to_vec();
    let image = bench.build(none()).await.unwrap();
    assert_eq!(image.platforms, platforms);
    let layout = Layout::new(Arc::new(HostDisk), bench.root().join("layout"));
    for platform in &platforms {
        let found = shipway_oci::read_image(&layout, &image.digest, Some(platform)).await.unwrap();
        assert_eq!(found.config.platform, *platform);
        let files = ImageFiles::read(&layout, &found.manifest.layers, Limits::default()).await.unwrap();
        let name = format!("a-{}", platform.architecture);
        assert_eq!(files.names("x").unwrap().unwrap(), [name.as_str(), "common"]);
    }
    bench.artifact.platforms = vec![Platform::new("linux", "arm64")];
    let image = bench.build(none()).await.unwrap();
    assert_eq!(image.platforms, [Platform::new("linux", "arm64")]);
    let mut request = bench.request();
    request.target.store = Store::Daemon("unix:///x".to_owned());
    let error = bench.build_request(&request, none()).await.expect_err("a daemon");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
