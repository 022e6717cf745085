//! Plug-ins that do what a test tells them, and a store of images in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Artifact, Build, BuildRequest, Builder, Cancel, Capabilities, Case, CaseOutcome, Change, ChangeSet,
    Context, Deploy, Deployer, Deployment, Desired, Digest, Driver, Error, Feature, Health, Image, Images,
    Inputs, Manifests, ObjectId, Phase, Pipeline, Release, Report, Result, Snapshot, Store, StoreKind,
    Subject, Tag, TagRequest, Tagger, Target, TestReport, Tester, Timestamp, Tree, Verb, Watch, World,
};

/// References to digests: what exists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf(pub(crate) Arc<Mutex<BTreeMap<String, Digest>>>);

#[async_trait]
impl Images for Shelf {
    async fn find(&self, _cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        let digest = self.0.lock().unwrap().get(reference).cloned();
        Ok(digest.map(|digest| Image::new(reference, store.clone(), reference, digest)))
    }

    async fn copy(&self, _cx: &Context, image: &Image, to: &Target) -> Result<Image> {
        let mut shelf = self.0.lock().unwrap();
        shelf.insert(to.reference(), image.digest.clone());
        shelf.insert(format!("{}@{}", to.repository, image.digest), image.digest.clone());
        Ok(Image::new(image.name.as_str(), to.store.clone(), to.repository.as_str(), image.digest.clone())
            .tag(to.tag.clone())
            .platforms(image.platforms.clone()))
    }

    async fn join(&self, cx: &Context, images: &[Image], to: &Target) -> Result<Image> {
        let platforms: Vec<_> = images.iter().flat_map(|image| image.platforms.clone()).collect();
        Ok(self.copy(cx, &images[0], to).await?.platforms(platforms))
    }
}

/// What a builder does besides building.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Quirk {
    #[default]
    None,
    Fails,
    /// Fails this often with an error that may be tried again.
    FailsAtFirst(usize),
    Panics,
    /// Panics when it is asked for its inputs.
    PanicsAtOnce,
    /// Waits until it is told to stop at once, and then says so.
    WaitsForForce,
    /// Waits for ever, whatever it is told.
    Hangs,
    /// Edits its own source while it builds.
    Edits,
    /// Removes its own sources when it has built.
    RemovesSources,
    UsesTag,
    /// Makes the same image of whatever sources.
    Constant,
}

/// Makes an image whose digest is that of the sources and of what is required.
#[derive(Debug)]
pub(crate) struct FakeBuilder {
    pub(crate) shelf: Shelf,
    pub(crate) quirk: Quirk,
    pub(crate) writes: Vec<StoreKind>,
    pub(crate) reads: BTreeSet<StoreKind>,
    pub(crate) built: Mutex<Vec<String>>,
}

#[async_trait]
impl Builder for FakeBuilder {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().writes(self.writes.clone()).reads(self.reads.clone())
    }

    async fn inputs(&self, _cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        assert!(self.quirk != Quirk::PanicsAtOnce, "oh no");
        Ok(Inputs::default()
            .trees([Tree::new(artifact.context.clone())])
            .uses_tag(self.quirk == Quirk::UsesTag))
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let count = {
            let mut built = self.built.lock().unwrap();
            built.push(request.artifact.name.clone());
            built.len()
        };
        match self.quirk {
            Quirk::Fails => return Err(Error::new(shipway_core::ErrorKind::ToolFailed, "`cc` failed")),
            Quirk::FailsAtFirst(times) if count <= times => {
                return Err(Error::new(shipway_core::ErrorKind::Unavailable, "the registry is away"));
            }
            Quirk::Panics => panic!("oh no"),
            Quirk::WaitsForForce => return Err(cx.stopped().await),
            Quirk::Hangs => std::future::pending().await,
            Quirk::Edits => fs::write(cx.path(&request.artifact.context).join("src"), "edited").unwrap(),
            _ => {}
        }
        let mut snapshot = if self.quirk == Quirk::Constant {
            Snapshot::default()
        } else {
            Snapshot::take(cx, &self.inputs(cx, &request.artifact).await?).await?
        };
        for (alias, image) in &request.requires {
            snapshot.set(alias.clone(), image.digest.as_str());
        }
        let digest = Digest::parse(format!("sha256:{}", snapshot.fingerprint()))?;
        let image = Image::new(
            request.artifact.name.as_str(),
            request.target.store.clone(),
            request.target.repository.as_str(),
            digest,
        )
        .platforms(request.artifact.platforms.clone());
        if self.quirk == Quirk::RemovesSources {
            fs::remove_dir_all(cx.path(&request.artifact.context)).unwrap();
        }
        self.shelf.copy(cx, &image, &request.target).await
    }
}

