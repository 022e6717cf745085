//! A pipeline: what to do, built in Rust or read from a file. Declarations only; nothing happens
//! before it is observed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{Need, Policy, SharedVolume, Step, built::BuiltAlready};
use crate::{
    Artifact, Attester, Builder, Deployer, Error, LogReader, Release, Result, Store, Tagger, Tester,
    did_you_mean,
};

/// What to build and what to deploy.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use shipway_core::{Artifact, Build, Builder, Deploy, Deployer, Pipeline, Release};
/// # fn pipeline(builder: Arc<dyn Builder>, deployer: Arc<dyn Deployer>) -> Pipeline {
/// Pipeline::new("shop")
///     .build(Build::new(Artifact::new("web", "web"), "registry.example/shop/web", builder))
///     .deploy(Deploy::new(Release::new("shop"), deployer))
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pipeline {
    /// The name.
    pub name: String,
    /// What to build.
    pub builds: Vec<Build>,
    /// What to deploy, after all that it uses is built and tested.
    pub deploys: Vec<Deploy>,
    /// What else is done.
    pub steps: Vec<Step>,
    /// What commands of steps share.
    pub volumes: Vec<SharedVolume>,
}

/// An artifact with those who work on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Build {
    /// The declaration.
    pub artifact: Artifact,
    /// The repository that its image goes to.
    pub repository: String,
    /// Who builds it.
    pub builder: Arc<dyn Builder>,
    /// The reference of an image that there is already, `repository:tag`, `repository@digest` or both: it is looked up where
    /// the artifact would be built, and nothing is built. See [`Build::built`].
    pub built: Option<String>,
    /// Who names it for people; without one it has no tag but core's own, `shipway-<fingerprint>`.
    pub tagger: Option<Arc<dyn Tagger>>,
    /// Who judges the image, by name.
    pub testers: BTreeMap<String, Arc<dyn Tester>>,
    /// Who says of the image how it came about, before its tests; nobody by default. An image that was there already and is
    /// not built here ([`Build::built`]) is not attested.
    pub attester: Option<Arc<dyn Attester>>,
    /// The stores that the image may be built into, the preferred one first; registries by default.
    pub stores: Vec<Store>,
    /// What must have ended before; artifacts that it requires need not be named.
    pub after: BTreeSet<Need>,
    /// What to do when the build fails or takes long. Each of the artifact's other tasks may take as long: its tag, its
    /// tests, its copies.
    pub policy: Policy,
}

/// A release with those who work on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deploy {
    /// The release; its images come from the artifacts.
    pub release: Release,
    /// Who deploys it.
    pub deployer: Arc<dyn Deployer>,
    /// The artifacts whose images it has; all of the pipeline's when empty.
    pub artifacts: BTreeSet<String>,
    /// What must have ended before the release is compared with its target: other releases, steps.
    pub after: BTreeSet<Need>,
    /// What a person is asked, who is shown the changes, before they are made; nobody is asked when absent, or when there are none.
    pub gate: Option<Gate>,
    /// Who judges each of its images before the release is compared with its target, by name: each time, whatever was found
    /// before.
    pub admission: BTreeMap<String, Arc<dyn Tester>>,
    /// Who judges the deployment once it is healthy, by name.
    pub testers: BTreeMap<String, Arc<dyn Tester>>,
    /// Who reads the logs of what is deployed, where the target keeps some.
    pub logs: Option<Arc<dyn LogReader>>,
    /// How its health is watched.
    pub watch: Watch,
    /// Whether a failed release is replaced by the earlier deployment; true by default, and done only
    /// by deployers that claim [`Feature::Restore`](crate::Feature::Restore).
    pub go_back: bool,
    /// What to do when the rendering, the comparison or the apply fails or takes long; a test may take as long.
    pub policy: Policy,
}

/// A question before the changes of a release are made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gate {
    /// What is asked.
    pub text: String,
    /// How long an answer is waited for; for ever when absent. Then the release fails.
    pub timeout: Option<Duration>,
}

impl Gate {
    /// Returns a question that is open for ever.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), timeout: None }
    }

    /// Sets how long an answer is waited for.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }
}

/// How the health of a deployment is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watch {
    /// The pause between two looks, unless the deployer says otherwise; 1 s by default. A target that answers slowly
    /// is given a longer one than its deployer says, up to this.
    pub interval: Duration,
    /// How long it may take to become healthy; 10 minutes by default, as Skaffold's
    /// `statusCheckDeadlineSeconds`.
    pub timeout: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), timeout: Duration::from_secs(600) }
    }
}

impl Watch {
    /// Returns a watch with this interval and timeout.
    #[must_use]
    pub fn new(interval: Duration, timeout: Duration) -> Self {
        Self { interval, timeout }
    }
}

