//! Which profiles are active, and what they change.

use insta::assert_snapshot;
use shipway_config::Options;

use crate::recorded::{error, newest_with};

fn active(profiles: &str, options: &Options) -> String {
    let body = format!("build: {{artifacts: [{{image: web}}]}}\nprofiles:\n{profiles}");
    let shown = newest_with(&body, options).unwrap();
    shown.lines().find_map(|line| line.strip_prefix("profiles ")).unwrap_or_default().to_owned()
}

#[test]
fn profiles_are_active_by_their_conditions_and_by_name() {
    let none = Options::default;
    for (profiles, options, expected) in [
        ("- name: a\n", none(), ""),
        ("- name: a\n", none().profiles(["a"]), "a"),
        ("- {name: a}\n- {name: b}\n", none().profiles(["b", "a", "b"]), "b, a"),
        ("- {name: a, activation: [{command: run}]}\n", none(), "a"),
        ("- {name: a, activation: [{command: run}]}\n", none().auto_activation(false), ""),
        ("- {name: a, activation: [{command: run}]}\n", none().profiles(["-a"]), ""),
        ("- {name: a, activation: [{command: run}]}\n- {name: b}\n", none().profiles(["b"]), "a, b"),
        ("- {name: a, activation: [{command: dev}]}\n", none(), ""),
        ("- {name: a, activation: [{command: '!dev'}]}\n", none(), "a"),
        ("- {name: a, activation: [{command: 'de|ru'}]}\n", none(), "a"),
        ("- {name: a, activation: [{command: 'run['}]}\n", none(), ""),
        ("- {name: a, activation: [{env: STAGE=prod}]}\n", none().env("STAGE", "production"), "a"),
        ("- {name: a, activation: [{env: 'STAGE=^prod$'}]}\n", none().env("STAGE", "production"), ""),
        ("- {name: a, activation: [{env: 'STAGE=!prod'}]}\n", none(), "a"),
        ("- {name: a, activation: [{env: STAGE=}]}\n", none(), "a"),
        ("- {name: a, activation: [{env: STAGE=}]}\n", none().env("STAGE", "x"), ""),
        ("- {name: a, activation: [{env: STAGE=a=b}]}\n", none().env("STAGE", "a=b"), "a"),
        ("- {name: a, activation: [{kubeContext: mini}]}\n", none().kube_context("minikube"), "a"),
        ("- {name: a, activation: [{kubeContext: minikube}]}\n", none(), ""),
        ("- {name: a, activation: [{command: run, env: X=1}]}\n", none(), ""),
        ("- {name: a, activation: [{command: run}, {env: X=1}]}\n", none(), "a"),
        ("- {name: a, requiresAllActivations: true, activation: [{command: run}, {env: X=1}]}\n", none(), ""),
        (
            "- {name: a, requiresAllActivations: true, activation: [{command: run}, {env: X=1}]}\n",
            none().env("X", "1"),
            "a",
        ),
        ("- {name: a, requiresAllActivations: true}\n", none(), ""),
        ("- {name: a, activation: [{command: run, env: '', kubeContext: ''}]}\n", none(), "a"),
    ] {
        assert_eq!(active(profiles, &options), expected, "{profiles} {options:?}");
    }
}

/// Reads a file with one active profile.
fn with(body: &str, profile: &str) -> shipway_core::Result<String> {
    let indented: String = profile.lines().map(|line| format!("  {line}\n")).collect();
    newest_with(&format!("{body}\nprofiles:\n- name: p\n{indented}"), &Options::default().profiles(["p"]))
}

const BASE: &str = "
build:
  platforms: [linux/amd64]
  tagPolicy: {sha256: {}}
  local: {push: true, useBuildkit: true}
  artifacts: [{image: web, context: web}, {image: api}]
manifests: {rawYaml: [a.yaml], kustomize: {paths: [b]}}
deploy: {kubeContext: one, statusCheckDeadlineSeconds: 60, kubectl: {defaultNamespace: n}}
";

