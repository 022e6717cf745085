//! The journal: what a run meant to do and what came of it, so that another process can go on with it.
//!
//! It is not a sink of events: it may fail, and then nothing happens that is not in it.

mod disk;
mod form;
mod texts;
mod withheld;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::disk::DiskJournal;
use super::{Output, Plan, Trace};
use crate::{Error, Fingerprint, Outcome, Reason, Result, RunOutcome, TaskId, Timestamp};

/// Something that is written down of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "entries are written one by one, and only a resumed run holds many"
)]
pub enum Entry {
    /// What will be done.
    Planned {
        /// The plan.
        plan: Plan,
        /// When the run began, or was gone on with; unknown in what earlier releases wrote, as all moments here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// A task begins: from now on something may have happened.
    Started {
        /// The task.
        task: TaskId,
        /// The fingerprint of its inputs, which names work elsewhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<Fingerprint>,
        /// Why it runs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reasons: Vec<Reason>,
        /// When it began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// A task waits for time to pass.
    Waiting {
        /// The task.
        task: TaskId,
        /// Until when.
        until: Timestamp,
    },
    /// A task ended.
    Finished {
        /// The task.
        task: TaskId,
        /// How.
        outcome: Outcome,
        /// What it made.
        output: Output,
        /// How it went, for people.
        #[serde(default, skip_serializing_if = "Trace::is_empty")]
        trace: Trace,
    },
    /// The run ended; with [`RunOutcome::Waiting`] and [`RunOutcome::Cancelled`] it may be gone on with.
    Ended {
        /// How.
        outcome: RunOutcome,
        /// When.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
}

/// Keeps the journals of runs.
#[async_trait]
pub trait Journal: Debug + Send + Sync + 'static {
    /// Begins the journal of a run, or goes on with it; nobody else writes it until the writer is dropped.
    ///
    /// # Errors
    /// `Conflict` while somebody else writes it; `Config` when the id is no name for a run; `BadOutput` when the
    /// journal is damaged before its end; `Unsupported` when a release wrote it that this one cannot follow.
    async fn open(&self, run: &str) -> Result<OpenJournal>;

    /// Returns what was written of a run; nothing when there is no such run.
    ///
    /// # Errors
    /// As for [`Journal::open`].
    async fn read(&self, run: &str) -> Result<Vec<Entry>>;

    /// Returns the ids of all runs, sorted.
    ///
    /// # Errors
    /// When it cannot be looked.
    async fn runs(&self) -> Result<Vec<String>>;
}

/// A journal that is being written.
#[non_exhaustive]
#[derive(Debug)]
pub struct OpenJournal {
    /// What was written before, in order.
    pub entries: Vec<Entry>,
    /// Where it goes on.
    pub writer: Box<dyn JournalWriter>,
}

impl OpenJournal {
    /// Returns an open journal, for another implementation of [`Journal`].
    pub fn new(entries: Vec<Entry>, writer: impl JournalWriter) -> Self {
        Self { entries, writer: Box::new(writer) }
    }
}

/// Writes the journal of one run.
#[async_trait]
pub trait JournalWriter: Debug + Send + Sync + 'static {
    /// Writes an entry after all that were written before. When this returns, it outlasts the process; where it is
    /// to be `lasting`, it and all before it outlast a power cut. Several may be under way at once; one that is
    /// dropped may have been written or not.
    ///
    /// What leaves the process holds no secrets: [`Entry::withheld`].
    ///
    /// # Errors
    /// Whatever keeps it from being written: then the run must do nothing more. After an error nothing is written
    /// any more.
    async fn append(&self, entry: &Entry, lasting: bool) -> Result<()>;
}

/// Journals that last as long as the process.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    runs: Arc<Mutex<BTreeMap<String, Written>>>,
}

impl MemoryJournal {
    /// Returns an empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

type Written = Arc<Mutex<Vec<Entry>>>;

#[derive(Debug)]
struct MemoryWriter(Written);

#[async_trait]
impl Journal for MemoryJournal {
    async fn open(&self, run: &str) -> Result<OpenJournal> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = Arc::clone(runs.entry(run.to_owned()).or_default());
        // The map has one, and each writer another.
        if Arc::strong_count(&entries) > 2 {
            return Err(Error::conflict(format!("run `{run}` is under way")));
        }
        let written = entries.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(OpenJournal::new(written, MemoryWriter(entries)))
    }

    async fn read(&self, run: &str) -> Result<Vec<Entry>> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let entries =
            runs.get(run).map(|entries| entries.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Ok(entries.unwrap_or_default())
    }

    async fn runs(&self) -> Result<Vec<String>> {
        Ok(self.runs.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect())
    }
}

#[async_trait]
impl JournalWriter for MemoryWriter {
    async fn append(&self, entry: &Entry, _lasting: bool) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry.clone());
        Ok(())
    }
}
