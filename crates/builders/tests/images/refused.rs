//! What is refused, and in which words.

use shipway_core::ErrorKind;

use crate::{none, support::Bench};

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