#[test]
fn a_profile_lies_over_the_file_field_by_field() {
    // One builder's place and one tagger: the profile's. Lists and deployers: as a whole. What is nothing to Go
    // changes nothing.
    assert_snapshot!(with(BASE, "
build:
  tagPolicy: {gitCommit: {variant: Tags}}
  local: {push: false}
  platforms: []
manifests: {rawYaml: [c.yaml]}
deploy: {kubeContext: '', statusCheckDeadlineSeconds: 0, kubectl: {flags: {global: [-v]}}}
").unwrap(), @r#"
    pipeline skaffold
    build web in web into [Daemon("unix:///var/run/docker.sock")] web
      by docker {}
      named by gitCommit {"variant":"Tags"}
      for linux/amd64
    build api in . into [Daemon("unix:///var/run/docker.sock")] api
      by docker {}
      named by gitCommit {"variant":"Tags"}
      for linux/amd64
    deploy skaffold by kubectl {"flags":{"global":["-v"]},"kubeContext":"one","manifests":{"kustomize":{"paths":["b"]},"rawYaml":["c.yaml"]}}
      watched for 60s
    profiles p
    "#);
    assert_snapshot!(with(BASE, "
build: {artifacts: [{image: job}], tagPolicy: {}}
deploy: {gitops: {repository: env}}
").unwrap(), @r#"
    pipeline skaffold
    build job in . into [Registry] job
      by docker {"buildkit":true}
      named by sha256 {}
      for linux/amd64
    deploy skaffold-kubectl by kubectl {"defaultNamespace":"n","kubeContext":"one","manifests":{"kustomize":{"paths":["b"]},"rawYaml":["a.yaml"]}}
      watched for 60s
    deploy skaffold-gitops by gitops {"kubeContext":"one","manifests":{"kustomize":{"paths":["b"]},"rawYaml":["a.yaml"]},"repository":"env"}
      watched for 60s
      after release `skaffold-kubectl`
    profiles p
    "#);
}

#[test]
fn only_pointers_can_be_set_to_nothing() {
    let shown = with(BASE, "deploy: {statusCheck: }\nbuild: {platforms: , local: {}}").unwrap();
    assert!(shown.contains("for linux/amd64") && !shown.contains("buildkit"), "{shown}");
    let refused = error(with(BASE, "deploy: {statusCheck: false}"));
    assert!(
        refused.starts_with("skaffold.yaml:14:25: a deployment whose health is not watched"),
        "{refused}"
    );
}

#[test]
fn patches_follow_what_the_profile_says() {
    assert_snapshot!(with(BASE, "
build: {artifacts: [{image: web, docker: {dockerfile: D}}, {image: api}, {image: job}]}
patches:
- {path: /build/artifacts/0/docker/dockerfile, value: Other}
- {op: add, path: /build/artifacts/0/docker/buildArgs, value: {A: b}}
- {op: add, path: /build/artifacts/-, value: {image: last}}
- {op: add, path: /build/artifacts/1, value: {image: second}}
- {op: remove, path: /build/artifacts/image=api}
- {op: test, path: /build/artifacts/2/image, value: job}
- {op: copy, from: /build/artifacts/0/docker, path: /build/artifacts/1/docker}
- {op: move, from: /manifests/rawYaml, path: /manifests/kpt}
- {op: replace, path: /build/artifacts/image=job/image, value: work}
- {op: remove, path: /build/tagPolicy/sha256}
- {op: add, path: /build/tagPolicy/inputDigest, value: {}}
").unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by docker {"buildArgs":{"A":"b"},"buildkit":true,"dockerfile":"Other"}
      named by inputDigest {}
      for linux/amd64
    build second in . into [Registry] second
      by docker {"buildArgs":{"A":"b"},"buildkit":true,"dockerfile":"Other"}
      named by inputDigest {}
      for linux/amd64
    build work in . into [Registry] work
      by docker {"buildkit":true}
      named by inputDigest {}
      for linux/amd64
    build last in . into [Registry] last
      by docker {"buildkit":true}
      named by inputDigest {}
      for linux/amd64
    deploy skaffold by kubectl {"defaultNamespace":"n","kubeContext":"one","manifests":{"kpt":["a.yaml"],"kustomize":{"paths":["b"]}}}
      watched for 60s
    profiles p
    "#);
}

#[test]
fn a_patch_that_does_not_fit_is_refused_at_its_place() {
    let refused = |patch: &str| error(with(BASE, &format!("patches:\n- {patch}")));
    for (patch, expected) in [
        ("{path: /build/artifact/0/image, value: x}", "15:12: there is nothing at `/build/artifact/0/image`"),
        ("{path: /build/artifacts/7/image, value: x}", "there is nothing at `/build/artifacts/7/image`"),
        ("{path: /build/artifacts/0/docker/target, value: x}", "there is nothing at"),
        ("{op: add, path: /build/artifacts/7, value: {image: x}}", "there is nothing at"),
        ("{op: remove, path: /build/cluster}", "there is nothing at `/build/cluster`"),
        ("{op: move, from: /build/cluster, path: /build/local}", "there is nothing at `/build/cluster`"),
        ("{op: test, path: /build/artifacts/0/image, value: api}", "is not what the patch says"),
        (
            "{op: replce, path: /build, value: {}}",
            "there is no patch operation `replce`\n  hint: did you mean `replace`?",
        ),
        ("{path: /build}", "a patch that is to replace needs a `value`"),
        ("{op: copy, path: /build}", "a patch that is to copy needs `from`"),
        ("{path: build, value: {}}", "`build` is no path\n  hint: write it from the top, such as"),
        ("{value: {}}", "`path` is missing"),
    ] {
        let error = refused(patch);
        assert!(error.starts_with("skaffold.yaml:15:") && error.contains(expected), "{patch}: {error}");
    }
}

#[test]
fn copies_of_copies_end() {
    let bomb = |patch: &dyn Fn(usize) -> String| {
        let patches: String = (0..200).map(|number| format!("- {}\n", patch(number))).collect();
        let error = error(with(BASE, &format!("patches:\n{patches}")));
        assert!(error.contains("patches put in more than 250000 nodes, or 128 in each other"), "{error}");
    };
    bomb(&|number| format!("{{op: copy, from: /build, path: /build/x{number}}}"));
    bomb(&|_| "{op: copy, from: /build, path: /build/x}".to_owned());
    let long = "/x".repeat(200);
    let error = error(with(BASE, &format!("patches:\n- {{op: add, path: {long}, value: 1}}")));
    assert!(error.contains("there is nothing at `/x/x"), "{error}");
}

#[test]
fn what_a_patch_puts_in_is_shown_where_the_patch_is() {
    let error =
        error(with(BASE, "patches:\n- {op: add, path: /build/artifacts/0/docker, value: {dockerfil: x}}"));
    assert_snapshot!(error, @r"
    skaffold.yaml:15:56: there is no field `dockerfil` here
      hint: did you mean `dockerfile`?
    ");
}

#[test]
fn profiles_are_checked_whether_active_or_not() {
    let refused = |profiles: &str, options: &Options| {
        error(newest_with(&format!("build: {{artifacts: [{{image: web}}]}}\nprofiles:\n{profiles}"), options))
    };
    let none = Options::default();
    assert_snapshot!(refused("- {name: a, build: {artifact: []}}", &none), @r"
    skaffold.yaml:5:21: there is no field `artifact` here
      hint: did you mean `artifacts`?
    ");
    assert_snapshot!(refused("- {name: a, activations: []}", &none), @r"
    skaffold.yaml:5:13: there is no field `activations` here
      hint: did you mean `activation`?
    ");
    assert_snapshot!(refused("- {build: {}}", &none), @"skaffold.yaml:5:3: `name` is missing");
    assert_snapshot!(refused("- {name: a}\n- {name: a}", &none), @r"
    skaffold.yaml:6:10: there are two profiles `a`
      hint: give one another name
    ");
    assert_snapshot!(refused("- {name: prod}", &none.clone().profiles(["prid"])), @r"
    there is no profile `prid`
      hint: did you mean `prod`?
    ");
    assert_snapshot!(refused("- {name: prod}", &none.clone().profiles(["-x"])), @r"
    there is no profile `x`
      hint: the file has these: prod
    ");
    assert_snapshot!(refused("- {name: a, activation: [{env: X}]}", &none), @r"
    skaffold.yaml:5:32: `X` has no `=`
      hint: write `NAME=pattern`
    ");
    let context = "- {name: a, activation: [{kubeContext: one}], deploy: {kubeContext: two}}";
    assert_snapshot!(refused(context, &none.kube_context("one")), @r"
    skaffold.yaml:5:69: profile `a` is active because the Kubernetes context is `one`, but `two` is deployed to
      hint: make the profile's `activation` and `deploy.kubeContext` agree
    ");
}
