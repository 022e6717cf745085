//! Events: what happens in a run, as owned plain data. One enum, linearised by a sequence number.

mod lines;
mod sink;
mod state;
mod subscribers;
mod timeline;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    lines::TextLines,
    sink::{Discard, JsonLines, Record, Sink},
    state::{RunState, TaskState, TaskStatus},
    subscribers::{Received, Subscribers, Subscription},
    timeline::Timeline,
};
use crate::{
    deployment::{Phase, Timestamp},
    error::ErrorReport,
    inputs::{Fingerprint, Reason, TaskId},
};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The place in the run's sequence, from 0, without gaps.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The task that it happened in; none for the run's own events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Event {
    /// The number of the form of events as JSON; it grows when a reader must change.
    pub const SCHEMA: u32 = 1;

    /// Returns an event, for those who emit or replay them.
    #[must_use]
    pub fn new(seq: u64, at: Timestamp, task: Option<TaskId>, kind: EventKind) -> Self {
        Self { seq, at, task, kind }
    }

    /// Returns whether the event may be dropped when a consumer is slow: output and progress may,
    /// what tells the course of the run never.
    #[must_use]
    pub fn may_drop(&self) -> bool {
        matches!(self.kind, EventKind::Output { .. } | EventKind::Progress { .. })
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The run began, with these tasks planned.
    RunStarted {
        /// The run's id.
        run: String,
        /// The pipeline's name.
        pipeline: String,
        /// The tasks and those that they need.
        tasks: BTreeMap<TaskId, Vec<TaskId>>,
    },
    /// The task began.
    TaskStarted {
        /// Why it runs; empty for a task that always does.
        reasons: Vec<Reason>,
        /// The fingerprint of its inputs, if it has inputs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<Fingerprint>,
    },
    /// The task ended.
    TaskFinished {
        /// How.
        outcome: Outcome,
        /// What it made, in a line for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        made: String,
    },
    /// A line that a command or something remote printed.
    Output {
        /// Where it printed it.
        stream: Stream,
        /// The line, without its end.
        line: String,
    },
    /// How far a task has come, in a quantity that grows.
    Progress {
        /// What is counted, such as a layer.
        what: String,
        /// How many of `unit` are done.
        done: u64,
        /// How many there are in all, if that is known.
        total: Option<u64>,
        /// What is counted in.
        unit: Unit,
    },
    /// Something that people should know.
    Message {
        /// How much it matters.
        level: Level,
        /// The text.
        text: String,
    },
    /// A deployment was looked at.
    Health {
        /// How it fares.
        phase: Phase,
        /// What it waits for, or why it failed.
        waiting_for: Vec<String>,
    },
    /// A person is asked, and the task waits for the answer.
    Asking {
        /// What is asked.
        text: String,
        /// Until when an answer counts; for ever when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Timestamp>,
    },
    /// Somebody asked to stop.
    Cancelling {
        /// How far.
        stage: crate::context::Stage,
        /// Why.
        reason: crate::context::CancelReason,
    },
    /// The run ended.
    RunFinished {
        /// How.
        outcome: RunOutcome,
        /// How long it took, in milliseconds.
        took_millis: u64,
    },
}

impl EventKind {
    /// Calls `change` with every text that comes from outside the pipeline's own words: the one
    /// place that masking needs.
    pub(crate) fn for_each_text(&mut self, change: &mut dyn FnMut(&mut String)) {
        match self {
            Self::RunStarted { .. } | Self::Cancelling { .. } | Self::RunFinished { .. } => {}
            Self::TaskStarted { reasons, .. } => {
                for reason in reasons {
                    if let Reason::Gone(text) | Reason::Changed(text) = reason {
                        change(text);
                    }
                }
            }
            Self::TaskFinished { outcome, made } => {
                change(made);
                if let Outcome::Failed { error } | Outcome::FailureAllowed { error } = outcome {
                    error.for_each_text(change);
                }
            }
            Self::Output { line, .. } => change(line),
            Self::Progress { what, .. } => change(what),
            Self::Message { text, .. } | Self::Asking { text, .. } => change(text),
            Self::Health { waiting_for, .. } => waiting_for.iter_mut().for_each(change),
        }
    }
}

/// Where a line was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What progress is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things: files, layers, objects.
    Items,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Something to look at.
    Warning,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It ran and did what it should.
    Succeeded,
    /// It did not have to run: its result was recorded and is still there.
    Reused,
    /// It failed.
    Failed {
        /// Why.
        error: ErrorReport,
    },
    /// It failed and its policy allows that.
    FailureAllowed {
        /// Why.
        error: ErrorReport,
    },
    /// It did not run, because of this task, or because the run is being stopped.
    Skipped {
        /// The task that is the reason; none when its condition did not come about or the run stops.
        because: Option<TaskId>,
    },
    /// It was stopped.
    Cancelled,
    /// It waits for an answer, and the run ends without one.
    Waiting,
}

impl Outcome {
    /// Returns whether the run goes on after it: it went well, or its failure is allowed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Reused | Self::FailureAllowed { .. })
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunOutcome {
    /// All that had to be done is done.
    Succeeded,
    /// A task failed.
    Failed,
    /// It was stopped.
    Cancelled,
    /// It waits for an answer; another process may resume it.
    Waiting,
}
