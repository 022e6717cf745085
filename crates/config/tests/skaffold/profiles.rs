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
      named by gitCommit {"otherwise":"latest","variant":"Tags"}
      for linux/amd64
    build api in . into [Daemon("unix:///var/run/docker.sock")] api
      by docker {}
      named by gitCommit {"otherwise":"latest","variant":"Tags"}
      for linux/amd64
    deploy skaffold by kubectl {"allowRemoteBases":true,"flags":{"global":["-v"]},"kubeContext":"one","manifests":{"kustomize":{"paths":["b"]},"rawYaml":["c.yaml"]}}
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
    deploy skaffold-kubectl by kubectl {"allowRemoteBases":true,"defaultNamespace":"n","kubeContext":"one","manifests":{"kustomize":{"paths":["b"]},"rawYaml":["a.yaml"]}}
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
    deploy skaffold by kubectl {"allowRemoteBases":true,"defaultNamespace":"n","kubeContext":"one","manifests":{"kpt":["a.yaml"],"kustomize":{"paths":["b"]}}}
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
    assert!(error.contains("` is no path"), "{error}");
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

#[test]
fn of_profiles_with_one_name_the_last_counts() {
    let body = "build: {artifacts: [{image: web}]}\nprofiles:\n- {name: p, build: {artifacts: [{image: one}]}}\n\
                - {name: p, build: {artifacts: [{image: two}], tagPolicy: {sha256: }}}\n";
    assert_snapshot!(newest_with(body, &Options::default().profiles(["p"]).command("build")).unwrap(), @r#"
    pipeline skaffold
    build two in . into [Registry] two
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    profiles p
    notice skaffold.yaml:6:10: there are several profiles `p`, and the last counts
    notice skaffold.yaml:6:60: `sha256` without a value is as good as not written: write `sha256: {}`
    "#);
}

/// Reads a file whose profiles are not active.
fn idle(profiles: &str) -> shipway_core::Result<String> {
    newest_with(&format!("{BASE}profiles:\n{profiles}"), &Options::default())
}

#[test]
fn a_rotten_patch_is_found_before_its_profile_is_active() {
    let refused = |patch: &str| error(idle(&format!("- name: p\n  patches:\n  - {patch}\n")));
    assert_snapshot!(refused("{path: /build/artifact/0/image, value: x}"), @r"
    skaffold.yaml:14:12: there is nothing at `/build/artifact/0/image`
      note: no other profile brings it either; a patch is tried whether its profile is active or not
      hint: did you mean `/build/artifacts/0/image`?
    ");
    assert_snapshot!(refused("{path: /build/artifacts/4/context, value: x}"), @r"
    skaffold.yaml:14:12: there is nothing at `/build/artifacts/4/context`
      note: no other profile brings it either; a patch is tried whether its profile is active or not
      hint: did you mean `/build/artifacts[image=web]/context`?
    ");
    assert_snapshot!(refused("{path: '/build/artifacts[image=wep]/context', value: x}"), @r"
    skaffold.yaml:14:12: there is nothing at `/build/artifacts[image=wep]/context`
      note: no other profile brings it either; a patch is tried whether its profile is active or not
      hint: did you mean `/build/artifacts[image=web]/context`?
    ");
    assert_snapshot!(refused("{op: remove, path: /deploy/helm}"), @"
    skaffold.yaml:14:24: there is nothing at `/deploy/helm`
      note: no other profile brings it either; a patch is tried whether its profile is active or not
      hint: `/deploy` has: kubectl, statusCheckDeadlineSeconds, kubeContext
    ");
    // What can never apply is wrong without a look at the others.
    assert_snapshot!(refused("{op: replce, path: /build, value: x}"), @r"
    skaffold.yaml:14:10: there is no patch operation `replce`
      hint: did you mean `replace`?
    ");
}

#[test]
fn a_patch_may_be_for_what_other_profiles_bring() {
    let artifacts = "build: {artifacts: [{image: job, docker: {dockerfile: J}}]}";
    let patch = "patches: [{path: '/build/artifacts[image=job]/docker/dockerfile', value: K}]";
    for profiles in [
        // By itself, after one that comes before or behind.
        format!("- {{name: p, {artifacts}, {patch}}}\n"),
        format!("- {{name: a, {artifacts}}}\n- {{name: p, {patch}}}\n"),
        format!("- {{name: p, {patch}}}\n- {{name: z, {artifacts}}}\n"),
        // After two that need each other, also where they stand the other way round.
        "- {name: p, patches: [{path: /build/x/y, value: 1}]}\n\
         - {name: b, patches: [{op: add, path: /build/x/y, value: 1}]}\n\
         - {name: a, patches: [{op: add, path: /build/x, value: {}}]}\n"
            .to_owned(),
        // Whether it may apply is for the run to find out.
        "- {name: p, patches: [{op: test, path: /build/artifacts/0/image, value: other}]}\n".to_owned(),
    ] {
        idle(&profiles).unwrap_or_else(|error| panic!("{profiles}: {}", error.report()));
    }
    let refused = error(idle(&format!(
        "- {{name: a, {artifacts}}}\n- {{name: p, patches: [{{path: /build/artifacts/1/requires/0, value: K}}]}}\n"
    )));
    assert!(
        refused.contains("15:27: there is nothing at") || refused.contains("there is nothing at"),
        "{refused}"
    );
}

#[test]
fn trying_profiles_ends() {
    let profiles: String = (0..400)
        .map(|number| format!("- {{name: p{number}, patches: [{{path: /build/none{number}, value: 1}}]}}\n"))
        .collect();
    // The first is told, and none of the others tried for it without end.
    let refused = error(idle(&profiles));
    assert!(refused.starts_with("skaffold.yaml:12:31: there is nothing at `/build/none0`"), "{refused}");
    let many: String = (0..3000).map(|number| format!("    - {{image: i{number}}}\n")).collect();
    let body = format!("build:\n  artifacts:\n{many}profiles:\n{profiles}");
    let started = std::time::Instant::now();
    assert!(newest_with(&body, &Options::default()).is_ok(), "what is too much to try is not refused");
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn patches_address_items_by_what_they_have() {
    let base = "
build:
  artifacts:
  - {image: gcr.io/x/cart, docker: {dockerfile: D}}
  - {image: web, requires: [{image: gcr.io/x/cart}]}
";
    let shown = with(
        base,
        "
patches:
- {path: '/build/artifacts[image=gcr.io/x/cart]/docker/dockerfile', value: E}
- {op: add, path: '/build/artifacts[image=web]/context', value: w}
- {op: copy, from: '/build/artifacts[image=gcr.io/x/cart]/docker', path: '/build/artifacts[image=web]/docker'}
",
    )
    .unwrap();
    assert!(
        shown.contains("build web in w") && shown.matches(r#"{"dockerfile":"E"}"#).count() == 2,
        "{shown}"
    );
    // What yaml-patch searches for it finds everywhere below: here what is required, too.
    let all = with(base, "patches: [{path: '/build/artifacts/image=gcr.io~1x~1cart/image', value: other}]")
        .unwrap();
    assert!(all.contains("build other in") && all.contains("with other as other"), "{all}");
    let refused =
        error(with(base, "patches: [{op: move, from: '/build/image=gcr.io~1x~1cart', path: /build/x}]"));
    assert!(refused.contains("leads to 2 places"), "{refused}");
    let twice = "build: {artifacts: [{image: a, context: x}, {image: b, context: x}]}";
    let refused = error(with(twice, "patches: [{op: remove, path: '/build/artifacts[context=x]'}]"));
    assert_snapshot!(refused, @r"
    skaffold.yaml:6:32: there is nothing at `/build/artifacts[context=x]`
      hint: 2 items of `/build/artifacts` are so; name one by its index, from 0
    ");
}
