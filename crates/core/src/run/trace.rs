//! What is kept of how tasks went, for people who look at a run later: when each ended, how often it was tried, and
//! the last lines of what it said. Nothing of it decides anything.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Event, EventKind, Level, TaskId, Timestamp, value::value};

/// The most lines of a task that are kept.
const LINES: usize = 100;
/// The most bytes of a line: less than what a journal keeps apart, so that it stays readable with `cat`.
const LINE: usize = 1000;

value! {
    /// How a task went, as far as a journal keeps it.
    #[derive(Eq, Default)]
    pub struct Trace {
        ;
        /// When it ended; unknown in what earlier releases wrote.
        pub at: Option<Timestamp>,
        /// How often it was tried again.
        pub retries: u32,
        /// The last lines that it printed or said: at most 100, each of at most 1,000 bytes.
        pub lines: Vec<String>,
        /// How many lines there were before those.
        pub omitted: u64,
    }
}

impl Trace {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The traces of tasks that are under way.
#[derive(Debug, Default)]
pub(super) struct Traces(Mutex<BTreeMap<TaskId, Going>>);

#[derive(Debug, Default)]
struct Going {
    retries: u32,
    lines: VecDeque<String>,
    omitted: u64,
}

impl Traces {
    /// Takes note of what a task says.
    pub(super) fn see(&self, event: &Event) {
        let (Some(task), Some(line)) = (&event.task, said(&event.kind)) else { return };
        let mut tasks = self.tasks();
        let going = tasks.entry(task.clone()).or_default();
        if going.lines.len() == LINES {
            going.lines.pop_front();
            going.omitted += 1;
        }
        going.lines.push_back(line);
    }

    /// Takes note that a task is tried again.
    pub(super) fn tried(&self, task: &TaskId) {
        self.tasks().entry(task.clone()).or_default().retries += 1;
    }

    /// Returns the trace of a task that ended, and forgets it.
    pub(super) fn take(&self, task: &TaskId, at: Timestamp) -> Trace {
        let going = self.tasks().remove(task).unwrap_or_default();
        Trace { at: Some(at), retries: going.retries, lines: going.lines.into(), omitted: going.omitted }
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<TaskId, Going>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::Output { line, .. } => Some(cut(line)),
        EventKind::Message { level: Level::Warning, text } => Some(cut(&format!("warning: {text}"))),
        EventKind::Message { level: Level::Info, text } => Some(cut(text)),
        _ => None,
    }
}

fn cut(line: &str) -> String {
    if line.len() <= LINE {
        return line.to_owned();
    }
    let end = line.floor_char_boundary(LINE - '…'.len_utf8());
    format!("{}…", &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stream;

    fn output(task: &TaskId, line: String) -> Event {
        Event::new(0, Timestamp(0), Some(task.clone()), EventKind::Output { stream: Stream::Stdout, line })
    }

    #[test]
    fn the_last_lines_are_kept_and_long_ones_are_cut() {
        let (traces, task) = (Traces::default(), TaskId::parse("build:web").expect("an id"));
        for n in 0..130 {
            traces.see(&output(&task, format!("line {n}")));
        }
        traces.see(&output(&task, "é".repeat(5000)));
        traces.tried(&task);
        let trace = traces.take(&task, Timestamp(7));
        assert_eq!(
            (trace.at, trace.retries, trace.lines.len(), trace.omitted),
            (Some(Timestamp(7)), 1, 100, 31)
        );
        assert_eq!(trace.lines[0], "line 31");
        let last = trace.lines.last().expect("the long one");
        assert!(last.len() <= LINE && last.ends_with("é…"), "{}", last.len());
        assert!(traces.tasks().is_empty(), "what ended is forgotten");
    }

    #[test]
    fn what_a_task_says_is_kept_besides_what_it_prints() {
        let (traces, task) = (Traces::default(), TaskId::parse("build:web").expect("an id"));
        let kinds = [
            EventKind::Message { level: Level::Warning, text: "trying again".into() },
            EventKind::Message { level: Level::Info, text: "found".into() },
            EventKind::Progress { what: "layer".into(), done: 1, total: None, unit: crate::Unit::Items },
        ];
        for kind in kinds {
            traces.see(&Event::new(0, Timestamp(0), Some(task.clone()), kind.clone()));
            traces.see(&Event::new(0, Timestamp(0), None, kind));
        }
        assert_eq!(traces.take(&task, Timestamp(0)).lines, ["warning: trying again", "found"]);
        assert!(Trace::default().is_empty() && !Trace::default().retries(1_u32).is_empty());
    }
}
