//! The status of one object: `pkg/kstatus/status` of `sigs.k8s.io/cli-utils`, to whose functions the comments
//! point. `tests/kstatus` compares with it.

use serde_json::Value;
use shipway_core::Timestamp;

use super::{
    fields::{Condition, Wrong, conditions, integer, text},
    kinds,
};

/// How an object fares, in the words of kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// It is as its specification says. Of what ends, this says only that it was started: a pod that failed and a
    /// job that runs are current too.
    Current,
    /// A controller is at work on it, or has not seen it yet.
    InProgress,
    /// A controller gave up.
    Failed,
    /// It is being deleted.
    Terminating,
    /// It is not there.
    NotFound,
    /// Its fields are of no known form.
    Unknown,
}

/// The status of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// How it fares.
    pub phase: Phase,
    /// Why, as kstatus says it.
    pub message: String,
}

impl Status {
    pub(super) fn new(phase: Phase, message: impl Into<String>) -> Self {
        Self { phase, message: message.into() }
    }

    pub(super) fn current(message: impl Into<String>) -> Self {
        Self::new(Phase::Current, message)
    }

    pub(super) fn in_progress(message: impl Into<String>) -> Self {
        Self::new(Phase::InProgress, message)
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(Phase::Failed, message)
    }
}

/// Returns how an object fares, by its generation, its conditions, and the rules for its kind; `null` is an object
/// that is not there. The time decides how long a pod may stay unscheduled.
#[must_use]
pub fn status(object: &Value, now: Timestamp) -> Status {
    if object.is_null() {
        return Status::new(Phase::NotFound, "Resource not found");
    }
    computed(object, now).unwrap_or_else(|Wrong(why)| Status::new(Phase::Unknown, why))
}

/// `Compute`.
fn computed(object: &Value, now: Timestamp) -> Result<Status, Wrong> {
    if let Some(status) = generic(object)? {
        return Ok(status);
    }
    if let Some(status) = kinds::status(object, now)? {
        return Ok(status);
    }
    Ok(ready(&conditions(object)?).unwrap_or_else(|| Status::current("Resource is current")))
}

/// `checkGenericProperties`.
fn generic(object: &Value) -> Result<Option<Status>, Wrong> {
    if text(object, &["metadata", "deletionTimestamp"])?.is_some_and(|at| !at.is_empty()) {
        return Ok(Some(Status::new(Phase::Terminating, "Resource scheduled for deletion")));
    }
    let kind = object["kind"].as_str().unwrap_or_default();
    if let Some(generation) = integer(object, &["metadata", "generation"])?
        && let Some(observed) = integer(object, &["status", "observedGeneration"])?
        && generation != observed
    {
        return Ok(Some(Status::in_progress(format!(
            "{kind} generation is {generation}, but latest observed generation is {observed}"
        ))));
    }
    let found =
        conditions(object)?.into_iter().filter(|one| one.status == "True").find_map(|one| match one.kind {
            "Reconciling" => Some(Status::in_progress(one.message)),
            "Stalled" => Some(Status::failed(one.message)),
            _ => None,
        });
    Ok(found)
}

/// `checkReadyCondition`.
fn ready(conditions: &[Condition<'_>]) -> Option<Status> {
    conditions.iter().filter(|one| one.kind == "Ready").find_map(|one| match one.status {
        "True" => Some(Status::current("Resource is Ready")),
        "False" | "Unknown" => Some(Status::in_progress(one.message)),
        _ => None,
    })
}
