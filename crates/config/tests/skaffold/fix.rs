//! Files in the newest version: they mean what the old ones meant, and what a person wrote is still there.

use std::{env, fs, path::Path};

use insta::assert_snapshot;
use shipway_config::{Options, Skaffold, Trust, Version, fix_skaffold};
use shipway_core::ErrorKind;

use crate::{recorded::catalog, skip::skip};

fn fixed(text: &str) -> String {
    fix_skaffold("skaffold.yaml", text).unwrap_or_else(|error| panic!("{}", error.report())).text
}

/// All that a file means.
fn meaning(text: &str) -> Result<String, ErrorKind> {
    let options = Options::default().auto_activation(false).trust(Trust::Full);
    let skaffold = Skaffold::read("skaffold.yaml", text, options, &catalog());
    skaffold.and_then(|skaffold| skaffold.effective(Path::new("/shop"))).map_err(|error| error.kind())
}

/// Fixes a folder's files; returns how many were written anew.
fn fix_all(folder: &Path) -> usize {
    let mut changed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let new = match fix_skaffold(&path, &text) {
            Ok(new) => new.text,
            Err(error) => {
                // What cannot be brought over is no file that can be read either.
                let kind = meaning(&text).expect_err(&text);
                assert_eq!(kind, error.kind(), "{}: {}", path.display(), error.report());
                continue;
            }
        };
        assert_eq!(meaning(&new), meaning(&text), "{}", path.display());
        assert_eq!(fixed(&new), new, "{}", path.display());
        let newest = Version::NEWEST.to_string();
        let versions = |text: &str| text.lines().filter(|line| line.starts_with("apiVersion:")).count();
        let newest = |text: &str| {
            text.lines().filter(|line| line.starts_with("apiVersion:") && line.contains(&newest)).count()
        };
        assert_eq!(newest(&new), versions(&text), "{}", path.display());
        if newest(&text) == versions(&text) {
            assert_eq!(new, text, "{}", path.display());
        } else {
            changed += 1;
        }
    }
    changed
}

#[test]
fn examples_mean_what_they_meant() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/skaffold/examples/in");
    fix_all(&folder);
}

#[test]
fn files_of_public_repositories_mean_what_they_meant() {
    let Some(corpus) = env::var_os("SHIPWAY_CORPUS") else {
        skip("config::files_of_public_repositories_mean_what_they_meant", "SHIPWAY_CORPUS");
        return;
    };
    let corpus = Path::new(&corpus).join("skaffold");
    let changed = fix_all(&corpus.join("public/in")) + fix_all(&corpus.join("examples/in"));
    assert!(changed >= 10, "only {changed} are old");
}

#[test]
fn comments_go_where_their_fields_go() {
    assert_snapshot!(fixed(
        "\
# Copyright: the shop.
# Second line.
apiVersion: skaffold/v1beta12  # old
kind: Config

# What is built.
build:
  # In the cluster.
  cluster:
    # The secret that pulls.
    pullSecret: 'secret.json' # a file
    namespace: builds
  artifacts:
    # The front.
    - image: web # beside
      kaniko:
        # Where from.
        buildContext:
          localDir:
            # The first container.
            initImage: busybox
        cache: {}

# What is deployed.
deploy:
  # With kustomize.
  kustomize:
    # Where it is.
    path: k8s # here
    # How.
    flags:
      apply: [\"--prune\"]
# The end.
"
    ));
}

#[test]
fn profiles_and_their_patches_are_of_the_newest_version_too() {
    assert_snapshot!(fixed(
        "\
apiVersion: skaffold/v2beta4
kind: Config
metadata:
    name: shop
build:
    artifacts:
    -   image: shop/web
        context: web
        buildpack:
            builder: heroku/buildpacks
deploy:
    kubectl:
        manifests:
        # all
        - k8s/*.yaml
        # but these
        - more/*.yaml   # yes
profiles:
-   name: dev   # for developers
    # Where it goes.
    deploy:
        kubectl:
            manifests: [ k8s/dev.yaml ]
    patches:
    # Another builder.
    - op: replace
      path: /build/artifacts/0/buildpack/builder
      value: 'gcr.io/builder'   # ours
    -   {op: add, path: /deploy/kubectl/manifests/-, value: x.yaml}
"
    ));
}

#[test]
fn anchors_and_what_merges_them_stay_where_they_can() {
    assert_snapshot!(fixed(
        "\
apiVersion: skaffold/v2beta22
kind: Config

# Shared.
.docker: &docker
  docker: &options # how
    noCache: true
    network: host
.secret: &secret {id: npm, src: token}

build:
  artifacts:
  - image: web
    <<: *docker # as the others
    context: ./web
  - image: api
    docker:
      <<: *options
      pullParent: true
  - image: jobs
    docker:
      # Changed by the newest version.
      secret: *secret
  - image: more
    docker: &more
      secret: *secret
  - image: last
    docker: *more
"
    ));
}

#[test]
fn a_file_of_several_configurations_is_fixed_in_each() {
    let text = "\
apiVersion: skaffold/v4beta14
kind: Config
metadata: {name: one}   # newest
---
# The second.
apiVersion: 'skaffold/v2beta10'
kind: Config
metadata: {name: two}
deploy: {kubectl: {manifests: [a.yaml]}} # flow
---
# nothing
";
    let new = text.replace("v2beta10", "v4beta14").replace(
        "deploy: {kubectl: {manifests: [a.yaml]}} # flow\n",
        "deploy: {kubectl: {}} # flow\nmanifests:\n  rawYaml: [a.yaml]\n",
    );
    assert_eq!(fixed(text), new);
    assert_eq!(fixed(&new), new);
    let crlf = text.replace('\n', "\r\n");
    assert_eq!(fixed(&crlf), new.replace('\n', "\r\n"));
}

#[test]
fn what_has_no_effect_any_more_is_said() {
    let text = "\
apiVersion: skaffold/v2beta16
kind: Config
build:
  artifacts:
  - image: web
    docker: {secret: {id: npm, src: token, dst: /x}}
";
    let fixed = fix_skaffold("skaffold.yaml", text).unwrap();
    let notices: Vec<String> = fixed.notices.iter().map(ToString::to_string).collect();
    assert_eq!(notices, ["skaffold.yaml:6:44: `docker.secret.dst` has no effect since skaffold/v2beta17"]);
    assert_eq!(
        fixed.text,
        text.replace("v2beta16", "v4beta14")
            .replace("{secret: {id: npm, src: token, dst: /x}}", "{secrets: [{id: npm, src: token}]}")
    );
}
