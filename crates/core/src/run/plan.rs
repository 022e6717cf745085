//! A plan: the graph of tasks with a verdict and reasons for each, before anything happens. Plain
//! data; its `Display` is what a person approves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fmt::Write as _,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Answer, Decision};
use crate::{
    ChangeSet, Deployment, Exit, Fingerprint, Image, Manifests, Reason, Store, Tag, TaskId, TestReport,
    plain::Plain, value::value,
};

value! {
    /// What a run will do.
    pub struct Plan {
        /// The pipeline's name.
        pub pipeline: String,
        ;
        /// The tasks; each comes after those that it needs.
        pub tasks: Vec<Task>,
    }
}

value! {
    /// A node of the graph.
    pub struct Task {
        /// The id: the action and the part.
        pub id: TaskId,
        /// What is done.
        pub action: Action,
        /// The artifact or the release that it is done for.
        pub part: String,
        ;
        /// The tasks that must end first.
        pub needs: Vec<TaskId>,
        /// What to do when it fails or takes long.
        pub policy: Policy,
        /// The named resources that it uses one of, and how many there are.
        pub limits: BTreeMap<String, u32>,
        /// Whether it has to run, as far as is known.
        pub verdict: Verdict,
        /// The fingerprint of its inputs, as far as it is known before the run.
        pub fingerprint: Option<Fingerprint>,
    }
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Names the artifact for people.
    Tag,
    /// Builds the artifact.
    Build {
        /// Into this store.
        store: Store,
    },
    /// Judges the image.
    Test {
        /// The tester's name.
        tester: String,
    },
    /// Attaches to the image how it came about.
    Attest,
    /// Judges an image before a release of it is compared with its target.
    Admit {
        /// The artifact whose image it is.
        artifact: String,
        /// The tester's name.
        tester: String,
    },
    /// Copies the image to where it is read, or moves the people's tag to it.
    Push {
        /// The store.
        to: Store,
        /// Whether the people's tag moves to it; otherwise it keeps core's own, `shipway-<fingerprint>`.
        tagged: bool,
    },
    /// Renders the release.
    Render,
    /// Compares the target with what is desired.
    Diff {
        /// What is desired.
        aim: Aim,
    },
    /// Makes the changes of the diff before it.
    Apply,
    /// Watches until the deployment is healthy or has failed.
    Health,
    /// Judges the deployment.
    Verify {
        /// The tester's name.
        tester: String,
    },
    /// Runs a command.
    Run,
    /// Asks a person, who is shown this text and, before an apply, the changes.
    Gate {
        /// The text.
        text: String,
    },
    /// Lets this time pass.
    Wait {
        /// The time.
        time: Duration,
    },
    /// Makes a volume that commands share.
    Open,
    /// Copies back what the volume asks for, and removes it.
    Close,
}

impl Action {
    /// Returns whether it counts as long when it is decided what starts first: not what names, renders or compares. So of
    /// many releases one is begun with after the other, instead of all being rendered before the first is watched.
    #[must_use]
    pub fn takes_time(&self) -> bool {
        !matches!(self, Self::Tag | Self::Render | Self::Diff { .. })
    }

    /// Returns whether it lets time pass, or waits for a person, and does nothing besides.
    pub(super) fn is_pause(&self) -> bool {
        matches!(self, Self::Gate { .. } | Self::Wait { .. })
    }
}

/// What a diff is to lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Aim {
    /// The release runs with this share of the traffic, in percent.
    Release(u8),
    /// The release was proved healthy: what it replaced may go.
    Settle,
    /// The newest earlier deployment runs again.
    Restore,
    /// The deployment of this revision runs again; the one before the live one when absent.
    Revision(Option<String>),
    /// Nothing of the release is left.
    Remove,
}

value! {
    /// What to do when a task fails or takes long, and when it runs at all.
    #[derive(Eq, Default)]
    pub struct Policy {
        ;
        /// How often it is tried again after an error that says that this may help.
        pub retries: u32,
        /// How long it may take, all tries together; for ever when absent.
        pub timeout: Option<Duration>,
        /// Which failures are allowed.
        pub allow: Allow,
        /// When it runs.
        pub when: When,
    }
}

/// Which failures are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Allow {
    /// None: the run fails.
    #[default]
    Nothing,
    /// Any: it is shown, and the run goes on without what it should have made: what needs that is skipped.
    Failure,
    /// These exit codes of a command, as `allowExitCodes` in Cloud Build.
    Codes(BTreeSet<i32>),
}

/// When a task runs, once all that it needs has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum When {
    /// All of it went well.
    #[default]
    Succeeded,
    /// Some of it failed, or did not run because something before it failed.
    Failed,
    /// Whatever came of it.
    Ended,
    /// All of it went well, and some of it really ran.
    Ran,
}

/// Whether a task has to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It runs each time.
    #[default]
    Always,
    /// Its result is recorded under this fingerprint, and is still there.
    Reuse(Fingerprint),
    /// It has to run, for these reasons.
    Run(Vec<Reason>),
    /// That is known once these tasks have ended.
    Open(Vec<TaskId>),
}

