//! Runs that are killed and gone on with: at each thing that is written down, and in the middle of an apply.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Answer, Cancel, Capabilities, Change, ChangeSet, Clock, Context, Decision, Decisions, Deploy, Deployer,
    Deployment, Desired, Driver, Error, ErrorKind, Feature, Gate, Gates, Health, Inputs, Journal,
    JournalEntry, JournalWriter, Manifest, Manifests, MemoryJournal, Need, ObjectId, OpenJournal, Outcome,
    Phase, Pipeline, Policy, Question, Release, Report, Result, RunOutcome, SharedVolume, Step, StoreKind,
    TaskId, Timestamp, Verb, Volume, Watch, When,
};
use tokio::sync::Notify;

use crate::{
    FakeBuilder, FakeTester,
    fakes::{Bench, Quirk, bench, build},
    steps::{FakeRunner, Quick, mounting, step},
};

/// Kills the process, as far as a test can: whoever comes to the n-th place stays there for ever.
#[derive(Debug, Default)]
struct Kill {
    at: usize,
    places: AtomicUsize,
    reached: Notify,
}

impl Kill {
    fn at(at: usize) -> Arc<Self> {
        Arc::new(Self { at, ..Self::default() })
    }

    async fn place(&self) {
        if self.places.fetch_add(1, Ordering::SeqCst) + 1 >= self.at {
            self.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

/// What befalls a journal before and after each entry.
#[async_trait]
trait Fate: std::fmt::Debug + Send + Sync + 'static {
    async fn before(&self) -> Result<()>;
    async fn after(&self);
}

#[async_trait]
impl Fate for Kill {
    async fn before(&self) -> Result<()> {
        self.place().await;
        Ok(())
    }

    async fn after(&self) {
        self.place().await;
    }
}

/// A journal in memory, and what befalls it.
#[derive(Debug)]
struct Fated {
    journal: MemoryJournal,
    fate: Arc<dyn Fate>,
}

#[derive(Debug)]
struct FatedWriter {
    writer: Box<dyn JournalWriter>,
    fate: Arc<dyn Fate>,
}

#[async_trait]
impl Journal for Fated {
    async fn open(&self, run: &str) -> Result<OpenJournal> {
        let opened = self.journal.open(run).await?;
        let writer = FatedWriter { writer: opened.writer, fate: Arc::clone(&self.fate) };
        Ok(OpenJournal::new(opened.entries, writer))
    }

    async fn read(&self, run: &str) -> Result<Vec<JournalEntry>> {
        self.journal.read(run).await
    }

    async fn runs(&self) -> Result<Vec<String>> {
        self.journal.runs().await
    }
}

#[async_trait]
impl JournalWriter for FatedWriter {
    async fn append(&self, entry: &JournalEntry, lasting: bool) -> Result<()> {
        self.fate.before().await?;
        self.writer.append(entry, lasting).await?;
        self.fate.after().await;
        Ok(())
    }
}

/// A target that really has objects, three of each release, and remembers what was done to it.
#[derive(Clone, Debug, Default)]
struct Site {
    state: Arc<Mutex<State>>,
    kill: Arc<Mutex<Option<Arc<Kill>>>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<ObjectId, String>,
    history: Vec<Deployment>,
    settled: Vec<String>,
    /// What was done, in order.
    done: Vec<String>,
    broken: bool,
}

impl Site {
    fn done(&self) -> Vec<String> {
        self.state.lock().unwrap().done.clone()
    }

    async fn place(&self) {
        let kill = self.kill.lock().unwrap().clone();
        if let Some(kill) = kill {
            kill.place().await;
        }
    }
}

#[async_trait]
impl Deployer for Site {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .reads([StoreKind::Registry])
            .features(BTreeSet::from([Feature::Settle, Feature::Restore]))
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::default())
    }

