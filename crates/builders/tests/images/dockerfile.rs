//! Images of Dockerfiles.

use shipway_core::Platform;

use crate::{none, support::Bench};

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
