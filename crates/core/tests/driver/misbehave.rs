//! F12 of the reliability standard: plug-ins of every role that misbehave in every way. One artifact or step fails,
//! the others finish, the run ends in time, and nothing of the embedder panics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use shipway_core::{
    Artifact, Build, BuildRequest, Builder, Cancel, CancelReason, Capabilities, Case, CaseOutcome, ChangeSet,
    Command, Context, Deploy, Deployer, Deployment, Desired, Driver, ErrorKind, Exit, Feature, Health, Image,
    Inputs, Manifests, Outcome, Phase, Pipeline, Policy, Received, Release, Result, RunOutcome, RunRequest,
    Runner, Stage, Step, StoreKind, Stream, Subject, Subscribers, Tag, TagRequest, Tagger, TestReport,
    Tester, Volume, Watch,
};

use crate::{
    failure,
    fakes::{Bench, FakeBuilder, FakeDeployer, FakeTagger, Quirk, bench, build},
};

/// How a plug-in misbehaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Panics,
    /// Waits for what never comes, until it is told to stop.
    Hangs,
    /// Waits for ever, whatever it is told.
    HangsForGood,
    /// Prints without an end, and lets others run in between.
    PrintsForEver,
    /// Holds its thread, whatever it is told, until the test lets it go.
    Blocks,
    /// Answers with what it was not asked for.
    AnswersWrongly,
}

const KINDS: [Kind; 6] =
    [Kind::Panics, Kind::Hangs, Kind::HangsForGood, Kind::PrintsForEver, Kind::Blocks, Kind::AnswersWrongly];

/// Where it does.
const PLACES: [&str; 9] = [
    "build:web",
    "tag:web",
    "test:web/shape",
    "render:shop",
    "diff:shop",
    "apply:shop",
    "health:shop",
    "verify:shop/smoke",
    "run:unit",
];

/// Plays every role, and misbehaves in one task.
#[derive(Clone, Debug)]
struct Bad {
    kind: Kind,
    place: &'static str,
    /// Whether what blocks its thread may go on.
    free: Arc<AtomicBool>,
    /// How many threads are blocked.
    blocked: Arc<AtomicU32>,
    good: Arc<FakeBuilder>,
    deployer: FakeDeployer,
}

impl Bad {
    fn new(bench: &Bench, kind: Kind, place: &'static str) -> Self {
        let (good, deployer) =
            (bench.builder(Quirk::None), FakeDeployer { plain: true, ..FakeDeployer::default() });
        Self { kind, place, free: Arc::default(), blocked: Arc::default(), good, deployer }
    }

    /// Misbehaves if this is the place, and returns whether the answer is to be wrong.
    async fn misbehave(&self, cx: &Context, place: &str) -> Result<bool> {
        if self.place != place {
            return Ok(false);
        }
        match self.kind {
            Kind::Panics => panic!("oh no"),
            Kind::Hangs => Err(cx.stopped().await),
            Kind::HangsForGood => std::future::pending().await,
            Kind::PrintsForEver => loop {
                cx.output(Stream::Stdout, "again");
                tokio::task::yield_now().await;
            },
            Kind::Blocks => {
                self.blocked.fetch_add(1, Ordering::SeqCst);
                while !self.free.load(Ordering::SeqCst) {
                    cx.output(Stream::Stdout, "still here");
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(false)
            }
            Kind::AnswersWrongly => Ok(true),
        }
    }
}

#[async_trait]
impl Builder for Bad {
    fn capabilities(&self) -> Capabilities {
        Builder::capabilities(self.good.as_ref())
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        self.good.inputs(cx, artifact).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let wrong = self.misbehave(cx, "build:web").await?;
        let mut image = self.good.build(cx, request).await?;
        if wrong {
            image.repository = "reg/api".to_owned();
        }
        Ok(image)
    }
}

#[async_trait]
impl Tagger for Bad {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, cx: &Context, _request: &TagRequest) -> Result<Tag> {
        let wrong = self.misbehave(cx, "tag:web").await?;
        // The type takes no other text.
        Tag::parse(if wrong { "no tag: at all" } else { "v1" })
    }
}