    async fn render(&self, _cx: &Context, release: &Release) -> Result<Manifests> {
        let images: Vec<String> = release.images.iter().map(|image| image.digest.to_string()).collect();
        let object = |kind| Manifest::new(ObjectId::new("v1", kind, "shop"), images.join(" "));
        Ok(Manifests::new(release.clone()).objects(["Secret", "Service", "Deployment"].map(object)))
    }

    async fn history(&self, _cx: &Context, _release: &str) -> Result<Vec<Deployment>> {
        Ok(self.state.lock().unwrap().history.iter().rev().cloned().collect())
    }

    async fn diff(&self, _cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        let state = self.state.lock().unwrap();
        let manifests = match desired {
            Desired::Released { manifests, .. } => manifests,
            Desired::Restored(deployment) => &deployment.manifests,
            _ => return Ok(ChangeSet::new(desired.clone())),
        };
        let changed = |manifest: &&Manifest| {
            state.objects.get(&manifest.object).is_none_or(|text| *text != *manifest.text)
        };
        let changes = manifests.objects.iter().filter(changed);
        let changes: Vec<Change> =
            changes.map(|manifest| Change::new(manifest.object.clone(), Verb::Update)).collect();
        Ok(ChangeSet::new(desired.clone()).changes(changes))
    }

    async fn apply(&self, _cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        let manifests = match &changes.desired {
            Desired::Released { manifests, .. } => manifests,
            Desired::Restored(deployment) => &deployment.manifests,
            Desired::Settled(deployment) => {
                let mut state = self.state.lock().unwrap();
                // To settle twice is to settle once.
                if state.settled.last() != Some(&deployment.revision) {
                    state.settled.push(deployment.revision.clone());
                    state.done.push("settle".to_owned());
                }
                return Ok(deployment.clone());
            }
            other => return Err(Error::unsupported(format!("{other:?}"))),
        };
        for change in &changes.changes {
            self.place().await;
            let mut state = self.state.lock().unwrap();
            let text =
                &manifests.objects.iter().find(|manifest| manifest.object == change.object).unwrap().text;
            assert!(!text.is_empty(), "a text is there to be applied");
            state.objects.insert(change.object.clone(), text.to_string());
            state.done.push(format!("apply {}", change.object.kind));
        }
        self.place().await;
        let mut state = self.state.lock().unwrap();
        if let Some(last) = state.history.last().filter(|last| last.manifests == *manifests) {
            return Ok(last.clone());
        }
        let deployment =
            Deployment::new(manifests.clone(), (state.history.len() + 1).to_string(), Timestamp(0));
        state.history.push(deployment.clone());
        Ok(deployment)
    }

    async fn health(&self, _cx: &Context, deployment: &Deployment) -> Result<Health> {
        let state = self.state.lock().unwrap();
        let first = state.history.first().is_some_and(|first| first.manifests == deployment.manifests);
        let failed = state.broken && !first;
        Ok(Health::new(if failed { Phase::Failed } else { Phase::Healthy }))
    }
}

/// A pipeline with a task of every kind.
struct Shop {
    bench: Bench,
    site: Site,
    runner: Arc<FakeRunner>,
    builder: Arc<FakeBuilder>,
    journal: MemoryJournal,
    /// Who has been asked, how often, and says yes.
    asked: Yes,
}

#[derive(Clone, Debug, Default)]
struct Yes(Arc<Mutex<Vec<Question>>>);

#[async_trait]
impl Gates for Yes {
    async fn decision(&self, _cx: &Context, question: &Question) -> Result<Option<Decision>> {
        self.0.lock().unwrap().push(question.clone());
        Ok(Some(Decision::new(Answer::Approved, "ann", Timestamp(5))))
    }

    async fn withdraw(&self, _cx: &Context, _question: &Question) {}
}

impl Shop {
    fn new() -> Self {
        let bench = bench();
        let builder = bench.builder(Quirk::None);
        Self {
            bench,
            site: Site::default(),
            runner: Arc::default(),
            builder,
            journal: MemoryJournal::new(),
            asked: Yes::default(),
        }
    }

