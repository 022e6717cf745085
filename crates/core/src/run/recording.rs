//! What a run writes down, and what it finds written when it is gone on with.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, JournalEntry as Entry, JournalWriter, Output, Plan, Task, Trace};
use crate::{Error, Fingerprint, Outcome, Result, RunContext, TaskId, Timestamp};

/// Where a run is written down, if it is.
#[derive(Debug)]
pub(super) struct Recording(Option<Box<dyn JournalWriter>>);

impl Recording {
    pub(super) fn new(writer: Option<Box<dyn JournalWriter>>) -> Self {
        Self(writer)
    }

    /// Returns whether anything is written down.
    pub(super) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    pub(super) async fn append(&self, entry: &Entry, lasting: bool) -> Result<()> {
        match &self.0 {
            Some(writer) => writer.append(entry, lasting).await,
            None => Ok(()),
        }
    }

    pub(super) async fn ended(
        &self,
        run: &RunContext,
        task: &TaskId,
        outcome: &Outcome,
        output: &Output,
        mut trace: Trace,
        lasting: bool,
    ) -> Result<()> {
        if !self.is_kept() {
            return Ok(());
        }
        let (task, outcome, mut output) = (task.clone(), outcome.clone(), output.clone());
        output.withhold();
        output.withhold_told(&|text| run.hide(text));
        // Of a secret that a plug-in took in hand after it was printed, too.
        for line in &mut trace.lines {
            if let Some(hidden) = run.hide(line) {
                *line = hidden;
            }
        }
        self.append(&Entry::Finished { task, outcome, output, trace }, lasting).await
    }
}

/// A task that had ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) task: TaskId,
    pub(super) outcome: Outcome,
    pub(super) output: Output,
}

/// What is written of a run that is gone on with; nothing of a new one.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// What had ended, in order.
    pub(super) finished: Vec<Ended>,
    /// What had begun and not ended: something of it may have happened.
    pub(super) begun: BTreeSet<TaskId>,
    /// The fingerprints of what had begun.
    pub(super) fingerprints: BTreeMap<TaskId, Fingerprint>,
    /// Until when tasks wait.
    pub(super) until: BTreeMap<TaskId, Timestamp>,
}

impl Earlier {
    /// Returns the plan, and what came of it.
    pub(super) fn of(entries: Vec<Entry>) -> Result<(Plan, Self)> {
        let (mut plan, mut earlier) = (None, Self::default());
        for entry in entries {
            match entry {
                // Who goes on writes the plan again.
                Entry::Planned { plan: planned, .. } => plan = Some(planned),
                Entry::Started { task, fingerprint, .. } => {
                    if let Some(fingerprint) = fingerprint {
                        earlier.fingerprints.insert(task.clone(), fingerprint);
                    }
                    earlier.begun.insert(task);
                }
                Entry::Waiting { task, until } => {
                    earlier.until.insert(task, until);
                }
                Entry::Finished { task, outcome, output, .. } => {
                    earlier.begun.remove(&task);
                    earlier.finished.push(Ended { task, outcome, output });
                }
                Entry::Ended { .. } => {}
            }
        }
        let plan = plan.ok_or_else(|| Error::bad_output("a journal has no plan"))?;
        Ok((plan, earlier))
    }

    /// Returns the fingerprints of the artifacts whose builds had ended.
    pub(super) fn of_builds(&self, tasks: &[Task]) -> BTreeMap<String, Fingerprint> {
        let known = |task: &Task| {
            let is_build = matches!(task.action, Action::Build { .. }) && !self.begun.contains(&task.id);
            let fingerprint = self.fingerprints.get(&task.id).filter(|_| is_build)?;
            Some((task.part.clone(), fingerprint.clone()))
        };
        tasks.iter().filter_map(known).collect()
    }
}

impl Action {
    /// Returns whether it does something elsewhere that cannot be told from what it makes, so that beginning and end
    /// must outlast a power cut. What is known by its content is found again.
    pub(super) fn lasts(&self) -> bool {
        matches!(self, Self::Apply | Self::Run | Self::Open | Self::Close | Self::Gate { .. })
    }
}
