//! What a terminal shows of a run, as a pure fold over the run's events.

use std::collections::{BTreeMap, VecDeque};

use shipway_core::{
    CancelReason, Event, EventKind, Level, Outcome, RunState, Stage, TaskId, TaskStatus, Timestamp, Unit,
};

use super::{
    TerminalSize, frame,
    line::{Line, visible},
    log::{self, Ended, Told},
};
use crate::width::width;

/// The most lines of a task's output that are kept: as many as are shown of one that failed.
const LINES: usize = 20;
/// The most bytes of such a line, colours included.
const LINE: usize = 2000;
/// The most rows of progress of a task that are summed.
const ROWS: usize = 100;
/// The most entries that wait to be written to the log; a terminal that is slower than the run misses some.
const WAITING: usize = 2000;

/// What a terminal shows of a run: the log of what has happened, and the lines of what is under way.
///
/// ```
/// use shipway_core::{Event, EventKind, TaskId, Timestamp};
/// use shipway_report::{LiveView, TerminalSize};
///
/// let web = TaskId::parse("build:web")?;
/// let (run, pipeline) = ("run-1".to_owned(), "shop".to_owned());
/// let tasks = [(web.clone(), Vec::new())].into();
/// let mut view = LiveView::default();
/// view.apply(&Event::new(0, Timestamp(1000), None, EventKind::RunStarted { run, pipeline, tasks }));
/// let started = EventKind::TaskStarted { reasons: Vec::new(), fingerprint: None };
/// view.apply(&Event::new(1, Timestamp(2000), Some(web), started));
/// let rows = view.frame(TerminalSize::new(80, 24), Timestamp(5000));
/// assert_eq!(rows, ["shop  4s  0 of 1 done, 1 running", "running   build:web      3s"]);
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LiveView {
    pub(super) state: RunState,
    /// What else is known of tasks that are under way.
    pub(super) going: BTreeMap<TaskId, Going>,
    pub(super) stopping: Option<(Stage, CancelReason)>,
    /// How many cells the longest id takes.
    pub(super) names: usize,
    waiting: VecDeque<Told>,
    missed: u64,
}

/// What is known of a task that is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Going {
    /// The last lines of its output.
    pub(super) lines: VecDeque<String>,
    /// The place of the newest of them in the run's sequence.
    pub(super) newest: u64,
    /// How far it has come, the newest last.
    pub(super) progress: Vec<Progress>,
}

#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) what: String,
    pub(super) done: u64,
    pub(super) total: Option<u64>,
    pub(super) unit: Unit,
}

impl LiveView {
    /// Takes one more event into account.
    pub fn apply(&mut self, event: &Event) {
        if let EventKind::RunStarted { tasks, .. } = &event.kind {
            let (waiting, missed) = (std::mem::take(&mut self.waiting), self.missed);
            let names = tasks.keys().map(|id| width(&visible(id.as_str()))).max().unwrap_or(0);
            *self = Self { waiting, missed, names, ..Self::default() };
        }
        self.state.apply(event);
        match (&event.kind, &event.task) {
            (EventKind::TaskStarted { .. }, Some(id)) => {
                self.going.entry(id.clone()).or_default();
            }
            (EventKind::TaskFinished { outcome, .. }, Some(id)) => self.ended(id, outcome),
            (EventKind::Output { line, .. }, Some(id)) => {
                if let Some(going) = self.going.get_mut(id) {
                    going.printed(line, event.seq);
                }
            }
            (EventKind::Progress { what, done, total, unit }, Some(id)) => {
                if let Some(going) = self.going.get_mut(id) {
                    going.came_to(Progress { what: what.clone(), done: *done, total: *total, unit: *unit });
                }
            }
            (EventKind::Output { line, .. }, None) => self.tell(Told::Printed(line.clone())),
            (EventKind::Message { level, text }, task) => {
                let (task, text, warns) = (task.clone(), text.clone(), *level == Level::Warning);
                self.tell(Told::Said { task, text, warns });
            }
            (EventKind::Asking { text, .. }, Some(id)) => {
                self.tell(Told::Asks { task: id.clone(), text: text.clone() });
            }
            (EventKind::Cancelling { stage, reason }, _) => {
                self.stopping = Some((*stage, *reason));
                self.tell(Told::Stops(*stage, *reason));
            }
            _ => {}
        }
    }