    fn pipeline(&self) -> Pipeline {
        let web = build("web", Arc::<FakeBuilder>::clone(&self.builder))
            .tester("shell", Arc::new(FakeTester { passes: true }))
            .after([Need::step("unit")]);
        let shop = Deploy::new(Release::new("shop"), Arc::new(self.site.clone()))
            .watch(Watch::new(Duration::from_millis(1), Duration::from_secs(5)))
            .after([Need::step("soak")])
            .gate(Gate::new("may it go?"));
        let runner: Arc<FakeRunner> = Arc::clone(&self.runner);
        Pipeline::new("shop")
            .volume(SharedVolume::new(Volume::new("work"), runner))
            .step(mounting("unit", "work", &self.runner))
            .step(Step::wait("soak", Duration::from_secs(60)).after([Need::artifact("web")]))
            .build(web)
            .deploy(shop)
            .step(step("tell", &self.runner).after([Need::release("shop")]))
            .step(step("always", &self.runner).finally())
            .step(
                step("sorry", &self.runner)
                    .policy(Policy::default().when(When::Failed))
                    .after([Need::release("shop")]),
            )
    }

    fn driver(&self, journal: Arc<dyn Journal>) -> Driver {
        // Of one thing after the other, one at most is under way when the process is killed.
        let world = self.bench.world().clock(Quick::new());
        Driver::new(world).slots(1).journal(journal).gates(self.asked.clone())
    }

    /// Runs until it is killed, if it comes to that, and returns the report otherwise.
    async fn run_until(&self, kill: &Arc<Kill>) -> Option<Report> {
        *self.site.kill.lock().unwrap() = Some(Arc::clone(kill));
        let driver =
            self.driver(Arc::new(Fated { journal: self.journal.clone(), fate: Arc::<Kill>::clone(kill) }));
        let (pipeline, cancel) = (self.pipeline(), Cancel::new());
        let report = tokio::select! {
            biased;
            () = kill.reached.notified() => None,
            report = driver.run(&pipeline, &cancel) => Some(report.unwrap()),
        };
        *self.site.kill.lock().unwrap() = None;
        // What is dropped stops at the next place where it waits.
        tokio::task::yield_now().await;
        report
    }

    /// Goes on with the only run, if it came to be written down at all.
    async fn resume(&self) -> Option<Report> {
        let runs = self.journal.runs().await.unwrap();
        let [run] = runs.as_slice() else { panic!("one run was begun: {runs:?}") };
        let driver = self.driver(Arc::new(self.journal.clone()));
        match driver.resume(&self.pipeline(), run, &Cancel::new()).await {
            Ok(report) => Some(report),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
                None
            }
        }
    }

    /// How often each thing was done.
    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let built = self.builder.built.lock().unwrap().iter().map(|name| format!("build {name}")).collect();
        for done in [self.runner.asked(), self.site.done(), built].concat() {
            *counts.entry(done).or_default() += 1;
        }
        counts
    }
}

