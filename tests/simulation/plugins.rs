//! Plug-ins that take their time and meet trouble.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use shipway::{
    Answer, Artifact, BuildRequest, Builder, Capabilities, Case, CaseOutcome, Change, ChangeSet, Context,
    Decision, Deployer, Deployment, Desired, Digest, Error, ErrorKind, Exit, Feature, Gates, Health, Image,
    Inputs, Manifest, Manifests, ObjectId, Phase, Question, Release, Result, RunRequest, Runner, StoreKind,
    Subject, Tag, TagRequest, Tagger, Target, TestReport, Tester, Verb, Volume,
};

use crate::land::{AtWork, Land};

/// What a plug-in says that panics.
pub(crate) const PANIC: &str = "a plug-in panics";

/// The one plug-in of a land, for every role.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) land: Arc<Land>,
    /// A named resource of which there are two.
    pub(crate) resource: Option<&'static str>,
    /// Whether it settles and restores.
    pub(crate) whole: bool,
}

impl Actor {
    /// Takes some time at work, and may meet trouble.
    async fn act(&self, cx: &Context) -> Result<AtWork> {
        self.take(cx, AtWork::new(&self.land, self.resource)).await
    }

    async fn take(&self, cx: &Context, at_work: AtWork) -> Result<AtWork> {
        let random = &self.land.random;
        cx.clock().sleep(Duration::from_millis(random.below(5000))).await;
        if random.percent(self.land.trouble) {
            match random.below(5) {
                0 => std::panic::panic_any(PANIC),
                1 => return Err(Error::new(ErrorKind::ToolFailed, "a tool failed")),
                // Stops when it is told to, or never.
                2 => return Err(cx.stopped().await),
                3 => std::future::pending().await,
                _ => return Err(Error::new(ErrorKind::Unavailable, "it is away")),
            }
        }
        Ok(at_work)
    }

    fn capable(&self) -> Capabilities {
        let limits = self.resource.map(|resource| (resource.to_owned(), 2));
        Capabilities::new()
            .version("actor 1")
            .limits(limits.into_iter().collect::<std::collections::BTreeMap<_, _>>())
            .reads([StoreKind::Registry])
            .writes([StoreKind::Registry])
    }
}

#[async_trait]
impl Builder for Actor {
    fn capabilities(&self) -> Capabilities {
        self.capable()
    }

    async fn inputs(&self, _cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        Ok(Inputs::new().facts([("name".to_owned(), artifact.name.clone())]))
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let _at_work = self.act(cx).await?;
        let digest = Digest::parse(format!("sha256:{}", request.fingerprint))?;
        let Target { store, repository, tag, .. } = &request.target;
        let mut state = self.land.state();
        state.images.insert(format!("{repository}@{digest}"), digest.clone());
        state.images.insert(format!("{repository}:{tag}"), digest.clone());
        Ok(Image::new(request.artifact.name.as_str(), store.clone(), repository.as_str(), digest)
            .tag(tag.clone()))
    }
}

#[async_trait]
impl Tagger for Actor {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, cx: &Context, _request: &TagRequest) -> Result<Tag> {
        // A tagger names no resources.
        let _at_work = Self { resource: None, ..self.clone() }.act(cx).await?;
        Tag::parse("v1")
    }
}

#[async_trait]
impl Tester for Actor {
    fn capabilities(&self) -> Capabilities {
        self.capable()
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn test(&self, cx: &Context, _subject: &Subject) -> Result<TestReport> {
        let _at_work = self.act(cx).await?;
        let failed = self.land.random.percent(self.land.trouble);
        let outcome = if failed { CaseOutcome::Failed("no".to_owned()) } else { CaseOutcome::Passed };
        Ok(TestReport::default().cases([Case::new("case", outcome)]))
    }
}

#[async_trait]
impl Runner for Actor {
    fn capabilities(&self) -> Capabilities {
        self.capable()
    }

    async fn open(&self, cx: &Context, volume: &Volume) -> Result<()> {
        let _at_work = self.act(cx).await?;
        self.land.state().volumes.insert(volume.name.clone());
        Ok(())
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        let _at_work = self.act(cx).await?;
        self.land.note(format!("{} run {}", cx.run_id(), request.command.program));
        Ok(Exit::new(i32::from(self.land.random.percent(self.land.trouble))))
    }

