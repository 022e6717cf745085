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
    /// Nothing is left but questions, and the run ends until it is gone on with.
    Suspended,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "somebody asked to stop",
            Self::Failure => "another task failed",
            Self::Deadline => "the deadline passed",
            Self::Superseded => "a newer run replaces this one",
            Self::Suspended => "the run ends until its questions are answered",
        })
    }
}

type Now = Option<(Stage, CancelReason)>;

/// How far a cancellation has gone, with how much weight.
fn rank(now: Now) -> (Option<Stage>, bool) {
    (now.map(|(stage, _)| stage), now.is_some_and(|(_, reason)| reason == CancelReason::Asked))
}

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

    /// Cancels, or goes a stage further; a lower stage than the present one changes nothing. Of the same
    /// stage, [`CancelReason::Asked`] goes beyond the others: what only a person may do is done.
    pub fn escalate(&self, stage: Stage, reason: CancelReason) {
        self.own.send_if_modified(|now| {
            let further = rank(*now) < rank(Some((stage, reason)));
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
        inherited.chain([own]).max_by_key(|now| rank(*now)).flatten()
    }

    /// Returns once cancellation is requested or forced.
    pub async fn requested(&self) -> CancelReason {
        self.beyond(None).await.1
    }

    /// Returns once cancellation is forced.
    pub async fn forced(&self) -> CancelReason {
        self.beyond(Some((Stage::Requested, CancelReason::Asked))).await.1
    }

    /// Returns once the cancellation has gone further than what was seen.
    pub(crate) async fn beyond(&self, seen: Now) -> (Stage, CancelReason) {
        if let Some(now) = self.state().filter(|now| rank(Some(*now)) > rank(seen)) {
            return now;
        }
        let mut receivers = self.parents.clone();
        receivers.push(self.own.subscribe());
        let mut waiting = tokio::task::JoinSet::new();
        for mut receiver in receivers {
            waiting.spawn(async move {
                match receiver.wait_for(|now| rank(*now) > rank(seen)).await {
                    Ok(now) => *now,
                    // The parent's handle is gone, so it will never be cancelled.
                    Err(_) => None,
                }
            });
        }
        while let Some(reached) = waiting.join_next().await {
            if let Ok(Some(now)) = reached {
                return now;
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
    async fn a_person_goes_beyond_what_others_forced() {
        let cancel = Cancel::new();
        cancel.escalate(Stage::Forced, CancelReason::Deadline);
        let seen = cancel.state();
        let child = cancel.child();
        let waiter = tokio::spawn(async move { child.beyond(seen).await });
        tokio::task::yield_now().await;
        cancel.escalate(Stage::Forced, CancelReason::Superseded);
        assert_eq!(cancel.state(), seen);
        cancel.escalate(Stage::Forced, CancelReason::Asked);
        assert_eq!(waiter.await.expect("ends"), (Stage::Forced, CancelReason::Asked));
        assert_eq!(cancel.state(), Some((Stage::Forced, CancelReason::Asked)));
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