    /// Returns the lines of what is under way, plain: none is wider than the terminal, and they leave it one row for
    /// the cursor. None while no run is under way.
    #[must_use]
    pub fn frame(&self, size: TerminalSize, now: Timestamp) -> Vec<String> {
        self.rows(size, now).iter().map(Line::text).collect()
    }

    /// Takes the lines of what has happened since the last time, plain: those that one can look up elsewhere are cut to
    /// so many columns, errors and messages are whole.
    pub fn take_log(&mut self, columns: usize) -> Vec<String> {
        self.take_told(columns).iter().map(Line::text).collect()
    }

    /// Returns whether a run is under way.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        !self.state.run.is_empty() && self.state.outcome.is_none()
    }

    pub(super) fn rows(&self, size: TerminalSize, now: Timestamp) -> Vec<Line> {
        if self.goes_on() { frame::rows(self, size, now) } else { Vec::new() }
    }

    pub(super) fn take_told(&mut self, columns: usize) -> Vec<Line> {
        let missed = std::mem::take(&mut self.missed);
        let told = std::mem::take(&mut self.waiting);
        log::lines(self.names, missed, &told, columns)
    }

    fn ended(&mut self, id: &TaskId, outcome: &Outcome) {
        let going = self.going.remove(id).unwrap_or_default();
        let Some(task) = self.state.tasks.get(id) else { return };
        let (took, made, lines) = (task.took(), task.made.clone(), task.lines);
        let failed = matches!(outcome, Outcome::Failed { .. } | Outcome::FailureAllowed { .. });
        // Those that did not have to run because others failed are no news; the report counts them.
        if !matches!(outcome, Outcome::Skipped { .. }) {
            let tail = if failed { going.lines } else { VecDeque::new() };
            let before = lines.saturating_sub(tail.len() as u64);
            let (task, outcome) = (id.clone(), outcome.clone());
            self.tell(Told::Ended(Box::new(Ended { task, outcome, took, made, tail, before })));
        }
    }

    fn tell(&mut self, told: Told) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
            self.missed += 1;
        }
        self.waiting.push_back(told);
    }

    /// Returns how many tasks are done, running, and failed, and how many there are that may still run.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for task in self.state.tasks.values() {
            match &task.status {
                TaskStatus::Running => counts.running += 1,
                TaskStatus::Ended(Outcome::Failed { .. }) => counts.failed += 1,
                TaskStatus::Ended(Outcome::Skipped { .. }) => continue,
                TaskStatus::Ended(outcome) if outcome.is_good() => counts.done += 1,
                _ => {}
            }
            counts.all += 1;
        }
        counts
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) done: usize,
    pub(super) running: usize,
    pub(super) failed: usize,
    pub(super) all: usize,
}

impl Going {
    fn printed(&mut self, line: &str, place: u64) {
        // The memory of the oldest is used again: there may be a hundred thousand lines a second.
        let mut kept = if self.lines.len() == LINES {
            self.lines.pop_front().unwrap_or_default()
        } else {
            String::new()
        };
        kept.clear();
        kept.push_str(&line[..line.floor_char_boundary(LINE)]);
        self.lines.push_back(kept);
        self.newest = place;
    }

    fn came_to(&mut self, progress: Progress) {
        self.progress.retain(|row| row.what != progress.what || row.unit != progress.unit);
        if self.progress.len() == ROWS {
            self.progress.remove(0);
        }
        self.progress.push(progress);
    }
}