/// What a task made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Output {
    /// Nothing that others need.
    Nothing,
    /// A tag.
    Tag(Tag),
    /// An image.
    Image(Image),
    /// A tester's report.
    Report(TestReport),
    /// A rendered release.
    Manifests(Manifests),
    /// A change set.
    Changes(ChangeSet),
    /// A deployment.
    Deployment(Deployment),
    /// How a command ended, without what it wrote.
    Exit(Exit),
    /// A person's answer.
    Decision(Decision),
}

impl Output {
    /// Returns a line for people: digests and long tags are cut, and whole in the output itself.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Tag(tag) => short(tag),
            Self::Image(image) => {
                let digest =
                    format!("{}@{}:{}", image.repository, image.digest.algorithm(), image.digest.short());
                match &image.tag {
                    // Core's own tag says nothing that the digest does not.
                    Some(tag) if !tag.as_str().starts_with("shipway-") => {
                        format!("{digest} as {}", short(tag))
                    }
                    _ => digest,
                }
            }
            Self::Report(report) => {
                format!("{} cases, {} failed", report.cases.len(), report.failed().count())
            }
            Self::Manifests(manifests) => format!("{} objects", manifests.objects.len()),
            Self::Changes(changes) if changes.changes.is_empty() => "no changes".to_owned(),
            Self::Changes(changes) => {
                let lines = changes.changes.iter().map(|change| format!("{} {}", change.verb, change.object));
                lines.collect::<Vec<_>>().join(", ")
            }
            Self::Deployment(deployment) => {
                format!("{} revision {}", deployment.manifests.release.name, deployment.revision)
            }
            Self::Exit(exit) => match (&exit.result, exit.code) {
                (Some(result), 0) => result.clone(),
                (_, 0) => String::new(),
                (_, code) => format!("exit code {code}"),
            },
            Self::Decision(decision) => {
                let word = match decision.answer {
                    Answer::Approved => "approved",
                    Answer::Rejected => "rejected",
                };
                let why = if decision.why.is_empty() { String::new() } else { format!(": {}", decision.why) };
                format!("{word} by {} at {}{why}", decision.who, decision.at)
            }
        }
    }
}

/// A tag that is a whole hash is told by its beginning.
fn short(tag: &Tag) -> String {
    match tag.as_str().get(..12) {
        Some(beginning) if tag.as_str().len() > 40 => format!("{beginning}…"),
        _ => tag.to_string(),
    }
}

impl Plan {
    /// Returns the part of the plan that leads to these tasks: they, and all that they need. What is opened for them is
    /// closed; other steps that come last are not part of it.
    ///
    /// ```
    /// use shipway_core::{Action, Plan, Task, TaskId};
    ///
    /// let id = |text| TaskId::parse(text).unwrap();
    /// let plan = Plan::new("shop").tasks([
    ///     Task::new(id("render:shop"), Action::Render, "shop"),
    ///     Task::new(id("apply:shop"), Action::Apply, "shop").needs([id("render:shop")]),
    /// ]);
    /// let part = plan.up_to(|task| task.action == Action::Render);
    /// assert_eq!(part.to_string(), "render:shop  runs\n");
    /// ```
    #[must_use]
    pub fn up_to(&self, last: impl Fn(&Task) -> bool) -> Self {
        let mut wanted: BTreeSet<&TaskId> = BTreeSet::new();
        // Each task comes after those that it needs.
        for task in self.tasks.iter().rev() {
            if last(task) || wanted.contains(&task.id) {
                wanted.insert(&task.id);
                wanted.extend(&task.needs);
            }
        }
        let opened: BTreeSet<&str> = self
            .tasks
            .iter()
            .filter(|task| task.action == Action::Open && wanted.contains(&task.id))
            .map(|task| task.part.as_str())
            .collect();
        let closes = |task: &Task| task.action == Action::Close && opened.contains(task.part.as_str());
        let mut tasks: Vec<Task> =
            self.tasks.iter().filter(|task| wanted.contains(&task.id) || closes(task)).cloned().collect();
        // What is closed need not wait for those that are left out.
        for task in tasks.iter_mut().filter(|task| task.action == Action::Close) {
            task.needs.retain(|need| wanted.contains(need));
        }
        Self { pipeline: self.pipeline.clone(), tasks }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Plain(f);
        let width = self.tasks.iter().map(|task| task.id.as_str().len()).max().unwrap_or(0);
        let mut way_back: BTreeSet<&TaskId> = BTreeSet::new();
        for task in &self.tasks {
            write!(f, "{:<width$}  ", task.id)?;
            if task.policy.when == When::Failed || task.needs.iter().any(|need| way_back.contains(need)) {
                way_back.insert(&task.id);
                writeln!(f, "only after a failure")?;
                continue;
            }
            match (&task.action, &task.verdict) {
                (Action::Gate { text }, _) => write!(f, "asks: {text}")?,
                (Action::Wait { time }, _) => write!(f, "waits {time:?}")?,
                (_, Verdict::Always) => f.write_str("runs")?,
                (_, Verdict::Reuse(fingerprint)) => write!(f, "reuses {}", fingerprint.short())?,
                (_, Verdict::Run(reasons)) => write!(f, "runs: {}", list(reasons))?,
                (_, Verdict::Open(tasks)) => write!(f, "open until {}", list(tasks))?,
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
