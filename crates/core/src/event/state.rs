//! The state of a run as a pure fold over its events: display, JSON, report and tests share it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Event, EventKind, Outcome, RunOutcome};
use crate::{
    deployment::{Phase, Timestamp},
    inputs::{Fingerprint, Reason, TaskId},
};

/// What is known of a run after some of its events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunState {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// When the run began.
    pub started: Timestamp,
    /// The tasks.
    pub tasks: BTreeMap<TaskId, TaskState>,
    /// The tasks in the order in which they ended.
    pub ended: Vec<TaskId>,
    /// How the run ended, once it has.
    pub outcome: Option<RunOutcome>,
    /// How long it took, once it has ended.
    pub took: Duration,
}

/// What is known of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskState {
    /// The tasks that it needs.
    pub needs: Vec<TaskId>,
    /// How far it is.
    pub status: TaskStatus,
    /// Why it ran.
    pub reasons: Vec<Reason>,
    /// The fingerprint of its inputs.
    pub fingerprint: Option<Fingerprint>,
    /// What it made.
    pub made: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// The health that was seen last.
    pub health: Option<(Phase, Vec<String>)>,
    /// What a person is asked, while the task waits for the answer.
    pub asking: Option<String>,
    /// How many lines were printed.
    pub lines: u64,
}

/// How far a task is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskStatus {
    /// It has not begun.
    #[default]
    Pending,
    /// It is under way.
    Running,
    /// It ended.
    Ended(Outcome),
}

impl RunState {
    /// Returns the state after these events.
    pub fn after<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes one more event into account.
    pub fn apply(&mut self, event: &Event) {
        match (&event.kind, &event.task) {
            (EventKind::RunStarted { run, pipeline, tasks }, _) => {
                self.run.clone_from(run);
                self.pipeline.clone_from(pipeline);
                self.started = event.at;
                for (id, needs) in tasks {
                    self.tasks.entry(id.clone()).or_default().needs.clone_from(needs);
                }
            }
            (EventKind::RunFinished { outcome, took_millis }, _) => {
                self.outcome = Some(*outcome);
                self.took = Duration::from_millis(*took_millis);
            }
            (kind, Some(id)) => {
                if matches!(kind, EventKind::TaskFinished { .. }) {
                    self.ended.push(id.clone());
                }
                self.tasks.entry(id.clone()).or_default().apply(kind, event.at);
            }
            (_, None) => {}
        }
    }
}

impl TaskState {
    fn apply(&mut self, kind: &EventKind, at: Timestamp) {
        match kind {
            EventKind::TaskStarted { reasons, fingerprint } => {
                self.status = TaskStatus::Running;
                self.reasons.clone_from(reasons);
                self.fingerprint.clone_from(fingerprint);
                self.started = Some(at);
            }
            EventKind::TaskFinished { outcome, made } => {
                self.status = TaskStatus::Ended(outcome.clone());
                self.asking = None;
                self.made.clone_from(made);
                self.finished = Some(at);
            }
            EventKind::Output { .. } => self.lines += 1,
            EventKind::Asking { text, .. } => self.asking = Some(text.clone()),
            EventKind::Health { phase, waiting_for } => self.health = Some((*phase, waiting_for.clone())),
            EventKind::Progress { .. }
            | EventKind::Message { .. }
            | EventKind::Cancelling { .. }
            | EventKind::RunStarted { .. }
            | EventKind::RunFinished { .. } => {}
        }
    }

    /// Returns how long it ran, once it has ended.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.finished?.0.saturating_sub(self.started?.0)))
    }
}
