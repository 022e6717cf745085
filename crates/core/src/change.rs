//! What is wanted of a target, and what has to change for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    deployment::Deployment,
    release::{Manifests, ObjectId, State},
    value::value,
};

/// What a target should look like. Release, settle, restore and remove are all a `diff` to one of
/// these and an `apply` of exactly that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Desired {
    /// These manifests run and get a share of the traffic.
    Released {
        /// The manifests.
        manifests: Manifests,
        /// Percent of the traffic; 0 is up but unseen. A deployer that does not claim
        /// [`Feature::Share`](crate::Feature::Share) knows only 100.
        share: u8,
    },
    /// This deployment was proved healthy: what it replaced may go.
    Settled(Deployment),
    /// The target is as it was with this earlier deployment.
    Restored(Deployment),
    /// Nothing of this deployment is left.
    Absent(Deployment),
}

impl Desired {
    /// Returns the name of the release that it is about.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.manifests().release.name
    }

    /// Returns the manifests that it is about.
    pub(crate) fn manifests(&self) -> &Manifests {
        match self {
            Self::Released { manifests, .. } => manifests,
            Self::Settled(deployment) | Self::Restored(deployment) | Self::Absent(deployment) => {
                &deployment.manifests
            }
        }
    }

    pub(crate) fn manifests_mut(&mut self) -> &mut Manifests {
        match self {
            Self::Released { manifests, .. } => manifests,
            Self::Settled(deployment) | Self::Restored(deployment) | Self::Absent(deployment) => {
                &mut deployment.manifests
            }
        }
    }
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verb {
    /// It is made.
    Create,
    /// Some of its fields change.
    Update,
    /// It is removed.
    Delete,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}

value! {
    /// What happens to one object.
    #[derive(Eq)]
    pub struct Change {
        /// The object.
        pub object: ObjectId,
        /// What happens to it.
        pub verb: Verb,
        ;
        /// The change for people to read, line by line with `+` and `-`; never a secret's value.
        pub diff: String,
    }
}

value! {
    /// All that has to change, complete: `apply` needs nothing else, so what was shown and approved
    /// is what is applied.
    #[derive(Eq)]
    pub struct ChangeSet {
        /// What is wanted.
        pub desired: Desired,
        ;
        /// The changes, in the order in which they are made; empty when nothing has to change.
        pub changes: Vec<Change>,
        /// The deployer's own state.
        pub state: Option<State>,
    }
}
