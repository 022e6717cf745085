//! What is said and found of images: tests that are not repeated, attestations, admission, and commands that run in them.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use shipway_core::{
    Attester, BuildRecord, Capabilities, Case, CaseOutcome, Context, Driver, Error, ErrorKind, Inputs,
    MemoryJournal, Outcome, Output, Pipeline, Result, RunOutcome, StoreKind, Subject, TestReport, Tester,
    Verdict,
};

use crate::{
    FakeBuilder, failure,
    fakes::{FakeDeployer, Quirk, bench, bench_with, build, deploy, requiring},
    reasons,
    steps::{FakeRunner, step},
};

/// Judges by a file of its own, and counts how often.
#[derive(Debug, Default)]
struct Counting {
    tests: AtomicUsize,
    fails: AtomicBool,
    version: Mutex<String>,
    /// The names of what it judged.
    judged: Mutex<Vec<String>>,
}

#[async_trait]
impl Tester for Counting {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().reads([StoreKind::Registry]).version(self.version.lock().unwrap().clone())
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::default().files(["cases".into()]))
    }

    async fn test(&self, _cx: &Context, subject: &Subject) -> Result<TestReport> {
        self.tests.fetch_add(1, Ordering::SeqCst);
        let Subject::Image(image) = subject else { return Err(Error::unsupported("an image is wanted")) };
        self.judged.lock().unwrap().push(image.name.clone());
        let fails = self.fails.load(Ordering::SeqCst);
        let outcome = if fails { CaseOutcome::Failed("no".to_owned()) } else { CaseOutcome::Passed };
        Ok(TestReport::default().cases([Case::new("shell", outcome)]))
    }
}

impl Counting {
    fn count(&self) -> usize {
        self.tests.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn an_image_that_passed_a_test_is_not_tested_again_until_something_changes() {
    let bench = bench();
    let cases = bench.folder.path().join("cases");
    fs::write(&cases, "1").unwrap();
    let tester = Arc::new(Counting::default());
    let web = build("web", bench.builder(Quirk::None))
        .tester("unit", Arc::<Counting>::clone(&tester) as Arc<dyn Tester>);
    let pipeline = Pipeline::new("shop").build(web);
    let verdict = async || {
        let observed = bench.driver.observe(&pipeline, &bench.cancel).await.unwrap();
        let plan = Driver::plan(&pipeline, &observed).unwrap();
        let task = plan.tasks.iter().find(|task| task.id.as_str() == "test:web/unit").unwrap().clone();
        (task.verdict, task.fingerprint)
    };
    assert_eq!(verdict().await, (Verdict::Open(vec!["build:web".parse().unwrap()]), None));
    let report = bench.run(&pipeline).await.into_result().unwrap();
    assert_eq!(reasons(&report, "test:web/unit"), ["never passed before"]);
    let first = report.outputs[&"test:web/unit".parse().unwrap()].clone();

    // Nothing changed.
    let (planned, fingerprint) = verdict().await;
    assert_eq!(planned, Verdict::Reuse(fingerprint.unwrap()));
    let report = bench.run(&pipeline).await.into_result().unwrap();
    assert_eq!(report.task("test:web/unit"), Some(&Outcome::Reused));
    assert_eq!(report.outputs[&"test:web/unit".parse().unwrap()], first, "the report is there all the same");
    assert_eq!(tester.count(), 1);

    // The test's own file, the image, or the tester.
    fs::write(&cases, "2").unwrap();
    assert_eq!(reasons(&bench.run(&pipeline).await, "test:web/unit"), ["file cases changed"]);
    bench.write("web", "2");
    assert_eq!(reasons(&bench.run(&pipeline).await, "test:web/unit"), ["image changed"]);
    "2".clone_into(&mut tester.version.lock().unwrap());
    assert_eq!(reasons(&bench.run(&pipeline).await, "test:web/unit"), ["tester changed"]);
    assert_eq!(tester.count(), 4);
    assert_eq!(bench.run(&pipeline).await.task("test:web/unit"), Some(&Outcome::Reused));
}

#[tokio::test]
async fn a_test_that_failed_is_done_again() {
    let bench = bench();
    let tester = Arc::new(Counting::default());
    tester.fails.store(true, Ordering::SeqCst);
    let web = build("web", bench.builder(Quirk::None))
        .tester("unit", Arc::<Counting>::clone(&tester) as Arc<dyn Tester>);
    let pipeline = Pipeline::new("shop").build(web);
    for count in 1..3 {
        let report = bench.run(&pipeline).await;
        assert_eq!(failure(&report, "test:web/unit").notes, ["shell: no"]);
        assert_eq!(tester.count(), count);
    }
    tester.fails.store(false, Ordering::SeqCst);
    assert_eq!(bench.run(&pipeline).await.task("test:web/unit"), Some(&Outcome::Succeeded));
    assert_eq!(bench.run(&pipeline).await.task("test:web/unit"), Some(&Outcome::Reused));
}

/// Keeps what it is told, and fails as long as it is to.
#[derive(Debug, Default)]
struct Notary {
    records: Mutex<Vec<BuildRecord>>,
    fails: AtomicBool,
}

#[async_trait]
impl Attester for Notary {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().reads([StoreKind::Registry]).version("notary 1")
    }

    async fn attest(&self, cx: &Context, build: &BuildRecord) -> Result<()> {
        assert_eq!(cx.task().unwrap().as_str(), format!("attest:{}", build.artifact));
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "the registry is away"));
        }
        self.records.lock().unwrap().push(build.clone());
        Ok(())
    }
}