#[async_trait]
impl Tester for Bad {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::default())
    }

    async fn test(&self, cx: &Context, subject: &Subject) -> Result<TestReport> {
        let place =
            if matches!(subject, Subject::Deployment(_)) { "verify:shop/smoke" } else { "test:web/shape" };
        let wrong = self.misbehave(cx, place).await?;
        // A report has no form that is wrong but that something failed.
        let outcome = if wrong { CaseOutcome::Failed("\u{1b}[2J".to_owned()) } else { CaseOutcome::Passed };
        Ok(TestReport::default().cases([Case::new("shell", outcome)]))
    }
}

#[async_trait]
impl Deployer for Bad {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().reads([StoreKind::Registry])
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::default())
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        let wrong = self.misbehave(cx, "render:shop").await?;
        Ok(Manifests::new(if wrong { Release::new("bank") } else { release.clone() }))
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.deployer.history(cx, release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        let wrong = self.misbehave(cx, "diff:shop").await?;
        let mut changes = self.deployer.diff(cx, desired).await?;
        if let (true, Desired::Released { manifests, .. }) = (wrong, desired) {
            changes.desired = Desired::Released { manifests: manifests.clone(), share: 1 };
        }
        Ok(changes)
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        let wrong = self.misbehave(cx, "apply:shop").await?;
        let mut deployment = self.deployer.apply(cx, changes).await?;
        if wrong {
            deployment.manifests.release.name = "bank".to_owned();
        }
        Ok(deployment)
    }

    async fn health(&self, cx: &Context, _deployment: &Deployment) -> Result<Health> {
        let wrong = self.misbehave(cx, "health:shop").await?;
        // Never again, as far as a person can tell.
        let progressing = Health::new(Phase::Progressing).again(Duration::MAX);
        Ok(if wrong { progressing } else { Health::new(Phase::Healthy) })
    }
}

