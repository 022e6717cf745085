//! The driver: carries a plan out. The one part of a run that is asynchronous.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    Gates, Journal, JournalEntry as Entry, Observed, Pipeline, Plan, Report, Schedule, Task, Verify,
    execution::{Execution, caught, panicked},
    observe,
    perform::{Made, Unanswered, Work},
    recording::{Earlier, Recording},
    trace::Traces,
};
use crate::{
    Cancel, Context, Error, Event, EventKind, Outcome, Result, RunContext, RunOutcome, RunState, Sink, Stage,
    TaskId, TaskStatus, World,
    cache::{Cache, MemoryCache},
    context::{FileIndex, cores},
};

/// So many slots there are more than processors, as Ninja has it: of those at work, some wait for a registry or a cluster.
const WAITING: usize = 2;

/// Carries out pipelines in a world.
///
/// It holds no state of a run, so several runs may go on at once, and several drivers in one process
/// know nothing of one another. What it remembers are hashes of files, as git's index does, so that a run
/// costs a look at each.
///
/// ```
/// use shipway_core::{Cancel, Driver, Pipeline, RunOutcome, World};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let driver = Driver::new(World::host("/src")).slots(4).keep_going(true);
/// let pipeline = Pipeline::new("nothing");
/// // What will run and why, before anything happens:
/// let plan = Driver::plan(&pipeline, &driver.observe(&pipeline, &Cancel::new()).await?)?;
/// assert!(plan.tasks.is_empty());
/// let report = driver.execute(&pipeline, &plan, &Cancel::new()).await?;
/// assert_eq!(report.outcome, RunOutcome::Succeeded);
/// # Ok::<_, shipway_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Driver {
    pub(super) world: World,
    cache: Arc<dyn Cache>,
    slots: usize,
    pub(super) keep_going: bool,
    verify: Verify,
    pub(super) grace: Duration,
    gates: Option<Arc<dyn Gates>>,
    retries: u32,
    journal: Option<Arc<dyn Journal>>,
    pub(super) suspend: bool,
    file_index: Arc<FileIndex>,
}

impl Driver {
    /// Returns a driver in a world: with the world's cache, or without one with a cache in memory, two slots more than
    /// the machine has processors, and failing fast.
    #[must_use]
    pub fn new(world: World) -> Self {
        let cache: Arc<dyn Cache> = match &world.cache {
            Some(cache) => Arc::<crate::DiskCache>::clone(cache),
            None => Arc::new(MemoryCache::new()),
        };
        Self {
            world,
            cache,
            slots: cores() + WAITING,
            keep_going: false,
            verify: Verify::default(),
            grace: Duration::from_secs(10),
            gates: None,
            retries: 100,
            journal: None,
            suspend: false,
            file_index: Arc::default(),
        }
    }

    /// Sets where results are recorded.
    #[must_use]
    pub fn cache(mut self, cache: Arc<dyn Cache>) -> Self {
        self.cache = cache;
        self
    }

    /// Sets how many tasks run at once.
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// Sets whether a failure stops only what depends on it; false by default, when it stops all that
    /// has not begun, or only waits: for a person's answer, or for time to pass.
    #[must_use]
    pub fn keep_going(mut self, keep_going: bool) -> Self {
        self.keep_going = keep_going;
        self
    }

    /// Sets how it is made sure that recorded images still exist.
    #[must_use]
    pub fn verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// Sets how long a task may take to clean up once it is forced to stop or its time is over; 10 s
    /// by default. Then it is dropped.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets who carries questions to people; without one a plan that has gates is refused.
    #[must_use]
    pub fn gates(mut self, gates: impl Gates) -> Self {
        self.gates = Some(Arc::new(gates));
        self
    }

    /// Sets how often tasks of one run may be tried again, all together; 100 by default. Each task's own
    /// number is in its [`Policy`](super::Policy). When a whole target is away, this keeps every task from
    /// asking it again and again.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets where runs are written down, so that [`Driver::resume`] can go on with them, also in another process;
    /// without it they are not.
    #[must_use]
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Sets whether a run ends, as [`RunOutcome::Waiting`], once nothing is left but questions that nobody has
    /// answered yet; false by default, when it waits. [`Driver::resume`] asks again and goes on.
    #[must_use]
    pub fn suspend(mut self, suspend: bool) -> Self {
        self.suspend = suspend;
        self
    }

    /// Looks at the world; reads only.
    ///
    /// # Errors
    /// `Config` when the pipeline or what a plug-in reads is wrong; whatever cannot be read or asked.
    pub async fn observe(&self, pipeline: &Pipeline, cancel: &Cancel) -> Result<Observed> {
        let (pipeline, cache) = (pipeline.clone(), Arc::clone(&self.cache));
        let (verify, slots) = (self.verify, self.slots);
        let look = |cx: Context| async move { observe::observe(&cx, &pipeline, &cache, verify, slots).await };
        self.looking(cancel, look).await
    }

