//! Images of Dockerfiles and of options, built into a layout and read back.
#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(clippy::disallowed_methods, reason = "tests prepare their sources and look at what came out")]
#![expect(unreachable_pub, reason = "the tests share a module")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::sync::Arc;

use shipway_builders::{FileCopy, ImageSettings, Mode, Native, NativeConfig, Owner, Prepare};
use shipway_core::{
    Builder as _, Cancel, CancelReason, ErrorKind, HostDisk, Platform, RunContext, Stage, Store, Tag,
};
use shipway_oci::{
    Compression, Descriptor, Distribution as _, ImageFiles, ImageManifest, Layout, Limits, Registry,
    digest_of, media,
};
use support::Bench;

fn none() -> NativeConfig {
    NativeConfig::default()
}

#[tokio::test]
async fn a_dockerfile_becomes_an_image() {
    let bench = Bench::new()
        .dockerfile(
            r#"# syntax=docker/dockerfile:1
ARG NAME=app
FROM scratch
ARG NAME
ARG VERSION=1
ENV HOME=/home GREETING="hello ${NAME:-nobody}" PLUS=${NONE:+x}${VERSION:+y}
LABEL version=$VERSION org.example.name="$NAME"
WORKDIR /srv
WORKDIR $NAME
COPY bin/run LICENSE ./
COPY --chown=65532:65532 --chmod=0640 static static/
COPY *.txt /notes/
COPY bin/run /usr/local/bin/$NAME
USER 65532
EXPOSE 8080 53/udp
ENTRYPOINT ["./run", "--x"]
CMD exec "$GREETING"
"#,
        )
        .file_with_mode("bin/run", "#!run", 0o755)
        .file("LICENSE", "free")
        .file_with_mode("static/index.html", "<p>", 0o600)
        .file("static/css/a.css", "p{}")
        .link("static/latest", "css/a.css")
        .file("one.txt", "1")
        .file("two.txt", "2")
        .file("three.md", "3");
    let image = bench.build(none().arg("VERSION", "7")).await.unwrap();
    assert_eq!(image.platforms, [Platform::linux_here()]);
    assert_eq!(image.tag.as_ref().unwrap().as_str(), "v1");
    let look = bench.look(&image).await;
    insta::assert_snapshot!(look.files(), @"
    0755 0:0 0 srv/
    --
    0755 0:0 0 srv/app/
    --
    0644 0:0 0 srv/app/LICENSE = free
    0755 0:0 0 srv/app/run = #!run
    --
    0640 65532:65532 0 srv/app/static/
    0640 65532:65532 0 srv/app/static/css/
    0640 65532:65532 0 srv/app/static/css/a.css = p{}
    0640 65532:65532 0 srv/app/static/index.html = <p>
    0777 65532:65532 0 srv/app/static/latest -> css/a.css
    --
    0755 0:0 0 notes/
    0644 0:0 0 notes/one.txt = 1
    0644 0:0 0 notes/two.txt = 2
    --
    0755 0:0 0 usr/
    0755 0:0 0 usr/local/
    0755 0:0 0 usr/local/bin/
    0755 0:0 0 usr/local/bin/app = #!run
    ");
    let mut config = look.config;
    config.as_object_mut().unwrap().remove("architecture");
    config["rootfs"]["diff_ids"] = config["rootfs"]["diff_ids"].as_array().unwrap().len().into();
    insta::assert_snapshot!(format!("{config:#}"), @r#"
    {
      "config": {
        "Cmd": [
          "/bin/sh",
          "-c",
          "exec \"$GREETING\""
        ],
        "Entrypoint": [
          "./run",
          "--x"
        ],
        "Env": [
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          "HOME=/home",
          "GREETING=hello app",
          "PLUS=y"
        ],
        "ExposedPorts": {
          "53/udp": {},
          "8080/tcp": {}
        },
        "Labels": {
          "org.example.name": "app",
          "version": "7"
        },
        "User": "65532",
        "WorkingDir": "/srv/app"
      },
      "created": "1970-01-01T00:00:00Z",
      "history": [
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "ARG NAME",
          "empty_layer": true
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "ARG VERSION=1",
          "empty_layer": true
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "ENV HOME=/home GREETING=\"hello ${NAME:-nobody}\" PLUS=${NONE:+x}${VERSION:+y}",
          "empty_layer": true
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "LABEL version=$VERSION org.example.name=\"$NAME\"",
          "empty_layer": true
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "WORKDIR /srv"
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "WORKDIR $NAME"
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "COPY bin/run LICENSE ./"
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "COPY --chown=65532:65532 --chmod=0640 static static/"
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "COPY *.txt /notes/"
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "COPY bin/run /usr/local/bin/$NAME"
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "USER 65532",
          "empty_layer": true
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "EXPOSE 8080 53/udp",
          "empty_layer": true
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "ENTRYPOINT [\"./run\", \"--x\"]",
          "empty_layer": true
        },
        {
          "created": "1970-01-01T00:00:00Z",
          "created_by": "CMD exec \"$GREETING\"",
          "empty_layer": true
        }
      ],
      "os": "linux",
      "rootfs": {
        "diff_ids": 6,
        "type": "layers"
      }
    }
    "#);
}

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
async fn ignored_files_stay_out_and_kept_ones_come_in_with_their_folder() {
    let bench = Bench::new()
        .dockerfile("FROM scratch\nCOPY . /all/\nCOPY docs /docs\n")
        .file(".dockerignore", "# comment\n*.log\ndocs\n!docs/keep/*.md\n/Dockerfile\n")
        .file("a", "a")
        .file("x.log", "log")
        .file("docs/no.md", "no")
        .file("docs/keep/yes.md", "yes");
    let look = bench.look(&bench.build(none()).await.unwrap()).await;
    insta::assert_snapshot!(look.files(), @"
    0755 0:0 0 all/
    0644 0:0 0 all/.dockerignore = # comment
    *.log
    docs
    !docs/keep/*.md
    /Dockerfile

    0644 0:0 0 all/a = a
    0755 0:0 0 all/docs/
    0755 0:0 0 all/docs/keep/
    0644 0:0 0 all/docs/keep/yes.md = yes
    --
    0755 0:0 0 docs/
    0755 0:0 0 docs/keep/
    0644 0:0 0 docs/keep/yes.md = yes
    ");

    let bench = bench.file("Dockerfile.dockerignore", "**\n!a\n!docs/no.md\n");
    let look = bench.look(&bench.build(none()).await.unwrap()).await;
    insta::assert_snapshot!(look.files(), @"
    0755 0:0 0 all/
    0644 0:0 0 all/a = a
    0755 0:0 0 all/docs/
    0644 0:0 0 all/docs/no.md = no
    --
    0755 0:0 0 docs/
    0644 0:0 0 docs/no.md = no
    ");
}

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
async fn a_link_that_a_copy_names_is_followed_inside_the_context() {
    let text = "FROM scratch\nCOPY app.conf /etc/app.conf\nCOPY app.conf abs /by-name/\nCOPY *.conf l[i]b /by-pattern/\n\
                COPY lib /lib\nCOPY lib/deep /deep\nCOPY lib/*.so /so/\nCOPY all/real/x/../app /\n";
    let bench = Bench::new()
        .dockerfile(text)
        .file("real/app", "conf")
        .file("real/x/y", "y")
        .file("real/[1]/c.so", "so")
        .link("real/[1]/deep", "../x")
        .link("app.conf", "real/./app")
        .link("abs", "/app.conf")
        .link("lib", "../../real/[1]")
        .link("all", ".");
    let look = bench.look(&bench.build(none()).await.unwrap()).await;
    insta::assert_snapshot!(look.files(), @"
    0755 0:0 0 etc/
    0644 0:0 0 etc/app.conf = conf
    --
    0755 0:0 0 by-name/
    0644 0:0 0 by-name/abs = conf
    0644 0:0 0 by-name/app.conf = conf
    --
    0755 0:0 0 by-pattern/
    0644 0:0 0 by-pattern/app.conf = conf
    0644 0:0 0 by-pattern/c.so = so
    0777 0:0 0 by-pattern/deep -> ../x
    --
    0755 0:0 0 lib/
    0644 0:0 0 lib/c.so = so
    0777 0:0 0 lib/deep -> ../x
    --
    0755 0:0 0 deep/
    0644 0:0 0 deep/y = y
    --
    0755 0:0 0 so/
    0644 0:0 0 so/c.so = so
    --
    0644 0:0 0 app = conf
    ");

    for ignored in ["real", "abs", "app.conf"] {
        let bench = Bench::new()
            .dockerfile("FROM scratch\nCOPY abs /\n")
            .file(".dockerignore", ignored)
            .file("real", "")
            .link("app.conf", "real")
            .link("abs", "/app.conf");
        let report = bench.refused(none()).await;
        let start = "not found: web/Dockerfile:2:1: `abs` is not there";
        assert!(report.starts_with(start) && report.contains(".dockerignore"), "{report}");
    }
}

#[tokio::test]
async fn a_copy_replaces_like_by_like_only() {
    let copies = |copies: &str| format!("FROM scratch\nCOPY lib/ /lib/\nCOPY f /file\n{copies}\n");
    for (copy, said) in [
        ("COPY over /", "`/lib` is a folder in the image, and the copy is none"),
        ("COPY lib /file", "`/file` is not a folder in the image, and the copy is one"),
    ] {
        let bench =
            Bench::new().file("lib/libc", "1").file("f", "1").file("over/x", "").link("over/lib", "target");
        let bench = bench.dockerfile(&copies(copy));
        let refused = bench.refused(none()).await;
        assert!(refused.contains(said) && refused.contains("web/Dockerfile:4:1"), "{refused}");
    }
    let bench =
        Bench::new().file("lib/libc", "1").file("f", "1").dockerfile(&copies("COPY lib /lib\nCOPY f /file"));
    assert!(bench.build(none()).await.is_ok());
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

#[tokio::test]
async fn errors_have_a_kind_a_place_and_a_hint() {
    let refused = async |dockerfile: &str| {
        let bench = Bench::new().dockerfile(dockerfile).file("a", "a").file("b", "b").file("d/c", "c");
        bench.refused(none()).await
    };
    let mut all = String::new();
    for dockerfile in [
        "FROM scratch\nCOPY a /\n  RUN make\n",
        "FROM scratch AS a\nFROM scratch\nRUN make\n",
        "FROM scratch AS a\nCOPY --from=b a /\nFROM a AS b\n",
        "FROM scratch\nADD https://example.com/a.tar /\n",
        "FROM scratch\nCOPY git@example.com:a/b.git /\n",
        "FROM scratch\nADD --checksum=sha256:0 a /\n",
        "FROM scratch\nCOPY --frm=x a /\n",
        "FROM scratch\nCOPY --from=$X a /\n",
        "FROM scratch\nCOPY --from=scratch a /\n",
        "FROM scratch AS x\nFROM scratch\nCOPY --from=x a /\n",
        "FROM scratch\nCOPY --chmod=u+q a /\n",
        "FROM scratch\nCOPY nothing /\n",
        "FROM scratch\nCOPY nothing/* /\n",
        "FROM scratch\nCOPY ../secret /\n",
        "FROM scratch\nCOPY a b /one\n",
        "FROM scratch\nCOPY [ab] /one\n",
        "FROM scratch\nCOPY [a /one\n",
        "FROM scratch\nCOPY a /x\nCOPY b /x/y\n",
        "FROM scratch\nENV A=$\\{B\nENV C=${B\n",
        "FROM scratch\nEXPOSE x:80\n",
        "FROM scratch\nSTOPSIGNAL SIGNONE\n",
        "FROM scratch\nSHELL /bin/sh -c\n",
        "FROM scratch\nHEALTHCHECK --interval=1 CMD a\n",
        "FROM scratch\nCOPY <<EOF /a\nx\n",
        "FROM scratch\nONBUILD FROM a\n",
        "FROM scratch AS a\nONBUILD COPY nothing /\nFROM a\n",
        "FROM scratch\nCOPPY a /\n",
        "FROM $BASE\n",
        "FROM Not:A:Name\n",
        "FROM --platform=x scratch\n",
    ] {
        all.push_str(&refused(dockerfile).await);
        all.push('\n');
    }
    insta::assert_snapshot!(all, @r#"
    unsupported: web/Dockerfile:3:3: builder `native` does not run commands
      hint: use a builder that can: `docker`, `buildkit` or `kaniko`
    unsupported: web/Dockerfile:3:1: builder `native` does not run commands
      hint: use a builder that can: `docker`, `buildkit` or `kaniko`
    config: web/Dockerfile:2:6: the stage `b` is not before the one that copies from it
      hint: move it up: a stage copies from those above it
    unsupported: web/Dockerfile:2:1: builder `native` does not fetch `https://example.com/a.tar`
      hint: use a builder that can: `docker`, `buildkit` or `kaniko`
    config: web/Dockerfile:2:1: `COPY` does not fetch `git@example.com:a/b.git`
      hint: use `ADD`, with a builder that can: `docker`, `buildkit` or `kaniko`
    unsupported: web/Dockerfile:2:5: builder `native` does not know `ADD --checksum`
      hint: use a builder that can: `docker`, `buildkit` or `kaniko`
    config: web/Dockerfile:2:6: COPY has no flag `--frm`
      hint: did you mean `--from`?
    config: web/Dockerfile:2:6: `--from=$X` has a variable
      hint: write `FROM $X AS name` and `--from=name`, with the ARG before the first FROM
    config: web/Dockerfile:2:1: `--from=scratch` has no files
      hint: name a stage or an image
    not found: web/Dockerfile:3:1: `a` is not there
      hint: check the path; it begins at the root of what `--from` names
    config: web/Dockerfile:2:6: `u+q` is not a mode
      hint: write it in octal, such as `0755`, or as chmod has it, such as `u=rwX,go=rX`
    not found: web/Dockerfile:2:1: `nothing` is not there
      note: looked for in `ROOT/web`
      hint: check the path; it begins at the artifact's context
    not found: web/Dockerfile:2:1: `nothing/*` is not there
      note: looked for in `ROOT/web`
      hint: check the path; it begins at the artifact's context
    config: web/Dockerfile:2:1: `../secret` leads out of the context
      hint: move the file below it, or choose a folder above as the artifact's context
    config: web/Dockerfile:2:1: several files cannot be copied to the one path `/one`
      hint: end it with `/` to mean a folder: `/one/`
    config: web/Dockerfile:2:1: several files cannot be copied to the one path `/one`
      hint: end it with `/` to mean a folder: `/one/`
    config: web/Dockerfile:2:1: pattern `[a` is malformed
      hint: close each `[` with `]`, and write nothing after a last `\`
    config: web/Dockerfile:3:1: `/x` is a file in the image, so nothing can be below it
      hint: copy to another path
    config: web/Dockerfile:3:1: `${B` has a `${` without its `}`
      hint: close each quote and each `${`, and write `\$` for a `$` of its own
    config: web/Dockerfile:2:1: `x:80` is not a port
      hint: write `8080`, `53/udp` or `8000-8010`; ports of the host are chosen when it is deployed
    config: web/Dockerfile:2:1: `SIGNONE` is not a signal
      hint: write its name or number, such as `SIGTERM` or `15`
    config: web/Dockerfile:2:1: SHELL requires a list
      hint: write it as JSON, such as `SHELL ["/bin/bash", "-c"]`
    config: web/Dockerfile:2:1: `--interval=1` is no time, such as `1m30s`
      hint: see the Dockerfile reference for this instruction's form
    config: web/Dockerfile:2:1: the here-document `EOF` has no end
      hint: end it with a line that is its name alone
    config: web/Dockerfile:2:1: FROM cannot be a trigger
      hint: see the Dockerfile reference for this instruction's form
    not found: web/Dockerfile:3:1: `nothing` is not there
      note: looked for in `ROOT/web`
      hint: check the path; it begins at the artifact's context
    config: web/Dockerfile:2:1: unknown instruction `COPPY`
      hint: did you mean `COPY`?
    config: web/Dockerfile:1:1: `$BASE` names no image
      hint: give the variable a default: `ARG BASE=…` before `FROM`
    config: web/Dockerfile:1:1: `Not:A:Name` is not a reference to an image
      hint: the name of a repository is in lower case
    config: web/Dockerfile:1:6: `x` is not a platform
      hint: a platform is `os/architecture` or `os/architecture/variant`, such as `linux/amd64`
    "#);
}

#[tokio::test]
async fn a_dockerfile_that_cannot_be_read_is_an_error() {
    assert!(
        Bench::new().refused(none()).await.starts_with("not found: there is no Dockerfile `web/Dockerfile`")
    );
    let bench = Bench::new().dockerfile(&"#".repeat(1024 * 1024 + 1));
    let error = bench.build(none()).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Config);
    insta::assert_snapshot!(error.report().to_string(), @"
    web/Dockerfile: `Dockerfile` has more than 1048576 bytes
      hint: such a file has at most 1 MiB; is it the right one?
    ");
    let bench = Bench::new();
    std::fs::write(bench.path("Dockerfile"), b"FROM scratch\n\xff").unwrap();
    assert!(bench.refused(none()).await.contains("is not UTF-8"));
    let bench =
        Bench::new().file("other/Dockerfile", "FROM scratch\n").link("Dockerfile", "other/Dockerfile");
    assert!(bench.refused(none()).await.contains("is not a regular file"));
    let bench = Bench::new().dockerfile("FROM scratch\n").file(".dockerignore", "a[\n");
    assert!(bench.refused(none()).await.starts_with("config: web/.dockerignore:1:1: "));
    let bench = bench.file(".dockerignore", "# a[\n\n  !b[  \na[\n");
    assert!(bench.refused(none()).await.starts_with("config: web/.dockerignore:3:1: "));
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
