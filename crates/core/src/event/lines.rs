//! What happens, told as it happens: a line of plain text for each event that a person wants to see, readable
//! without colour, in a pipe as on a terminal. What a [`Timeline`](super::Timeline) tells better at the end is left out.

use std::{
    fmt::{self, Debug, Write as _},
    io::Write,
    sync::{Mutex, PoisonError},
};

use super::{Event, EventKind, Level, Outcome, Sink};
use crate::{context::Stage, deployment::Phase, plain::Plain};

/// Writes what happens as lines of text, each with the task that it happened in.
///
/// ```
/// use std::sync::Arc;
/// use shipway_core::{TextLines, World};
///
/// let world = World::host("/src").sink(Arc::new(TextLines::new(std::io::stderr())));
/// # let _ = world;
/// ```
pub struct TextLines<W>(Mutex<W>);

impl<W: Write + Send + 'static> TextLines<W> {
    /// Returns a sink that writes to `writer`; what cannot be written is dropped.
    pub fn new(writer: W) -> Self {
        Self(Mutex::new(writer))
    }
}

impl<W> Debug for TextLines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextLines")
    }
}

impl<W: Write + Send + 'static> Sink for TextLines<W> {
    fn emit(&self, event: &Event) {
        let Some(said) = said(&event.kind) else { return };
        let mut line = String::new();
        // Writing to a text cannot fail.
        let _ = match &event.task {
            Some(task) => write!(Plain(&mut line), "{task}: {}", said.replace('\n', "\n    ")),
            None => write!(Plain(&mut line), "{}", said.replace('\n', "\n    ")),
        };
        line.push('\n');
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A sink cannot fail; nobody is left to tell when the reader has gone.
        let _ = writer.write_all(line.as_bytes()).and_then(|()| writer.flush());
    }
}

fn said(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::TaskStarted { reasons, .. } if !reasons.is_empty() => {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            format!("begins, because {}", reasons.join(", "))
        }
        EventKind::Output { line, .. } => line.clone(),
        EventKind::Message { level: Level::Warning, text } => format!("warning: {text}"),
        EventKind::Message { level: Level::Info, text } => text.clone(),
        EventKind::Health { phase: Phase::Progressing, waiting_for } if !waiting_for.is_empty() => {
            format!("waits for {}", waiting_for.join(", "))
        }
        EventKind::Asking { text, .. } => format!("asks: {text}"),
        EventKind::TaskFinished { outcome, made } => match outcome {
            Outcome::Succeeded if !made.is_empty() => format!("done: {made}"),
            Outcome::Reused => format!("reused: {made}"),
            Outcome::Failed { error } => format!("failed: {error}"),
            Outcome::FailureAllowed { error } => format!("failed, which is allowed: {error}"),
            Outcome::Cancelled => "stopped".to_owned(),
            _ => return None,
        },
        EventKind::Cancelling { stage: Stage::Requested, reason } => {
            format!("stopping once what is under way has ended: {reason}")
        }
        EventKind::Cancelling { stage: Stage::Forced, reason } => format!("stopping at once: {reason}"),
        _ => return None,
    })
}
