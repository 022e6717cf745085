//! Steps: what a pipeline does besides building and deploying. A command, a pause, or a question.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use super::{Policy, When};
use crate::{MountSource, RunRequest, Runner, Volume};

/// Something that a pipeline does besides building and deploying: unit tests before a build, a question
/// before a release, a message after everything.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use shipway_core::{Artifact, Build, Builder, Command, Need, Pipeline, RunRequest, Runner, Step};
/// # fn pipeline(builder: Arc<dyn Builder>, runner: Arc<dyn Runner>) -> Pipeline {
/// let unit = RunRequest::new(Command::new("go").args(["test", "./..."].map(String::from)));
/// let told = RunRequest::new(Command::new("notify"));
/// Pipeline::new("shop")
///     .step(Step::run("unit", Arc::clone(&runner), unit))
///     .build(
///         Build::new(Artifact::new("web", "web"), "registry.example/shop/web", builder)
///             .after([Need::step("unit")]),
///     )
///     .step(Step::run("tell", runner, told).finally())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// The name, which no other step has.
    pub name: String,
    /// What is done.
    pub work: StepWork,
    /// The artifact in whose image its command runs; the request's, or the runner's own, when absent.
    pub image_of: Option<String>,
    /// What must have ended before; the artifact of its image need not be named.
    pub after: BTreeSet<Need>,
    /// Whether it comes after everything else, whatever came of that, as `finally` in Tekton, unless the policy says
    /// [`When::Failed`] or [`When::Ran`]; not when the run is cancelled.
    pub finally: bool,
    /// The named resources that it uses one of besides its runner's, and how many there are of each in all.
    pub limits: BTreeMap<String, u32>,
    /// What to do when it fails or takes long, and when it runs at all.
    pub policy: Policy,
}

/// What a step does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StepWork {
    /// Runs a command.
    Run {
        /// Who runs it.
        runner: Arc<dyn Runner>,
        /// The command; volumes that it mounts are the pipeline's.
        request: Box<RunRequest>,
    },
    /// Asks a person, who is shown this text.
    Gate(String),
    /// Lets this time pass.
    Wait(Duration),
}

/// Something that must have ended first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Need {
    /// An artifact, which is built and tested then.
    Artifact(String),
    /// A release, which is healthy and good to its testers then.
    Release(String),
    /// A step.
    Step(String),
}

impl Need {
    /// Returns the need of an artifact.
    pub fn artifact(name: impl Into<String>) -> Self {
        Self::Artifact(name.into())
    }

    /// Returns the need of a release.
    pub fn release(name: impl Into<String>) -> Self {
        Self::Release(name.into())
    }

    /// Returns the need of a step.
    pub fn step(name: impl Into<String>) -> Self {
        Self::Step(name.into())
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artifact(name) => write!(f, "artifact `{name}`"),
            Self::Release(name) => write!(f, "release `{name}`"),
            Self::Step(name) => write!(f, "step `{name}`"),
        }
    }
}

impl Step {
    /// Returns the step of a command.
    pub fn run(name: impl Into<String>, runner: Arc<dyn Runner>, request: RunRequest) -> Self {
        Self::new(name, StepWork::Run { runner, request: Box::new(request) })
    }

    /// Returns the step that asks a person, who is shown the text. [`Driver::gates`](super::Driver::gates)
    /// carries the question; without a timeout in the policy it is open for ever.
    pub fn gate(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(name, StepWork::Gate(text.into()))
    }

    /// Returns the step that lets time pass.
    pub fn wait(name: impl Into<String>, time: Duration) -> Self {
        Self::new(name, StepWork::Wait(time))
    }

    fn new(name: impl Into<String>, work: StepWork) -> Self {
        Self {
            name: name.into(),
            work,
            image_of: None,
            after: BTreeSet::new(),
            finally: false,
            limits: BTreeMap::new(),
            policy: Policy::default(),
        }
    }

    /// Sets the artifact in whose image the command runs.
    #[must_use]
    pub fn in_image_of(mut self, artifact: impl Into<String>) -> Self {
        self.image_of = Some(artifact.into());
        self
    }

    /// Sets what must have ended before.
    #[must_use]
    pub fn after(mut self, needs: impl IntoIterator<Item = Need>) -> Self {
        self.after = needs.into_iter().collect();
        self
    }

    /// Lets it come after everything else, whatever came of that, unless its policy says [`When::Failed`] or
    /// [`When::Ran`].
    #[must_use]
    pub fn finally(mut self) -> Self {
        self.finally = true;
        self
    }

    /// Sets the named resources that it uses one of, and how many there are of each in all.
    #[must_use]
    pub fn limits(mut self, limits: impl Into<BTreeMap<String, u32>>) -> Self {
        self.limits = limits.into();
        self
    }

    /// Sets what to do when it fails or takes long, and when it runs at all.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Returns all that must have ended before.
    pub(super) fn needs(&self) -> BTreeSet<Need> {
        self.after.iter().cloned().chain(self.image_of.iter().map(Need::artifact)).collect()
    }

    /// Returns the names of the volumes that its command mounts.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &str> {
        let mounts = match &self.work {
            StepWork::Run { request, .. } => request.mounts.as_slice(),
            StepWork::Gate(_) | StepWork::Wait(_) => &[],
        };
        mounts.iter().filter_map(|mount| match &mount.source {
            MountSource::Volume(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Returns what to do when it fails or takes long, and when it runs at all.
    pub(super) fn policy_in_all(&self) -> Policy {
        let policy = self.policy.clone();
        match policy.when {
            When::Succeeded if self.finally => policy.when(When::Ended),
            _ => policy,
        }
    }
}

/// A volume that steps share: made before the first of them, copied back and removed after the last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SharedVolume {
    /// The volume.
    pub volume: Volume,
    /// Whose volume it is: the runner of the steps that mount it.
    pub runner: Arc<dyn Runner>,
}

impl SharedVolume {
    /// Returns the volume of a runner.
    pub fn new(volume: Volume, runner: Arc<dyn Runner>) -> Self {
        Self { volume, runner }
    }
}
