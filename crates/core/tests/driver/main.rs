//! The driver with scripted plug-ins: what runs, what is reused, what happens after a failure.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests prepare real sources, print their figures, and may panic"
)]

mod clocks;
mod edges;
mod fakes;
mod gaps;
mod gate_files;
mod gates;
mod judged;
mod look;
mod misbehave;
mod policies;
mod resume;
mod steps;
mod stopping;
mod traces;

use std::sync::Arc;

use fakes::{
    FakeBuilder, FakeDeployer, FakeTagger, FakeTester, Quirk, bench, bench_with, build, deploy, requiring,
};
use shipway_core::{
    Driver, ErrorKind, Need, Outcome, Output, Pipeline, Policy, Report, RunOutcome, Store, StoreKind,
    TaskStatus,
};

fn reasons(report: &Report, id: &str) -> Vec<String> {
    let id = id.parse().unwrap();
    report.state.tasks[&id].reasons.iter().map(ToString::to_string).collect()
}

fn failure(report: &Report, id: &str) -> shipway_core::ErrorReport {
    match report.task(id) {
        Some(Outcome::Failed { error }) => error.clone(),
        other => panic!("{id} did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_release_goes_from_sources_to_settled() {
    let bench = bench();
    let deployer = FakeDeployer::default();
    let pipeline =
        Pipeline::new("shop").build(build("web", bench.builder(Quirk::None))).deploy(deploy(&deployer));
    let report = bench.run(&pipeline).await.into_result().unwrap();
    let image = report.image("web").unwrap();
    let tag = image.tag.as_ref().unwrap();
    assert_eq!(
        bench.shelf.0.lock().unwrap()[&format!("reg/web:{tag}")],
        image.digest,
        "the people's tag moved"
    );
    let deployment = report.deployment("shop").unwrap();
    assert_eq!(deployment.manifests.release.images[0].reference(), image.reference());
    assert_eq!(*deployer.settled.lock().unwrap(), ["1"]);
    assert_eq!(report.task("diff:shop/undo"), Some(&Outcome::Skipped { because: None }));
}

#[tokio::test]
async fn what_did_not_change_is_reused_and_what_did_is_built_with_its_reason() {
    let bench = bench();
    let (web, api) = (bench.builder(Quirk::None), bench.builder(Quirk::None));
    let pipeline = Pipeline::new("shop")
        .build(build("web", Arc::<FakeBuilder>::clone(&web)))
        .build(build("api", Arc::<FakeBuilder>::clone(&api)));
    let report = bench.run(&pipeline).await;
    assert_eq!(reasons(&report, "build:web"), ["never built before"]);
    let report = bench.run(&pipeline).await;
    assert_eq!(report.task("build:web"), Some(&Outcome::Reused));
    assert_eq!(report.task("build:api"), Some(&Outcome::Reused));
    bench.write("web", "2");
    let report = bench.run(&pipeline).await;
    assert_eq!(report.task("build:web"), Some(&Outcome::Succeeded));
    assert_eq!(reasons(&report, "build:web"), ["file web/src changed"]);
    assert_eq!(report.task("build:api"), Some(&Outcome::Reused));
    assert_eq!((web.built.lock().unwrap().len(), api.built.lock().unwrap().len()), (2, 1));
}

#[tokio::test]
async fn an_image_that_is_gone_is_built_again() {
    let bench = bench();
    let pipeline = Pipeline::new("shop").build(build("web", bench.builder(Quirk::None)));
    let image = bench.run(&pipeline).await.image("web").unwrap().clone();
    bench.shelf.0.lock().unwrap().clear();
    let report = bench.run(&pipeline).await;
    assert_eq!(reasons(&report, "build:web"), [format!("`{}` is gone", image.reference())]);
}

#[tokio::test]
async fn a_dependent_is_built_only_when_what_it_requires_really_changed() {
    let bench = bench();
    let (base, web) = (bench.builder(Quirk::None), bench.builder(Quirk::None));
    let pipeline = Pipeline::new("shop")
        .build(requiring("web", "base", Arc::<FakeBuilder>::clone(&web)))
        .build(build("base", base));
    bench.run(&pipeline).await.into_result().unwrap();
    bench.write("base", "2");
    let report = bench.run(&pipeline).await;
    assert_eq!(reasons(&report, "build:web"), ["required image BASE changed"]);

    // The sources change, but the image does not: the dependent is cut off.
    let constant = bench.builder(Quirk::Constant);
    let pipeline = Pipeline::new("shop").build(requiring("web", "base", web)).build(build("base", constant));
    bench.write("base", "new");
    bench.run(&pipeline).await.into_result().unwrap();
    bench.write("base", "3");
    let report = bench.run(&pipeline).await;
    assert_eq!(report.task("build:base"), Some(&Outcome::Succeeded));
    assert_eq!(report.task("build:web"), Some(&Outcome::Reused));
}

#[tokio::test]
async fn the_plan_says_what_will_run_and_why() {
    let bench = bench();
    let deployer = FakeDeployer::default();
    let pipeline = Pipeline::new("shop")
        .build(requiring("web", "base", bench.builder(Quirk::None)))
        .build(build("base", bench.builder(Quirk::None)))
        .build(build("api", bench.builder(Quirk::None)))
        .deploy(deploy(&deployer).artifacts(["web", "api"]));
    let api_only = Pipeline::new("shop").build(pipeline.builds[2].clone());
    bench.run(&api_only).await.into_result().unwrap();
    let observed = bench.driver.observe(&pipeline, &bench.cancel).await.unwrap();
    let plan = Driver::plan(&pipeline, &observed).unwrap();
    assert_eq!(plan, Driver::plan(&pipeline, &observed).unwrap(), "planning is pure");
    let json = serde_json::to_string(&(&plan, &observed)).unwrap();
    assert_eq!(
        serde_json::from_str::<(shipway_core::Plan, shipway_core::Observed)>(&json).unwrap(),
        (plan.clone(), observed)
    );
    let text = plan.to_string();
    let fingerprint = text.split("reuses ").nth(1).unwrap().split('\n').next().unwrap().to_owned();
    insta::assert_snapshot!(text.replace(&fingerprint, "<fingerprint>"), @"
    build:base         runs: never built before
    build:web          open until build:base
    tag:base           runs
    push:base          runs
    build:api          reuses <fingerprint>
    tag:api            runs
    push:api           runs
    render:shop        runs
    diff:shop          runs
    apply:shop         runs
    health:shop        runs
    diff:shop/settle   runs
    apply:shop/settle  runs
    diff:shop/undo     only after a failure
    apply:shop/undo    only after a failure
    health:shop/undo   only after a failure
    ");
}

#[tokio::test]
async fn a_plan_whose_inputs_changed_is_refused() {
    let bench = bench();
    let pipeline = Pipeline::new("shop").build(build("web", bench.builder(Quirk::None)));
    let observed = bench.driver.observe(&pipeline, &bench.cancel).await.unwrap();
    let plan = Driver::plan(&pipeline, &observed).unwrap();
    bench.write("web", "2");
    let report = bench.driver.execute(&pipeline, &plan, &bench.cancel).await.unwrap();
    let error = failure(&report, "build:web");
    assert_eq!((error.kind, error.hint.as_deref()), (ErrorKind::Conflict, Some("plan again")));
}

#[tokio::test]
async fn a_result_whose_sources_changed_meanwhile_is_used_but_not_recorded() {
    let bench = bench();
    let pipeline = Pipeline::new("shop").build(build("web", bench.builder(Quirk::Edits)));
    let report = bench.run(&pipeline).await;
    assert_eq!(report.outcome, RunOutcome::Succeeded);
    // The second run's sources are those that the first left, but its result is not recorded for them.
    let report = bench.run(&pipeline).await;
    assert_eq!(report.task("build:web"), Some(&Outcome::Succeeded));
    // Now nothing changes any more.
    let report = bench.run(&pipeline).await;
    assert_eq!(report.task("build:web"), Some(&Outcome::Reused));
}

#[tokio::test]
async fn a_failure_stops_what_depends_on_it_and_by_default_all_that_has_not_begun() {
    for keep_going in [false, true] {
        let bench = bench_with(|driver| driver.keep_going(keep_going).slots(1));
        let deployer = FakeDeployer::default();
        let pipeline = Pipeline::new("shop")
            .build(build("web", bench.builder(Quirk::Fails)))
            .build(build("api", bench.builder(Quirk::None)))
            .deploy(deploy(&deployer));
        let report = bench.run(&pipeline).await;
        assert_eq!(report.outcome, RunOutcome::Failed);
        assert_eq!(failure(&report, "build:web").message, "`cc` failed");
        let api = report.task("build:api").unwrap();
        assert_eq!(api, if keep_going { &Outcome::Succeeded } else { &Outcome::Skipped { because: None } });
        assert!(matches!(report.task("apply:shop"), Some(Outcome::Skipped { .. })));
        assert!(deployer.history.lock().unwrap().is_empty());
        let error = report.into_result().unwrap_err();
        assert_eq!(error.report().notes, ["in task build:web"]);
    }
}

#[tokio::test]
async fn a_broken_release_is_replaced_by_the_earlier_one() {
    let bench = bench();
    let deployer = FakeDeployer::default();
    let pipeline =
        Pipeline::new("shop").build(build("web", bench.builder(Quirk::None))).deploy(deploy(&deployer));
    let good = bench.run(&pipeline).await.image("web").unwrap().clone();
    bench.write("web", "broken");
    *deployer.broken.lock().unwrap() = true;
    let report = bench.run(&pipeline).await;
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!(failure(&report, "health:shop").notes, ["web: it crashes"]);
    let live = report.deployment("shop").unwrap();
    assert_eq!(live.manifests.release.images[0].digest, good.digest);
    assert_eq!(report.task("health:shop/undo"), Some(&Outcome::Succeeded));
    assert_eq!(*deployer.settled.lock().unwrap(), ["1"], "a failed release is not settled");
}

#[tokio::test]
async fn a_first_release_that_fails_stays_for_a_look() {
    let bench = bench();
    let deployer = FakeDeployer::default();
    *deployer.broken.lock().unwrap() = true;
    let pipeline =
        Pipeline::new("shop").build(build("web", bench.builder(Quirk::None))).deploy(deploy(&deployer));
    let report = bench.run(&pipeline).await;
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!(deployer.history.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_peoples_tag_moves_after_the_tests() {
    for passes in [true, false] {
        let bench = bench();
        let build = build("web", bench.builder(Quirk::None)).tester("shape", Arc::new(FakeTester { passes }));
        let pipeline = Pipeline::new("shop").build(build.tagger(Arc::new(FakeTagger { fingerprint: false })));
        let report = bench.run(&pipeline).await;
        assert_eq!(bench.shelf.0.lock().unwrap().contains_key("reg/web:v1"), passes);
        // Also a failed test leaves its report, to be written where people look for it.
        let Some(Output::Report(cases)) = report.outputs.get(&"test:web/shape".parse().unwrap()) else {
            panic!("no report: {:?}", report.outputs);
        };
        assert_eq!((cases.cases.len(), cases.failed().count()), (1, usize::from(!passes)));
        if !passes {
            let error = failure(&report, "test:web/shape");
            assert_eq!(
                (error.message.as_str(), &error.notes[..]),
                ("1 of 1 cases failed", &["shell: no /bin/sh".to_owned()][..])
            );
        }
    }
}

#[tokio::test]
async fn a_tag_that_is_an_input_comes_before_the_build() {
    let bench = bench();
    let uses_tag = build("web", bench.builder(Quirk::UsesTag));
    let named =
        Pipeline::new("shop").build(uses_tag.clone().tagger(Arc::new(FakeTagger { fingerprint: false })));
    let report = bench.run(&named).await.into_result().unwrap();
    let order: Vec<&str> = report.state.ended.iter().map(|id| id.as_str()).collect();
    assert_eq!(order, ["tag:web", "build:web", "push:web"]);

    let error = bench.driver.run(&Pipeline::new("shop").build(uses_tag), &bench.cancel).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    insta::assert_snapshot!(error.report(), @"
    artifact `web` depends on a tag that is made of its own inputs
      note: a build argument of the artifact holds the tag
      note: its tagger needs the fingerprint of the artifact's inputs
      hint: take the tag out of the build arguments, or use another tagger
    ");
}

#[tokio::test]
async fn wrong_pipelines_are_refused_with_the_names_in_question() {
    let bench = bench();
    let new = |name: &str, required: &str| requiring(name, required, bench.builder(Quirk::None));
    let one = |name: &str| build(name, bench.builder(Quirk::None));
    let deployer = FakeDeployer::default();
    let tester = || Arc::new(FakeTester { passes: true });
    let mut messages = String::new();
    for pipeline in [
        Pipeline::new("circle").build(new("web", "base")).build(new("base", "web")),
        Pipeline::new("unknown").build(new("web", "bas")).build(one("base")),
        Pipeline::new("twice").build(one("web")).build(one("web")),
        Pipeline::new("blank").build(one("a b")),
        Pipeline::new("artifact").build(one("web")).deploy(deploy(&deployer).artifacts(["wep"])),
        Pipeline::new("release").build(one("web")).deploy(deploy(&deployer).after([Need::release("db")])),
        Pipeline::new("slash")
            .build(one("web").tester("a/b", tester()))
            .build(one("web/a").tester("b", tester())),
        Pipeline::new("store").build(one("web").stores([Store::Daemon("unix:///x".to_owned())])),
    ] {
        let error = bench.driver.run(&pipeline, &bench.cancel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        messages.push_str(&error.report().to_string());
        messages.push('\n');
    }
    insta::assert_snapshot!(messages, @"
    tasks need each other: build:web -> build:base -> build:web
      hint: take one of these dependencies out
    artifact `web` names artifact `bas`, which the pipeline does not have
      hint: did you mean `base`?
    there are two artifacts `web`
      hint: give one another name
    `a b` is no name for artifacts
      hint: use at least one character and no blanks
    release `shop` names artifact `wep`, which the pipeline does not have
      hint: did you mean `web`?
    release `shop` names release `db`, which the pipeline does not have
      hint: add the release, or take the name out
    the plan has two tasks `test:web/a/b`
      hint: a name with a `/` is also a part of another's name: give one another name
    the builder of artifact `web` writes to none of its stores
      note: it writes: registry
      note: the artifact's stores: daemon
      hint: add a store that the builder writes to
    ");
}

#[tokio::test]
async fn an_image_that_its_readers_cannot_read_is_copied_to_where_they_can() {
    let bench = bench();
    let deployer = FakeDeployer::default();
    let mut builder = FakeBuilder { ..Arc::into_inner(bench.builder(Quirk::None)).unwrap() };
    builder.writes = vec![StoreKind::Daemon, StoreKind::Layout];
    let daemon = Store::Daemon("unix:///x".to_owned());
    let build = build("web", Arc::new(builder)).stores([Store::Registry, daemon.clone()]);
    let pipeline = Pipeline::new("shop").build(build).deploy(deploy(&deployer));
    let report = bench.run(&pipeline).await.into_result().unwrap();
    let tasks: Vec<&str> = report.state.tasks.keys().map(|id| id.as_str()).collect();
    assert!(tasks.contains(&"push:web/read"), "{tasks:?}");
    assert_eq!(report.image("web").unwrap().store, Store::Registry);
    assert_eq!(report.deployment("shop").unwrap().manifests.release.images[0].store, Store::Registry);
}

#[tokio::test]
async fn what_may_be_tried_again_is_tried_as_often_as_the_policy_says() {
    for (retries, works) in [(0_u32, false), (1, true)] {
        let bench = bench();
        let builder = bench.builder(Quirk::FailsAtFirst(1));
        let pipeline =
            Pipeline::new("shop").build(build("web", builder).policy(Policy::default().retries(retries)));
        let report = bench.run(&pipeline).await;
        assert_eq!(report.outcome == RunOutcome::Succeeded, works);
    }
}

#[tokio::test]
async fn the_report_is_a_timeline_for_people() {
    let bench = bench_with(|driver| driver.slots(1));
    let deployer = FakeDeployer::default();
    let pipeline =
        Pipeline::new("shop").build(build("web", bench.builder(Quirk::Fails))).deploy(deploy(&deployer));
    let mut report = bench.run(&pipeline).await;
    // What a clock says is not the same twice.
    report.state.run = "1".to_owned();
    report.state.took = std::time::Duration::from_millis(1234);
    for task in report.state.tasks.values_mut() {
        task.started = task.started.map(|_| report.state.started);
        task.finished = task.finished.map(|_| report.state.started);
        assert!(!matches!(task.status, TaskStatus::Running));
    }
    insta::assert_snapshot!(report, @"
    FAILED    build:web           0.00s |=                       | `cc` failed
    skipped   tag:web, push:web, render:shop, diff:shop, apply:shop, health:shop, diff:shop/settle, apply:shop/settle
    run 1 of `shop` failed: 12 tasks, 0 reused, 1.23s
    ");
}

#[tokio::test]
async fn releases_are_removed_in_the_other_order_and_what_is_not_there_is_left() {
    let bench = bench();
    let (shop, db) = (FakeDeployer::default(), FakeDeployer::default());
    let removed = Arc::clone(&shop.removed);
    let db = FakeDeployer { removed: Arc::clone(&removed), ..db };
    let of = |name: &str, deployer: &FakeDeployer| {
        let mut deploy = deploy(deployer);
        deploy.release = shipway_core::Release::new(name);
        deploy
    };
    let pipeline = Pipeline::new("all")
        .build(build("web", bench.builder(Quirk::None)))
        .deploy(of("db", &db))
        .deploy(of("shop", &shop).after([Need::release("db")]));
    bench.run(&pipeline).await.into_result().unwrap();
    let plan = Driver::plan_removal(&pipeline).unwrap();
    assert_eq!(
        plan.to_string(),
        "diff:shop/remove   runs\napply:shop/remove  runs\ndiff:db/remove     runs\napply:db/remove    runs\n"
    );
    let removal = async || {
        bench.driver.execute(&pipeline, &plan, &bench.cancel).await.unwrap().into_result().unwrap();
    };
    removal().await;
    assert_eq!(*removed.lock().unwrap(), ["shop", "db"]);
    removal().await;
    assert_eq!(removed.lock().unwrap().len(), 2);
}