#[derive(Debug)]
pub(crate) struct FakeTagger {
    pub(crate) fingerprint: bool,
}

#[async_trait]
impl Tagger for FakeTagger {
    fn needs_fingerprint(&self) -> bool {
        self.fingerprint
    }

    async fn tag(&self, _cx: &Context, request: &TagRequest) -> Result<Tag> {
        match &request.fingerprint {
            Some(fingerprint) => Tag::parse(fingerprint.as_str()),
            None => Tag::parse("v1"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct FakeTester {
    pub(crate) passes: bool,
}

#[async_trait]
impl Tester for FakeTester {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::default())
    }

    async fn test(&self, _cx: &Context, _subject: &Subject) -> Result<TestReport> {
        let outcome =
            if self.passes { CaseOutcome::Passed } else { CaseOutcome::Failed("no /bin/sh".to_owned()) };
        Ok(TestReport::default().cases([Case::new("shell", outcome)]))
    }
}

/// A target that remembers what was applied; an image whose digest is listed in `broken` never becomes
/// healthy.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeDeployer {
    pub(crate) history: Arc<Mutex<Vec<Deployment>>>,
    pub(crate) settled: Arc<Mutex<Vec<String>>>,
    pub(crate) removed: Arc<Mutex<Vec<String>>>,
    pub(crate) broken: Arc<Mutex<bool>>,
    /// Claims neither to settle nor to restore.
    pub(crate) plain: bool,
    pub(crate) slow_apply: Option<Duration>,
    pub(crate) applying: Arc<Mutex<bool>>,
    /// How many changes each next diff shows; one after these.
    pub(crate) diffs: Arc<Mutex<Vec<usize>>>,
    /// How many applies find that the world moved.
    pub(crate) conflicts: Arc<Mutex<usize>>,
    pub(crate) never_healthy: bool,
}

#[async_trait]
impl Deployer for FakeDeployer {
    fn capabilities(&self) -> Capabilities {
        let features = if self.plain { vec![] } else { vec![Feature::Settle, Feature::Restore] };
        Capabilities::default()
            .reads([StoreKind::Registry])
            .features(features.into_iter().collect::<BTreeSet<_>>())
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::default())
    }

    async fn render(&self, _cx: &Context, release: &Release) -> Result<Manifests> {
        Ok(Manifests::new(release.clone()))
    }

    async fn history(&self, _cx: &Context, _release: &str) -> Result<Vec<Deployment>> {
        Ok(self.history.lock().unwrap().iter().rev().cloned().collect())
    }