impl Pipeline {
    /// Returns a pipeline with nothing to do.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            builds: Vec::new(),
            deploys: Vec::new(),
            steps: Vec::new(),
            volumes: Vec::new(),
        }
    }

    /// Adds something to build.
    #[must_use]
    pub fn build(mut self, build: Build) -> Self {
        self.builds.push(build);
        self
    }

    /// Adds something to deploy.
    #[must_use]
    pub fn deploy(mut self, deploy: Deploy) -> Self {
        self.deploys.push(deploy);
        self
    }

    /// Adds something else to do.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds a volume that commands of steps share.
    #[must_use]
    pub fn volume(mut self, volume: SharedVolume) -> Self {
        self.volumes.push(volume);
        self
    }

    /// Leaves only these artifacts to build, with those that they require, and no steps and releases.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&Artifact) -> bool) -> Self {
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut next: Vec<&Artifact> =
            self.builds.iter().map(|build| &build.artifact).filter(|artifact| wanted(artifact)).collect();
        while let Some(artifact) = next.pop() {
            if names.insert(artifact.name.clone()) {
                let required =
                    |build: &&Build| artifact.requires.values().any(|name| *name == build.artifact.name);
                next.extend(self.builds.iter().filter(required).map(|build| &build.artifact));
            }
        }
        self.builds.retain(|build| names.contains(&build.artifact.name));
        self.deploys.clear();
        self.steps.clear();
        self.volumes.clear();
        self
    }

    /// Checks that names are names and unique, and that every name that is used exists.
    ///
    /// # Errors
    /// `Config`, with the name and the nearest one that exists.
    pub fn check(&self) -> Result<()> {
        let artifacts = unique("artifact", self.builds.iter().map(|build| build.artifact.name.as_str()))?;
        let releases = unique("release", self.deploys.iter().map(|deploy| deploy.release.name.as_str()))?;
        let steps = unique("step", self.steps.iter().map(|step| step.name.as_str()))?;
        let volumes = unique("volume", self.volumes.iter().map(|shared| shared.volume.name.as_str()))?;
        let last: BTreeSet<&str> =
            self.steps.iter().filter(|step| step.finally).map(|step| step.name.as_str()).collect();
        let needed = |user: &str, needs: &BTreeSet<Need>| {
            needs.iter().try_for_each(|need| match need {
                Need::Artifact(name) => known("artifact", name, &artifacts, user),
                Need::Release(name) => known("release", name, &releases, user),
                Need::Step(name) if last.contains(name.as_str()) => {
                    Err(Error::config(format!("{user} needs step `{name}`, which comes last"))
                        .hint("let the step not be `finally`, or let this come last as well"))
                }
                Need::Step(name) => known("step", name, &steps, user),
            })
        };
        for build in &self.builds {
            let user = format!("artifact `{}`", build.artifact.name);
            for required in build.artifact.requires.values() {
                known("artifact", required, &artifacts, &user)?;
            }
            needed(&user, &build.after)?;
            unique("tester", build.testers.keys().map(String::as_str))?;
        }
        for deploy in &self.deploys {
            let user = format!("release `{}`", deploy.release.name);
            for artifact in &deploy.artifacts {
                known("artifact", artifact, &artifacts, &user)?;
            }
            needed(&user, &deploy.after)?;
            unique("tester", deploy.admission.keys().map(String::as_str))?;
            unique("tester", deploy.testers.keys().map(String::as_str))?;
        }
        for step in &self.steps {
            let user = format!("step `{}`", step.name);
            needed(&user, &step.needs())?;
            for volume in step.volumes() {
                known("volume", volume, &volumes, &user)?;
            }
        }
        Ok(())
    }

    pub(super) fn find_build(&self, name: &str) -> Result<&Build> {
        self.builds.iter().find(|build| build.artifact.name == name).ok_or_else(|| {
            Error::internal(format!("the plan names an artifact `{name}` that the pipeline lacks"))
        })
    }

    pub(super) fn find_step(&self, name: &str) -> Result<&Step> {
        self.steps
            .iter()
            .find(|step| step.name == name)
            .ok_or_else(|| Error::internal(format!("the plan names a step `{name}` that the pipeline lacks")))
    }

    pub(super) fn find_volume(&self, name: &str) -> Result<&SharedVolume> {
        self.volumes.iter().find(|shared| shared.volume.name == name).ok_or_else(|| {
            Error::internal(format!("the plan names a volume `{name}` that the pipeline lacks"))
        })
    }

    pub(super) fn find_deploy(&self, name: &str) -> Result<&Deploy> {
        self.deploys.iter().find(|deploy| deploy.release.name == name).ok_or_else(|| {
            Error::internal(format!("the plan names a release `{name}` that the pipeline lacks"))
        })
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<BTreeSet<&'a str>> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Error::config(format!("`{name}` is no name for {what}s"))
                .hint("use at least one character and no blanks"));
        }
        if !seen.insert(name) {
            return Err(
                Error::config(format!("there are two {what}s `{name}`")).hint("give one another name")
            );
        }
    }
    Ok(seen)
}