#[async_trait]
impl Runner for Bad {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        let wrong = request.command.program == "unit" && self.misbehave(cx, "run:unit").await?;
        // No program ends like that.
        Ok(Exit::new(if wrong { i32::MIN } else { 0 }).stdout("\u{0}"))
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

const TIMEOUT: Duration = Duration::from_millis(200);
const GRACE: Duration = Duration::from_millis(100);
/// What a run may take on a busy machine, and far less than it takes until what blocks is let go.
const IN_TIME: Duration = Duration::from_secs(30);

/// `web` and its release with the plug-in, `api` with a good one, and a step of each.
fn pipeline(bench: &Bench, bad: &Bad) -> Pipeline {
    let late = || Policy::default().timeout(TIMEOUT);
    let plug_in = Arc::new(bad.clone());
    let web = Build::new(Artifact::new("web", "web"), "reg/web", Arc::<Bad>::clone(&plug_in))
        .tagger(Arc::<Bad>::clone(&plug_in))
        .tester("shape", Arc::<Bad>::clone(&plug_in))
        .policy(late());
    let release = Deploy::new(Release::new("shop"), Arc::<Bad>::clone(&plug_in))
        .artifacts(["web"])
        .tester("smoke", Arc::<Bad>::clone(&plug_in))
        .policy(late())
        .watch(Watch::new(Duration::from_millis(5), TIMEOUT));
    let step = |name: &str| {
        let request = RunRequest::new(Command::new(name));
        Step::run(name, Arc::<Bad>::clone(&plug_in), request).policy(late())
    };
    Pipeline::new("shop")
        .build(web)
        .build(build("api", bench.builder(Quirk::None)))
        .deploy(release)
        .step(step("unit"))
        .step(step("lint"))
}

/// Runs, and says what is wrong about how it ended.
async fn judged(kind: Kind, place: &'static str) -> std::result::Result<(), String> {
    let bench = bench();
    let subscribers = Arc::new(Subscribers::new().limit(1 << 20));
    let stuck = subscribers.subscribe();
    let bad = Bad::new(&bench, kind, place);
    let driver = Driver::new(bench.world().sink(subscribers)).slots(4).keep_going(true).grace(GRACE);
    let pipeline = pipeline(&bench, &bad);
    // A task of its own, so that it is seen when it never ends.
    let running = tokio::spawn(async move { driver.run(&pipeline, &Cancel::new()).await });
    let ended = tokio::time::timeout(IN_TIME, running).await;
    let was_blocked = bad.blocked.load(Ordering::SeqCst) > 0;
    bad.free.store(true, Ordering::SeqCst);
    let Ok(joined) = ended else { return Err("it did not end in time".to_owned()) };
    let report = match joined {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => return Err(format!("the run itself failed: {error}")),
        Err(error) => return Err(format!("the embedder panicked: {error}")),
    };
    if (kind == Kind::Blocks) != was_blocked {
        return Err("what blocks did not".to_owned());
    }
    let expected: &[ErrorKind] = match (kind, place) {
        (Kind::Panics, _) => &[ErrorKind::Internal],
        (Kind::AnswersWrongly, "test:web/shape" | "verify:shop/smoke") => &[ErrorKind::Unhealthy],
        (Kind::AnswersWrongly, "run:unit") => &[ErrorKind::ToolFailed],
        (Kind::AnswersWrongly, "health:shop") => &[ErrorKind::Timeout],
        (Kind::AnswersWrongly, "tag:web") => &[ErrorKind::Config, ErrorKind::BadOutput],
        (Kind::AnswersWrongly, _) => &[ErrorKind::BadOutput],
        _ => &[ErrorKind::Timeout],
    };
    match report.task(place) {
        Some(Outcome::Failed { error }) if expected.contains(&error.kind) => {}
        other => return Err(format!("it ended with {other:?}\n{report}")),
    }
    let failed =
        report.state.tasks.keys().filter(|id| {
            matches!(report.task(id.as_str()), Some(Outcome::Failed { .. } | Outcome::Cancelled))
        });
    let failed: Vec<&str> = failed.map(|id| id.as_str()).collect();
    if failed != [place] || report.outcome != RunOutcome::Failed {
        return Err(format!("{failed:?} failed, {:?}", report.outcome));
    }
    for good in ["build:api", "tag:api", "push:api", "run:lint"] {
        if report.task(good) != Some(&Outcome::Succeeded) {
            return Err(format!("{good} ended with {:?}", report.task(good)));
        }
    }
    // What never was read is all there, but for output.
    let lasting = stuck.filter(|received| matches!(received, Received::Event(event) if !event.may_drop()));
    let ends = report.state.ended.len();
    if lasting.count() < ends + 2 {
        return Err("an event is lost".to_owned());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plug_in_that_misbehaves_fails_its_own_task_only() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let start = Instant::now();
        let cases = PLACES.map(|place| async move {
            judged(kind, place).await.map_err(|why| format!("{kind:?} in {place}: {why}"))
        });
        for case in cases {
            wrong.extend(case.await.err());
        }
        println!("F12: {kind:?}: {} places in {:.1} s", PLACES.len(), start.elapsed().as_secs_f64());
    }
    let all = KINDS.len() * PLACES.len();
    println!(
        "F12: {} of {all} plug-ins (6 kinds x 9 places of 5 roles) failed their own task only",
        all - wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Panics where it is asked what it is rather than to do something.
#[derive(Debug)]
struct Careless {
    inner: Arc<FakeBuilder>,
    /// How often it may be asked before it panics.
    left: AtomicU32,
}

impl Careless {
    fn count(&self) {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left.is_ok(), "oh no");
    }
}

#[async_trait]
impl Builder for Careless {
    fn capabilities(&self) -> Capabilities {
        self.count();
        Builder::capabilities(self.inner.as_ref()).features([Feature::MultiPlatform])
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        self.inner.inputs(cx, artifact).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        self.inner.build(cx, request).await
    }
}

#[async_trait]
impl Tagger for Careless {
    fn needs_fingerprint(&self) -> bool {
        self.count();
        false
    }

    async fn tag(&self, cx: &Context, request: &TagRequest) -> Result<Tag> {
        FakeTagger { fingerprint: false }.tag(cx, request).await
    }
}

#[tokio::test]
async fn a_panic_where_a_plug_in_says_what_it_can_do_is_an_error_wherever_it_comes() {
    let (mut errors, mut failures, mut never) = (0, 0, 0);
    for tagger in [false, true] {
        // After so many calls it panics: somewhere in observing, planning or carrying out.
        for calls in 0..40 {
            let bench = bench();
            let careless =
                Arc::new(Careless { inner: bench.builder(Quirk::None), left: AtomicU32::new(calls) });
            let artifact = Artifact::new("web", "web")
                .platforms(["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()]);
            let web = if tagger {
                Build::new(artifact, "reg/web", bench.builder(Quirk::None))
                    .tagger(Arc::<Careless>::clone(&careless))
            } else {
                Build::new(artifact, "reg/web", Arc::<Careless>::clone(&careless))
            };
            let pipeline = Pipeline::new("shop").build(web).build(build("api", bench.builder(Quirk::None)));
            let driver = Driver::new(bench.world()).keep_going(true);
            let error = match driver.observe(&pipeline, &bench.cancel).await {
                Err(error) => error,
                Ok(observed) => match Driver::plan(&pipeline, &observed) {
                    Err(error) => error,
                    Ok(plan) => {
                        let report = driver.execute(&pipeline, &plan, &bench.cancel).await.unwrap();
                        if report.outcome == RunOutcome::Succeeded {
                            never += 1;
                            continue;
                        }
                        failures += 1;
                        assert_eq!(report.task("build:api"), Some(&Outcome::Succeeded), "{report}");
                        continue;
                    }
                },
            };
            errors += 1;
            assert_eq!(
                (error.kind(), error.to_string()),
                (ErrorKind::Internal, "the plug-in panicked: oh no".to_owned())
            );
        }
    }
    println!(
        "F12: 80 panics of `capabilities` and `needs_fingerprint`: {errors} errors, {failures} tasks failed, {never} never came, 0 panics of the embedder"
    );
    assert!(errors > 0 && failures > 0 && never > 0, "each way is tried");
}

#[tokio::test]
async fn a_plan_of_a_plug_in_that_panics_is_an_error() {
    let bench = bench();
    let careless =
        |left| Arc::new(Careless { inner: bench.builder(Quirk::None), left: AtomicU32::new(left) });
    let web = Build::new(Artifact::new("web", "web"), "reg/web", careless(0));
    let error =
        Driver::plan(&Pipeline::new("shop").build(web), &shipway_core::Observed::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Internal, "the plug-in panicked: oh no")
    );
}

/// Declares its inputs as its kind says.
#[derive(Debug)]
struct Undeclared(Bad);

#[async_trait]
impl Builder for Undeclared {
    fn capabilities(&self) -> Capabilities {
        Builder::capabilities(&self.0)
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        self.0.misbehave(cx, "inputs").await?;
        Builder::inputs(&self.0, cx, artifact).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        self.0.build(cx, request).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_looks_at_a_plug_in_that_never_declares_its_inputs_can_stop() {
    let mut ended = 0;
    for kind in [Kind::Hangs, Kind::HangsForGood, Kind::PrintsForEver, Kind::Blocks] {
        let bench = bench();
        let bad = Bad::new(&bench, kind, "inputs");
        let web = Build::new(Artifact::new("web", "web"), "reg/web", Arc::new(Undeclared(bad.clone())));
        let pipeline = Pipeline::new("shop").build(web);
        let cancelling = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            bench.cancel.escalate(Stage::Requested, CancelReason::Asked);
        };
        let (observed, ()) = tokio::join!(bench.driver.observe(&pipeline, &bench.cancel), cancelling);
        let was_free = bad.free.swap(true, Ordering::SeqCst);
        assert_eq!(observed.unwrap_err().kind(), ErrorKind::Cancelled, "{kind:?}");
        ended += u32::from(!was_free);
    }
    println!("F12: {ended} of 4 kinds of `inputs` that never answer end when the run is cancelled");
}

/// What a builder holds that is to be let go of, such as a process.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Holds(Arc<AtomicBool>);

#[async_trait]
impl Builder for Holds {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().writes([StoreKind::Registry])
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        Ok(Inputs::default())
    }

    async fn build(&self, _cx: &Context, _request: &BuildRequest) -> Result<Image> {
        let _held = Held(Arc::clone(&self.0));
        std::future::pending().await
    }
}

#[tokio::test]
async fn what_a_dropped_task_held_is_let_go_of_before_the_run_ends() {
    let bench = bench();
    let gone = Arc::new(AtomicBool::new(false));
    let web = Build::new(Artifact::new("web", "web"), "reg/web", Arc::new(Holds(Arc::clone(&gone))))
        .policy(Policy::default().timeout(Duration::from_millis(20)));
    let pipeline = Pipeline::new("shop").build(web);
    let driver = Driver::new(bench.world()).grace(GRACE);
    let report = driver.run(&pipeline, &bench.cancel).await.unwrap();
    assert_eq!(failure(&report, "build:web").kind, ErrorKind::Timeout);
    assert!(gone.load(Ordering::SeqCst));
}
