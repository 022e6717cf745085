//! What is wrong with a file, as a person sees it.

use insta::assert_snapshot;
use shipway_config::{Dockerfiles, Options};
use shipway_core::ErrorKind;

use crate::recorded::{error, newest, newest_with, read};

fn refused(body: &str) -> String {
    error(newest(body))
}

#[test]
fn files_that_are_none() {
    let refused = |text: &str| error(read(text, &Options::default()));
    assert_snapshot!(refused(""), @r"
    `skaffold.yaml` holds no configuration
      hint: begin with `apiVersion: skaffold/v4beta14`
    ");
    assert_snapshot!(refused("- a"), @"skaffold.yaml:1:1: expected a mapping, found a list");
    assert_snapshot!(refused("a: [b"), @"skaffold.yaml:1:4: this is no YAML: unclosed bracket '['");
    assert_snapshot!(refused("kind: Config"), @r"
    skaffold.yaml:1:1: `apiVersion` is missing
      hint: add `apiVersion: skaffold/v4beta14`
    ");
    assert_snapshot!(refused("apiVersion: skaffold/v4beta14"), @r"
    skaffold.yaml:1:1: `kind` is missing
      hint: add `kind: Config`
    ");
    assert_snapshot!(refused("apiVersion: skaffold/v4beta14\nkind: config"), @"skaffold.yaml:2:7: `kind` is always `Config`");
    assert_snapshot!(refused("apiVersion: apps/v1\nkind: Config"), @r"
    skaffold.yaml:1:13: `apps/v1` is no version of skaffold.yaml
      hint: the newest is `skaffold/v4beta14`
    ");
}

#[test]
fn fields_that_are_unknown() {
    assert_snapshot!(refused("biuld: {}"), @r"
    skaffold.yaml:3:1: there is no field `biuld` here
      hint: did you mean `build`?
    ");
    assert_snapshot!(refused("build: {artifact: []}"), @r"
    skaffold.yaml:3:9: there is no field `artifact` here
      hint: did you mean `artifacts`?
    ");
    assert_snapshot!(refused("build: {local: {psh: true}}"), @r"
    skaffold.yaml:3:17: there is no field `psh` here
      hint: did you mean `push`?
    ");
    assert_snapshot!(refused("build:\n  artifacts:\n  - image: web\n    dockr: {}\n"), @r"
    skaffold.yaml:6:5: there is no field `dockr` here
      hint: did you mean `docker`?
    ");
    assert_snapshot!(refused("build:\n  artifacts:\n  - image: web\n    something: {}\n"), @r"
    skaffold.yaml:6:5: there is no field `something` here
      hint: these are known: bazel, buildpacks, context, custom, docker, hooks, image, jib, kaniko, ko, native, pages, platforms, requires, runtimeType, sync
    ");
    assert_snapshot!(refused("build:\n  artifacts:\n  - image: web\n    docker: {dockerFile: x}\n"), @r"
    skaffold.yaml:6:14: there is no field `dockerFile` here
      hint: did you mean `dockerfile`?
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: a}], tagPolicy: {sha512: {}}}"), @r"
    skaffold.yaml:3:46: there is no field `sha512` here
      hint: these are known: counter, customTemplate, dateTime, envTemplate, fixed, gitCommit, inputDigest, sha256
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: a}], tagPolicy: {gitCommit: {varian: Tags}}}"), @r"
    skaffold.yaml:3:58: there is no field `varian` here
      hint: did you mean `variant`?
    ");
    assert_snapshot!(refused("deploy: {kubctl: {}}"), @r"
    skaffold.yaml:3:10: there is no field `kubctl` here
      hint: did you mean `kubectl`?
    ");
    assert_snapshot!(refused("test: [{image: a, structureTest: []}]"), @r"
    skaffold.yaml:3:19: there is no field `structureTest` here
      hint: did you mean `structureTests`?
    ");
    assert_snapshot!(refused("metadata: {nam: a}"), @r"
    skaffold.yaml:3:12: there is no field `nam` here
      hint: did you mean `name`?
    ");
}

#[test]
fn values_that_do_not_fit() {
    assert_snapshot!(refused("build: []"), @"skaffold.yaml:3:8: expected a mapping, found a list");
    assert_snapshot!(refused("build: {artifacts: {image: a}}"), @"skaffold.yaml:3:20: expected a list, found a mapping");
    assert_snapshot!(refused("build: {artifacts: [{context: a}]}"), @"skaffold.yaml:3:21: `image` is missing");
    assert_snapshot!(refused("build: {artifacts: [web]}"), @"skaffold.yaml:3:21: expected a mapping, found `web`");
    assert_snapshot!(refused("build: {artifacts: [{image: we..b}]}"), @r"
    skaffold.yaml:3:29: `we..b` is no name of an image
      hint: use letters, digits and single `.`, `_`, `-` between them, parts with `/`
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web}, {image: web}]}"), @r"
    skaffold.yaml:3:43: two artifacts have the image `web`
      note: the first is at skaffold.yaml:3:29
      hint: give one another image
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web, platforms: [a/b/c/d]}]}"), @"skaffold.yaml:3:46: `a/b/c/d` is not a platform");
    assert_snapshot!(refused("build: {artifacts: [{image: web, requires: [{image: bse}]}, {image: base}]}"), @r"
    skaffold.yaml:3:53: `bse` is required, and nothing builds it
      hint: did you mean `base`?
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web, requires: [{image: a}, {image: a}]}, {image: a}]}"), @r"
    skaffold.yaml:3:65: two required images have the alias `a`
      hint: give one another `alias`
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web, docker: {}, custom: {}}]}"), @r"
    skaffold.yaml:3:46: `docker` and `custom` are both to build the image
      hint: keep one of them
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web, docker: {}, docker: {}}]}"), @r"
    skaffold.yaml:3:46: the key `docker` comes twice
      hint: it is already in line 3; remove one of the two
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web, pages: }]}"), @r"
    skaffold.yaml:3:34: `pages` says nothing
      hint: write `pages: {}`, or take it out
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web}], tagPolicy: {sha256: {}, gitCommit: {}}}"), @r"
    skaffold.yaml:3:60: `sha256` and `gitCommit` are both to name the images
      hint: keep one of them
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web, pages: [a]}]}"), @"skaffold.yaml:3:41: expected a mapping, found a list");
    assert_snapshot!(refused("deploy: {statusCheckDeadlineSeconds: -1}"), @"skaffold.yaml:3:38: expected an integer in range, found `-1`");
}