impl Notary {
    fn last(&self) -> BuildRecord {
        self.records.lock().unwrap().last().unwrap().clone()
    }
}

#[tokio::test]
async fn an_image_is_attested_before_it_is_tested_and_before_its_tag_moves() {
    let bench = bench();
    let (notary, builder) = (Arc::new(Notary::default()), bench.builder(Quirk::None));
    let plain = Pipeline::new("shop").build(build("web", Arc::<FakeBuilder>::clone(&builder)));
    bench.run(&plain).await.into_result().unwrap();

    let tester = Arc::new(Counting::default());
    let web = build("web", Arc::<FakeBuilder>::clone(&builder))
        .attester(Arc::<Notary>::clone(&notary) as Arc<dyn Attester>)
        .tester("unit", Arc::<Counting>::clone(&tester) as Arc<dyn Tester>);
    let pipeline = Pipeline::new("shop").build(web);
    notary.fails.store(true, Ordering::SeqCst);
    bench.shelf.0.lock().unwrap().retain(|reference, _| !reference.contains(":v"));
    let report = bench.run(&pipeline).await;
    assert_eq!(reasons(&report, "build:web"), ["attester changed"], "nobody had attested what was there");
    assert_eq!(failure(&report, "attest:web").message, "the registry is away");
    assert_eq!((tester.count(), report.task("push:web").unwrap().is_good()), (0, false));

    notary.fails.store(false, Ordering::SeqCst);
    let report = bench.run(&pipeline).await.into_result().unwrap();
    let record = notary.last();
    assert!(record.reused, "it was built by the run before");
    assert_eq!((record.started, record.ended), (None, None));
    assert_eq!(record.image.reference(), report.image("web").unwrap().reference());
    assert_eq!(record.inputs.get("attester").unwrap(), "notary 1");

    bench.write("web", "2");
    bench.run(&pipeline).await.into_result().unwrap();
    let record = notary.last();
    assert!(!record.reused && record.started.unwrap() <= record.ended.unwrap());
    assert!(record.inputs.contains_key("file web/src"), "{:?}", record.inputs);
    let built = builder.built.lock().unwrap().len();
    assert_eq!(built, 3);
}

#[tokio::test]
async fn what_an_image_required_is_in_its_record() {
    let bench = bench();
    let notary = Arc::new(Notary::default());
    let web = requiring("web", "base", bench.builder(Quirk::None))
        .attester(Arc::<Notary>::clone(&notary) as Arc<dyn Attester>);
    let pipeline = Pipeline::new("shop").build(build("base", bench.builder(Quirk::None))).build(web);
    for reused in [false, true] {
        let report = bench.run(&pipeline).await.into_result().unwrap();
        let record = notary.last();
        assert_eq!(record.reused, reused);
        assert_eq!(record.requires["BASE"].digest, report.image("base").unwrap().digest);
        assert!(record.inputs.contains_key("required image BASE"));
    }
}

