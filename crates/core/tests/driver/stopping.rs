//! Cancellation in two stages, deadlines, and plug-ins that misbehave.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use shipway_core::{
    CancelReason, Capabilities, Driver, ErrorKind, Outcome, Pipeline, Policy, Report, RunOutcome, Stage,
};

use crate::{
    failure,
    fakes::{Bench, FakeBuilder, FakeDeployer, Quirk, bench, bench_with, build, deploy},
};

/// Runs, and cancels once something has begun.
async fn run_and_cancel(
    bench: &Bench,
    pipeline: &Pipeline,
    begun: impl Fn() -> bool + Send + Sync,
    (stage, reason): (Stage, CancelReason),
) -> Report {
    let canceller = async {
        while !begun() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.cancel.escalate(stage, reason);
    };
    let (report, ()) = tokio::join!(bench.driver.run(pipeline, &bench.cancel), canceller);
    report.unwrap()
}

#[tokio::test]
async fn a_request_lets_what_is_under_way_finish_and_starts_nothing() {
    let bench = bench();
    let deployer = FakeDeployer { slow_apply: Some(Duration::from_millis(400)), ..FakeDeployer::default() };
    let pipeline =
        Pipeline::new("shop").build(build("web", bench.builder(Quirk::None))).deploy(deploy(&deployer));
    let begun = || *deployer.applying.lock().unwrap();
    let report = run_and_cancel(&bench, &pipeline, begun, (Stage::Requested, CancelReason::Asked)).await;
    assert_eq!(report.outcome, RunOutcome::Cancelled);
    assert_eq!(report.task("apply:shop"), Some(&Outcome::Succeeded));
    assert_eq!(report.task("health:shop"), Some(&Outcome::Skipped { because: None }));
}

#[tokio::test]
async fn force_stops_what_is_under_way_but_an_apply_only_when_a_person_says_so() {
    for (reason, applied) in [(CancelReason::Superseded, true), (CancelReason::Asked, false)] {
        let bench = bench();
        let deployer =
            FakeDeployer { slow_apply: Some(Duration::from_millis(400)), ..FakeDeployer::default() };
        let pipeline =
            Pipeline::new("shop").build(build("web", bench.builder(Quirk::None))).deploy(deploy(&deployer));
        let begun = || *deployer.applying.lock().unwrap();
        let report = run_and_cancel(&bench, &pipeline, begun, (Stage::Forced, reason)).await;
        assert_eq!(report.outcome, RunOutcome::Cancelled);
        assert_eq!(deployer.history.lock().unwrap().len(), usize::from(applied));
        let expected = if applied { Outcome::Succeeded } else { Outcome::Cancelled };
        assert_eq!(report.task("apply:shop"), Some(&expected));
    }
    let bench = bench();
    let builder = bench.builder(Quirk::WaitsForForce);
    let pipeline = Pipeline::new("shop").build(build("web", Arc::<FakeBuilder>::clone(&builder)));
    let begun = || !builder.built.lock().unwrap().is_empty();
    let report = run_and_cancel(&bench, &pipeline, begun, (Stage::Forced, CancelReason::Superseded)).await;
    assert_eq!(report.task("build:web"), Some(&Outcome::Cancelled));
}

#[tokio::test]
async fn a_person_may_force_an_apply_that_something_else_could_not() {
    let bench = bench();
    let deployer = FakeDeployer { slow_apply: Some(Duration::from_secs(60)), ..FakeDeployer::default() };
    let pipeline =
        Pipeline::new("shop").build(build("web", bench.builder(Quirk::None))).deploy(deploy(&deployer));
    let begun = || {
        let applying = *deployer.applying.lock().unwrap();
        if applying {
            bench.cancel.escalate(Stage::Forced, CancelReason::Deadline);
        }
        applying
    };
    let report = run_and_cancel(&bench, &pipeline, begun, (Stage::Forced, CancelReason::Asked)).await;
    assert_eq!(report.task("apply:shop"), Some(&Outcome::Cancelled));
}

#[tokio::test]
async fn a_plug_in_that_does_not_stop_is_dropped_after_the_grace() {
    let bench = bench_with(|driver| driver.grace(Duration::from_millis(50)));
    let builder = bench.builder(Quirk::Hangs);
    let pipeline = Pipeline::new("shop").build(build("web", Arc::<FakeBuilder>::clone(&builder)));
    let begun = || !builder.built.lock().unwrap().is_empty();
    let start = Instant::now();
    let report = run_and_cancel(&bench, &pipeline, begun, (Stage::Forced, CancelReason::Asked)).await;
    assert_eq!(report.task("build:web"), Some(&Outcome::Cancelled));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_timeout_ends_a_task_and_fails_it() {
    let bench = bench_with(|driver| driver.grace(Duration::from_millis(50)));
    for quirk in [Quirk::Hangs, Quirk::WaitsForForce] {
        let policy = Policy::default().timeout(Duration::from_millis(50));
        let pipeline = Pipeline::new("shop").build(build("web", bench.builder(quirk)).policy(policy));
        let report = bench.run(&pipeline).await;
        assert_eq!(failure(&report, "build:web").kind, ErrorKind::Timeout);
        assert_eq!(report.outcome, RunOutcome::Failed);
    }
}

#[tokio::test]
async fn a_panic_fails_its_own_task_only() {
    let bench = bench_with(|driver| driver.keep_going(true));
    let pipeline = Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::Panics)))
        .build(build("api", bench.builder(Quirk::None)));
    let report = bench.run(&pipeline).await;
    let error = failure(&report, "build:web");
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Internal, "the plug-in panicked: oh no"));
    assert_eq!(report.task("build:api"), Some(&Outcome::Succeeded));
}

#[tokio::test]
async fn a_panic_while_the_world_is_looked_at_is_an_error() {
    let bench = bench();
    let pipeline = Pipeline::new("shop").build(build("web", bench.builder(Quirk::PanicsAtOnce)));
    let error = bench.driver.run(&pipeline, &bench.cancel).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Internal, "the plug-in panicked: oh no")
    );
}

#[tokio::test]
async fn a_run_that_is_cancelled_before_it_begins_starts_nothing() {
    let bench = bench();
    let builder = bench.builder(Quirk::None);
    let pipeline = Pipeline::new("shop").build(build("web", Arc::<FakeBuilder>::clone(&builder)));
    let observed = bench.driver.observe(&pipeline, &bench.cancel).await.unwrap();
    let plan = Driver::plan(&pipeline, &observed).unwrap();
    bench.cancel.escalate(Stage::Requested, CancelReason::Asked);
    let report = bench.driver.execute(&pipeline, &plan, &bench.cancel).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Cancelled);
    assert!(builder.built.lock().unwrap().is_empty());
    assert_eq!(
        bench.driver.observe(&pipeline, &bench.cancel).await.unwrap_err().kind(),
        ErrorKind::Cancelled
    );
}

#[test]
fn plug_ins_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Arc<dyn shipway_core::Builder>>();
    shared::<Pipeline>();
    shared::<Capabilities>();
}