fn known(what: &str, name: &str, names: &BTreeSet<&str>, user: &str) -> Result<()> {
    if names.contains(name) {
        return Ok(());
    }
    let error = Error::config(format!("{user} names {what} `{name}`, which the pipeline does not have"));
    Err(match did_you_mean(name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("add the {what}, or take the name out")),
    })
}

impl Build {
    /// Returns the build of an artifact into a repository of a registry.
    pub fn new(artifact: Artifact, repository: impl Into<String>, builder: Arc<dyn Builder>) -> Self {
        Self {
            artifact,
            repository: repository.into(),
            builder,
            built: None,
            tagger: None,
            testers: BTreeMap::new(),
            attester: None,
            stores: vec![Store::Registry],
            after: BTreeSet::new(),
            policy: Policy::default(),
        }
    }

    /// Returns an artifact whose image there is already, under this reference, in this repository: it is tested and released
    /// as if it were built, and no tag moves.
    pub fn built(artifact: Artifact, repository: impl Into<String>, reference: impl Into<String>) -> Self {
        Self { built: Some(reference.into()), ..Self::new(artifact, repository, Arc::new(BuiltAlready)) }
    }

    /// Sets who names the image for people.
    #[must_use]
    pub fn tagger(mut self, tagger: Arc<dyn Tagger>) -> Self {
        self.tagger = Some(tagger);
        self
    }

    /// Adds somebody who judges the image.
    #[must_use]
    pub fn tester(mut self, name: impl Into<String>, tester: Arc<dyn Tester>) -> Self {
        self.testers.insert(name.into(), tester);
        self
    }

    /// Sets who says of the image how it came about.
    #[must_use]
    pub fn attester(mut self, attester: impl Into<Option<Arc<dyn Attester>>>) -> Self {
        self.attester = attester.into();
        self
    }

    /// Sets the stores that the image may be built into, the preferred one first.
    #[must_use]
    pub fn stores(mut self, stores: impl Into<Vec<Store>>) -> Self {
        self.stores = stores.into();
        self
    }

    /// Sets what must have ended before.
    #[must_use]
    pub fn after(mut self, needs: impl IntoIterator<Item = Need>) -> Self {
        self.after = needs.into_iter().collect();
        self
    }

    /// Sets what to do when the build fails or takes long.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
}

impl Deploy {
    /// Returns the deploy of a release with the images of all artifacts.
    pub fn new(release: Release, deployer: Arc<dyn Deployer>) -> Self {
        Self {
            release,
            deployer,
            artifacts: BTreeSet::new(),
            after: BTreeSet::new(),
            admission: BTreeMap::new(),
            testers: BTreeMap::new(),
            gate: None,
            logs: None,
            watch: Watch::default(),
            go_back: true,
            policy: Policy::default(),
        }
    }

    /// Sets the artifacts whose images the release has.
    #[must_use]
    pub fn artifacts<T: Into<String>>(mut self, artifacts: impl IntoIterator<Item = T>) -> Self {
        self.artifacts = artifacts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what must have ended before the release is compared with its target.
    #[must_use]
    pub fn after(mut self, needs: impl IntoIterator<Item = Need>) -> Self {
        self.after = needs.into_iter().collect();
        self
    }

    /// Sets what a person is asked before the changes are made.
    #[must_use]
    pub fn gate(mut self, gate: impl Into<Option<Gate>>) -> Self {
        self.gate = gate.into();
        self
    }

    /// Adds somebody who judges each image before the release is compared with its target.
    #[must_use]
    pub fn admission(mut self, name: impl Into<String>, tester: Arc<dyn Tester>) -> Self {
        self.admission.insert(name.into(), tester);
        self
    }

    /// Adds somebody who judges the deployment once it is healthy.
    #[must_use]
    pub fn tester(mut self, name: impl Into<String>, tester: Arc<dyn Tester>) -> Self {
        self.testers.insert(name.into(), tester);
        self
    }

    /// Sets who reads the logs of what is deployed.
    #[must_use]
    pub fn logs(mut self, reader: impl Into<Option<Arc<dyn LogReader>>>) -> Self {
        self.logs = reader.into();
        self
    }

    /// Sets how the health is watched.
    #[must_use]
    pub fn watch(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// Sets whether a failed release is replaced by the earlier deployment.
    #[must_use]
    pub fn go_back(mut self, go_back: bool) -> Self {
        self.go_back = go_back;
        self
    }

    /// Sets what to do when the rendering, the comparison or the apply fails or takes long.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
}
