//! Steps: commands before, between and after builds and releases, and the volumes that they share.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Allow, Cancel, CancelReason, Capabilities, Clock, Command, Context, Driver, Error, ErrorKind, Exit,
    Mount, MountSource, Need, Outcome, Output, Pipeline, Policy, Result, RunOutcome, RunRequest, Runner,
    SharedVolume, Stage, Step, SystemClock, Timestamp, Verdict, Volume, When,
};

use crate::{
    failure,
    fakes::{FakeDeployer, Quirk, bench, build, deploy},
    reasons,
};

/// Does what the program's name says, and keeps what it was asked for in order.
#[derive(Debug, Default)]
pub(crate) struct FakeRunner {
    pub(crate) asked: Mutex<Vec<String>>,
    /// A file that `edit` writes.
    edits: Option<PathBuf>,
}

impl FakeRunner {
    fn note(&self, what: &str, name: &str) {
        self.asked.lock().unwrap().push(format!("{what} {name}"));
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Runner for FakeRunner {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn open(&self, _cx: &Context, volume: &Volume) -> Result<()> {
        self.note("open", &volume.name);
        if volume.name == "bad" { Err(Error::config("no such volume")) } else { Ok(()) }
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        let program = request.command.program.as_str();
        let image =
            request.image.as_ref().map_or(String::new(), |image| format!(" in {}", image.reference()));
        self.note("run", &format!("{program}{image}"));
        match program {
            "edit" => fs::write(self.edits.as_ref().unwrap(), "edited").unwrap(),
            "wait" => return Err(cx.stopped().await),
            "away" => return Err(Error::new(ErrorKind::Unavailable, "the runner is away")),
            _ => {}
        }
        let code = program.strip_prefix("exit-").map_or(0, |code| code.parse().unwrap());
        Ok(Exit::new(code).stdout("output").stderr("the end").result("42".to_owned()))
    }

    async fn close(&self, cx: &Context, volume: &Volume) -> Result<()> {
        self.note("close", &volume.name);
        if volume.name == "stuck" { Err(cx.stopped().await) } else { Ok(()) }
    }
}

/// A clock on which every pause is over at once, and which keeps how long each was to be.
#[derive(Clone, Debug)]
pub(crate) struct Quick {
    clock: Arc<SystemClock>,
    pub(crate) pauses: Arc<Mutex<Vec<Duration>>>,
}

impl Quick {
    pub(crate) fn new() -> Self {
        Self { clock: Arc::new(SystemClock::new()), pauses: Arc::default() }
    }
}

#[async_trait]
impl Clock for Quick {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.pauses.lock().unwrap().push(duration);
        // A real pause lets others run.
        tokio::task::yield_now().await;
    }
}

pub(crate) fn step(name: &str, runner: &Arc<FakeRunner>) -> Step {
    let runner: Arc<FakeRunner> = Arc::clone(runner);
    Step::run(name, runner, RunRequest::new(Command::new(name)))
}

pub(crate) fn mounting(name: &str, volume: &str, runner: &Arc<FakeRunner>) -> Step {
    let mount = Mount::new(MountSource::Volume(volume.to_owned()), "/workspace");
    let runner: Arc<FakeRunner> = Arc::clone(runner);
    Step::run(name, runner, RunRequest::new(Command::new(name)).mounts([mount]))
}

#[tokio::test]
async fn unit_tests_come_before_the_build_and_stop_it_when_they_fail() {
    for (program, built) in [("unit", 1), ("exit-1", 0)] {
        let bench = bench();
        let runner = Arc::new(FakeRunner::default());
        let builder = bench.builder(Quirk::None);
        let pipeline = Pipeline::new("shop")
            .step(step(program, &runner))
            .build(build("web", Arc::<crate::FakeBuilder>::clone(&builder)).after([Need::step(program)]));
        let report = bench.run(&pipeline).await;
        assert_eq!(builder.built.lock().unwrap().len(), built, "{report}");
        if built == 0 {
            let error = failure(&report, "run:exit-1");
            assert_eq!(error.kind, ErrorKind::ToolFailed);
            assert_eq!(error.to_string(), "`exit-1` failed with exit code 1\n  note: the end");
            let expected = Outcome::Skipped { because: "run:exit-1".parse().ok() };
            assert_eq!(report.task("build:web"), Some(&expected));
        }
        // What a command wrote is not kept.
        let code = i32::from(built == 0);
        let exit = Output::Exit(Exit::new(code).result("42".to_owned()));
        assert_eq!(report.outputs.get(&format!("run:{program}").parse().unwrap()), Some(&exit));
    }
}

#[tokio::test]
async fn what_a_command_does_to_the_sources_counts() {
    let bench = bench();
    let edits = Some(bench.folder.path().join("web/src"));
    let runner = Arc::new(FakeRunner { edits, ..FakeRunner::default() });
    let builder = bench.builder(Quirk::None);
    let plain = Pipeline::new("shop").build(build("web", Arc::<crate::FakeBuilder>::clone(&builder)));
    bench.run(&plain).await.into_result().unwrap();
    let pipeline = Pipeline::new("shop")
        .step(step("edit", &runner))
        .build(build("web", Arc::<crate::FakeBuilder>::clone(&builder)).after([Need::step("edit")]));
    let plan =
        Driver::plan(&pipeline, &bench.driver.observe(&pipeline, &bench.cancel).await.unwrap()).unwrap();
    let task = plan.tasks.iter().find(|task| task.id.as_str() == "build:web").unwrap();
    assert_eq!(task.verdict, Verdict::Open(vec!["run:edit".parse().unwrap()]));
    let report = bench.driver.execute(&pipeline, &plan, &bench.cancel).await.unwrap().into_result().unwrap();
    assert_eq!(reasons(&report, "build:web"), ["file web/src changed"]);
    // Now that it makes no difference, the image is found.
    let report = bench.run(&pipeline).await.into_result().unwrap();
    assert_eq!(report.task("build:web"), Some(&Outcome::Reused));
}

#[tokio::test]
async fn exit_codes_may_be_allowed_and_what_comes_after_runs() {
    let bench = bench();
    let runner = Arc::new(FakeRunner::default());
    let allow = |codes: [i32; 2]| Policy::default().allow(Allow::Codes(BTreeSet::from(codes)));
    let pipeline = |codes| {
        Pipeline::new("shop")
            .step(step("exit-3", &runner).policy(allow(codes)))
            .step(step("next", &runner).after([Need::step("exit-3")]))
    };
    let report = bench.run(&pipeline([3, 4])).await;
    assert!(matches!(report.task("run:exit-3"), Some(Outcome::FailureAllowed { .. })), "{report}");
    assert_eq!(report.task("run:next"), Some(&Outcome::Succeeded));
    let report = bench.run(&pipeline([1, 2])).await;
    assert_eq!(failure(&report, "run:exit-3").kind, ErrorKind::ToolFailed);
    assert_eq!(report.outcome, RunOutcome::Failed);
}

#[tokio::test]
async fn what_comes_finally_comes_last_whatever_happened_before() {
    for fails in [false, true] {
        let bench = bench();
        let runner = Arc::new(FakeRunner::default());
        let deployer = FakeDeployer::default();
        *deployer.broken.lock().unwrap() = fails;
        let told = Policy::default().when(When::Failed);
        let pipeline = Pipeline::new("shop")
            .step(step("last", &runner).finally())
            .step(step("alarm", &runner).after([Need::release("shop")]).policy(told))
            .build(build("web", bench.builder(Quirk::None)))
            .deploy(deploy(&deployer));
        let report = bench.run(&pipeline).await;
        assert_eq!(report.outcome == RunOutcome::Failed, fails, "{report}");
        assert_eq!(report.state.ended.last().unwrap().as_str(), "run:last", "{report}");
        assert_eq!(report.task("run:last"), Some(&Outcome::Succeeded));
        let alarm = if fails { Outcome::Succeeded } else { Outcome::Skipped { because: None } };
        assert_eq!(report.task("run:alarm"), Some(&alarm), "{report}");
    }
}

#[tokio::test]
async fn a_volume_is_open_from_the_first_command_to_the_last() {
    let bench = bench();
    let runner = Arc::new(FakeRunner::default());
    let volume =
        SharedVolume::new(Volume::new("work").into(PathBuf::from("out")), Arc::<FakeRunner>::clone(&runner));
    let builder = bench.builder(Quirk::None);
    let pipeline = Pipeline::new("shop")
        .volume(volume)
        .step(mounting("two", "work", &runner).after([Need::step("one")]))
        .step(mounting("one", "work", &runner))
        .build(build("web", builder).after([Need::step("one")]));
    let report = bench.run(&pipeline).await.into_result().unwrap();
    assert_eq!(runner.asked(), ["open work", "run one", "run two", "close work"]);
    // What it copies back is there for who reads files.
    let at = |id: &str| report.state.ended.iter().position(|ended| ended.as_str() == id).unwrap();
    assert!(at("close:work") < at("build:web"), "{report}");
}

#[tokio::test]
async fn a_volume_is_closed_after_a_failure_and_after_a_cancellation() {
    let bench = bench();
    let runner = Arc::new(FakeRunner::default());
    let volume = |name: &str| SharedVolume::new(Volume::new(name), Arc::<FakeRunner>::clone(&runner));
    let pipeline = Pipeline::new("shop")
        .volume(volume("work"))
        .step(mounting("exit-1", "work", &runner))
        .step(mounting("never", "work", &runner).after([Need::step("exit-1")]));
    let report = bench.run(&pipeline).await;
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!(runner.asked(), ["open work", "run exit-1", "close work"]);

    runner.asked.lock().unwrap().clear();
    let pipeline = Pipeline::new("shop").volume(volume("work")).step(mounting("wait", "work", &runner));
    let cancelling = async {
        while runner.asked().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let (report, ()) = tokio::join!(bench.run(&pipeline), cancelling);
    assert_eq!(report.outcome, RunOutcome::Cancelled, "{report}");
    assert_eq!(runner.asked(), ["open work", "run wait", "close work"]);

    // What was never opened is not closed.
    runner.asked.lock().unwrap().clear();
    let observed = bench.driver.observe(&pipeline, &Cancel::new()).await.unwrap();
    let plan = Driver::plan(&pipeline, &observed).unwrap();
    let report = bench.driver.execute(&pipeline, &plan, &bench.cancel).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Cancelled, "{report}");
    assert!(runner.asked().is_empty());
}

#[tokio::test]
async fn a_volume_that_does_not_close_is_given_up_in_time() {
    let bench = bench();
    let runner = Arc::new(FakeRunner::default());
    let volume = SharedVolume::new(Volume::new("stuck"), Arc::<FakeRunner>::clone(&runner));
    let pipeline = Pipeline::new("shop").volume(volume).step(mounting("one", "stuck", &runner));
    let clock = Quick::new();
    let driver = Driver::new(bench.world().clock(clock.clone()));
    let run = driver.run(&pipeline, &bench.cancel);
    let report = tokio::time::timeout(Duration::from_secs(30), run).await.expect("it ends").unwrap();
    assert_eq!(failure(&report, "close:stuck").kind, ErrorKind::Timeout, "{report}");
    assert!(clock.pauses.lock().unwrap().iter().any(|pause| pause.as_secs().abs_diff(600) <= 1));
}

#[tokio::test]
async fn a_volume_that_cannot_be_made_skips_its_commands() {
    let bench = bench();
    let runner = Arc::new(FakeRunner::default());
    let volume = SharedVolume::new(Volume::new("bad"), Arc::<FakeRunner>::clone(&runner));
    let pipeline = Pipeline::new("shop").volume(volume).step(mounting("one", "bad", &runner));
    let report = bench.run(&pipeline).await;
    assert_eq!(report.task("run:one"), Some(&Outcome::Skipped { because: "open:bad".parse().ok() }));
    assert_eq!(runner.asked(), ["open bad", "close bad"], "half of it may be there");
}

#[tokio::test]
async fn a_run_has_so_many_tries_and_no_more() {
    let bench = bench();
    let runner = Arc::new(FakeRunner::default());
    let policy = || Policy::default().retries(3_u32);
    let pipeline = Pipeline::new("shop").step(step("away", &runner).policy(policy()));
    let world = || bench.world().clock(Quick::new());
    Driver::new(world()).run(&pipeline, &bench.cancel).await.unwrap();
    assert_eq!(runner.asked().len(), 4);
    runner.asked.lock().unwrap().clear();
    Driver::new(world()).retries(2).run(&pipeline, &bench.cancel).await.unwrap();
    assert_eq!(runner.asked().len(), 3);
}

#[tokio::test]
async fn what_steps_name_must_be_there() {
    let runner = Arc::new(FakeRunner::default());
    for (pipeline, text) in [
        (
            Pipeline::new("shop")
                .step(step("unit", &runner).after([Need::step("lintt")]))
                .step(step("lint", &runner)),
            "step `unit` names step `lintt`, which the pipeline does not have\n  hint: did you mean `lint`?",
        ),
        (
            Pipeline::new("shop").step(mounting("unit", "work", &runner)),
            "step `unit` names volume `work`, which the pipeline does not have\n  hint: add the volume, or take the name out",
        ),
        (
            Pipeline::new("shop")
                .step(step("a", &runner).finally())
                .step(step("b", &runner).after([Need::step("a")])),
            "step `b` needs step `a`, which comes last\n  hint: let the step not be `finally`, or let this come last as well",
        ),
        (
            Pipeline::new("shop").step(step("a", &runner)).step(step("a", &runner)),
            "there are two steps `a`\n  hint: give one another name",
        ),
    ] {
        assert_eq!(pipeline.check().unwrap_err().report().to_string(), text);
    }
}
