//! A run under way: starts what the schedule says, and takes note of how it ends.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{
    Action, Allow, Driver, Output, Plan, Schedule, Stop, Task,
    perform::{Done, Work},
    recording::Ended,
};
use crate::{
    Cancel, CancelReason, Context, Error, ErrorKind, EventKind, Outcome, Result, RunContext, Stage, TaskId,
};

/// A run under way.
pub(super) struct Execution<'a> {
    driver: &'a Driver,
    run: &'a RunContext,
    work: Arc<Work>,
    tasks: BTreeMap<TaskId, Task>,
    schedule: Schedule,
    running: JoinSet<Result<Done>>,
    ids: BTreeMap<tokio::task::Id, TaskId>,
    cancels: BTreeMap<TaskId, Cancel>,
    /// Whether the run ends because nothing but questions is left.
    suspended: bool,
    /// Why nothing can be written down any more, so that nothing more may happen.
    broken: Option<Error>,
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        driver: &'a Driver,
        run: &'a RunContext,
        work: Arc<Work>,
        plan: &Plan,
        schedule: Schedule,
    ) -> Self {
        let tasks = plan.tasks.iter().map(|task| (task.id.clone(), task.clone())).collect();
        Self {
            driver,
            run,
            work,
            tasks,
            schedule,
            running: JoinSet::new(),
            ids: BTreeMap::new(),
            cancels: BTreeMap::new(),
            suspended: false,
            broken: None,
        }
    }

    /// Takes note of what had ended before the run was gone on with, as if it had ended now.
    pub(super) async fn replay(&mut self, finished: Vec<Ended>) -> Result<()> {
        // What was under way when something failed was finished then, and is now. Who only waits may be given up.
        let goes_on = |id: &&TaskId| self.tasks.get(*id).is_some_and(|task| !task.action.is_pause());
        let begun = self.work.earlier.begun.iter().filter(goes_on);
        for id in begun.chain(finished.iter().map(|ended| &ended.task)) {
            self.schedule.begun(id);
        }
        let mut rendered = BTreeMap::new();
        for Ended { task, outcome, mut output } in finished {
            if !self.tasks.contains_key(&task) {
                return Err(Error::bad_output(format!(
                    "the journal has a task `{task}` that its plan lacks"
                )));
            }
            if output.is_withheld() {
                let cx = self.run.context(Some(task.clone()), None, Cancel::new());
                self.work.fill(&cx, &mut output, &mut rendered).await?;
            }
            self.end(task, outcome, output);
        }
        Ok(())
    }

    pub(super) async fn go(&mut self, cancel: &Cancel) -> Result<()> {
        let mut seen = cancel.state();
        if let Some((at_once, reason)) = seen {
            self.cancel(at_once, reason);
        }
        let mut further = Box::pin(cancel.beyond(seen));
        loop {
            if !self.suspended {
                self.skip();
                while let Some(id) = self.schedule.start_next() {
                    self.start(&id);
                }
            }
            if self.running.is_empty() {
                return self.broken.take().map_or(Ok(()), Err);
            }
            let unanswered = self.work.unanswered.all(self.running.len());
            tokio::select! {
                biased;
                (stage, reason) = &mut further => {
                    seen = Some((stage, reason));
                    further.set(cancel.beyond(seen));
                    self.cancel(stage, reason);
                }
                Some(joined) = self.running.join_next_with_id() => self.joined(joined).await,
                () = unanswered, if self.driver.suspend && !self.suspended => {
                    self.suspended = true;
                    for cancel in self.cancels.values() {
                        cancel.escalate(Stage::Requested, CancelReason::Suspended);
                    }
                }
            }
        }
    }

    fn start(&mut self, id: &TaskId) {
        let task = self.tasks[id].clone();
        let cancel = Cancel::new();
        self.cancels.insert(id.clone(), cancel.clone());
        // A moment beyond all moments is none.
        let clock = &self.driver.world.clock;
        let moment = |timeout| clock.elapsed().checked_add(timeout);
        // A question that was asked before is open no longer than was said then.
        let timeout = match (&task.action, self.work.earlier.until.get(id)) {
            (Action::Gate { .. }, Some(until)) => {
                let left = Duration::from_millis(until.0.saturating_sub(clock.now().0));
                // A clock that was set back keeps no question open longer than it was meant to be.
                Some(task.policy.timeout.map_or(left, |timeout| left.min(timeout)))
            }
            _ => task.policy.timeout,
        };
        let deadline = timeout.and_then(moment);
        let cx = self.run.context(Some(id.clone()), deadline, cancel);
        let (work, grace) = (Arc::clone(&self.work), self.driver.grace);
        let handle = self.running.spawn(async move {
            let own = cx.clone();
            // A task of its own, so that a plug-in that blocks its thread is given up in time as well.
            let mut trying = JoinSet::new();
            trying.spawn(async move { attempts(&work, &own, &task).await });
            let late = async {
                let error = cx.stopped().await;
                cx.clock().sleep(grace).await;
                error.note("it did not stop within its grace and was dropped")
            };
            let error = tokio::select! {
                biased;
                done = joined(&mut trying) => return done,
                error = late => error,
            };
            trying.abort_all();
            // What waits is gone at once. What blocks its thread is when it lets go of that, which nobody waits for.
            tokio::select! {
                biased;
                _ = joined(&mut trying) => {}
                () = cx.clock().sleep(grace) => {}
            }
            Err(error)
        });
        self.ids.insert(handle.id(), id.clone());
    }

    async fn joined(&mut self, joined: Result<(tokio::task::Id, Result<Done>), tokio::task::JoinError>) {
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
                let outcome = if self.suspended { Outcome::Waiting } else { Outcome::Cancelled };
                (outcome, Output::Nothing)
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
        // What a task left that failed, such as a tester's report, is written down as well.
        let output = match output {
            Output::Nothing => self.work.output(&id).unwrap_or(output),
            made => made,
        };
        let again = matches!(outcome, Outcome::Cancelled | Outcome::Waiting);
        if !again && self.broken.is_none() {
            let lasting = self.tasks[&id].action.lasts();
            let trace = self.work.traces.take(&id, self.driver.world.clock.now());
            let ended = self.work.recording.ended(self.run, &id, &outcome, &output, trace, lasting).await;
            if let Err(error) = ended {
                self.broken = Some(error.note(format!("`{id}` had ended, and that is not written down")));
                self.cancel(Stage::Requested, CancelReason::Failure);
            }
        }
        self.end(id, outcome, output);
    }

    fn end(&mut self, id: TaskId, outcome: Outcome, output: Output) {
        let made = match outcome {
            Outcome::Succeeded | Outcome::Reused => output.summary(),
            _ => String::new(),
        };
        self.run.emit(Some(id.clone()), EventKind::TaskFinished { outcome: outcome.clone(), made });
        if output != Output::Nothing {
            self.work.made(|made| made.outputs.insert(id.clone(), output));
        }
        if outcome == Outcome::Waiting {
            // It has not ended: who goes on with the run asks again.
            return;
        }
        let failed = matches!(outcome, Outcome::Failed { .. });
        self.schedule.finish(&id, outcome);
        // What the failure itself skips is told apart from what is given up because of it.
        self.skip();
        if failed && !self.driver.keep_going {
            self.schedule.stop(Stop::WayBack);
            for id in self.schedule.waiting_in_vain() {
                if let Some(cancel) = self.cancels.get(id) {
                    cancel.escalate(Stage::Requested, CancelReason::Failure);
                }
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
    // What a build or a test does is known once its inputs are.
    if !matches!(task.action, Action::Build { .. } | Action::Test { .. }) {
        work.begin(cx, task, Vec::new(), None).await?;
    }
    let mut pause = Duration::from_millis(500);
    for attempt in 0.. {
        match work.perform(cx, task).await {
            Err(error) if attempt < task.policy.retries && error.may_retry() && work.may_retry() => {
                work.traces.tried(&task.id);
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

/// Returns what came of the only task of a set.
async fn joined(trying: &mut JoinSet<Result<Done>>) -> Result<Done> {
    match trying.join_next().await {
        Some(joined) => joined.unwrap_or_else(|error| Err(panicked(error))),
        None => Err(Error::internal("a task was never tried")),
    }
}

pub(super) fn panicked(error: tokio::task::JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => panicked_with(panic.as_ref()),
        Err(error) => Error::internal(format!("the plug-in ended before it was done: {error}")),
    }
}

/// Calls plug-ins where there is no task of their own, and returns a panic of theirs as an error.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the work looks at it does not change.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(panicked_with(panic.as_ref())))
}

fn panicked_with(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Error::internal(format!("the plug-in panicked: {text}"))
        .hint("this is a defect of the plug-in; report it")
}
