//! What a file may not do that is not trusted.

use insta::assert_snapshot;
use shipway_config::{Options, Trust};

use crate::recorded::{error, newest, read_as_said};

/// The error of a body of the newest version that is not trusted.
fn untrusted(body: &str) -> String {
    let text = format!("apiVersion: skaffold/v4beta14\nkind: Config\n{body}");
    error(read_as_said(&text, &Options::default()))
}

#[test]
fn kustomizations_of_a_trusted_file_may_have_bases_elsewhere() {
    let text = "apiVersion: skaffold/v4beta14\nkind: Config\nmanifests: {kustomize: {paths: [app]}}\n";
    let untrusted = read_as_said(text, &Options::default()).expect("read");
    assert!(!untrusted.contains("allowRemoteBases"), "{untrusted}");
    let trusted = read_as_said(text, &Options::default().trust(Trust::Full)).expect("read");
    assert!(trusted.contains(r#""allowRemoteBases":true"#), "{trusted}");
    // There is nothing to allow.
    let plain = newest("manifests: {rawYaml: [a.yaml]}").expect("read");
    assert!(!plain.contains("allowRemoteBases"), "{plain}");
}

#[test]
fn nothing_of_the_file_runs_here_by_default() {
    let web = |fields: &str| format!("build: {{artifacts: [{{image: web, {fields}}}]}}");
    for (body, field) in [
        ("requires: [{git: {repo: 'https://example.com/a'}}]", "requires.git"),
        ("requires: [{googleCloudStorage: {source: 'gs://a'}}]", "requires.googleCloudStorage"),
        ("build: {hooks: {before: [{command: [a]}]}}", "build.hooks"),
        ("build: {hooks: {after: [{command: [a]}]}}", "build.hooks"),
        (&web("hooks: {before: [{command: [a]}]}"), "build.artifacts.hooks"),
        (&web("hooks: {after: [{command: [a]}]}"), "build.artifacts.hooks"),
        (&web("sync: {hooks: {before: [{host: {command: [a]}}]}}"), "build.artifacts.sync.hooks"),
        (&web("sync: {hooks: {after: [{host: {command: [a]}}]}}"), "build.artifacts.sync.hooks"),
        (&web("custom: {buildCommand: a}"), "build.artifacts.custom"),
        (&web("bazel: {target: a}"), "build.artifacts.bazel"),
        (&web("jib: {}"), "build.artifacts.jib"),
        (&web("ko: {}"), "build.artifacts.ko"),
        (&web("buildpacks: {volumes: [{host: /, target: /a}]}"), "build.artifacts.buildpacks.volumes"),
        (&web("docker: {secrets: [{id: a, src: b}]}"), "build.artifacts.docker.secrets"),
        (&web("docker: {ssh: default}"), "build.artifacts.docker.ssh"),
        (&web("docker: {cliFlags: [a]}"), "build.artifacts.docker.cliFlags"),
        ("test: [{image: web, custom: [{command: a}]}]", "test.custom"),
        ("manifests: {hooks: {before: [{host: {command: [a]}}]}}", "manifests.hooks"),
        ("manifests: {hooks: {after: [{host: {command: [a]}}]}}", "manifests.hooks"),
        ("manifests: {kustomize: {buildArgs: [--enable-exec]}}", "manifests.kustomize.buildArgs"),
        ("manifests: {helm: {flags: {install: [--post-renderer=a]}}}", "manifests.helm.flags"),
        ("manifests: {kpt: [a]}", "manifests.kpt"),
        ("manifests: {transform: [{name: a}]}", "manifests.transform"),
        ("manifests: {validate: [{name: a}]}", "manifests.validate"),
        ("deploy: {kubectl: {hooks: {before: [{host: {command: [a]}}]}}}", "deploy.kubectl.hooks"),
        ("deploy: {kubectl: {hooks: {after: [{host: {command: [a]}}]}}}", "deploy.kubectl.hooks"),
        ("deploy: {kubectl: {flags: {global: [a]}}}", "deploy.kubectl.flags"),
        ("deploy: {helm: {hooks: {before: [{host: {command: [a]}}]}}}", "deploy.helm.hooks"),
        ("deploy: {helm: {hooks: {after: [{host: {command: [a]}}]}}}", "deploy.helm.hooks"),
        ("deploy: {helm: {flags: {upgrade: [a]}}}", "deploy.helm.flags"),
        ("deploy: {kpt: {flags: [a]}}", "deploy.kpt.flags"),
        ("deploy: {cloudrun: {hooks: {before: [{command: [a]}]}}}", "deploy.cloudrun.hooks"),
        ("deploy: {cloudrun: {hooks: {after: [{command: [a]}]}}}", "deploy.cloudrun.hooks"),
    ] {
        let refused = untrusted(body);
        assert!(
            refused.starts_with("skaffold.yaml:3:") && refused.contains(&format!(": `{field}` is refused: ")),
            "{body}: {refused}"
        );
        // It is the trust that is missing: a trusted file is read, or refused for another reason.
        let trusted = newest(body).map_or_else(|error| error.report().to_string(), |_| String::new());
        assert!(!trusted.contains("is refused"), "{body}: {trusted}");
        let named = format!("{body}\nprofiles: []");
        assert!(untrusted(&named).contains("is refused"), "{named}");
    }
}

#[test]
fn what_runs_in_the_cluster_or_nowhere_is_not_refused() {
    let text = |body: &str| format!("apiVersion: skaffold/v4beta14\nkind: Config\n{body}");
    for body in [
        "deploy: {kubeContext: c, kubectl: {hooks: {before: [{container: {command: [a], podName: b}}]}}}",
        "build: {artifacts: [{image: web, docker: {secrets: []}}]}",
        "profiles: [{name: other, build: {artifacts: [{image: web, custom: {buildCommand: a}}]}}]",
    ] {
        let read = read_as_said(&text(body), &Options::default());
        assert!(read.is_ok(), "{body}: {read:?}");
    }
    // What a command does not do is no reason to refuse it.
    let deploys = text("deploy: {kubectl: {flags: {global: [a]}}}");
    assert!(read_as_said(&deploys, &Options::default().command("build")).is_ok());
}

#[test]
fn a_profile_does_not_lead_around_it() {
    let text = "apiVersion: skaffold/v4beta14
kind: Config
build: {artifacts: [{image: web}]}
profiles:
- name: p
  build: {artifacts: [{image: web, custom: {buildCommand: a}}]}
- name: q
  patches: [{op: add, path: /build/artifacts/0/custom, value: {buildCommand: a}}]
";
    for (profile, place) in [("p", "6:36"), ("q", "8:")] {
        let refused = error(read_as_said(text, &Options::default().profiles([profile])));
        assert!(
            refused.starts_with(&format!("skaffold.yaml:{place}")) && refused.contains("is refused"),
            "{refused}"
        );
    }
    let old = "apiVersion: skaffold/v1beta11
kind: Config
build: {artifacts: [{image: web, jibMaven: {}}]}
";
    let refused = error(read_as_said(old, &Options::default()));
    assert!(refused.starts_with("skaffold.yaml:3:34: `build.artifacts.jib` is refused"), "{refused}");
}

#[test]
fn all_that_is_refused_is_said_with_the_reason() {
    assert_snapshot!(untrusted("build:
  hooks: {before: [{command: [a]}]}
  artifacts:
  - image: web
    custom: {buildCommand: make}
test:
- image: web
  custom: [{command: a}]"), @r"
    skaffold.yaml:4:20: `build.hooks` is refused: a hook runs a command on this machine
      note: skaffold.yaml:7:5: `build.artifacts.custom` is refused: a custom builder runs a command on this machine
      note: skaffold.yaml:10:3: `test.custom` is refused: a custom test runs a command on this machine
      hint: if the file is your own, read it with `Trust::Full`
    ");
    let command = r#"build: {artifacts: [{image: web, docker: {buildArgs: {A: '{{cmd "id"}}'}}}]}"#;
    assert_snapshot!(untrusted(command), @r"
    skaffold.yaml:3:58: `cmd` in a template is refused: it runs a program
      hint: if the file is your own, read it with `Trust::Full`
    ");
    assert_snapshot!(untrusted(&command.replace("cmd", "env")), @r"
    skaffold.yaml:3:58: `env` in a template is refused: it reads the environment
      hint: if the file is your own, read it with `Trust::Full`
    ");
    let tag =
        r#"build: {artifacts: [{image: web}], tagPolicy: {envTemplate: {template: '{{expandenv "$A"}}'}}}"#;
    assert_snapshot!(untrusted(tag), @r"
    skaffold.yaml:3:72: `expandenv` in a template is refused: it reads the environment
      hint: if the file is your own, read it with `Trust::Full`
    ");
}
