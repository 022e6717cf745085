//! Where each value comes from.

use std::path::Path;

use insta::assert_snapshot;
use shipway_config::{Options, Skaffold};
use shipway_core::Catalog;

const TEXT: &str = "
apiVersion: skaffold/v2beta29
kind: Config
build:
  artifacts:
  - image: web
    docker:
      buildArgs: {A: '{{.A}}-{{.B}}'}
  - image: registry.test/api
deploy:
  kubectl:
    manifests: [web.yaml]
profiles:
- name: p
  build:
    tagPolicy: {sha256: {}}
  patches:
  - {path: /build/artifacts/0/image, value: site}
  - {op: add, path: /deploy/kubectl/manifests/-, value: more.yaml}
- name: q
  deploy:
    statusCheckDeadlineSeconds: 5
";

fn explained(path: &str) -> String {
    let options = Options::default().profiles(["p", "q"]);
    let skaffold = Skaffold::read("skaffold.yaml", TEXT, options, &Catalog::new()).unwrap();
    match skaffold.explain(path, Path::new("/shop")) {
        Ok(all) => all.iter().map(|one| format!("{one}\n")).collect(),
        Err(error) => error.report().to_string(),
    }
}

#[test]
fn each_value_has_who_wrote_it_and_where() {
    assert_snapshot!(explained(""), @"
    /apiVersion: skaffold/v4beta14
      default
    /kind: Config
      skaffold.yaml:3:7: the file
    /build/artifacts/0/image: site
      skaffold.yaml:18:45: patch 0 of profile `p`
    /build/artifacts/0/context: /shop
      default
    /build/artifacts/0/docker/dockerfile: Dockerfile
      default
    /build/artifacts/0/docker/buildArgs/A: '{{.A}}-{{.B}}'
      skaffold.yaml:8:22: the file, with A, B of the environment
    /build/artifacts/1/image: registry.test/api
      skaffold.yaml:9:12: the file
    /build/artifacts/1/context: /shop
      default
    /build/artifacts/1/docker/dockerfile: Dockerfile
      default
    /build/tagPolicy/sha256: {}
      skaffold.yaml:16:25: profile `p`
    /build/local/concurrency: 1
      default
    /manifests/rawYaml/0: /shop/web.yaml
      skaffold.yaml:12:17: the file
    /manifests/rawYaml/1: /shop/more.yaml
      skaffold.yaml:19:57: patch 1 of profile `p`
    /deploy/kubectl: {}
      skaffold.yaml:12:5: the file
    /deploy/statusCheckDeadlineSeconds: 5
      skaffold.yaml:22:33: profile `q`
    /deploy/logs/prefix: container
      default
    ");
}

#[test]
fn a_path_may_name_an_item_by_what_it_has() {
    assert_snapshot!(explained("build.artifacts[image=registry.test/api]"), @"
    /build/artifacts/1/image: registry.test/api
      skaffold.yaml:9:12: the file
    /build/artifacts/1/context: /shop
      default
    /build/artifacts/1/docker/dockerfile: Dockerfile
      default
    ");
    assert_eq!(explained("/build/artifacts/1"), explained("build.artifacts[1]"));
}

#[test]
fn where_nothing_is_there_is_said_what_is() {
    assert_snapshot!(explained("build.artifact"), @"
    there is nothing at `build.artifact`
      hint: `/build` has: artifacts, tagPolicy, local
    ");
    assert_snapshot!(explained("build.artifacts[7].image"), @"
    there is nothing at `build.artifacts[7].image`
      hint: did you mean `/build/artifacts[image=site]/image`?
    ");
    assert_snapshot!(explained("deploy.helm"), @"
    there is nothing at `deploy.helm`
      hint: `/deploy` has: kubectl, statusCheckDeadlineSeconds, logs
    ");
    assert_snapshot!(explained("deploy.kubectl.flags.apply"), @"
    there is nothing at `deploy.kubectl.flags.apply`
      hint: `/deploy/kubectl` is empty
    ");
}
