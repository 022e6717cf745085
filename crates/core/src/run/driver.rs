//! The driver: carries a plan out. The one part of a run that is asynchronous.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    Action, Allow, Gates, Observed, Output, Pipeline, Plan, Report, Schedule, Stop, Task, Verify, observe,
    perform::{Done, Work},
};
use crate::{
    Cancel, CancelReason, Context, Error, ErrorKind, Event, EventKind, Outcome, Result, RunContext,
    RunOutcome, RunState, Sink, Stage, TaskId, TaskStatus, World,
    cache::{Cache, MemoryCache},
    context::FileIndex,
};

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
    world: World,
    cache: Arc<dyn Cache>,
    slots: usize,
    keep_going: bool,
    verify: Verify,
    grace: Duration,
    gates: Option<Arc<dyn Gates>>,
    retries: u32,
    known_hashes: Arc<FileIndex>,
}

impl Driver {
    /// Returns a driver in a world: with a cache of its own in memory, as many slots as the machine
    /// has processors, and failing fast.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self {
            world,
            cache: Arc::new(MemoryCache::new()),
            slots: std::thread::available_parallelism().map_or(1, usize::from),
            keep_going: false,
            verify: Verify::default(),
            grace: Duration::from_secs(10),
            gates: None,
            retries: 100,
            known_hashes: Arc::default(),
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

    /// Looks at the world; reads only.
    ///
    /// # Errors
    /// `Config` when the pipeline or what a plug-in reads is wrong; whatever cannot be read or asked.
    pub async fn observe(&self, pipeline: &Pipeline, cancel: &Cancel) -> Result<Observed> {
        let run = self.begin(self.world.clone());
        let own = cancel.child();
        let cx = run.context(None, None, own.clone());
        let (pipeline, cache, verify) = (pipeline.clone(), Arc::clone(&self.cache), self.verify);
        // A task of its own, so that a plug-in that panics does not take the embedder along.
        let mut observing = JoinSet::new();
        observing.spawn(async move { observe::observe(&cx, &pipeline, cache.as_ref(), verify).await });
        let observed = tokio::select! {
            biased;
            reason = cancel.requested() => {
                // What reads on a thread of its own goes no further either.
                own.escalate(Stage::Forced, reason);
                Err(Error::cancelled(reason.to_string()))
            }
            Some(joined) = observing.join_next() => joined.unwrap_or_else(|error| Err(panicked(error))),
        };
        observed.map_err(|error| Error::from(run.report(error)))
    }

    /// Makes the plan of a pipeline from what was seen; pure.
    ///
    /// # Errors
    /// `Config` when tasks need each other in a circle or no store fits.
    pub fn plan(pipeline: &Pipeline, observed: &Observed) -> Result<Plan> {
        observe::plan(pipeline, observed)
    }

    /// Makes the plan that removes the releases of a pipeline, each after those that came after it; pure. Images,
    /// tags and what steps did stay.
    ///
    /// # Errors
    /// `Config` when the pipeline is wrong.
    pub fn plan_removal(pipeline: &Pipeline) -> Result<Plan> {
        observe::plan_removal(pipeline)
    }

