//! A run that was written down, as a fold over its journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use shipway_core::{
    Action, Aim, ErrorReport, Fingerprint, Image, JournalEntry, Outcome, Output, Reason, RunOutcome, Task,
    TaskId, Timestamp, Trace, When,
};

/// What a journal tells of a run.
///
/// ```
/// use shipway_core::{Action, JournalEntry, Plan, RunOutcome, Task, TaskId, Timestamp};
/// use shipway_report::PastRun;
///
/// let task = Task::new(TaskId::parse("run:unit")?, Action::Run, "unit");
/// let run = PastRun::of("nightly-7", &[
///     JournalEntry::Planned { plan: Plan::new("shop").tasks([task]), at: Some(Timestamp(1_000)) },
///     JournalEntry::Ended { outcome: RunOutcome::Cancelled, at: Some(Timestamp(3_500)) },
/// ]);
/// assert_eq!((run.pipeline.as_str(), run.outcome), ("shop", Some(RunOutcome::Cancelled)));
/// assert_eq!(run.took().unwrap().as_millis(), 2_500);
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PastRun {
    /// The run's id.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The tasks of its plan, in the plan's order.
    pub tasks: Vec<PastTask>,
    /// The places in `tasks` of those that ended, in the order in which they did.
    pub ended: Vec<usize>,
    /// When a process began with the run, or went on with it, and the last moment that is known of that process.
    pub sessions: Vec<(Timestamp, Timestamp)>,
    /// How the run ended; none while it goes on, or when its process was killed.
    pub outcome: Option<RunOutcome>,
}

/// A task of a run that was written down.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PastTask {
    /// What was planned.
    pub task: Task,
    /// Whether it began.
    pub begun: bool,
    /// When it began last; unknown in journals of earlier releases.
    pub began: Option<Timestamp>,
    /// Why it ran.
    pub reasons: Vec<Reason>,
    /// The fingerprint of its inputs.
    pub fingerprint: Option<Fingerprint>,
    /// How it ended; none when it did not, or did not run.
    pub outcome: Option<Outcome>,
    /// What it made.
    pub output: Output,
    /// How it went.
    pub trace: Trace,
}

/// How a task of a run fared, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fate {
    /// It ran and did what it should.
    Done,
    /// Its result was there already.
    Reused,
    /// It failed.
    Failed,
    /// It failed, which is allowed.
    Allowed,
    /// It began and did not end, or was stopped.
    Cut,
    /// It did not run, because something before it failed or the run was stopped.
    Skipped,
    /// It did not run, because there was no need for it: what runs only after a failure.
    Unneeded,
}

impl Fate {
    /// Returns the word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Reused => "reused",
            Self::Failed => "failed",
            Self::Allowed => "allowed failure",
            Self::Cut => "did not end",
            Self::Skipped => "did not run",
            Self::Unneeded => "not needed",
        }
    }
}

impl PastRun {
    /// Returns the images of the run's artifacts, with people's tags where it gave some.
    #[must_use]
    pub fn images(&self) -> Vec<&Image> {
        let mut images: BTreeMap<&str, &Image> = BTreeMap::new();
        // What is pushed under a tag comes after what is built, in the plan's order.
        for past in &self.tasks {
            if let Output::Image(image) = &past.output {
                images.insert(&past.task.part, image);
            }
        }
        images.into_values().collect()
    }

    /// Returns what these entries tell of a run.
    #[must_use]
    pub fn of(id: &str, entries: &[JournalEntry]) -> Self {
        let mut run = Self { id: id.to_owned(), ..Self::default() };
        let mut places: BTreeMap<TaskId, usize> = BTreeMap::new();
        for entry in entries {
            match entry {
                JournalEntry::Planned { plan, at } => {
                    // Who goes on with a run writes the same plan again.
                    if run.tasks.is_empty() {
                        run.pipeline.clone_from(&plan.pipeline);
                        run.tasks = plan.tasks.iter().map(PastTask::new).collect();
                        places = run
                            .tasks
                            .iter()
                            .zip(0..)
                            .map(|(past, place)| (past.task.id.clone(), place))
                            .collect();
                    }
                    run.outcome = None;
                    run.sessions.extend(at.map(|at| (at, at)));
                }
                JournalEntry::Started { task, fingerprint, reasons, at } => {
                    run.saw(*at);
                    let Some(past) = places.get(task).and_then(|&place| run.tasks.get_mut(place)) else {
                        continue;
                    };
                    past.begun = true;
                    past.began = *at;
                    past.reasons.clone_from(reasons);
                    past.fingerprint = fingerprint.clone().or_else(|| past.fingerprint.take());
                }
                JournalEntry::Finished { task, outcome, output, trace } => {
                    run.saw(trace.at);
                    let Some(&place) = places.get(task) else { continue };
                    let past = &mut run.tasks[place];
                    if past.outcome.is_none() {
                        run.ended.push(place);
                    }
                    past.outcome = Some(outcome.clone());
                    past.output = output.clone();
                    past.trace = trace.clone();
                }
                JournalEntry::Ended { outcome, at } => {
                    run.saw(*at);
                    run.outcome = Some(*outcome);
                }
                _ => {}
            }
        }
        run
    }

