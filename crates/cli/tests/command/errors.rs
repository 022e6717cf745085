//! What is wrong, as a person and a script see it.

use std::{
    fs::{self, OpenOptions},
    process::Stdio,
};

use crate::bench::{Bench, CONFIGURATION, ended, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_its_place_and_has_a_code_of_its_own() {
    let bench = Bench::new(&CONFIGURATION.replace("context: web", "contxt: web")).await;
    let output = bench.run("build").await;
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: skaffold.yaml:10:5: there is no field `contxt` here
      10 |     contxt: web
         |     ^^^^^^
      hint: did you mean `context`?
    ");
    let output = bench.run("build -f nowhere.yaml").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: there is no configuration `nowhere.yaml`
      hint: name a file, or a folder with a `skaffold.yaml`
    ");
    bench.write("skaffold.yaml", &CONFIGURATION.replace("memory: {}", "kpt: {}"));
    let output = bench.run("run").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: skaffold.yaml:12:3: the deployer `kpt` is not supported yet
      12 |   kpt: {}
         |   ^^^
    ");
}

/// Returns what the command says of a configuration that it refuses.
async fn refused(configuration: &str, line: &str) -> String {
    let bench = Bench::new(configuration).await;
    let output = bench.run(line).await;
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{line}");
    text(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_that_is_wrong_is_shown_with_a_mark() {
    let changed = async |from: &str, to: &str| {
        let configuration = CONFIGURATION.replace(from, to);
        assert_ne!(configuration, CONFIGURATION);
        refused(&configuration, "plan --builder native -d REGISTRY/team").await
    };
    // A type that it does not have.
    insta::assert_snapshot!(changed("image: web", "image: [web]").await, @r"
    error: skaffold.yaml:9:12: expected a text, found a list
      9 |   - image: [web]
        |            ^
    ");
    insta::assert_snapshot!(changed("v4beta14", "v4beta99").await, @r"
    error: skaffold.yaml:1:13: `skaffold/v4beta99` is newer than all that is known here
      1 | apiVersion: skaffold/v4beta99
        |             ^^^^^^^^^^^^^^^^^
      hint: the newest is `skaffold/v4beta14`
    ");
    insta::assert_snapshot!(changed("skaffold/v4", "skafold/v4").await, @r"
    error: skaffold.yaml:1:13: `skafold/v4beta14` is no version of skaffold.yaml
      1 | apiVersion: skafold/v4beta14
        |             ^^^^^^^^^^^^^^^^
      hint: did you mean `skaffold/v4beta14`?
    ");
    // A template with the place in it.
    let template = "envTemplate: {template: 'v1-{{ .TAG | uper }}'}";
    insta::assert_snapshot!(changed("inputDigest: {}", template).await, @r"
    error: skaffold.yaml:7:29: there is no function `uper` at line 1, column 14 of the template `v1-{{ .TAG | uper }}`
      7 |     envTemplate: {template: 'v1-{{ .TAG | uper }}'}
        |                             ^^^^^^^^^^^^^^^^^^^^^^
      hint: did you mean `upper`?
    ");
    // A key twice, and a tagger that there is not.
    insta::assert_snapshot!(changed("metadata:", "kind: Config\nmetadata:").await, @r"
    error: skaffold.yaml:3:1: the key `kind` comes twice
      3 | kind: Config
        | ^^^^
      hint: it is already in line 2; remove one of the two
    ");
    insta::assert_snapshot!(changed("inputDigest", "inputDigst").await, @r"
    error: skaffold.yaml:7:5: there is no field `inputDigst` here
      7 |     inputDigst: {}
        |     ^^^^^^^^^^
      hint: did you mean `inputDigest`?
    ");
    // Tabs, and a list that does not end.
    insta::assert_snapshot!(changed("  artifacts:", "\tartifacts:").await, @r"
    error: skaffold.yaml:8:2: this is no YAML: tabs disallowed within this context (block indentation)
      8 |     artifacts:
        |     ^^^^^^^^^
      hint: indent with blanks, not with tabs
    ");
    insta::assert_snapshot!(changed("artifacts:", "artifacts: [").await, @r#"
    error: skaffold.yaml:9:3: this is no YAML: "-" is only valid inside a block
      9 |   - image: web
        |   ^
    "#);
    // What requires itself, and what nothing builds.
    let required = |image: &str| format!("context: web\n    requires: [{{image: {image}}}]");
    insta::assert_snapshot!(changed("context: web", &required("web")).await, @r"
    error: tasks need each other: build:web -> build:web
      hint: take one of these dependencies out
    ");
    insta::assert_snapshot!(changed("context: web", &required("'base'")).await, @r"
    error: skaffold.yaml:11:24: `base` is required, and nothing builds it
      11 |     requires: [{image: 'base'}]
         |                        ^^^^^^
      hint: add an artifact with this image
    ");
    // A Dockerfile that is not there.
    insta::assert_snapshot!(changed("context: web", "context: wbe").await, @r"
    error: there is no Dockerfile `wbe/Dockerfile`
      hint: name it with the option `dockerfile`, below the artifact's context
    ");
    let profiles = format!("{CONFIGURATION}profiles:\n- name: staging\n");
    insta::assert_snapshot!(refused(&profiles, "plan -p stagin").await, @r"
    error: there is no profile `stagin`
      hint: did you mean `staging`?
    ");
    let patch = "  patches: [{op: replace, path: /build/artfacts, value: 1}]\n";
    insta::assert_snapshot!(refused(&(profiles + patch), "plan -p staging").await, @r"
    error: skaffold.yaml:15:33: there is nothing at `/build/artfacts`
      15 |   patches: [{op: replace, path: /build/artfacts, value: 1}]
         |                                 ^^^^^^^^^^^^^^^
      hint: did you mean `/build/artifacts`?
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_cut_to_the_terminal_and_warnings_have_theirs() {
    let long = "context: web\n    docker: {noCache: false, pullParent: false, squash: false, buildArg: {a: b}, cacheFrom: []}";
    let bench = Bench::new(&CONFIGURATION.replace("context: web", long)).await;
    let mut said = Vec::new();
    for columns in ["40", "20", "17", "1", "0", "-1", "many", ""] {
        let mut command = bench.command("plan --builder native -d REGISTRY/team");
        command.env("COLUMNS", columns);
        let err = text(&ended(command).await.stderr);
        said.push(format!("{columns}\n{err}"));
    }
    insta::assert_snapshot!(said[..3].join(""), @r"
    40
    error: skaffold.yaml:11:64: there is no field `buildArg` here
      11 | …h: false, buildArg: {a: b}, cac…
         |            ^^^^^^^^
      hint: did you mean `buildArgs`?
    20
    error: skaffold.yaml:11:64: there is no field `buildArg` here
      11 | …e, buildArg…
         |     ^^^^^^^^
      hint: did you mean `buildArgs`?
    17
    error: skaffold.yaml:11:64: there is no field `buildArg` here
      hint: did you mean `buildArgs`?
    ");
    assert_eq!(said[3].lines().skip(1).collect::<Vec<_>>(), said[2].lines().skip(1).collect::<Vec<_>>());
    for said in &said[4..] {
        assert!(said.contains(" cacheFrom: []}\n"), "as wide as usual: {said}");
    }
    bench.write(
        "skaffold.yaml",
        &CONFIGURATION.replace("context: web", "context: web\n    sync: {auto: true}"),
    );
    insta::assert_snapshot!(text(&bench.run("plan --builder native -d REGISTRY/team").await.stderr), @r"
    warning: skaffold.yaml:11:5: `build.artifacts.sync` has no effect: files are not synchronised yet; a run builds the image
      11 |     sync: {auto: true}
         |     ^^^^
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_of_what_may_be_secret_is_shown() {
    let bench =
        Bench::new(&CONFIGURATION.replace("memory: {}", "kubectl: {}\nmanifests: {rawYaml: [web.yaml]}"))
            .await;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b, word: c4n4ry: d}\n";
    bench.write("web.yaml", secret);
    let output = bench.run("run --builder native -d REGISTRY/team --kube-context none").await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(err.contains("web.yaml:4:") && !out.contains("c4n4ry") && !err.contains("c4n4ry"), "{out}{err}");
    bench.write("wrong.yaml", "apiVersion: v1 # c4n4ry\nkind: Secret\n");
    for (line, place) in [("plan -f wrong.yaml", "wrong.yaml:1:"), ("plan -f -", "-:1:")] {
        let mut command = bench.command(line);
        command.stdin(fs::File::open(bench.project().join("wrong.yaml")).unwrap());
        let output = ended(command).await;
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(place) && !err.contains("c4n4ry"), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_required_is_read_and_modules_are_chosen() {
    let other = CONFIGURATION.replace("name: shop", "name: other").replace("image: web", "image: api");
    let bench =
        Bench::new(&CONFIGURATION.replace("name: shop", "name: shop\nrequires: [{path: other}]")).await;
    bench.write("other/page/Dockerfile", "FROM scratch\nENTRYPOINT [\"/run\"]\n");
    bench.write("other/skaffold.yaml", &other.replace("context: web", "context: page"));
    let plan = |arguments: &str| format!("plan --builder native -d REGISTRY/team{arguments}");
    for (arguments, images) in [("", [true, true]), (" -m other", [false, true]), (" -m shop", [true, true])]
    {
        let output = bench.run(&plan(arguments)).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{arguments}");
        assert_eq!(
            ["build:web ", "build:api "].map(|image| out.contains(image)),
            images,
            "{arguments}: {out}"
        );
    }
    let output = bench.run(&plan(" -m othr")).await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: there is no module `othr`
      hint: did you mean `other`?
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_comes_from_standard_input() {
    let bench = Bench::new("nothing").await;
    let mut command = bench.command("plan --builder native -d REGISTRY/team -f -");
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, CONFIGURATION.as_bytes()).unwrap();
    drop(writer);
    let output = ended({
        command.stdin(reader).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    });
    let output = output.await;
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));

    // A pipe is read once, and its lines are known.
    let mut command = bench.command("plan -f -");
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, b"apiVersion: skaffold/v4beta14\nkind: Config\nbiuld: {}\n")
        .unwrap();
    drop(writer);
    command.stdin(reader);
    insta::assert_snapshot!(text(&ended(command).await.stderr), @r"
    error: -:3:1: there is no field `biuld` here
      3 | biuld: {}
        | ^^^^^
      hint: did you mean `build`?
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_names_is_looked_at_before_anything_is_done() {
    let bench = Bench::new(CONFIGURATION).await;
    bench.write("web/Dockerfile", "FROM scratch\nCOYP run /run\n");
    let output = bench.run("build --builder native -d REGISTRY/team").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: web/Dockerfile:2:1: unknown instruction `COYP`
      2 | COYP run /run
        | ^^^^
      hint: did you mean `COPY`?
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_is_told_what_may_be_meant() {
    let bench = Bench::new(CONFIGURATION).await;
    let output = bench.run("biuld").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: unrecognized subcommand 'biuld'

      tip: a similar subcommand exists: 'build'

    Usage: shipway <COMMAND>

    For more information, try '--help'.
    ");
    let output = bench.run("build --default-rep x").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: unexpected argument '--default-rep' found

      tip: a similar argument exists: '--default-repo'

    Usage: shipway build --default-repo <REPOSITORY>

    For more information, try '--help'.
    ");
    let output = bench.run("build -t no/tag").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: `no/tag` is not a tag
      hint: a tag begins with a letter, a digit or `_`, and goes on with those, `.` and `-`
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
    let bench = Bench::new(CONFIGURATION).await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = bench.command("plan --builder native -d REGISTRY/team");
    let output = ended({
        command.stdout(writer.try_clone().unwrap()).stderr(Stdio::piped());
        command
    });
    let output = output.await;
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let mut command = bench.command("build --builder native -d REGISTRY/team");
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    assert_eq!(ended(command).await.status.code(), Some(0));

    let mut command = bench.command("plan --builder native -d REGISTRY/team");
    command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = ended(command).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: cannot write to `/dev/stdout`
      because: No space left on device (os error 28)
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_says_cannot_steer_the_terminal() {
    let configuration = CONFIGURATION.replace("name: shop", "name: \"sh\\eop\"");
    let bench = Bench::new(&configuration.replace("  - image: web", "  - image: \"w\\e[2Jeb\"")).await;
    let output = bench.run("build").await;
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("w\u{fffd}[2Jeb") && !err.contains('\u{1b}'), "{err:?}");
}
