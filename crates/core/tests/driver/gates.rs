//! Gates: a person is asked, and says yes, no or nothing.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Answer, CancelReason, Context, Decision, Decisions, Driver, ErrorKind, Gate, Gates, Need, Outcome,
    Pipeline, Policy, Question, Report, Result, RunOutcome, Stage, Step, Timestamp, When,
};

use crate::{
    failure,
    fakes::{Bench, FakeDeployer, Quirk, bench, build, deploy},
};

/// Runs, and answers what is asked first, as soon as it is.
async fn answered(
    bench: &Bench,
    pipeline: &Pipeline,
    decisions: &Decisions,
    answer: Answer,
) -> (Report, Question) {
    let driver = Driver::new(bench.world()).gates(decisions.clone());
    let answering = async {
        loop {
            if let [question] = decisions.open().as_slice() {
                let decision = Decision::new(answer, "ann", Timestamp(5)).why("because");
                assert!(decisions.answer(question, decision.clone()));
                assert!(!decisions.answer(question, decision), "the first answer counts");
                return question.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (report, question) = tokio::join!(driver.run(pipeline, &bench.cancel), answering);
    (report.unwrap(), question)
}

fn shop(bench: &Bench, deployer: &FakeDeployer) -> Pipeline {
    Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::None)))
        .deploy(deploy(deployer).gate(Gate::new("may it go?")))
}

#[tokio::test]
async fn a_release_goes_on_after_a_yes_and_the_report_says_whose() {
    let (bench, deployer, decisions) = (bench(), FakeDeployer::default(), Decisions::new());
    let (report, question) = answered(&bench, &shop(&bench, &deployer), &decisions, Answer::Approved).await;
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    assert_eq!((question.task.as_str(), question.text.as_str()), ("gate:shop", "may it go?"));
    assert!(!question.changes.unwrap().changes.is_empty(), "what is approved is shown");
    assert_eq!(deployer.history.lock().unwrap().len(), 1);
    let made = &report.state.tasks[&"gate:shop".parse().unwrap()].made;
    assert_eq!(made, "approved by ann at 1970-01-01T00:00:00.005Z: because");
    assert!(decisions.open().is_empty());
}

#[tokio::test]
async fn a_no_fails_the_release_and_nothing_was_changed() {
    let (bench, deployer, decisions) = (bench(), FakeDeployer::default(), Decisions::new());
    let (report, _) = answered(&bench, &shop(&bench, &deployer), &decisions, Answer::Rejected).await;
    assert_eq!(report.outcome, RunOutcome::Failed);
    let error = failure(&report, "gate:shop");
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert_eq!(
        error.to_string(),
        "`may it go?` was answered with no by ann at 1970-01-01T00:00:00.005Z\n  note: because"
    );
    assert!(deployer.history.lock().unwrap().is_empty());
}

#[tokio::test]
async fn no_answer_in_time_is_a_failure_and_the_question_is_taken_back() {
    let (bench, deployer, decisions) = (bench(), FakeDeployer::default(), Decisions::new());
    let gate = Gate::new("may it go?").timeout(Duration::from_millis(50));
    let pipeline = Pipeline::new("shop").deploy(deploy(&deployer).gate(gate));
    let driver = Driver::new(bench.world()).gates(decisions.clone());
    let report = driver.run(&pipeline, &bench.cancel).await.unwrap();
    let error = failure(&report, "gate:shop");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("nobody answered `may it go?` in time"), "{error}");
    assert!(decisions.open().is_empty());
}

/// Nobody comes back from asking.
#[derive(Clone, Debug, Default)]
struct Unheard {
    asked: Arc<Mutex<Vec<Question>>>,
    withdrawn: Arc<Mutex<usize>>,
}

#[async_trait]
impl Gates for Unheard {
    async fn decision(&self, _cx: &Context, question: &Question) -> Result<Option<Decision>> {
        self.asked.lock().unwrap().push(question.clone());
        std::future::pending().await
    }

    async fn withdraw(&self, _cx: &Context, _question: &Question) {
        *self.withdrawn.lock().unwrap() += 1;
    }
}

