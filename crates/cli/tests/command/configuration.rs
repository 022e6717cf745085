//! What a configuration says: `diagnose`, `explain`, `fix` and `schema`.

use crate::bench::{Bench, text};

const OLD: &str = "\
apiVersion: skaffold/v2beta29
kind: Config
# What is built.
build:
  artifacts:
  - image: web
deploy:
  kubectl:
    manifests: [web.yaml] # all
profiles:
- name: quiet
  patches:
  - {op: add, path: /deploy/kubectl/manifests/-, value: more.yaml}
";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_is_written_and_explained() {
    let bench = Bench::new(OLD).await;
    let output = bench.run("diagnose --yaml-only -p quiet").await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("apiVersion: skaffold/v4beta14\nkind: Config\nbuild:\n"), "{out}");
    assert!(out.contains("/more.yaml\n") && out.contains("tagPolicy:\n    gitCommit: {}\n"), "{out}");

    let output = bench.run("explain manifests.rawYaml[1] -p quiet").await;
    let out = text(&output.stdout);
    assert!(out.ends_with("/more.yaml\n  skaffold.yaml:13:57: patch 0 of profile `quiet`\n"), "{out}");
    let output = bench.run("explain manifests.raw").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is nothing at `manifests.raw`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_brought_to_the_newest_version_with_its_comments() {
    let bench = Bench::new(OLD).await;
    let fixed = "\
apiVersion: skaffold/v4beta14
kind: Config
# What is built.
build:
  artifacts:
  - image: web
deploy:
  kubectl: {}
profiles:
- name: quiet
  patches:
  - {op: add, path: /manifests/rawYaml/-, value: more.yaml}
manifests:
  rawYaml: [web.yaml] # all
";
    let output = bench.run("fix").await;
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), fixed));
    assert_eq!(text(&bench.run("diagnose -p quiet").await.stdout), {
        assert!(bench.run("fix --overwrite").await.status.success());
        text(&bench.run("diagnose -p quiet").await.stdout)
    });
    // It is the newest now, and stays what it is.
    assert_eq!(text(&bench.run("fix").await.stdout), fixed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_that_of_a_version_with_our_kinds() {
    let bench = Bench::new(OLD).await;
    let schema = |output: &[u8]| serde_json::from_slice::<serde_json::Value>(output).expect("JSON");
    let newest = schema(&bench.run("schema").await.stdout);
    assert_eq!(newest["title"], "skaffold/v4beta14");
    assert!(newest["definitions"]["DeployConfig"]["properties"]["gitops"].is_object());
    let old = schema(&bench.run("schema skaffold/v1beta2").await.stdout);
    assert!(old["definitions"]["KubectlDeploy"]["properties"]["manifests"].is_object());
    assert_eq!(bench.run("schema skaffold/v9").await.status.code(), Some(2));
}
