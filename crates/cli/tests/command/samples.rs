//! The two files that people published for other tools: they plan and build, and deploy only to a cluster that is
//! named.

use crate::{
    bench::{Bench, text},
    published::{DATE_TIME, IMAGE, PROFILES, sources},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_with_a_date_is_planned_built_and_tagged_as_it_says() {
    let bench = Bench::new(DATE_TIME).await;
    sources(&bench, ".");
    let output = bench.run("plan --builder native -d REGISTRY").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout), @r"
    tag:gcr.io/terrycho-personal/node-example    runs
    build:gcr.io/terrycho-personal/node-example  runs: never built before
    push:gcr.io/terrycho-personal/node-example   runs
    render:skaffold                              runs
    diff:skaffold                                runs
    apply:skaffold                               runs
    health:skaffold                              runs
    diff:skaffold/settle                         runs
    apply:skaffold/settle                        runs
    diff:skaffold/undo                           only after a failure
    apply:skaffold/undo                          only after a failure
    health:skaffold/undo                         only after a failure
    ");
    insta::assert_snapshot!(text(&output.stderr), @"
    what `skaffold` changes cannot be told: `k8s/*.yaml` finds no manifests
      hint: name files that end in `.yaml`, `.yml` or `.json`, relative to the folder of the configuration
    ");

    let mut command = bench.command("build --builder native -d REGISTRY");
    command.env("TZ", "Asia/Seoul");
    let output = crate::bench::ended(command).await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    // The form that its author shows: `2019-06-26_23-22-58.301_KST`.
    let tags = bench.tags(IMAGE);
    let dated =
        |tag: &&String| tag.starts_with("20") && tag.ends_with("_KST") && tag.matches('_').count() == 2;
    let tag = tags.iter().find(dated).unwrap_or_else(|| panic!("{tags:?}"));
    assert!(out.ends_with(&format!(" (tag {tag})\n")), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_with_profiles_is_planned_built_and_tagged_as_it_says() {
    let bench = Bench::new(PROFILES).await;
    sources(&bench, "backend");
    let output = bench.run("plan -p production --builder native -d REGISTRY").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout), @r"
    tag:gcr.io/terrycho-personal/node-example    runs
    build:gcr.io/terrycho-personal/node-example  runs: never built before
    push:gcr.io/terrycho-personal/node-example   runs
    render:skaffold                              runs
    diff:skaffold                                runs
    apply:skaffold                               runs
    health:skaffold                              runs
    diff:skaffold/settle                         runs
    apply:skaffold/settle                        runs
    diff:skaffold/undo                           only after a failure
    apply:skaffold/undo                          only after a failure
    health:skaffold/undo                         only after a failure
    ");
    insta::assert_snapshot!(text(&output.stderr), @"
    warning: skaffold.yaml:7:5: `build.artifacts.sync` has no effect: files are not synchronised yet; a run builds the image
      7 |     sync:
        |     ^^^^
    what `skaffold` changes cannot be told: `k8s/*.yaml` finds no manifests
      hint: name files that end in `.yaml`, `.yml` or `.json`, relative to the folder of the configuration
    ");

    let output = bench.run("build -p production --builder native -d REGISTRY").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(bench.tags(IMAGE).contains(&"v1.2.3".to_owned()), "{:?}", bench.tags(IMAGE));

    // Nothing goes to whatever cluster happens to be the current one.
    bench.write("k8s/node.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: node}\n");
    let output = bench.run("run -p production --builder native -d REGISTRY").await;
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("no cluster is named to deploy to") && err.contains("`--kube-context`"), "{err}");
    let output = bench.run("build -p prodution").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: there is no profile `prodution`
      hint: did you mean `production`?
    ");
}
