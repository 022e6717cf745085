//! Policies: what is tried again, what is allowed, and when something runs at all.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Allow, CancelReason, Capabilities, Command, Context, Driver, ErrorKind, Exit, Need, Outcome, Pipeline,
    Policy, Report, Result, RunOutcome, RunRequest, Runner, Stage, Step, Volume, When,
};

use crate::{
    failure,
    fakes::{FakeDeployer, Quirk, bench, bench_with, build, deploy},
    steps::{FakeRunner, Quick, step},
};

#[tokio::test]
async fn what_says_that_it_may_is_tried_again_after_pauses_that_double() {
    let bench = bench();
    let runner = Arc::new(FakeRunner::default());
    let clock = Quick::new();
    let again = || Policy::default().retries(8_u32);
    let pipeline = Pipeline::new("shop").step(step("away", &runner).policy(again()));
    let driver = Driver::new(bench.world().clock(clock.clone()));
    let report = driver.run(&pipeline, &bench.cancel).await.unwrap();
    assert_eq!(failure(&report, "run:away").kind, ErrorKind::Unavailable);
    let pauses: Vec<f64> = clock.pauses.lock().unwrap().iter().map(Duration::as_secs_f64).collect();
    assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);

    // A command that failed says nothing of another try.
    clock.pauses.lock().unwrap().clear();
    let pipeline = Pipeline::new("shop").step(step("exit-1", &runner).policy(again()));
    let report = driver.run(&pipeline, &bench.cancel).await.unwrap();
    assert_eq!(failure(&report, "run:exit-1").kind, ErrorKind::ToolFailed);
    assert_eq!(runner.asked().iter().filter(|asked| *asked == "run exit-1").count(), 1);
    assert!(clock.pauses.lock().unwrap().is_empty());
}

/// Returns which of four steps run, one for each condition, after a task that is declared by `before`.
async fn ran_after(before: impl Fn(Pipeline) -> Pipeline, need: Need, keep_going: bool) -> [bool; 4] {
    let bench = bench_with(|driver| driver.keep_going(keep_going));
    let runner = Arc::new(FakeRunner::default());
    let mut pipeline = before(Pipeline::new("shop").build(build("web", bench.builder(Quirk::None))));
    let conditions = [When::Succeeded, When::Failed, When::Ended, When::Ran];
    for when in conditions {
        let name = format!("{when:?}");
        let policy = Policy::default().when(when);
        pipeline = pipeline.step(step(&name, &runner).after([need.clone()]).policy(policy));
    }
    // Whatever is reused is so in the second run.
    bench.run(&pipeline).await;
    let report = bench.run(&pipeline).await;
    conditions.map(|when| match report.task(&format!("run:{when:?}")) {
        Some(Outcome::Succeeded) => true,
        Some(Outcome::Skipped { .. }) => false,
        other => panic!("{when:?}: {other:?}"),
    })
}

#[tokio::test]
async fn each_condition_holds_when_it_says_so() {
    let runner = Arc::new(FakeRunner::default());
    let first = || Need::step("first");
    let stepping = |program: &'static str, allow: Allow| {
        let runner: Arc<dyn Runner> = Arc::<FakeRunner>::clone(&runner);
        move |pipeline: Pipeline| {
            let request = RunRequest::new(Command::new(program));
            let step = Step::run("first", Arc::clone(&runner), request);
            pipeline.step(step.policy(Policy::default().allow(allow.clone())))
        }
    };
    for keep_going in [false, true] {
        //                                        succeeded failed ended ran
        let expected = [true, false, true, true];
        let ran = ran_after(stepping("fine", Allow::Nothing), first(), keep_going).await;
        assert_eq!(ran, expected, "it went well");
        let ran = ran_after(stepping("exit-1", Allow::Nothing), first(), keep_going).await;
        assert_eq!(ran, [false, true, true, false], "it failed");
        let ran = ran_after(stepping("exit-1", Allow::Failure), first(), keep_going).await;
        assert_eq!(ran, [true, false, true, true], "it failed, which is allowed");
        let ran = ran_after(|pipeline| pipeline, Need::artifact("web"), keep_going).await;
        assert_eq!(ran, [true, false, true, false], "what it made is there already");
        // `first` fails, so that what stands between never runs.
        let between = |pipeline: Pipeline| {
            let pipeline = stepping("exit-1", Allow::Nothing)(pipeline);
            pipeline.step(step("between", &runner).after([first()]))
        };
        let ran = ran_after(between, Need::step("between"), keep_going).await;
        assert_eq!(ran, [false, true, true, false], "one further up failed");
        // What nobody minds is no failure further down either.
        let between = |pipeline: Pipeline| {
            let web = bench_with(|driver| driver).builder(Quirk::Fails);
            let allowed = build("api", web).policy(Policy::default().allow(Allow::Failure));
            pipeline.build(allowed).step(step("between", &runner).after([Need::artifact("api")]))
        };
        let ran = ran_after(between, Need::step("between"), keep_going).await;
        assert_eq!(ran, [false, false, true, false], "one further up was allowed to fail");
    }
}

