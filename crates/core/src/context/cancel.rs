//! Cancellation in two stages that only escalate. *Requested*: start nothing new, finish what is
//! under way. *Forced*: stop, remove what was made elsewhere; after a grace the task is dropped.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// How far a cancellation has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Start nothing new; finish what is under way.
    Requested,
    /// Stop what is under way, and remove what it made elsewhere.
    Forced,
}

/// Why something is cancelled; apart from how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelReason {
    /// A person or the embedding program asked.
    Asked,
    /// Another task failed and the run is fail-fast.
    Failure,
    /// A deadline passed.
    Deadline,
    /// A newer run replaces this one.
    Superseded,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "somebody asked to stop",
            Self::Failure => "another task failed",
            Self::Deadline => "the deadline passed",
            Self::Superseded => "a newer run replaces this one",
        })
    }
}

type Now = Option<(Stage, CancelReason)>;

/// A handle to ask for cancellation and to wait for it; clones are the same handle.
#[derive(Clone, Debug)]
pub struct Cancel {
    own: Arc<watch::Sender<Now>>,
    parents: Vec<watch::Receiver<Now>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// Returns a handle that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self { own: Arc::new(watch::Sender::new(None)), parents: Vec::new() }
    }

    /// Returns a handle that is cancelled with this one, but not the other way round.
    #[must_use]
    pub fn child(&self) -> Self {
        let mut parents = self.parents.clone();
        parents.push(self.own.subscribe());
        Self { own: Arc::new(watch::Sender::new(None)), parents }
    }

    /// Cancels, or goes a stage further; a lower stage than the present one changes nothing.
    pub fn escalate(&self, stage: Stage, reason: CancelReason) {
        self.own.send_if_modified(|now| {
            let further = now.is_none_or(|(present, _)| present < stage);
            if further {
                *now = Some((stage, reason));
            }
            further
        });
    }

    /// Returns how far the cancellation has gone and why, or `None`.
    #[must_use]
    pub fn state(&self) -> Option<(Stage, CancelReason)> {
        let own = *self.own.borrow();
        let inherited = self.parents.iter().map(|parent| *parent.borrow());
        inherited.chain([own]).flatten().max_by_key(|(stage, _)| *stage)
    }

    /// Returns once cancellation is requested or forced.
    pub async fn requested(&self) -> CancelReason {
        self.reached(Stage::Requested).await
    }

    /// Returns once cancellation is forced.
    pub async fn forced(&self) -> CancelReason {
        self.reached(Stage::Forced).await
    }

    async fn reached(&self, wanted: Stage) -> CancelReason {
        if let Some((_, reason)) = self.state().filter(|(stage, _)| *stage >= wanted) {
            return reason;
        }
        let mut receivers = self.parents.clone();
        receivers.push(self.own.subscribe());
        let mut waiting = tokio::task::JoinSet::new();
        for mut receiver in receivers {
            waiting.spawn(async move {
                let reached = |now: &Now| now.is_some_and(|(stage, _)| stage >= wanted);
                match receiver.wait_for(reached).await {
                    Ok(now) => now.map(|(_, reason)| reason),
                    // The parent's handle is gone, so it will never be cancelled.
                    Err(_) => None,
                }
            });
        }
        while let Some(reached) = waiting.join_next().await {
            if let Ok(Some(reason)) = reached {
                return reason;
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stages_only_escalate_and_reach_children_but_not_parents() {
        let parent = Cancel::new();
        let child = parent.child();
        let grandchild = child.child();
        child.escalate(Stage::Requested, CancelReason::Failure);
        assert_eq!(parent.state(), None);
        assert_eq!(grandchild.requested().await, CancelReason::Failure);
        parent.escalate(Stage::Forced, CancelReason::Asked);
        parent.escalate(Stage::Requested, CancelReason::Deadline);
        assert_eq!(grandchild.forced().await, CancelReason::Asked);
        assert_eq!(grandchild.state(), Some((Stage::Forced, CancelReason::Asked)));
    }

    #[tokio::test]
    async fn a_child_outlives_its_parent() {
        let child = Cancel::new().child();
        let waiting = child.clone();
        let waiter = tokio::spawn(async move { waiting.requested().await });
        tokio::task::yield_now().await;
        child.escalate(Stage::Requested, CancelReason::Asked);
        assert_eq!(waiter.await.expect("ends"), CancelReason::Asked);
    }
}