    /// Carries out a plan.
    ///
    /// That a task fails is part of the report, not an error; [`Report::into_result`] makes it one.
    ///
    /// # Errors
    /// `Internal` when the plan is not of this pipeline.
    pub async fn execute(&self, pipeline: &Pipeline, plan: &Plan, cancel: &Cancel) -> Result<Report> {
        let fold =
            Arc::new(Fold { inner: Arc::clone(&self.world.sink), state: Mutex::new(RunState::default()) });
        let world = self.world.clone().sink(Arc::<Fold>::clone(&fold));
        let run = self.begin(world);
        let start = self.world.clock.elapsed();
        let work = Arc::new(Work {
            pipeline: pipeline.clone(),
            cache: Arc::clone(&self.cache),
            verify: self.verify,
            gates: self.gates.clone(),
            retries: AtomicU32::new(self.retries),
            made: Mutex::default(),
        });
        let schedule = Schedule::new(&plan.tasks, self.slots)?;
        work.check(plan)?;
        let tasks = plan.tasks.iter().map(|task| (task.id.clone(), task.clone())).collect();
        run.emit(
            None,
            EventKind::RunStarted {
                run: run.id().to_owned(),
                pipeline: plan.pipeline.clone(),
                tasks: plan.tasks.iter().map(|task| (task.id.clone(), task.needs.clone())).collect(),
            },
        );
        let mut execution = Execution {
            driver: self,
            run: &run,
            work: Arc::clone(&work),
            tasks,
            schedule,
            running: JoinSet::new(),
            ids: BTreeMap::new(),
            cancels: BTreeMap::new(),
        };
        execution.go(cancel).await;
        let outcome = fold.outcome(cancel.state().is_some());
        let took = self.world.clock.elapsed().saturating_sub(start);
        let took_millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        run.emit(None, EventKind::RunFinished { outcome, took_millis });
        let state = fold.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let outputs = work.made.lock().unwrap_or_else(PoisonError::into_inner).outputs.clone();
        Ok(Report::new(outcome, state, outputs))
    }

    /// Observes, plans and executes.
    ///
    /// # Errors
    /// As [`Driver::observe`] and [`Driver::plan`]; that a task fails is part of the report.
    pub async fn run(&self, pipeline: &Pipeline, cancel: &Cancel) -> Result<Report> {
        let observed = self.observe(pipeline, cancel).await?;
        let plan = Self::plan(pipeline, &observed)?;
        self.execute(pipeline, &plan, cancel).await
    }

    /// Returns the surroundings of another run. What it observes, plans and executes is about the same files as
    /// the run before, so what was read there is not read again.
    fn begin(&self, world: World) -> RunContext {
        RunContext::knowing(world, self.next_run(), Arc::clone(&self.known_hashes))
    }

    /// Returns an id that no other run of this machine has.
    fn next_run(&self) -> String {
        // A counter for the whole process only makes ids unlike; it carries no state between pipelines.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{:x}-{count}", self.world.clock.now().0, std::process::id())
    }
}

/// Folds events into the state on their way to the embedder's sink.
#[derive(Debug)]
struct Fold {
    inner: Arc<dyn Sink>,
    state: Mutex<RunState>,
}

impl Sink for Fold {
    fn emit(&self, event: &Event) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).apply(event);
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
        if ended(|outcome| matches!(outcome, Outcome::Failed { .. })) {
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

struct Execution<'a> {
    driver: &'a Driver,
    run: &'a RunContext,
    work: Arc<Work>,
    tasks: BTreeMap<TaskId, Task>,
    schedule: Schedule,
    running: JoinSet<Result<Done>>,
    ids: BTreeMap<tokio::task::Id, TaskId>,
    cancels: BTreeMap<TaskId, Cancel>,
}