#[tokio::test]
async fn a_release_that_never_was_is_told_and_nothing_is_taken_back() {
    let bench = bench();
    let deployer = FakeDeployer::default();
    let runner = Arc::new(FakeRunner::default());
    let good =
        Pipeline::new("shop").build(build("web", bench.builder(Quirk::None))).deploy(deploy(&deployer));
    bench.run(&good).await.into_result().unwrap();
    bench.write("web", "2");
    let pipeline = Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::Fails)))
        .deploy(deploy(&deployer))
        .step(
            step("alarm", &runner)
                .after([Need::release("shop")])
                .policy(Policy::default().when(When::Failed)),
        );
    let report = bench.run(&pipeline).await;
    assert_eq!(report.task("run:alarm"), Some(&Outcome::Succeeded), "{report}");
    assert_eq!(report.task("diff:shop/undo"), Some(&Outcome::Skipped { because: None }), "{report}");
    assert_eq!(deployer.history.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_comes_finally_comes_whatever_else_its_policy_says() {
    let runner = Arc::new(FakeRunner::default());
    let last = |policy: Policy| step("last", &runner).finally().policy(policy);
    for (program, policy, runs) in [
        ("exit-1", Policy::default().retries(1_u32), true),
        ("fine", Policy::default().timeout(Duration::from_secs(60)), true),
        ("exit-1", Policy::default().when(When::Failed), true),
        ("fine", Policy::default().when(When::Failed), false),
        ("exit-1", Policy::default().when(When::Ran), false),
        ("fine", Policy::default().when(When::Ran), true),
    ] {
        let pipeline = Pipeline::new("shop").step(step(program, &runner)).step(last(policy.clone()));
        let report = bench().run(&pipeline).await;
        let expected = if runs { Outcome::Succeeded } else { Outcome::Skipped { because: None } };
        let seen = report.task("run:last").unwrap();
        let same = *seen == expected || !runs && matches!(seen, Outcome::Skipped { .. });
        assert!(same, "{program}, {policy:?}: {report}");
    }
    // Not when the run is cancelled.
    let bench = bench();
    let pipeline = Pipeline::new("shop").step(step("wait", &runner)).step(last(Policy::default()));
    let cancelling = async {
        while !runner.asked().contains(&"run wait".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let (report, ()) = tokio::join!(bench.run(&pipeline), cancelling);
    assert_eq!(report.outcome, RunOutcome::Cancelled);
    assert_eq!(report.task("run:last"), Some(&Outcome::Skipped { because: None }));
}

#[tokio::test]
async fn a_command_that_is_late_fails_and_that_may_be_allowed() {
    let runner = Arc::new(FakeRunner::default());
    for (allow, outcome) in [(Allow::Nothing, RunOutcome::Failed), (Allow::Failure, RunOutcome::Succeeded)] {
        let policy = Policy::default().timeout(Duration::from_millis(20)).allow(allow);
        let pipeline = Pipeline::new("shop")
            .step(step("wait", &runner).policy(policy))
            .step(step("next", &runner).after([Need::step("wait")]));
        let report: Report = bench().run(&pipeline).await;
        assert_eq!(report.outcome, outcome, "{report}");
        match report.task("run:wait").unwrap() {
            Outcome::Failed { error } | Outcome::FailureAllowed { error } => {
                assert_eq!(error.kind, ErrorKind::Timeout);
            }
            other => panic!("{other:?}"),
        }
        let next = matches!(report.task("run:next"), Some(Outcome::Succeeded));
        assert_eq!(next, outcome == RunOutcome::Succeeded, "{report}");
    }
}

/// Counts how many commands run at once.
#[derive(Debug, Default)]
struct Counting {
    running: AtomicUsize,
    most: AtomicUsize,
    limits: BTreeMap<String, u32>,
}

#[async_trait]
impl Runner for Counting {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().limits(self.limits.clone())
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }

    async fn run(&self, _cx: &Context, _request: &RunRequest) -> Result<Exit> {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        // All that may start beside it does so before it ends.
        tokio::time::sleep(Duration::from_millis(30)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        Ok(Exit::new(0))
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_named_resource_is_used_by_as_many_at_once_as_there_are_of_it() {
    let of = |name: &str, count: u32| BTreeMap::from([(name.to_owned(), count)]);
    for (slots, runners, steps, expected) in [
        (8, BTreeMap::new(), BTreeMap::new(), 6),
        (3, BTreeMap::new(), BTreeMap::new(), 3),
        (8, of("engine", 4), BTreeMap::new(), 4),
        (8, of("engine", 4), of("port", 1), 1),
        (8, BTreeMap::new(), of("port", 2), 2),
        // Who says the least of one name is right.
        (8, of("port", 5), of("port", 2), 2),
    ] {
        let runner = Arc::new(Counting { limits: runners, ..Counting::default() });
        let mut pipeline = Pipeline::new("shop");
        for number in 0..6 {
            let shared: Arc<dyn Runner> = Arc::<Counting>::clone(&runner);
            let step = Step::run(number.to_string(), shared, RunRequest::new(Command::new("busy")));
            pipeline = pipeline.step(step.limits(steps.clone()));
        }
        bench_with(|driver| driver.slots(slots)).run(&pipeline).await.into_result().unwrap();
        assert_eq!(runner.most.load(Ordering::SeqCst), expected, "{slots} slots, {steps:?}");
    }
}

#[tokio::test]
async fn a_release_that_does_not_become_healthy_in_time_says_what_it_waits_for() {
    let bench = bench();
    let deployer = FakeDeployer { never_healthy: true, ..FakeDeployer::default() };
    let watch = shipway_core::Watch::new(Duration::from_millis(5), Duration::from_millis(40));
    let report = bench.run(&Pipeline::new("shop").deploy(deploy(&deployer).watch(watch))).await;
    let error = failure(&report, "health:shop");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert_eq!(error.message, "release `shop` was not healthy after 40ms");
    assert_eq!(error.notes, ["waits for web: 0 of 1 is ready"]);
}
