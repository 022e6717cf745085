//! Where events go.

use std::{
    fmt::Debug,
    io::Write,
    sync::{Mutex, PoisonError},
};

use super::Event;

/// Takes events. Quick, and it cannot fail: a slow consumer buffers or drops on its own side, and
/// only what [`Event::may_drop`] allows; [`Subscribers`](super::Subscribers) does that for it.
pub trait Sink: Debug + Send + Sync + 'static {
    /// Takes one event; they come in order.
    fn emit(&self, event: &Event);
}

/// Drops every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    fn emit(&self, _event: &Event) {}
}

/// Keeps every event.
#[derive(Debug, Default)]
pub struct Record(Mutex<Vec<Event>>);

impl Record {
    /// Returns a sink that has no event yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the events so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Record {
    fn emit(&self, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}

/// Writes each event as a line of JSON, with the number of the form in `schema`.
///
/// What tells the course of the run is flushed at once; output waits in the writer's buffer, if it has one.
pub struct JsonLines<W>(Mutex<W>);

impl<W: Write + Send + 'static> JsonLines<W> {
    /// Returns a sink that writes to `writer`; what cannot be written is dropped.
    pub fn new(writer: W) -> Self {
        Self(Mutex::new(writer))
    }
}

impl<W> Debug for JsonLines<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JsonLines")
    }
}

impl<W: Write + Send + 'static> Sink for JsonLines<W> {
    fn emit(&self, event: &Event) {
        #[derive(serde::Serialize)]
        struct Line<'a> {
            schema: u32,
            #[serde(flatten)]
            event: &'a Event,
        }
        if let Ok(mut line) = serde_json::to_vec(&Line { schema: Event::SCHEMA, event }) {
            line.push(b'\n');
            let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A sink cannot fail; who needs every event keeps a journal.
            let _ = writer.write_all(&line);
            if !event.may_drop() {
                let _ = writer.flush();
            }
        }
    }
}
