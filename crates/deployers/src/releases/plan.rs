//! What a change set holds for `apply`: each object with the fields that will change, as they were.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shipway_core::{ChangeSet, Error, ObjectId, Result, State};

/// The version of the form.
const FORM: u32 = 1;

/// The state of a change set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The revision that was live at `diff`.
    pub(super) live: Option<u64>,
    /// What is recorded when the steps are done.
    pub(super) aim: Aim,
    /// What happens to objects, in order.
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Aim {
    /// Nothing: all is as desired.
    Nothing,
    /// This new revision is live.
    Revision(u64),
    /// This revision was proved healthy.
    Settle(u64),
    /// All records up to this revision go.
    Remove(u64),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) object: ObjectId,
    pub(crate) action: Action,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// The object was not there.
    Create,
    /// These fields change, and what others applied from a client is ours.
    Update {
        /// The fields.
        was: BTreeMap<String, Was>,
        /// The version of the object then: while it is this one, nothing moved.
        version: String,
    },
    /// All of the object goes.
    Delete {
        /// Which of the objects that may have had its name.
        uid: String,
        /// The digest of its fields.
        digest: String,
    },
}

/// A field as it was at `diff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Was {
    /// Its value, or of a secret's its digest; absent if the field was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) value: Option<serde_json::Value>,
    /// Who else owned it.
    pub(crate) owners: BTreeSet<String>,
}

impl Plan {
    pub(super) fn of(changes: &ChangeSet) -> Result<Self> {
        let state = changes.state.as_ref().ok_or_else(|| {
            Error::bad_output("the change set has no state").hint("apply a change set that `diff` made")
        })?;
        state.read(FORM)
    }

    pub(super) fn to_state(&self) -> Result<State> {
        State::new(FORM, self)
    }
}
