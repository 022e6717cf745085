//! What each task does.

use shipway::{Event, EventKind, Outcome, RunOutcome, RunState, TaskStatus};

use crate::bench::{Bench, CONFIGURATION, text};

fn folded(out: &str) -> RunState {
    let events: Vec<Event> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(events.last().unwrap().kind, EventKind::RunFinished { .. }), "{out}");
    RunState::after(&events)
}

#[tokio::test(flavor = "multi_thread")]
async fn build_pushes_and_names_images_and_deploys_nothing() {
    let bench = Bench::new(CONFIGURATION).await;
    let output = bench.run("build --builder native -d REGISTRY/team -t v1").await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let name = format!("web -> {}/team/web@sha256:", bench.registry.host());
    let named = out.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("{out}"));
    assert!(named.ends_with(" (tag v1)"), "{named}");
    assert!(bench.tags("team/web").contains(&"v1".to_owned()));
    assert!(err.contains("build:web: begins, because never built before"), "{err}");
    assert!(!out.contains("apply:"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_says_what_would_happen_and_does_nothing() {
    let bench = Bench::new(CONFIGURATION).await;
    let output = bench.run("plan --builder native -d REGISTRY/team -t v1").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout).replace(&bench.registry.host(), "REGISTRY"), @r#"
    tag:web            runs
    build:web          runs: never built before
    push:web           runs
    render:shop        runs
    diff:shop          runs
    apply:shop         runs
    health:shop        runs
    diff:shop/settle   runs
    apply:shop/settle  runs
    diff:shop/undo     only after a failure
    apply:shop/undo    only after a failure
    health:shop/undo   only after a failure

    shop: 2 objects change
    create Deployment default/web
      + {
      +   "apiVersion": "apps/v1",
      +   "kind": "Deployment",
      +   "metadata": {
      +     "labels": {
      +       "app.kubernetes.io/instance": "shop",
      +       "app.kubernetes.io/managed-by": "shipway",
      +       "app.kubernetes.io/name": "web",
      +       "applyset.kubernetes.io/part-of": "applyset-xuXVbuKmJ85ylFWDGtx_ihCIGsrYKQvCML0c2zbFoKY-v1"
      +     },
      +     "name": "web",
      +     "namespace": "default"
      +   },
      +   "spec": {
      +     "replicas": 1,
      +     "selector": {
      +       "matchLabels": {
      +         "app.kubernetes.io/instance": "shop",
      +         "app.kubernetes.io/name": "web"
      +       }
      +     },
      +     "template": {
      +       "metadata": {
      +         "labels": {
      +           "app.kubernetes.io/instance": "shop",
      +           "app.kubernetes.io/managed-by": "shipway",
      +           "app.kubernetes.io/name": "web"
      +         }
      +       },
      +       "spec": {
      +         "containers": [
      +           {
      +             "image": "REGISTRY/team/web@sha256:(not built yet)",
      +             "name": "web"
      +           }
      +         ]
      +       }
      +     }
      +   }
      + }
    create Secret default/shipway.shop.v1
      + {
      +   "images": [
      +     "REGISTRY/team/web@sha256:(not built yet)"
      +   ],
      +   "revision": 1
      + }
    "#);
    assert!(bench.tags("team/web").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn run_deploys_what_it_built_and_tells_it_in_json() {
    let bench = Bench::new(CONFIGURATION).await;
    let output = bench.run("run --builder native -d REGISTRY/team --events json").await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
    let state = folded(&out);
    assert_eq!((state.pipeline.as_str(), state.outcome), ("shop", Some(RunOutcome::Succeeded)));
    let health = &state.tasks[&"health:shop".parse().unwrap()];
    assert_eq!(health.status, TaskStatus::Ended(Outcome::Succeeded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_does_not_become_healthy_is_a_failure() {
    let bench = Bench::new(CONFIGURATION).await;
    bench.write("web/Dockerfile", "FROM scratch\nCOPY run /run\nENTRYPOINT [\"/missing\"]\n");
    let output = bench.run("run --builder native -d REGISTRY/team").await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(err.contains("health:shop: failed: release `shop` is not healthy"), "{err}");
    assert!(out.contains("FAILED    health:shop"), "{out}");
    let output = bench.run("run --builder native -d REGISTRY/team --events json").await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(folded(&text(&output.stdout)).outcome, Some(RunOutcome::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_removes_nothing_where_nothing_is() {
    let bench = Bench::new(CONFIGURATION).await;
    let output = bench.run("delete -d REGISTRY/team").await;
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    assert!(out.contains("diff:shop") && !out.contains("build:"), "{out}");
    assert!(bench.tags("team/web").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_is_as_its_flag_and_an_empty_one_is_none() {
    let bench = Bench::new(CONFIGURATION).await;
    let mut command = bench.command("build --builder native");
    command.env("SKAFFOLD_DEFAULT_REPO", format!("{}/team", bench.registry.host()));
    command.env("SKAFFOLD_TAG", "v2").env("SKAFFOLD_PROFILE", "").env("DOCKER_HOST", "");
    let output = crate::bench::ended(command).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(bench.tags("team/web").contains(&"v2".to_owned()));
}