#[tokio::test]
async fn a_run_that_is_killed_anywhere_comes_to_the_same_end_and_repeats_one_thing_at_most() {
    for broken in [false, true] {
        let whole = Shop::new();
        first_release(&whole, broken).await;
        let expected_report = whole.run_until(&Kill::at(usize::MAX)).await.unwrap();
        let (expected, images) = (whole.counts(), whole.bench.shelf.0.lock().unwrap().clone());
        let mut killed = 0;
        for at in 1.. {
            let shop = Shop::new();
            first_release(&shop, broken).await;
            if shop.run_until(&Kill::at(at)).await.is_some() {
                break;
            }
            killed += 1;
            let Some(report) = shop.resume().await else {
                assert_eq!(at, 1, "only before the first entry nothing is known of the run");
                continue;
            };
            assert_eq!(report.outcome, expected_report.outcome, "killed at {at}:\n{report}");
            let outcomes = |report: &Report| {
                let ended =
                    |(id, task): (&_, &shipway_core::TaskState)| (format!("{id}"), word(&task.status));
                report.state.tasks.iter().map(ended).collect::<BTreeMap<_, _>>()
            };
            assert_eq!(outcomes(&report), outcomes(&expected_report), "killed at {at}");
            assert_eq!(*shop.bench.shelf.0.lock().unwrap(), images, "killed at {at}");
            let (now, then) = (shop.site.state.lock().unwrap(), whole.site.state.lock().unwrap());
            assert_eq!((&now.objects, &now.settled), (&then.objects, &then.settled), "killed at {at}");
            assert_eq!(now.history.len(), then.history.len(), "killed at {at}");
            drop((now, then));
            let counts = shop.counts();
            let more = |(what, count): (&String, &usize)| count - expected.get(what).unwrap_or(&0);
            let repeated: usize = counts.iter().map(more).sum();
            assert!(repeated <= 1, "killed at {at}: {counts:?} instead of {expected:?}");
            let applied = |counts: &BTreeMap<String, usize>| {
                counts
                    .iter()
                    .filter(|(what, _)| what.starts_with("apply"))
                    .map(|(_, count)| *count)
                    .collect::<Vec<_>>()
            };
            assert_eq!(applied(&counts), applied(&expected), "killed at {at}: no object is applied twice");
            assert!(shop.asked.0.lock().unwrap().len() <= 3, "killed at {at}");
        }
        println!("F1 (driver, broken: {broken}): {killed} places to be killed at, all came to the same end");
        assert!(killed > 60, "{killed}");
    }
}

fn word(status: &shipway_core::TaskStatus) -> &'static str {
    match status {
        shipway_core::TaskStatus::Ended(outcome) => match outcome {
            // Whether the first process or the second one made it, it is made.
            Outcome::Succeeded | Outcome::Reused => "good",
            Outcome::Failed { .. } => "failed",
            Outcome::Skipped { .. } => "skipped",
            _ => "other",
        },
        _ => "open",
    }
}

/// Makes a release to go back to, by a run that is not written down.
async fn first_release(shop: &Shop, broken: bool) {
    if broken {
        Driver::new(shop.bench.world().clock(Quick::new()))
            .gates(shop.asked.clone())
            .run(&shop.pipeline(), &Cancel::new())
            .await
            .unwrap()
            .into_result()
            .unwrap();
        shop.site.state.lock().unwrap().broken = true;
        shop.bench.write("web", "2");
    }
}

#[tokio::test]
async fn a_run_waits_for_an_answer_without_a_process_and_another_one_goes_on() {
    let shop = Shop::new();
    let decisions = Decisions::new();
    let driver = || {
        let world = shop.bench.world().clock(Quick::new());
        Driver::new(world).journal(Arc::new(shop.journal.clone())).gates(decisions.clone()).suspend(true)
    };
    let pipeline = shop.pipeline();
    let report = driver().run(&pipeline, &Cancel::new()).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Waiting, "{report}");
    assert_eq!(report.task("gate:shop"), Some(&Outcome::Waiting));
    assert_eq!(report.task("apply:shop"), None, "it has not come to that");
    // Still nobody has answered.
    let report = driver().resume(&pipeline, &report.state.run, &Cancel::new()).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Waiting, "{report}");
    let [question] = <[Question; 1]>::try_from(decisions.open()).unwrap();
    assert_eq!((question.run.as_str(), question.task.as_str()), (report.state.run.as_str(), "gate:shop"));
    assert!(decisions.answer(&question, Decision::new(Answer::Approved, "ann", Timestamp(5))));
    let report = driver().resume(&pipeline, &report.state.run, &Cancel::new()).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    assert_eq!(shop.builder.built.lock().unwrap().len(), 1);
    assert_eq!(shop.site.done(), ["apply Secret", "apply Service", "apply Deployment", "settle"]);
    // A run that has ended is told once more, and nothing happens.
    let again = driver().resume(&pipeline, &report.state.run, &Cancel::new()).await.unwrap();
    assert_eq!((again.outcome, &again.outputs), (RunOutcome::Succeeded, &report.outputs));
    assert_eq!(shop.site.done().len(), 4);
}