    fn saw(&mut self, at: Option<Timestamp>) {
        if let (Some(at), Some((_, last))) = (at, self.sessions.last_mut()) {
            *last = at.max(*last);
        }
    }

    /// Returns when the run began.
    #[must_use]
    pub fn began(&self) -> Option<Timestamp> {
        self.sessions.first().map(|(began, _)| *began)
    }

    /// Returns how long processes worked on the run, without the time between them.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        let millis = self.sessions.iter().map(|(began, last)| last.0.saturating_sub(began.0));
        (!self.sessions.is_empty()).then(|| Duration::from_millis(millis.fold(0, u64::saturating_add)))
    }

    /// Returns the task that failed first, and why.
    #[must_use]
    pub fn first_failure(&self) -> Option<(&PastTask, &ErrorReport)> {
        self.ended.iter().find_map(|&place| match &self.tasks[place].outcome {
            Some(Outcome::Failed { error }) => Some((&self.tasks[place], error)),
            _ => None,
        })
    }

    /// Returns how each task fared, in the plan's order.
    #[must_use]
    pub fn fates(&self) -> Vec<Fate> {
        let failed = self.first_failure().is_some();
        let mut way_back: BTreeSet<&TaskId> = BTreeSet::new();
        let mut fates = Vec::new();
        for past in &self.tasks {
            let returns = past.task.policy.when == When::Failed
                || past.task.needs.iter().any(|need| way_back.contains(&need));
            if returns {
                way_back.insert(&past.task.id);
            }
            fates.push(match &past.outcome {
                Some(Outcome::Succeeded) => Fate::Done,
                Some(Outcome::Reused) => Fate::Reused,
                Some(Outcome::Failed { .. }) => Fate::Failed,
                Some(Outcome::FailureAllowed { .. }) => Fate::Allowed,
                Some(Outcome::Cancelled | Outcome::Waiting) => Fate::Cut,
                None if past.begun => Fate::Cut,
                _ if returns && !failed => Fate::Unneeded,
                _ => Fate::Skipped,
            });
        }
        fates
    }

    /// Returns what the run did, in a line: which artifacts it built and which releases it brought where they are.
    #[must_use]
    pub fn what(&self) -> String {
        let (mut built, mut reused, mut released, mut removed) = (Vec::new(), 0, Vec::new(), Vec::new());
        let mut restored = Vec::new();
        let removes = self.tasks.iter().any(|past| past.task.action == Action::Diff { aim: Aim::Remove });
        for past in &self.tasks {
            match (&past.task.action, &past.outcome) {
                (Action::Build { .. }, Some(Outcome::Succeeded)) => built.push(past.task.part.as_str()),
                (Action::Build { .. }, Some(Outcome::Reused)) => reused += 1,
                (Action::Apply, Some(Outcome::Succeeded)) if removes => removed.push(past.task.part.as_str()),
                (Action::Apply, Some(Outcome::Succeeded))
                    if ["/undo", "/rollback"].iter().any(|way| past.task.id.as_str().ends_with(way)) =>
                {
                    released.retain(|release| *release != past.task.part);
                    restored.push(past.task.part.as_str());
                }
                (Action::Apply, Some(Outcome::Succeeded | Outcome::Reused))
                    if !past.task.id.as_str().contains('/') =>
                {
                    released.push(past.task.part.as_str());
                }
                _ => {}
            }
        }
        let list = |word: &str, names: &[&str]| match names {
            [] => None,
            names if names.len() > 3 => {
                Some(format!("{word} {} and {} more", names[..2].join(", "), names.len() - 2))
            }
            names => Some(format!("{word} {}", names.join(", "))),
        };
        let reused = (reused > 0).then(|| format!("reused {reused}"));
        let parts = [
            list("built", &built),
            reused,
            list("released", &released),
            list("restored", &restored),
            list("removed", &removed),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

impl PastTask {
    fn new(task: &Task) -> Self {
        Self {
            task: task.clone(),
            begun: false,
            began: None,
            reasons: Vec::new(),
            fingerprint: task.fingerprint.clone(),
            outcome: None,
            output: Output::Nothing,
            trace: Trace::default(),
        }
    }

    /// Returns how long it ran, if that is known.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.trace.at?.0.saturating_sub(self.began?.0)))
    }

    /// Returns why it failed, also where that is allowed.
    #[must_use]
    pub fn error(&self) -> Option<&ErrorReport> {
        match &self.outcome {
            Some(Outcome::Failed { error } | Outcome::FailureAllowed { error }) => Some(error),
            _ => None,
        }
    }
}
