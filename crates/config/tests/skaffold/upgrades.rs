//! What the steps between the versions change.

use insta::assert_snapshot;
use shipway_config::{Options, Version};

use crate::recorded::{error, read};

fn old(body: &str, options: &Options) -> shipway_core::Result<String> {
    read(&format!("apiVersion: skaffold/v1beta11\nkind: Config\n{body}"), options)
}

#[test]
fn what_kubectl_deploys_is_rendered_apart() {
    assert_snapshot!(old("
build: {artifacts: [{image: web}]}
deploy: {kubectl: {manifests: [a.yaml, b.yaml], flags: {global: [-v]}}}
profiles:
- name: p
  deploy: {kubectl: {manifests: [c.yaml]}}
  patches:
  - {op: add, path: /deploy/kubectl/manifests/1, value: d.yaml}
", &Options::default().profiles(["p"])).unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    deploy skaffold by kubectl {"manifests":{"rawYaml":["c.yaml","d.yaml"]}}
    profiles p
    "#);
}

#[test]
fn what_kustomize_deploys_is_rendered_by_it_and_deployed_by_kubectl() {
    let old =
        |body: &str| old(&format!("build: {{artifacts: []}}\n{body}"), &Options::default().profiles(["p"]));
    assert_snapshot!(old("deploy: {kustomize: {}}\nprofiles: [{name: p}]").unwrap(), @r#"
    pipeline skaffold
    deploy skaffold by kubectl {"allowRemoteBases":true,"manifests":{"kustomize":{"paths":["."]}}}
    profiles p
    "#);
    assert_snapshot!(old("
deploy: {kustomize: {path: over, flags: {apply: [-a]}}, kubectl: {flags: {apply: [-b]}}}
profiles:
- name: p
  patches: [{path: /deploy/kustomize/path, value: under}]
").unwrap(), @r#"
    pipeline skaffold
    deploy skaffold by kubectl {"allowRemoteBases":true,"flags":{"apply":["-b","-a"]},"manifests":{"kustomize":{"paths":["under"]}}}
    profiles p
    "#);
}

#[test]
fn a_secret_and_what_is_taken_from_a_cluster_became_lists() {
    let text = "
apiVersion: skaffold/v2beta16
kind: Config
build: {artifacts: [{image: web, docker: {secret: {id: npm, src: token, dst: /x}}}]}
deploy: {kubeContext: c, kubectl: {remoteManifests: ['deployment/web']}}
profiles:
- name: p
  patches: [{path: /build/artifacts/0/docker/secret/src, value: other}]
";
    assert_snapshot!(read(text, &Options::default().profiles(["p"])).unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by docker {"secrets":[{"id":"npm","src":"other"}]}
      named by gitCommit {"otherwise":"latest"}
    deploy skaffold by kubectl {"kubeContext":"c","manifests":{"remoteManifests":[{"kubeContext":"c","manifest":"deployment/web"}]}}
    profiles p
    notice skaffold.yaml:4:73: `docker.secret.dst` has no effect since skaffold/v2beta17
    "#);
}

#[test]
fn errors_after_an_upgrade_are_at_the_users_own_lines() {
    let refused = |body: &str| error(old(body, &Options::default()));
    assert_snapshot!(refused("
deploy:
  kubectl:
    manifests: {a: b}
"), @"skaffold.yaml:6:16: expected a list, found a mapping");
    assert_snapshot!(refused("
deploy:
  kustomize:
    path: over
    flag: []
"), @r"
    skaffold.yaml:7:5: there is no field `flag` here
      hint: did you mean `flags`?
    ");
    assert_snapshot!(refused("deploy: {kpt: {dir: live}}"), @"
    skaffold.yaml:3:10: `kpt` needs v2beta7; this file says v1beta11
      hint: write `apiVersion: skaffold/v2beta7`, or a later one
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: a, jibMaven: {module: m, profile: p}}]}"), @"skaffold.yaml:3:32: the builder `jib` is not supported yet");
    assert_snapshot!(refused("profiles: [{name: p, patches: [{path: /deploy/kpt/dir, value: x}]}]"), @r"
    skaffold.yaml:3:39: `deploy.kpt` of versions before skaffold/v3alpha1 is not brought over by Skaffold either
      hint: take it out, or write the file in the newest version
    ");
}

#[test]
fn every_version_is_read() {
    let stages = ["v1alpha", "v1beta", "v2alpha", "v2beta", "v3alpha", "v4beta"];
    let numbered = stages.iter().flat_map(|stage| (1..=40).map(move |number| format!("{stage}{number}")));
    let mut read_versions = 0;
    for version in numbered.chain(["v1".to_owned(), "v3".to_owned()]) {
        if !format!("skaffold/{version}").parse().is_ok_and(|version: Version| version <= Version::NEWEST) {
            continue;
        }
        read_versions += 1;
        let old = ["v1alpha1", "v1alpha2", "v1alpha3"].contains(&version.as_str());
        let (image, context) = if old { ("imageName", "workspace") } else { ("image", "context") };
        let text = format!(
            "apiVersion: skaffold/{version}\nkind: Config\nbuild: {{artifacts: [{{{image}: web, {context}: app}}]}}\n"
        );
        let shown =
            read(&text, &Options::default()).unwrap_or_else(|error| panic!("{version}: {}", error.report()));
        assert!(shown.contains("build web in app into"), "{version}: {shown}");
    }
    assert_eq!(read_versions, 72);
}

#[test]
fn an_error_in_the_first_version_is_at_its_line() {
    let text = "apiVersion: skaffold/v1alpha1\nkind: Config\nbuild:\n  artifacts:\n  - imageName: web\n    \
                workspace: [app]\n";
    assert_snapshot!(error(read(text, &Options::default())), @"skaffold.yaml:6:16: expected a text, found a list");
}

#[test]
fn a_file_of_the_first_version_means_what_it_did() {
    let text = "
apiVersion: skaffold/v1alpha1
kind: Config
build:
  tagPolicy: sha256
  local: {skipPush: true}
  artifacts:
  - {imageName: web, workspace: app, dockerfilePath: Dockerfile.web, buildArgs: {a: b}}
deploy:
  name: shop
  kubectl:
    manifests: [{paths: [a.yaml], parameters: {a: b}}, {paths: [b.yaml]}]
";
    assert_snapshot!(read(text, &Options::default()).unwrap(), @r#"
    pipeline skaffold
    build web in app into [Daemon("unix:///var/run/docker.sock")] web
      by docker {"buildArgs":{"a":"b"},"buildkit":false,"dockerfile":"Dockerfile.web"}
      named by sha256 {}
    deploy skaffold by kubectl {"manifests":{"rawYaml":["a.yaml","b.yaml"]}}
    notice skaffold.yaml:10:3: `deploy.name` has no effect since skaffold/v1alpha2
    notice skaffold.yaml:12:35: `parameters` of manifests have no effect since skaffold/v1alpha2
    "#);
}
