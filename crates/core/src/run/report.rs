//! What came of a run.

use std::{collections::BTreeMap, fmt};

use super::{Output, lower};
use crate::{
    Deployment, Error, Image, Manifests, Outcome, Result, RunOutcome, RunState, TaskId, TaskStatus, Timeline,
    value::value,
};

value! {
    /// What came of a run; its `Display` is the timeline.
    pub struct Report {
        /// How the run ended.
        pub outcome: RunOutcome,
        /// The run as its events tell it.
        pub state: RunState,
        /// What each task made; also the report of a test that failed.
        pub outputs: BTreeMap<TaskId, Output>,
        ;
    }
}

impl Report {
    /// Returns the image that was built or found for an artifact, with the people's tag if it has one.
    #[must_use]
    pub fn image(&self, artifact: &str) -> Option<&Image> {
        let ids = [lower::id("push", artifact), lower::id("build", artifact)];
        ids.iter().find_map(|id| match self.outputs.get(id) {
            Some(Output::Image(image)) => Some(image),
            _ => None,
        })
    }

    /// Returns what a release was rendered to.
    #[must_use]
    pub fn manifests(&self, release: &str) -> Option<&Manifests> {
        match self.outputs.get(&lower::id("render", release)) {
            Some(Output::Manifests(manifests)) => Some(manifests),
            _ => None,
        }
    }

    /// Returns the deployment that a release came to: the earlier one where the run went back to it.
    #[must_use]
    pub fn deployment(&self, release: &str) -> Option<&Deployment> {
        let name = |suffix: &str| lower::id("apply", &format!("{release}{suffix}"));
        [name("/undo"), name("/rollback"), name("")].iter().find_map(|id| match self.outputs.get(id) {
            Some(Output::Deployment(deployment)) => Some(deployment),
            _ => None,
        })
    }

    /// Returns how a task ended, such as `build:web`.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<&Outcome> {
        match &self.state.tasks.get(&TaskId::parse(id).ok()?)?.status {
            TaskStatus::Ended(outcome) => Some(outcome),
            TaskStatus::Pending | TaskStatus::Running => None,
        }
    }

    /// Returns the report if the run succeeded.
    ///
    /// # Errors
    /// That of the task that failed first, with its id; `Cancelled` when the run was stopped.
    pub fn into_result(self) -> Result<Self> {
        if self.outcome == RunOutcome::Succeeded {
            return Ok(self);
        }
        for id in &self.state.ended {
            if let Some(TaskStatus::Ended(Outcome::Failed { error })) =
                self.state.tasks.get(id).map(|task| &task.status)
            {
                return Err(Error::from(error.clone()).note(format!("in task {id}")));
            }
        }
        Err(Error::cancelled("the run was stopped before it was done"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Timeline(&self.state).fmt(f)
    }
}
