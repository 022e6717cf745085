//! The lines that scroll up: what has happened, each once, so that the terminal's memory reads as a log afterwards.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use shipway_core::{CancelReason, ErrorReport, Outcome, Stage, TaskId};

use super::{
    frame::{NARROW, WORD, names},
    line::{Line, Look, Writing, middle},
    printed::printed,
    quantity,
};

/// The most lines of one text: an error or a message.
const LINES: usize = 200;

/// Something that is told once.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Ended(Box<Ended>),
    Said {
        task: Option<TaskId>,
        text: String,
        warns: bool,
    },
    Asks {
        task: TaskId,
        text: String,
    },
    /// What was printed in no task.
    Printed(String),
    Stops(Stage, CancelReason),
}

/// A task that has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) task: TaskId,
    pub(super) outcome: Outcome,
    pub(super) took: Option<Duration>,
    pub(super) made: String,
    /// The last lines that a task printed which failed, and how many there were before.
    pub(super) tail: VecDeque<String>,
    pub(super) before: u64,
}

/// Returns the lines of what is told; `longest` are the cells of the longest id.
pub(super) fn lines(longest: usize, missed: u64, told: &VecDeque<Told>, columns: usize) -> Vec<Line> {
    let mut log = Log { lines: Vec::new(), names: names(longest, columns), columns };
    if missed > 0 {
        log.whole(
            Look::Faint,
            &format!("… {missed} messages are left out: the terminal is slower than the run"),
        );
    }
    for told in told {
        match told {
            Told::Ended(ended) => {
                log.ended(ended);
                if let Outcome::Failed { error } | Outcome::FailureAllowed { error } = &ended.outcome {
                    log.printed(&ended.tail, ended.before);
                    log.error(error, &ended.tail);
                }
            }
            Told::Said { task, text, warns } => {
                let (word, look) = if *warns { ("warning: ", Look::Notable) } else { ("", Look::Plain) };
                let name = task.as_ref().map_or_else(String::new, |task| format!("{task}: "));
                log.text(
                    Writing::new(usize::MAX).say(Look::Plain, &name).say(look, word),
                    Look::Plain,
                    text,
                    4,
                );
            }
            Told::Asks { task, text } => {
                let asks = Writing::new(usize::MAX).say(Look::Plain, &format!("{task}: "));
                log.text(asks.say(Look::Notable, "asks: "), Look::Plain, text, 4);
            }
            Told::Printed(line) => log.whole(Look::Plain, &printed(line)),
            Told::Stops(Stage::Requested, reason) => {
                log.whole(Look::Notable, &format!("stopping once what is under way has ended: {reason}"));
            }
            Told::Stops(Stage::Forced, reason) => {
                log.whole(Look::Notable, &format!("stopping at once: {reason}"));
            }
        }
    }
    log.lines
}

struct Log {
    lines: Vec<Line>,
    names: usize,
    columns: usize,
}

impl Log {
    /// Writes that a task has ended, and how: cut, as the report has all of it.
    fn ended(&mut self, ended: &Ended) {
        let (word, look) = match &ended.outcome {
            Outcome::Succeeded => ("done", Look::Good),
            Outcome::Reused => ("reused", Look::Good),
            Outcome::Failed { .. } => ("FAILED", Look::Bad),
            Outcome::FailureAllowed { .. } => ("allowed", Look::Notable),
            Outcome::Cancelled => ("cancelled", Look::Notable),
            Outcome::Waiting => ("waiting", Look::Notable),
            _ => ("ended", Look::Plain),
        };
        let took = ended.took.map(quantity::took).unwrap_or_default();
        let (name, line) = (middle(ended.task.as_str(), self.names), Writing::new(self.columns));
        self.lines.push(if self.columns < NARROW {
            let line = line.say(look, word).gap(1).say(Look::Strong, &name).gap(1).say(Look::Plain, &took);
            line.gap(1).say(Look::Plain, &ended.made).end()
        } else {
            let line = line.column(look, word, WORD).column(Look::Strong, &name, self.names);
            line.right(Look::Plain, &took, 8).gap(2).say(Look::Plain, &ended.made).end()
        });
    }

    /// Writes the end of what a task printed.
    fn printed(&mut self, tail: &VecDeque<String>, before: u64) {
        let indented = |text: &str| {
            let line = Writing::new(usize::MAX).gap(self.indent()).say(Look::Faint, "│ ");
            line.say(Look::Plain, text).end()
        };
        let omitted = (before > 0).then(|| indented(&format!("… {before} lines before these")));
        self.lines.extend(
            omitted.into_iter().chain(tail.iter().map(|line| indented(&printed(line)))).collect::<Vec<_>>(),
        );
    }

    /// Writes why a task failed, without what was just printed: tools' errors quote the end of their output.
    fn error(&mut self, error: &ErrorReport, tail: &VecDeque<String>) {
        let tail: BTreeSet<String> = tail.iter().map(|line| printed(line).trim().to_owned()).collect();
        let mut error = error.clone();
        error.notes.retain(|note| {
            let last = note.trim_end().lines().last().unwrap_or_default();
            !tail.contains(printed(last).trim())
        });
        let indent = self.indent();
        self.text(Writing::new(usize::MAX).gap(indent), Look::Strong, &error.to_string(), indent);
    }

    /// Writes a text: its first line after what is written already, the others below it.
    fn text(&mut self, first: Writing, look: Look, text: &str, indent: usize) {
        let mut lines = text.lines();
        self.lines.push(first.say(look, &printed(lines.next().unwrap_or_default())).end());
        for line in lines.by_ref().take(LINES) {
            let line = printed(line);
            self.lines.push(Writing::new(usize::MAX).gap(indent).say(Look::Plain, &line).end());
        }
        if lines.next().is_some() {
            self.lines.push(Writing::new(usize::MAX).gap(indent).say(Look::Faint, "…").end());
        }
    }

    fn whole(&mut self, look: Look, text: &str) {
        self.lines.push(Writing::new(usize::MAX).say(look, text).end());
    }

    fn indent(&self) -> usize {
        if self.columns < NARROW { 1 } else { WORD }
    }
}