#[tokio::test]
async fn a_run_that_is_gone_on_with_attests_what_it_built_or_says_that_it_cannot() {
    for edited in [false, true] {
        let journal = Arc::new(MemoryJournal::default());
        let bench = bench_with(|driver| driver.journal(Arc::<MemoryJournal>::clone(&journal)));
        let notary = Arc::new(Notary::default());
        let web = build("web", bench.builder(Quirk::None))
            .attester(Arc::<Notary>::clone(&notary) as Arc<dyn Attester>);
        let pipeline = Pipeline::new("shop").build(web);
        // Cancelled before anything is attested: the builder itself ends well.
        let cancel = shipway_core::Cancel::new();
        let mut asked = pipeline.clone();
        asked.builds[0].attester = Some(Arc::new(Asked(cancel.clone())));
        let report = bench.driver.run(&asked, &cancel).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Cancelled);
        if edited {
            bench.write("web", "2");
        }
        let report = bench.driver.resume(&pipeline, &report.state.run, &bench.cancel).await.unwrap();
        if edited {
            assert_eq!(failure(&report, "attest:web").kind, ErrorKind::Conflict);
            continue;
        }
        report.into_result().unwrap();
        let record = notary.last();
        assert!(!record.reused && record.started.is_none(), "another process built it: {record:?}");
        assert!(record.inputs.contains_key("file web/src"));
    }
}

/// Has the run cancelled, and is.
#[derive(Debug)]
struct Asked(shipway_core::Cancel);

#[async_trait]
impl Attester for Asked {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().reads([StoreKind::Registry]).version("notary 1")
    }

    async fn attest(&self, cx: &Context, _build: &BuildRecord) -> Result<()> {
        self.0.escalate(shipway_core::Stage::Forced, shipway_core::CancelReason::Asked);
        Err(cx.stopped().await)
    }
}

#[tokio::test]
async fn an_image_that_is_not_admitted_is_not_compared_with_the_target() {
    let bench = bench();
    let (deployer, guard) = (FakeDeployer::default(), Arc::new(Counting::default()));
    let release = deploy(&deployer).admission("signed", Arc::<Counting>::clone(&guard) as Arc<dyn Tester>);
    let pipeline = Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::None)))
        .build(build("api", bench.builder(Quirk::None)))
        .deploy(release);
    guard.fails.store(true, Ordering::SeqCst);
    let report = bench.run(&pipeline).await;
    assert_eq!(failure(&report, "admit:shop/web/signed").kind, ErrorKind::Unhealthy);
    assert!(deployer.history.lock().unwrap().is_empty());
    assert!(matches!(
        report.outputs[&"admit:shop/web/signed".parse().unwrap()],
        Output::Report(ref report) if report.failed().count() == 1
    ));

    guard.fails.store(false, Ordering::SeqCst);
    guard.judged.lock().unwrap().clear();
    for _ in 0..2 {
        bench.run(&pipeline).await.into_result().unwrap();
    }
    let mut judged = guard.judged.lock().unwrap().clone();
    judged.sort();
    assert_eq!(judged, ["api", "api", "web", "web"], "each time, whatever was found before");
    assert_eq!(deployer.history.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_command_runs_in_the_image_of_an_artifact() {
    let bench = bench();
    let runner = Arc::new(FakeRunner::default());
    let pipeline = Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::None)))
        .step(step("smoke", &runner).in_image_of("web"));
    let report = bench.run(&pipeline).await.into_result().unwrap();
    assert_eq!(runner.asked(), [format!("run smoke in {}", report.image("web").unwrap().reference())]);

    let wrong = Pipeline::new("shop").step(step("smoke", &runner).in_image_of("web"));
    let error = bench.driver.run(&wrong, &bench.cancel).await.unwrap_err();
    assert_eq!(error.to_string(), "step `smoke` names artifact `web`, which the pipeline does not have");
}
