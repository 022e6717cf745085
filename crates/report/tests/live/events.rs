//! The events of a run, one after the other.

use shipway_core::{Error, Event, EventKind, Outcome, Reason, RunOutcome, Stream, TaskId, Timestamp};

/// When runs begin here, in milliseconds.
pub(crate) const START: u64 = 1_000_000;

/// Makes the events of a run.
#[derive(Default)]
pub(crate) struct Events {
    seq: u64,
    /// How many milliseconds the run has gone on.
    pub(crate) time: u64,
}

impl Events {
    pub(crate) fn make(&mut self, task: Option<TaskId>, kind: EventKind) -> Event {
        self.seq += 1;
        Event::new(self.seq - 1, Timestamp(START + self.time), task, kind)
    }

    /// The run begins, with these tasks.
    pub(crate) fn run(&mut self, pipeline: &str, tasks: &[&str]) -> Event {
        let tasks = tasks.iter().map(|task| (id(task), Vec::new())).collect();
        self.make(None, EventKind::RunStarted { run: "run-1".into(), pipeline: pipeline.into(), tasks })
    }

    pub(crate) fn start(&mut self, task: &str, reasons: &[Reason]) -> Event {
        self.make(Some(id(task)), EventKind::TaskStarted { reasons: reasons.to_vec(), fingerprint: None })
    }

    pub(crate) fn print(&mut self, task: &str, line: &str) -> Event {
        self.make(Some(id(task)), EventKind::Output { stream: Stream::Stdout, line: line.into() })
    }

    pub(crate) fn done(&mut self, task: &str, made: &str) -> Event {
        self.end(task, Outcome::Succeeded, made)
    }

    pub(crate) fn fail(&mut self, task: &str, error: Error) -> Event {
        self.end(task, Outcome::Failed { error: error.into_report() }, "")
    }

    pub(crate) fn end(&mut self, task: &str, outcome: Outcome, made: &str) -> Event {
        self.make(Some(id(task)), EventKind::TaskFinished { outcome, made: made.into() })
    }

    pub(crate) fn finish(&mut self) -> Event {
        let took_millis = self.time;
        self.make(None, EventKind::RunFinished { outcome: RunOutcome::Succeeded, took_millis })
    }
}

pub(crate) fn id(task: &str) -> TaskId {
    TaskId::parse(task).unwrap()
}