    async fn diff(&self, _cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        let count = self.diffs.lock().unwrap().pop().unwrap_or(1);
        let change = |at| {
            Change::new(ObjectId::new("v1", "Thing", format!("{}-{at}", desired.release())), Verb::Update)
        };
        Ok(ChangeSet::new(desired.clone()).changes((0..count).map(change).collect::<Vec<_>>()))
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        *self.applying.lock().unwrap() = true;
        {
            let mut conflicts = self.conflicts.lock().unwrap();
            if *conflicts > 0 {
                *conflicts -= 1;
                return Err(Error::conflict("the world moved"));
            }
        }
        if let Some(pause) = self.slow_apply {
            tokio::select! {
                () = cx.clock().sleep(pause) => {}
                error = cx.stopped() => return Err(error),
            }
        }
        let manifests = match &changes.desired {
            Desired::Released { manifests, .. } => manifests.clone(),
            Desired::Restored(earlier) => earlier.manifests.clone(),
            Desired::Absent(deployment) => {
                self.removed.lock().unwrap().push(deployment.manifests.release.name.clone());
                self.history.lock().unwrap().clear();
                return Ok(deployment.clone());
            }
            Desired::Settled(deployment) => {
                self.settled.lock().unwrap().push(deployment.revision.clone());
                return Ok(deployment.clone());
            }
            other => return Err(Error::unsupported(format!("{other:?}"))),
        };
        let mut history = self.history.lock().unwrap();
        let deployment = Deployment::new(manifests, (history.len() + 1).to_string(), Timestamp(0));
        history.push(deployment.clone());
        Ok(deployment)
    }

    async fn health(&self, _cx: &Context, deployment: &Deployment) -> Result<Health> {
        if self.never_healthy {
            return Ok(Health::new(Phase::Progressing).waiting_for(["web: 0 of 1 is ready".to_owned()]));
        }
        let newest = self.history.lock().unwrap().len().to_string();
        let first_bad = *self.broken.lock().unwrap() && deployment.revision == newest;
        let restored =
            self.history.lock().unwrap().iter().filter(|d| d.manifests == deployment.manifests).count() > 1;
        if first_bad && !restored {
            return Ok(Health::new(Phase::Failed).waiting_for(["web: it crashes".to_owned()]));
        }
        Ok(Health::new(Phase::Healthy))
    }
}

/// A folder of sources, a shelf and a driver around them.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) shelf: Shelf,
    pub(crate) driver: Driver,
    pub(crate) cancel: Cancel,
}

pub(crate) fn bench() -> Bench {
    bench_with(|driver| driver)
}

pub(crate) fn bench_with(settings: impl FnOnce(Driver) -> Driver) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::default();
    let driver = settings(Driver::new(World::host(folder.path()).images(shelf.clone())));
    let bench = Bench { folder, shelf, driver, cancel: Cancel::new() };
    for name in ["base", "web", "api"] {
        fs::create_dir(bench.folder.path().join(name)).unwrap();
        bench.write(name, "1");
    }
    bench
}

impl Bench {
    pub(crate) fn write(&self, artifact: &str, source: &str) {
        fs::write(self.folder.path().join(artifact).join("src"), source).unwrap();
    }

    pub(crate) fn builder(&self, quirk: Quirk) -> Arc<FakeBuilder> {
        Arc::new(FakeBuilder {
            shelf: self.shelf.clone(),
            quirk,
            writes: vec![StoreKind::Registry],
            reads: [StoreKind::Registry].into(),
            built: Mutex::default(),
        })
    }

    /// The world of a driver of the test's own.
    pub(crate) fn world(&self) -> World {
        World::host(self.folder.path()).images(self.shelf.clone())
    }

    pub(crate) async fn run(&self, pipeline: &Pipeline) -> Report {
        self.driver.run(pipeline, &self.cancel).await.unwrap()
    }
}

pub(crate) fn build(name: &str, builder: Arc<dyn Builder>) -> Build {
    Build::new(Artifact::new(name, name), format!("reg/{name}"), builder)
        .tagger(Arc::new(FakeTagger { fingerprint: true }))
}

pub(crate) fn requiring(name: &str, required: &str, builder: Arc<dyn Builder>) -> Build {
    let artifact = Artifact::new(name, name).requires([("BASE".to_owned(), required.to_owned())]);
    Build::new(artifact, format!("reg/{name}"), builder)
}

pub(crate) fn deploy(deployer: &FakeDeployer) -> Deploy {
    Deploy::new(Release::new("shop"), Arc::new(deployer.clone()))
        .watch(Watch::new(Duration::from_millis(5), Duration::from_secs(5)))
}