/// A clock on which a minute is over in 60 ms.
#[derive(Clone, Debug)]
struct Hasty(Quick);

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
        tokio::time::sleep(duration / 1000).await;
    }
}

#[tokio::test]
async fn a_pause_and_a_question_are_no_longer_for_a_run_that_is_gone_on_with() {
    let (bench, clock, journal, decisions) =
        (bench(), Hasty(Quick::new()), MemoryJournal::new(), Decisions::new());
    let pipeline = Pipeline::new("shop")
        .step(Step::wait("soak", Duration::from_secs(60)))
        .step(Step::gate("ready", "ready?").policy(Policy::default().timeout(Duration::from_secs(60))));
    let world = bench.world().clock(clock.clone());
    let driver = Driver::new(world).journal(Arc::new(journal.clone())).gates(decisions);
    let plan = Driver::plan(&pipeline, &driver.observe(&pipeline, &Cancel::new()).await.unwrap()).unwrap();
    let now = clock.now();
    let opened = journal.open("before").await.unwrap();
    let task = |id: &str| id.parse::<TaskId>().unwrap();
    for entry in [
        JournalEntry::Planned { plan, at: None },
        JournalEntry::Waiting { task: task("wait:soak"), until: Timestamp(now.0 + 10_000) },
        JournalEntry::Waiting { task: task("gate:ready"), until: Timestamp(now.0 - 1) },
    ] {
        opened.writer.append(&entry, true).await.unwrap();
    }
    drop(opened);
    let report = driver.resume(&pipeline, "before", &Cancel::new()).await.unwrap();
    let longest = clock.0.pauses.lock().unwrap().iter().max().copied().unwrap();
    assert!(longest <= Duration::from_secs(10), "{longest:?} of the pause were left");
    assert_eq!(crate::failure(&report, "gate:ready").kind, ErrorKind::Timeout, "{report}");

    // A new run writes down until when each waits.
    let report = driver.run(&pipeline, &Cancel::new()).await.unwrap();
    let entries = journal.read(&report.state.run).await.unwrap();
    let waits = |entry: &&JournalEntry| matches!(entry, JournalEntry::Waiting { until, .. } if until.0 >= now.0 + 60_000);
    assert_eq!(entries.iter().filter(waits).count(), 2, "{entries:?}");
}

#[tokio::test]
async fn what_cannot_be_gone_on_with_is_an_error_that_says_why() {
    let shop = Shop::new();
    let (pipeline, cancel) = (shop.pipeline(), Cancel::new());
    let kind = |result: Result<Report>| result.unwrap_err().kind();
    let silent = Driver::new(shop.bench.world());
    assert_eq!(kind(silent.resume(&pipeline, "1", &cancel).await), ErrorKind::Config);
    let driver = shop.driver(Arc::new(shop.journal.clone()));
    assert_eq!(kind(driver.resume(&pipeline, "1", &cancel).await), ErrorKind::NotFound);
    let report = driver.run(&pipeline, &cancel).await.unwrap();
    let run = report.state.run.as_str();
    let held = shop.journal.open(run).await.unwrap();
    assert_eq!(kind(driver.resume(&pipeline, run, &cancel).await), ErrorKind::Conflict);
    drop(held);
    let other = Pipeline::new("shop").build(build("api", shop.bench.builder(Quirk::None)));
    assert_eq!(kind(driver.resume(&other, run, &cancel).await), ErrorKind::Internal);
}

/// A disk that has room for so many entries.
#[derive(Debug)]
struct Full(AtomicUsize);

