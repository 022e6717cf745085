//! Questions and answers as files: another process answers.

use std::{fs, sync::Arc};

use shipway_core::{
    Answer, Decision, DiskGates, DiskJournal, Driver, Gate, HostDisk, Journal, MemoryJournal, Pipeline,
    RunOutcome, Timestamp,
};

use crate::fakes::{Bench, FakeDeployer, Quirk, bench, build, deploy};

fn shop(bench: &Bench, deployer: &FakeDeployer) -> Pipeline {
    Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::None)))
        .deploy(deploy(deployer).gate(Gate::new("may it go?")))
}

fn gates(bench: &Bench) -> DiskGates {
    DiskGates::new(Arc::new(HostDisk), bench.folder.path().join("questions"))
}

fn said(answer: Answer) -> Decision {
    Decision::new(answer, "ann", Timestamp(5))
}

#[tokio::test]
async fn a_run_ends_at_its_question_and_goes_on_once_somebody_has_answered() {
    for (answer, outcome) in
        [(Answer::Approved, RunOutcome::Succeeded), (Answer::Rejected, RunOutcome::Failed)]
    {
        let (bench, deployer) = (bench(), FakeDeployer::default());
        let pipeline = shop(&bench, &deployer);
        let folder = bench.folder.path().join("runs");
        let driver = || {
            let journal = Arc::new(DiskJournal::new(Arc::new(HostDisk), &folder));
            Driver::new(bench.world()).journal(journal).gates(gates(&bench)).suspend(true)
        };
        let report = driver().run(&pipeline, &bench.cancel).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Waiting, "{report}");
        // Another process: it knows the folder alone.
        let open = gates(&bench).open().unwrap();
        let [question] = open.as_slice() else { panic!("{open:?}") };
        assert_eq!((&question.run, question.task.as_str()), (&report.state.run, "gate:shop"));
        assert_eq!(question.changes.as_ref().unwrap().changes.len(), 1);
        // Gone on with before anybody answered, it waits again, and asks the same.
        let again = driver().resume(&pipeline, &report.state.run, &bench.cancel).await.unwrap();
        assert_eq!(again.outcome, RunOutcome::Waiting);
        assert_eq!(gates(&bench).open().unwrap(), open);

        assert!(gates(&bench).answer(question, &said(answer)).unwrap());
        assert!(!gates(&bench).answer(question, &said(Answer::Approved)).unwrap(), "the first answer counts");
        assert!(gates(&bench).open().unwrap().is_empty());
        let report = driver().resume(&pipeline, &report.state.run, &bench.cancel).await.unwrap();
        assert_eq!(report.outcome, outcome, "{report}");
    }
}

#[tokio::test]
async fn other_changes_are_another_question_and_a_cancelled_run_takes_its_question_back() {
    let (bench, deployer) = (bench(), FakeDeployer::default());
    let pipeline = shop(&bench, &deployer);
    let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new());
    let driver = Driver::new(bench.world()).journal(journal).gates(gates(&bench));
    let asked = async {
        loop {
            if let [question] = gates(&bench).open().unwrap().as_slice() {
                return question.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let stopped = async {
        let question = asked.await;
        let mut other = question.clone();
        other.changes.as_mut().unwrap().changes.clear();
        assert!(!gates(&bench).answer(&other, &said(Answer::Approved)).unwrap(), "nobody asked that");
        bench.cancel.escalate(shipway_core::Stage::Requested, shipway_core::CancelReason::Asked);
    };
    let (report, ()) = tokio::join!(driver.run(&pipeline, &bench.cancel), stopped);
    assert_eq!(report.unwrap().outcome, RunOutcome::Cancelled);
    assert!(gates(&bench).open().unwrap().is_empty());
    assert!(deployer.history.lock().unwrap().is_empty());
}

#[test]
fn a_file_that_is_no_question_is_named() {
    let bench = bench();
    let folder = bench.folder.path().join("questions");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("x.question"), "{").unwrap();
    let error = gates(&bench).open().expect_err("damaged").report().to_string();
    assert!(error.contains("x.question") && error.contains("remove it"), "{error}");
}
