//! Faults on purpose, for tests of what talks to a cluster.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use shipway_core::{Error, ObjectId};

/// What is asked of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Reading one object.
    Get,
    /// Reading the objects that a selector takes.
    List,
    /// Making an object that is not there.
    Create,
    /// Server-side apply.
    Apply,
    /// Replacing an object.
    Update,
    /// Replacing an object's status.
    UpdateStatus,
    /// Removing an object.
    Delete,
}

/// A call that is about to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// What is asked.
    pub operation: Operation,
    /// The object that it is about.
    pub object: Option<ObjectId>,
    /// For what writes (a dry run does not): the how-manieth write of this cluster it is, from 1.
    pub write: Option<u64>,
}

/// What happens to a call.
#[derive(Debug)]
pub enum Fault {
    /// Nothing: it goes on.
    None,
    /// It fails and has done nothing.
    Refuse(Error),
    /// It is done, but the answer is lost, as when the connection breaks after the commit.
    Lose(Error),
}

type Hook = Box<dyn FnMut(&Call) -> Fault + Send>;

/// Where the hook is kept.
#[derive(Default)]
pub(crate) struct Faults(Mutex<(Option<Hook>, u64)>);

impl Faults {
    pub(crate) fn set(&self, hook: Option<Hook>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = hook;
    }

    pub(crate) fn before(&self, operation: Operation, object: Option<&ObjectId>, writes: bool) -> Fault {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let write = writes.then(|| {
            kept.1 += 1;
            kept.1
        });
        // The hook is taken out while it runs, so that it may itself use the cluster: that is how the
        // world moves in the middle of something.
        let Some(mut hook) = kept.0.take() else { return Fault::None };
        drop(kept);
        let fault = hook(&Call { operation, object: object.cloned(), write });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.get_or_insert(hook);
        fault
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}