    /// Looks at the world outside of a run, until cancellation is requested.
    pub(super) async fn looking<T, F>(&self, cancel: &Cancel, look: impl FnOnce(Context) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let run = self.begin(self.world.clone(), self.next_run(), BTreeSet::new());
        let own = cancel.child();
        // A task of its own, so that a plug-in that panics does not take the embedder along.
        let mut looking = JoinSet::new();
        looking.spawn(look(run.context(None, None, own.clone())));
        let seen = tokio::select! {
            biased;
            reason = cancel.requested() => {
                // What reads on a thread of its own goes no further either.
                own.escalate(Stage::Forced, reason);
                Err(Error::cancelled(reason.to_string()))
            }
            Some(joined) = looking.join_next() => joined.unwrap_or_else(|error| Err(panicked(error))),
        };
        seen.map_err(|error| Error::from(run.report(error)))
    }

    /// Makes the plan of a pipeline from what was seen; pure.
    ///
    /// # Errors
    /// `Config` when tasks need each other in a circle or no store fits; `Internal` when a plug-in panics that is asked
    /// for its capabilities.
    pub fn plan(pipeline: &Pipeline, observed: &Observed) -> Result<Plan> {
        caught(|| observe::plan(pipeline, observed))
    }

    /// Makes the plan that removes the releases of a pipeline, each after those that came after it; pure. Images,
    /// tags and what steps did stay.
    ///
    /// # Errors
    /// `Config` when the pipeline is wrong.
    pub fn plan_removal(pipeline: &Pipeline) -> Result<Plan> {
        caught(|| observe::plan_removal(pipeline))
    }

    /// Makes the plan that brings back earlier deployments of these releases: of the revision that is named, or the one
    /// before the live one; pure. What a release was released after goes back after it.
    ///
    /// # Errors
    /// `Config` when the pipeline is wrong or has no such release. Whether the target remembers the revision is seen when
    /// the plan is carried out.
    pub fn plan_rollback(pipeline: &Pipeline, to: &BTreeMap<String, Option<String>>) -> Result<Plan> {
        caught(|| observe::plan_rollback(pipeline, to))
    }

    /// Carries out a plan.
    ///
    /// That a task fails is part of the report, not an error; [`Report::into_result`] makes it one.
    ///
    /// # Errors
    /// `Internal` when the plan is not of this pipeline; what the journal says, after which nothing more happens.
    pub async fn execute(&self, pipeline: &Pipeline, plan: &Plan, cancel: &Cancel) -> Result<Report> {
        self.begin_with(pipeline, plan, Observed::default(), cancel).await
    }

    /// Observes, plans and executes; what was observed is not looked at twice.
    ///
    /// # Errors
    /// As [`Driver::observe`], [`Driver::plan`] and [`Driver::execute`]; that a task fails is part of the report.
    pub async fn run(&self, pipeline: &Pipeline, cancel: &Cancel) -> Result<Report> {
        let observed = self.observe(pipeline, cancel).await?;
        let plan = Self::plan(pipeline, &observed)?;
        self.begin_with(pipeline, &plan, observed, cancel).await
    }

    /// As [`Driver::run`], but only what leads to these tasks ([`Plan::up_to`]).
    ///
    /// # Errors
    /// Those of [`Driver::run`].
    pub async fn run_up_to(
        &self,
        pipeline: &Pipeline,
        last: impl Fn(&Task) -> bool,
        cancel: &Cancel,
    ) -> Result<Report> {
        let observed = self.observe(pipeline, cancel).await?;
        let plan = Self::plan(pipeline, &observed)?.up_to(last);
        self.begin_with(pipeline, &plan, observed, cancel).await
    }

    /// Goes on with a run of this pipeline that was killed, cut off by a power cut, stopped, or waits for an answer;
    /// the id is in the [`Report`] and in the event that began it. A run that has ended is told once more.
    ///
    /// What had ended well or failed is not done again. An apply that had begun is compared with its target first, and
    /// only what is left is made; what was approved is not asked again unless other changes are left; a build that had
    /// begun has the same fingerprint as before, by which work elsewhere is found. A command that had begun is run
    /// again: nobody knows how far it came.
    ///
    /// # Errors
    /// `Config` without a journal; `NotFound` when there is no such run; `Conflict` when it is under way, or when what
    /// has to be rendered again is not what it was; `Internal` when it is of another pipeline.
    pub async fn resume(&self, pipeline: &Pipeline, run: &str, cancel: &Cancel) -> Result<Report> {
        let Some(journal) = &self.journal else {
            return Err(Error::config("nothing is written down of runs, so none can be gone on with")
                .hint("give the driver a journal with `Driver::journal`"));
        };
        if journal.read(run).await?.is_empty() {
            return Err(Error::not_found(format!("there is no run `{run}`"))
                .hint("look at `Journal::runs` for those that there are"));
        }
        let opened = journal.open(run).await?;
        let (plan, earlier) = Earlier::of(opened.entries)?;
        let recording = Recording::new(Some(opened.writer));
        let begun = Begun { id: run.to_owned(), recording, earlier, seen: Observed::default() };
        self.carry_out(pipeline, &plan, begun, cancel).await
    }