impl Execution<'_> {
    async fn go(&mut self, cancel: &Cancel) {
        let mut seen = cancel.state();
        if let Some((at_once, reason)) = seen {
            self.cancel(at_once, reason);
        }
        loop {
            self.skip();
            while let Some(id) = self.schedule.start_next() {
                self.start(&id);
            }
            if self.running.is_empty() {
                break;
            }
            tokio::select! {
                Some(joined) = self.running.join_next_with_id() => self.joined(joined),
                (stage, reason) = cancel.beyond(seen) => {
                    seen = Some((stage, reason));
                    self.cancel(stage, reason);
                }
            }
        }
    }

    fn start(&mut self, id: &TaskId) {
        let task = self.tasks[id].clone();
        let cancel = Cancel::new();
        self.cancels.insert(id.clone(), cancel.clone());
        // A moment beyond all moments is none.
        let moment = |timeout| self.driver.world.clock.elapsed().checked_add(timeout);
        let deadline = task.policy.timeout.and_then(moment);
        let cx = self.run.context(Some(id.clone()), deadline, cancel);
        if !matches!(task.action, Action::Build { .. }) {
            cx.emit(EventKind::TaskStarted { reasons: Vec::new(), fingerprint: None });
        }
        let (work, grace) = (Arc::clone(&self.work), self.driver.grace);
        let handle = self.running.spawn(async move {
            let dropped = async {
                let error = cx.stopped().await;
                cx.clock().sleep(grace).await;
                error.note("it did not stop within its grace and was dropped")
            };
            tokio::select! {
                biased;
                done = attempts(&work, &cx, &task) => done,
                error = dropped => Err(error),
            }
        });
        self.ids.insert(handle.id(), id.clone());
    }

    fn joined(&mut self, joined: Result<(tokio::task::Id, Result<Done>), tokio::task::JoinError>) {
        let (task_id, result) = match joined {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(panicked(error))),
        };
        let Some(id) = self.ids.remove(&task_id) else { return };
        let cancelled = self.cancels.remove(&id).is_some_and(|cancel| cancel.state().is_some());
        let (outcome, output) = match result {
            Ok(Done { output, reused }) => {
                (if reused { Outcome::Reused } else { Outcome::Succeeded }, output)
            }
            Err(error) if cancelled && error.kind() == ErrorKind::Cancelled => {
                (Outcome::Cancelled, Output::Nothing)
            }
            Err(error) => {
                let error = self.run.report(error);
                let allowed = match &self.tasks[&id].policy.allow {
                    Allow::Nothing => false,
                    Allow::Failure => true,
                    Allow::Codes(codes) => self.work.code(&id).is_some_and(|code| codes.contains(&code)),
                };
                let outcome =
                    if allowed { Outcome::FailureAllowed { error } } else { Outcome::Failed { error } };
                (outcome, Output::Nothing)
            }
        };
        self.run.emit(
            Some(id.clone()),
            EventKind::TaskFinished { outcome: outcome.clone(), made: output.summary() },
        );
        if output != Output::Nothing {
            self.work.made.lock().unwrap_or_else(PoisonError::into_inner).outputs.insert(id.clone(), output);
        }
        let failed = matches!(outcome, Outcome::Failed { .. });
        self.schedule.finish(&id, outcome);
        // What the failure itself skips is told apart from what is given up because of it.
        self.skip();
        if failed && !self.driver.keep_going {
            self.schedule.stop(Stop::WayBack);
            for id in self.schedule.waiting_in_vain() {
                self.cancels[id].escalate(Stage::Requested, CancelReason::Failure);
            }
        }
    }

    fn cancel(&mut self, stage: Stage, reason: CancelReason) {
        self.run.emit(None, EventKind::Cancelling { stage, reason });
        for (id, cancel) in &self.cancels {
            // An apply that is cut leaves a target half changed: only a person may force that.
            let only_asked = self.tasks[id].action == Action::Apply && reason != CancelReason::Asked;
            cancel.escalate(if only_asked { Stage::Requested } else { stage }, reason);
        }
        self.schedule.stop(Stop::All);
    }

    fn skip(&mut self) {
        for (id, outcome) in self.schedule.skip() {
            self.run.emit(Some(id), EventKind::TaskFinished { outcome, made: String::new() });
        }
    }
}

/// Performs a task, again after errors that say that this may help, with a doubling pause.
async fn attempts(work: &Work, cx: &Context, task: &Task) -> Result<Done> {
    let mut pause = Duration::from_millis(500);
    for attempt in 0.. {
        match work.perform(cx, task).await {
            Err(error) if attempt < task.policy.retries && error.may_retry() && work.may_retry() => {
                cx.message(crate::Level::Warning, format!("trying again in {pause:?}: {}", error.report()));
                let note = |stopped: Error| stopped.note(format!("the last try failed: {}", error.report()));
                cx.sleep(pause).await.map_err(note)?;
                pause = (pause * 2).min(Duration::from_secs(30));
            }
            done => return done,
        }
    }
    Err(Error::internal("a task was never tried"))
}

fn panicked(error: tokio::task::JoinError) -> Error {
    let text = match error.try_into_panic() {
        Ok(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
        }
        Err(error) => error.to_string(),
    };
    Error::internal(format!("the plug-in panicked: {text}"))
        .hint("this is a defect of the plug-in; report it")
}