#[tokio::test]
async fn a_question_that_hangs_on_the_way_expires_and_is_taken_back() {
    for asked_to_stop in [false, true] {
        let (bench, gates) = (bench(), Unheard::default());
        let timeout = if asked_to_stop { None } else { Some(Duration::from_millis(50)) };
        let pipeline = Pipeline::new("shop")
            .step(Step::gate("ready", "ready?").policy(Policy::default().timeout(timeout)));
        let driver = Driver::new(bench.world()).gates(gates.clone());
        let cancelling = async {
            while gates.asked.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if asked_to_stop {
                bench.cancel.escalate(Stage::Requested, CancelReason::Asked);
            }
        };
        let (report, ()) = tokio::join!(driver.run(&pipeline, &bench.cancel), cancelling);
        let report = report.unwrap();
        if asked_to_stop {
            assert_eq!(report.task("gate:ready"), Some(&Outcome::Cancelled), "{report}");
        } else {
            let error = failure(&report, "gate:ready");
            assert!(error.message.contains("nobody answered `ready?` in time"), "{error}");
        }
        assert_eq!((gates.asked.lock().unwrap().len(), *gates.withdrawn.lock().unwrap()), (1, 1));
    }
}

#[tokio::test]
async fn a_cancelled_run_takes_its_question_back() {
    let (bench, decisions) = (bench(), Decisions::new());
    let pipeline = Pipeline::new("shop").step(Step::gate("ready", "ready?"));
    let driver = Driver::new(bench.world()).gates(decisions.clone());
    let cancelling = async {
        while decisions.open().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.cancel.escalate(Stage::Requested, CancelReason::Asked);
    };
    let (report, ()) = tokio::join!(driver.run(&pipeline, &bench.cancel), cancelling);
    assert_eq!(report.unwrap().outcome, RunOutcome::Cancelled);
    assert!(decisions.open().is_empty());
}

#[tokio::test]
async fn who_waits_for_an_answer_takes_no_slot() {
    let (bench, decisions) = (bench(), Decisions::new());
    let driver = Driver::new(bench.world()).gates(decisions.clone()).slots(1);
    let builder = bench.builder(Quirk::None);
    let pipeline = Pipeline::new("shop")
        .step(Step::gate("ready", "ready?"))
        .build(build("web", Arc::<crate::FakeBuilder>::clone(&builder)));
    let answering = async {
        while builder.built.lock().unwrap().is_empty() || decisions.open().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let yes = Decision::new(Answer::Approved, "ann", Timestamp(5));
        assert!(decisions.answer(&decisions.open()[0], yes));
    };
    let (report, ()) = tokio::join!(driver.run(&pipeline, &bench.cancel), answering);
    assert_eq!(report.unwrap().outcome, RunOutcome::Succeeded);
}

#[tokio::test]
async fn nobody_is_asked_about_nothing() {
    let (bench, deployer, decisions) = (bench(), FakeDeployer::default(), Decisions::new());
    deployer.diffs.lock().unwrap().push(0);
    let driver = Driver::new(bench.world()).gates(decisions.clone());
    let report = driver.run(&shop(&bench, &deployer), &bench.cancel).await.unwrap();
    assert_eq!(report.task("gate:shop"), Some(&Outcome::Reused), "{report}");
    assert_eq!(report.task("apply:shop"), Some(&Outcome::Reused), "{report}");
}