    async fn close(&self, cx: &Context, volume: &Volume) -> Result<()> {
        let _at_work = AtWork::new(&self.land, self.resource);
        cx.clock().sleep(Duration::from_millis(10)).await;
        self.land.state().volumes.remove(&volume.name);
        Ok(())
    }
}

#[async_trait]
impl Deployer for Actor {
    fn capabilities(&self) -> Capabilities {
        let features = if self.whole { vec![Feature::Settle, Feature::Restore] } else { Vec::new() };
        self.capable().features(features.into_iter().collect::<BTreeSet<_>>())
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn render(&self, _cx: &Context, release: &Release) -> Result<Manifests> {
        let text: Vec<String> = release.images.iter().map(|image| image.reference()).collect();
        let object = |kind| {
            Manifest::new(
                ObjectId::new("v1", kind, release.name.as_str()),
                format!("{kind} {}", text.join(" ")),
            )
        };
        Ok(Manifests::new(release.clone()).objects(["Secret", "Service", "Deployment"].map(object)))
    }

    async fn history(&self, _cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        Ok(self.land.state().history.get(release).into_iter().flatten().rev().cloned().collect())
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        let _at_work = self.act(cx).await?;
        let manifests = match desired {
            Desired::Released { manifests, .. } => manifests,
            Desired::Restored(deployment) => &deployment.manifests,
            _ => return Ok(ChangeSet::new(desired.clone())),
        };
        let state = self.land.state();
        let differs = |manifest: &&Manifest| {
            state.objects.get(&manifest.object).is_none_or(|text| **text != *manifest.text)
        };
        let changes = manifests.objects.iter().filter(differs);
        let changes = changes.map(|manifest| Change::new(manifest.object.clone(), Verb::Update));
        Ok(ChangeSet::new(desired.clone()).changes(changes.collect::<Vec<_>>()))
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        let _at_work = self.act(cx).await?;
        let manifests = match &changes.desired {
            Desired::Released { manifests, .. } => manifests,
            Desired::Restored(deployment) => &deployment.manifests,
            Desired::Settled(deployment) => {
                let release = deployment.manifests.release.name.clone();
                let mut state = self.land.state();
                let settled = state.settled.entry(release.clone()).or_default();
                if settled.last() != Some(&deployment.revision) {
                    settled.push(deployment.revision.clone());
                    drop(state);
                    self.land.note(format!("{} settle {release}", cx.run_id()));
                }
                return Ok(deployment.clone());
            }
            other => return Err(Error::unsupported(format!("{other:?}"))),
        };
        let release = manifests.release.name.clone();
        for change in &changes.changes {
            cx.clock().sleep(Duration::from_millis(self.land.random.below(1000))).await;
            let manifest = manifests.objects.iter().find(|manifest| manifest.object == change.object);
            let manifest = manifest.ok_or_else(|| Error::internal("a change of nothing"))?;
            self.land.state().objects.insert(change.object.clone(), manifest.text.to_string());
            self.land.note(format!("{} apply {:?} {}", cx.run_id(), cx.task(), change.object));
        }
        let mut state = self.land.state();
        let history = state.history.entry(release).or_default();
        if let Some(last) = history.last().filter(|last| last.manifests == *manifests) {
            return Ok(last.clone());
        }
        let revision = (history.len() + 1).to_string();
        let deployment = Deployment::new(manifests.clone(), revision, cx.clock().now());
        history.push(deployment.clone());
        Ok(deployment)
    }

    async fn health(&self, cx: &Context, _deployment: &Deployment) -> Result<Health> {
        let _looking = self.take(cx, AtWork::looking(&self.land, self.resource)).await?;
        Ok(Health::new(match self.land.random.below(100) {
            sick if sick < self.land.trouble => Phase::Failed,
            slow if slow < 30 => Phase::Progressing,
            _ => Phase::Healthy,
        }))
    }
}

#[async_trait]
impl Gates for Actor {
    async fn decision(&self, cx: &Context, _question: &Question) -> Result<Option<Decision>> {
        let answer = match self.land.random.below(100) {
            no if no < self.land.trouble => Answer::Rejected,
            yes if yes < 60 => Answer::Approved,
            _ => return Ok(None),
        };
        Ok(Some(Decision::new(answer, "ann", cx.clock().now())))
    }

    async fn withdraw(&self, _cx: &Context, _question: &Question) {}
}