#[async_trait]
impl Fate for Full {
    async fn before(&self) -> Result<()> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| Error::new(ErrorKind::Unavailable, "the disk is full"))
    }

    async fn after(&self) {}
}

#[tokio::test]
async fn nothing_happens_that_cannot_be_written_down_and_the_run_can_be_gone_on_with() {
    let whole = Shop::new();
    let expected = whole.run_until(&Kill::at(usize::MAX)).await.unwrap();
    let mut failed = 0;
    for writes in 0.. {
        let shop = Shop::new();
        let fate = Arc::new(Full(AtomicUsize::new(writes)));
        let journal = Fated { journal: shop.journal.clone(), fate };
        let driver = shop.driver(Arc::new(journal));
        let Err(error) = driver.run(&shop.pipeline(), &Cancel::new()).await else { break };
        failed += 1;
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Unavailable, "the disk is full"));
        // What was done was meant to be done, in what is written down.
        let runs = shop.journal.runs().await.unwrap();
        let entries = shop.journal.read(&runs[0]).await.unwrap();
        let begun = |id: &str| {
            entries
                .iter()
                .any(|entry| matches!(entry, JournalEntry::Started { task, .. } if task.as_str() == id))
        };
        for (done, task) in
            [("run unit", "run:unit"), ("open work", "open:work"), ("settle", "apply:shop/settle")]
        {
            assert!(begun(task) || !shop.counts().contains_key(done), "{done} after {writes} writes");
        }
        if let Some(report) = shop.resume().await {
            assert_eq!(report.outcome, expected.outcome, "after {writes} writes:\n{report}");
            assert_eq!(shop.site.done(), whole.site.done(), "after {writes} writes");
        }
    }
    println!("F3 (driver): {failed} entries that could not be written, no effect without its intent");
    assert!(failed > 30, "{failed}");
}

#[tokio::test]
async fn what_was_under_way_when_something_failed_is_gone_on_with() {
    let (first, then) = (Shop::new(), Shop::new());
    let pipeline = |shop: &Shop| {
        let deploy = Deploy::new(Release::new("shop"), Arc::new(shop.site.clone()));
        Pipeline::new("shop")
            .build(build("web", Arc::<FakeBuilder>::clone(&shop.builder)))
            .deploy(deploy)
            .step(step("exit-1", &shop.runner))
    };
    let driver = first.driver(Arc::new(first.journal.clone())).keep_going(true);
    let report = driver.run(&pipeline(&first), &Cancel::new()).await.unwrap();
    let entries = first.journal.read(&report.state.run).await.unwrap();
    // Killed in the middle of the apply, after the command had failed.
    let is_apply = |entry: &JournalEntry| matches!(entry, JournalEntry::Started { task, .. } if task.as_str() == "apply:shop");
    let is_failure = |entry: &&JournalEntry| {
        matches!(entry, JournalEntry::Finished { outcome: Outcome::Failed { .. }, .. })
    };
    let mut written = entries[..=entries.iter().position(is_apply).unwrap()].to_vec();
    written.retain(|entry| !is_failure(&entry));
    written.extend(entries.iter().find(is_failure).cloned());
    let opened = then.journal.open("before").await.unwrap();
    for entry in &written {
        opened.writer.append(entry, true).await.unwrap();
    }
    drop(opened);
    let driver = then.driver(Arc::new(then.journal.clone()));
    let report = driver.resume(&pipeline(&then), "before", &Cancel::new()).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!(report.task("apply:shop"), Some(&Outcome::Succeeded), "{report}");
    assert_eq!(then.site.done(), ["apply Secret", "apply Service", "apply Deployment"]);
    // What had not begun is given up, but for the proof of what is applied.
    assert_eq!(report.task("health:shop"), Some(&Outcome::Succeeded), "{report}");
    assert_eq!(report.task("apply:shop/settle"), Some(&Outcome::Skipped { because: None }), "{report}");
}