#[test]
fn what_is_not_supported_yet_is_said_with_its_line() {
    let error = newest(
        "
build:
  googleCloudBuild: {projectId: p}
test: [{image: web, structureTestsArgs: [--quiet]}]
",
    )
    .expect_err("not supported");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_snapshot!(error.report(), @r"
    skaffold.yaml:5:3: `build.googleCloudBuild` is not supported yet
      note: skaffold.yaml:6:21: `test.structureTestsArgs` is not supported yet
      hint: take it out, or activate a profile that does without
    ");
    assert_snapshot!(refused("build: {googleCloudBuild: {projectId: p}}"), @r"
    skaffold.yaml:3:9: `build.googleCloudBuild` is not supported yet
      hint: take it out, or activate a profile that does without
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web, ko: {}}]}"), @"skaffold.yaml:3:34: the builder `ko` is not supported yet");
    assert_snapshot!(refused("deploy: {kpt: {dir: a}}"), @"skaffold.yaml:3:10: the deployer `kpt` is not supported yet");
    assert_snapshot!(refused("deploy: {statusCheck: false}"), @r"
    skaffold.yaml:3:23: a deployment whose health is not watched is not supported yet
      hint: take `statusCheck: false` out
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web, docker: {buildArgs: {A: '{{.IMAGE_TAG}}'}}}]}"), @r"
    skaffold.yaml:3:58: `IMAGE_TAG` in a template of a builder is not supported yet
      hint: give the value by a variable of the environment
    ");
    assert_snapshot!(refused("test: [{image: web, custom: [{command: '{{cmd \"rm\"}}'}]}]"), @r#"
    skaffold.yaml:3:40: a template asks for a command, and reading a text runs none
      hint: give its output by `Options::command_output`, or run it with `Skaffold::run_commands`
    "#);
    assert_snapshot!(refused("manifests: {kustomize: {paths: [a, '{{.B']}}"), @"skaffold.yaml:3:36: unclosed action at line 1, column 5 of the template `{{.B`");
    let native = Options::default().dockerfiles(Dockerfiles::Native);
    let body = "build: {artifacts: [{image: web, docker: {squash: true}}]}";
    assert_snapshot!(crate::recorded::error(newest_with(body, &native)), @r"
    skaffold.yaml:3:34: `squash` needs a container engine
      hint: let the builder `docker` build it, or take it out
    ");
}

#[test]
fn what_a_command_does_not_do_is_no_reason_to_refuse_it() {
    let body = "
build: {artifacts: [{image: web}]}
test: [{image: web, structureTests: [a.yaml], structureTestsArgs: [--quiet]}]
deploy: {kpt: {dir: a}}
verify: [{name: it, container: {name: it, image: it}}]
resourceSelector: {allow: [{groupKind: Web}]}
portForward: []
";
    let with = |command: &str| newest_with(body, &Options::default().command(command));
    assert_snapshot!(with("build").unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    "#);
    assert_snapshot!(error(with("test")), @r"
    skaffold.yaml:5:47: `test.structureTestsArgs` is not supported yet
      hint: take it out, or activate a profile that does without
    ");
    assert_snapshot!(error(with("run")), @r"
    skaffold.yaml:5:47: `test.structureTestsArgs` is not supported yet
      hint: take it out, or activate a profile that does without
    ");
}
