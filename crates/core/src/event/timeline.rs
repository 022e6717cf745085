//! A run as a table for people: a line for each task that ran, in the order in which they ended, with a
//! bar that shows when, and one for those that a failure skipped. Plain text, readable without colour.

use std::{fmt, fmt::Write as _};

use super::{Outcome, RunOutcome, RunState, TaskState, TaskStatus};
use crate::{deployment::Timestamp, plain::Plain};

/// The timeline of a run; its `Display` is the table.
#[derive(Clone, Copy, Debug)]
pub struct Timeline<'a>(pub &'a RunState);

const BAR: u64 = 24;

impl fmt::Display for Timeline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Plain(f);
        let state = self.0;
        let width = state.tasks.keys().map(|id| id.as_str().len()).max().unwrap_or(0);
        let end = state.tasks.values().filter_map(|task| task.finished).max().unwrap_or(state.started);
        let whole = end.0.saturating_sub(state.started.0).max(1);
        let goes_on = |task: &TaskState| !matches!(task.status, TaskStatus::Ended(_));
        let unfinished = state.tasks.iter().filter(|(_, task)| goes_on(task)).map(|(id, _)| id);
        for id in state.ended.iter().chain(unfinished) {
            let Some(task) = state.tasks.get(id) else { continue };
            if matches!(task.status, TaskStatus::Ended(Outcome::Skipped { .. })) {
                continue;
            }
            let took = task.took().map_or_else(String::new, |took| format!("{:.2}s", took.as_secs_f64()));
            let (word, mut details) = status(task);
            write!(f, "{word:<9} {id:<width$} {took:>7} |{}|", bar(task, state.started, whole))?;
            if !task.made.is_empty() {
                details.insert(0, task.made.clone());
            }
            let mut details = details.iter();
            if let Some(first) = details.next() {
                write!(f, " {}", first.replace('\n', "\n    "))?;
            }
            for detail in details {
                write!(f, "\n{:>10}{}", "", detail.replace('\n', "\n            "))?;
            }
            writeln!(f)?;
        }
        let skipped: Vec<&str> = state
            .ended
            .iter()
            .filter(|id| {
                // A task whose condition did not come about is not worth a word.
                let status = state.tasks.get(*id).map(|task| &task.status);
                matches!(status, Some(TaskStatus::Ended(Outcome::Skipped { because: Some(_) })))
            })
            .map(|id| id.as_str())
            .collect();
        if !skipped.is_empty() {
            writeln!(f, "skipped   {}", skipped.join(", "))?;
        }
        let outcome = match state.outcome {
            Some(RunOutcome::Succeeded) => "succeeded",
            Some(RunOutcome::Failed) => "failed",
            Some(RunOutcome::Cancelled) => "was cancelled",
            Some(RunOutcome::Waiting) => "waits for an answer",
            None => "goes on",
        };
        let reused =
            state.tasks.values().filter(|task| task.status == TaskStatus::Ended(Outcome::Reused)).count();
        write!(
            f,
            "run {} of `{}` {outcome}: {} tasks, {reused} reused",
            state.run,
            state.pipeline,
            state.tasks.len()
        )?;
        if state.outcome.is_some() {
            write!(f, ", {:.2}s", state.took.as_secs_f64())?;
        }
        writeln!(f)
    }
}

fn status(task: &TaskState) -> (&'static str, Vec<String>) {
    let reasons = || task.reasons.iter().map(|reason| format!("because {reason}")).collect();
    match &task.status {
        TaskStatus::Pending => ("pending", Vec::new()),
        TaskStatus::Running => match &task.asking {
            Some(text) => ("asking", vec![text.clone()]),
            None => ("running", reasons()),
        },
        TaskStatus::Ended(outcome) => match outcome {
            Outcome::Succeeded => ("done", reasons()),
            Outcome::Reused => ("reused", Vec::new()),
            Outcome::Failed { error } => ("FAILED", vec![error.to_string()]),
            Outcome::FailureAllowed { error } => ("allowed", vec![error.to_string()]),
            Outcome::Skipped { .. } => ("skipped", Vec::new()),
            Outcome::Cancelled => ("cancelled", Vec::new()),
            Outcome::Waiting => ("waiting", Vec::new()),
        },
    }
}

fn bar(task: &TaskState, start: Timestamp, whole: u64) -> String {
    let column = |at: Timestamp| (at.0.saturating_sub(start.0).saturating_mul(BAR) / whole).min(BAR - 1);
    let Some(from) = task.started.map(column) else { return " ".repeat(usize::try_from(BAR).unwrap_or(0)) };
    let to = task.finished.map_or(BAR - 1, column);
    (0..BAR).map(|at| if (from..=to).contains(&at) { '=' } else { ' ' }).collect()
}
