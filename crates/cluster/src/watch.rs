//! Watching a cluster from a version on.

use std::{collections::VecDeque, sync::Arc};

use serde_json::Value;
use shipway_core::{Error, ObjectId, Result};
use tokio::sync::watch;

use crate::{selector::Selector, store::MemoryCluster};

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happened {
    /// It was made, or came into the selection.
    Added,
    /// It changed.
    Modified,
    /// It was removed, or went out of the selection.
    Deleted,
}

/// One event of a watch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WatchEvent {
    /// What happened.
    pub happened: Happened,
    /// The object as it is now; a removed one as it last was.
    pub object: Arc<Value>,
    /// The version of the cluster from which a later watch goes on; opaque.
    pub resource_version: String,
}

/// A change that the cluster remembers.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) id: ObjectId,
    pub(crate) version: u64,
    pub(crate) before: Option<Arc<Value>>,
    /// The object now, or as it last was.
    pub(crate) object: Arc<Value>,
    pub(crate) deleted: bool,
}

impl Change {
    /// Returns what it is to somebody who sees only the selection, as the API server's watch cache does.
    fn seen_by(&self, selector: &Selector) -> Option<WatchEvent> {
        let was = self.before.as_ref().is_some_and(|before| selector.takes(&self.id, before));
        let is = !self.deleted && selector.takes(&self.id, &self.object);
        let happened = match (was, is) {
            (false, true) => Happened::Added,
            (true, true) => Happened::Modified,
            (true, false) => Happened::Deleted,
            (false, false) => return None,
        };
        Some(WatchEvent {
            happened,
            object: Arc::clone(&self.object),
            resource_version: self.version.to_string(),
        })
    }
}

/// The last changes, of which the oldest are forgotten.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) limit: usize,
    pub(crate) changes: VecDeque<Change>,
    /// The version of the newest change that was forgotten.
    pub(crate) forgotten: u64,
}

impl History {
    pub(crate) fn push(&mut self, change: Change) {
        self.changes.push_back(change);
        while self.changes.len() > self.limit {
            self.forgotten = self.changes.pop_front().map_or(self.forgotten, |change| change.version);
        }
    }

    /// Returns the first change after `seen` that the selector takes, and up to which version all was seen.
    pub(crate) fn after(&self, seen: u64, selector: &Selector) -> Result<(Option<WatchEvent>, u64)> {
        if seen < self.forgotten {
            // HTTP 410 Gone, reason `Expired` ("Kubernetes API Concepts", "Efficient detection of changes").
            return Err(Error::conflict(format!("resource version `{seen}` is too old to watch from"))
                .hint("list again, and watch from the list's version"));
        }
        // Versions count up by one, so that the place of a change follows from its version.
        let skip = usize::try_from(seen - self.forgotten).unwrap_or(usize::MAX);
        let seen_by = |change: &Change| Some((change.version, change.seen_by(selector)?));
        match self.changes.iter().skip(skip).find_map(seen_by) {
            Some((version, event)) => Ok((Some(event), version)),
            None => Ok((None, self.changes.back().map_or(self.forgotten, |change| change.version).max(seen))),
        }
    }
}

/// A watch; see [`MemoryCluster::watch`].
#[derive(Debug)]
pub struct Watch {
    pub(crate) cluster: MemoryCluster,
    pub(crate) selector: Selector,
    pub(crate) seen: u64,
    pub(crate) moved: watch::Receiver<u64>,
}

impl Watch {
    /// Returns the next event, and waits for it if it has not happened yet. May be dropped while it
    /// waits; nothing is lost then.
    ///
    /// # Errors
    /// `Conflict` when more happened since than the cluster remembers; list again then.
    pub async fn next(&mut self) -> Result<WatchEvent> {
        loop {
            self.moved.mark_unchanged();
            if let Some(event) = self.next_now()? {
                return Ok(event);
            }
            // The sender lives in the cluster, of which this holds a handle.
            let _ = self.moved.changed().await;
        }
    }

    /// Returns the next event if it has happened already.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub fn next_now(&mut self) -> Result<Option<WatchEvent>> {
        let (event, seen) = self.cluster.after(self.seen, &self.selector)?;
        self.seen = seen;
        Ok(event)
    }
}