#[tokio::test]
async fn a_world_that_moved_is_compared_again_and_other_changes_are_asked_about_again() {
    // The same changes: who said yes to them has.
    let (bench, deployer, decisions) = (bench(), FakeDeployer::default(), Decisions::new());
    *deployer.conflicts.lock().unwrap() = 2;
    let (report, question) = answered(&bench, &shop(&bench, &deployer), &decisions, Answer::Approved).await;
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    assert_eq!(question.changes.unwrap().changes.len(), 1);

    // Others: the next answer is a no.
    let (bench, deployer) = (crate::fakes::bench(), FakeDeployer::default());
    *deployer.conflicts.lock().unwrap() = 1;
    deployer.diffs.lock().unwrap().extend([2, 1]);
    let pipeline = shop(&bench, &deployer);
    let answers = answered(&bench, &pipeline, &decisions, Answer::Approved);
    let second = async {
        loop {
            let open = decisions.open();
            if let Some(question) = open.iter().find(|question| question.task.as_str() == "apply:shop") {
                let no = Decision::new(Answer::Rejected, "bob", Timestamp(6));
                assert!(decisions.answer(question, no));
                return question.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ((report, first), second) = tokio::join!(answers, second);
    assert_eq!((first.changes.unwrap().changes.len(), second.changes.unwrap().changes.len()), (1, 2));
    assert_eq!(failure(&report, "apply:shop").kind, ErrorKind::Cancelled);
    assert!(deployer.history.lock().unwrap().is_empty());

    // Where nobody was asked, other changes are a conflict.
    let deployer = FakeDeployer::default();
    *deployer.conflicts.lock().unwrap() = 1;
    deployer.diffs.lock().unwrap().extend([2, 1]);
    let report = bench.run(&Pipeline::new("shop").deploy(deploy(&deployer))).await;
    assert_eq!(failure(&report, "apply:shop").kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn what_is_asked_again_expires_as_what_was_asked_first() {
    let (bench, deployer, decisions) = (bench(), FakeDeployer::default(), Decisions::new());
    *deployer.conflicts.lock().unwrap() = 1;
    deployer.diffs.lock().unwrap().extend([2, 1]);
    let gate = Gate::new("may it go?").timeout(Duration::from_secs(1));
    let pipeline = Pipeline::new("shop").deploy(deploy(&deployer).gate(gate));
    let answers = answered(&bench, &pipeline, &decisions, Answer::Approved);
    let answers = tokio::time::timeout(Duration::from_secs(20), answers).await;
    let (report, _) = answers.expect("nobody answers the second time, and the run ends");
    let error = failure(&report, "apply:shop");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("nobody answered `may it go?` in time"), "{error}");
    assert!(decisions.open().is_empty() && deployer.history.lock().unwrap().is_empty());
}

#[tokio::test]
async fn who_waits_for_what_is_given_up_waits_no_longer() {
    let (bench, decisions) = (bench(), Decisions::new());
    let pipeline = Pipeline::new("shop")
        .step(Step::gate("ready", "ready?"))
        .step(Step::wait("soak", Duration::from_secs(3600)))
        .build(build("web", bench.builder(Quirk::Fails)))
        .step(
            Step::gate("look", "is somebody there?")
                .after([Need::artifact("web")])
                .policy(Policy::default().when(When::Failed).timeout(Duration::from_millis(200))),
        );
    let driver = Driver::new(bench.world()).gates(decisions.clone());
    let run = tokio::time::timeout(Duration::from_secs(20), driver.run(&pipeline, &bench.cancel));
    let report = run.await.expect("it ends").unwrap();
    assert_eq!(report.outcome, RunOutcome::Failed);
    for waiting in ["gate:ready", "wait:soak"] {
        assert_eq!(report.task(waiting), Some(&Outcome::Cancelled), "{report}");
    }
    // What the failure brought about is waited for.
    assert_eq!(failure(&report, "gate:look").kind, ErrorKind::Timeout, "{report}");
    assert!(decisions.open().is_empty());
}

#[tokio::test]
async fn a_plan_with_gates_needs_somebody_to_ask() {
    let bench = bench();
    let pipeline = Pipeline::new("shop")
        .step(Step::wait("soak", Duration::from_millis(1)))
        .step(Step::gate("ready", "ready?").after([Need::step("soak")]).policy(Policy::default()));
    let error = bench.driver.run(&pipeline, &bench.cancel).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.report().to_string(),
        "`gate:ready` asks a person, and there is nobody to ask\n  hint: give the driver a way to ask with `Driver::gates`"
    );
    let plan =
        Driver::plan(&pipeline, &bench.driver.observe(&pipeline, &bench.cancel).await.unwrap()).unwrap();
    assert_eq!(plan.to_string(), "wait:soak   waits 1ms\ngate:ready  asks: ready?\n");
}