    async fn begin_with(
        &self,
        pipeline: &Pipeline,
        plan: &Plan,
        seen: Observed,
        cancel: &Cancel,
    ) -> Result<Report> {
        let id = self.next_run();
        let recording = match &self.journal {
            Some(journal) => {
                let opened = journal.open(&id).await?;
                if !opened.entries.is_empty() {
                    return Err(Error::conflict(format!("there is a run `{id}` already"))
                        .hint("another machine writes into the same journal: begin again"));
                }
                Recording::new(Some(opened.writer))
            }
            None => Recording::new(None),
        };
        let begun = Begun { id, recording, earlier: Earlier::default(), seen };
        self.carry_out(pipeline, plan, begun, cancel).await
    }

    async fn carry_out(
        &self,
        pipeline: &Pipeline,
        plan: &Plan,
        begun: Begun,
        cancel: &Cancel,
    ) -> Result<Report> {
        let Begun { id, recording, mut earlier, seen } = begun;
        let traces = Arc::new(Traces::default());
        let fold = Arc::new(Fold {
            inner: Arc::clone(&self.world.sink),
            state: Mutex::default(),
            // Nobody reads the traces of a run that is not written down.
            traces: recording.is_kept().then(|| Arc::clone(&traces)),
        });
        let world = self.world.clone().sink(Arc::<Fold>::clone(&fold));
        let run = self.begin(world, id, earlier.begun.clone());
        let start = self.world.clock.elapsed();
        let schedule = Schedule::new(&plan.tasks, self.slots)?;
        let finished = std::mem::take(&mut earlier.finished);
        let made = Made { fingerprints: earlier.of_builds(&plan.tasks), ..Made::default() };
        let work = Arc::new(Work {
            pipeline: pipeline.clone(),
            cache: Arc::clone(&self.cache),
            verify: self.verify,
            gates: self.gates.clone(),
            retries: AtomicU32::new(self.retries),
            made: Mutex::new(made),
            seen,
            begun: start,
            recording,
            earlier,
            unanswered: Unanswered::default(),
            traces,
        });
        work.check(plan)?;
        let planned = Entry::Planned { plan: plan.clone(), at: Some(self.world.clock.now()) };
        work.recording.append(&planned, false).await?;
        run.emit(
            None,
            EventKind::RunStarted {
                run: run.id().to_owned(),
                pipeline: plan.pipeline.clone(),
                tasks: plan.tasks.iter().map(|task| (task.id.clone(), task.needs.clone())).collect(),
            },
        );
        let mut execution = Execution::new(self, &run, Arc::clone(&work), plan, schedule);
        execution.replay(finished).await?;
        execution.go(cancel).await?;
        let outcome = fold.outcome(cancel.state().is_some());
        let at = Some(self.world.clock.now());
        work.recording.append(&Entry::Ended { outcome, at }, false).await?;
        let took = self.world.clock.elapsed().saturating_sub(start);
        let took_millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        run.emit(None, EventKind::RunFinished { outcome, took_millis });
        let state = fold.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let outputs = work.made(|made| made.outputs.clone());
        Ok(Report::new(outcome, state, outputs))
    }

    /// Returns the surroundings of another run. What it observes, plans and executes is about the same files as
    /// the run before, so what was read there is not read again.
    fn begin(&self, world: World, id: String, begun: BTreeSet<TaskId>) -> RunContext {
        RunContext::knowing(world, id, Arc::clone(&self.file_index), begun)
    }

    /// Returns an id that no other run of this machine has.
    fn next_run(&self) -> String {
        // A counter for the whole process only makes ids unlike; it carries no state between pipelines.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{:x}-{count}", self.world.clock.now().0, std::process::id())
    }
}

/// A run, new or gone on with.
struct Begun {
    id: String,
    recording: Recording,
    earlier: Earlier,
    /// What was observed for it a moment ago.
    seen: Observed,
}

/// Folds events into the state on their way to the embedder's sink.
#[derive(Debug)]
struct Fold {
    inner: Arc<dyn Sink>,
    state: Mutex<RunState>,
    traces: Option<Arc<Traces>>,
}

impl Sink for Fold {
    fn emit(&self, event: &Event) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).apply(event);
        if let Some(traces) = &self.traces {
            traces.see(event);
        }
        self.inner.emit(event);
    }
}

impl Fold {
    fn outcome(&self, cancelled: bool) -> RunOutcome {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = |wanted: fn(&Outcome) -> bool| {
            state
                .tasks
                .values()
                .any(|task| matches!(&task.status, TaskStatus::Ended(outcome) if wanted(outcome)))
        };
        // What waits for an answer goes on, also where something has failed.
        if ended(|outcome| matches!(outcome, Outcome::Waiting)) {
            RunOutcome::Waiting
        } else if ended(|outcome| matches!(outcome, Outcome::Failed { .. })) {
            RunOutcome::Failed
        } else if ended(|outcome| matches!(outcome, Outcome::Cancelled))
            || (cancelled && ended(|outcome| matches!(outcome, Outcome::Skipped { .. })))
        {
            RunOutcome::Cancelled
        } else {
            RunOutcome::Succeeded
        }
    }
}
