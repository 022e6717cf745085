//! What is wrong, as a person and a script see it.

use std::{fs::OpenOptions, process::Stdio};

use crate::bench::{Bench, CONFIGURATION, ended, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_its_place_and_has_a_code_of_its_own() {
    let bench = Bench::new(&CONFIGURATION.replace("context: web", "contxt: web")).await;
    let output = bench.run("build").await;
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: skaffold.yaml:10:5: there is no field `contxt` here
      hint: did you mean `context`?
    ");
    let output = bench.run("build -f nowhere.yaml").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: there is no configuration `nowhere.yaml`
      hint: name a file, or a folder with a `skaffold.yaml`
    ");
    bench.write("skaffold.yaml", &CONFIGURATION.replace("memory: {}", "helm: {}"));
    let output = bench.run("run").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @"error: skaffold.yaml:12:3: the deployer `helm` is not supported yet");
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
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_names_is_looked_at_before_anything_is_done() {
    let bench = Bench::new(CONFIGURATION).await;
    bench.write("web/Dockerfile", "FROM scratch\nCOYP run /run\n");
    let output = bench.run("build --builder native -d REGISTRY/team").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: web/Dockerfile:2:1: unknown instruction `COYP`
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
