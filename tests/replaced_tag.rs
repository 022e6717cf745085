//! F10 of the reliability standard: whoever may write to the registry moves every tag between any two stages. Tests and
//! deployments see what was built all the same, because nothing after the build goes by a tag.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the test prepares real sources and prints its figures"
)]

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use shipway::{
    Artifact, Build, BuildRequest, Builder, Cancel, Capabilities, Case, CaseOutcome, ChangeSet, Context,
    Deploy, Deployer, Deployment, Desired, Digest, Driver, Health, HostDisk, Image, Images, Inputs,
    Manifests, Outcome, Pipeline, Release, Result, RunOutcome, Store, Subject, Tag, TagRequest, Tagger,
    Target, TestReport, Tester, Watch,
    builders::{Native, NativeConfig},
    cluster::MemoryCluster,
    deployers::Memory,
    oci::{Client, Distribution, Label, RawManifest, Registry, RemoteRepository, Stores},
};

/// Plays every role with the parts that ship, and moves all tags before and after each thing that they do.
#[derive(Clone, Debug)]
struct Intruder {
    repository: String,
    native: Native,
    memory: Memory,
    stores: Stores,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What the tags are moved to.
    evil: Option<RawManifest>,
    tags: BTreeSet<Tag>,
    moved: usize,
    /// The digests that tests and deployments looked at.
    looked_at: Vec<Digest>,
}

impl Intruder {
    fn repository(&self, cx: &Context) -> Result<RemoteRepository> {
        Client::new().repository(cx, &self.repository)
    }

    /// Moves every tag that there is to another image.
    async fn move_tags(&self, cx: &Context) -> Result<()> {
        let (evil, tags) = {
            let seen = self.seen.lock().unwrap();
            (seen.evil.clone(), seen.tags.clone())
        };
        let Some(evil) = evil else { return Ok(()) };
        let repository = self.repository(cx)?;
        for tag in &tags {
            repository.write_manifest(&evil.media_type, evil.bytes.clone(), Some(tag)).await?;
        }
        self.seen.lock().unwrap().moved += tags.len();
        Ok(())
    }

    fn note_tag(&self, tag: &Tag) {
        self.seen.lock().unwrap().tags.insert(tag.clone());
    }

    fn look_at(&self, digest: Digest) {
        self.seen.lock().unwrap().looked_at.push(digest);
    }
}

#[async_trait]
impl Builder for Intruder {
    fn capabilities(&self) -> Capabilities {
        Builder::capabilities(&self.native)
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        Builder::inputs(&self.native, cx, artifact).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let image = self.native.build(cx, request).await?;
        self.note_tag(&request.target.tag);
        self.move_tags(cx).await?;
        Ok(image)
    }
}

#[async_trait]
impl Tagger for Intruder {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, cx: &Context, _request: &TagRequest) -> Result<Tag> {
        let tag = Tag::parse("v1")?;
        // It is there before anybody pushes to it.
        self.note_tag(&tag);
        self.move_tags(cx).await?;
        Ok(tag)
    }
}

#[async_trait]
impl Images for Intruder {
    async fn find(&self, cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        self.move_tags(cx).await?;
        self.stores.find(cx, store, reference).await
    }

    async fn copy(&self, cx: &Context, image: &Image, to: &Target) -> Result<Image> {
        self.move_tags(cx).await?;
        let copied = self.stores.copy(cx, image, to).await?;
        self.move_tags(cx).await?;
        Ok(copied)
    }

    async fn join(&self, cx: &Context, images: &[Image], to: &Target) -> Result<Image> {
        self.stores.join(cx, images, to).await
    }
}

#[async_trait]
impl Tester for Intruder {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn test(&self, cx: &Context, subject: &Subject) -> Result<TestReport> {
        self.move_tags(cx).await?;
        let images = match subject {
            Subject::Image(image) => vec![image.clone()],
            Subject::Deployment(deployment) => deployment.manifests.release.images.clone(),
            other => return Err(shipway::Error::unsupported(format!("{other:?}"))),
        };
        for image in images {
            // As whoever runs it finds it.
            let found = self.stores.find(cx, &image.store, &image.reference()).await?;
            self.look_at(found.expect("it is there").digest);
        }
        Ok(TestReport::new().cases([Case::new("seen", CaseOutcome::Passed)]))
    }
}

#[async_trait]
impl Deployer for Intruder {
    fn capabilities(&self) -> Capabilities {
        Deployer::capabilities(&self.memory)
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        Deployer::inputs(&self.memory, cx).await
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        self.move_tags(cx).await?;
        let manifests = self.memory.render(cx, release).await?;
        self.note_manifests(&manifests);
        Ok(manifests)
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.memory.history(cx, release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.move_tags(cx).await?;
        self.memory.diff(cx, desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        self.move_tags(cx).await?;
        let deployment = self.memory.apply(cx, changes).await?;
        self.note_manifests(&deployment.manifests);
        Ok(deployment)
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        self.move_tags(cx).await?;
        self.memory.health(cx, deployment).await
    }
}

impl Intruder {
    /// Takes note of each image that the objects themselves name.
    fn note_manifests(&self, manifests: &Manifests) {
        assert!(!manifests.objects.is_empty());
        for object in &manifests.objects {
            let text = serde_json::to_value(&object.text).unwrap();
            let object: serde_json::Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
            let image = object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
            let (_, digest) = image.split_once('@').unwrap_or_else(|| panic!("`{image}` goes by a tag"));
            self.look_at(Digest::parse(digest).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_and_deployments_see_what_was_built_whatever_happens_to_tags() {
    const RUNS: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    for (name, page) in [("web", "good"), ("evil", "evil")] {
        fs::create_dir(folder.path().join(name)).unwrap();
        let dockerfile = "FROM scratch\nCOPY --chmod=755 page /page\nENTRYPOINT [\"/page\"]\n";
        fs::write(folder.path().join(name).join("Dockerfile"), dockerfile).unwrap();
        fs::write(folder.path().join(name).join("page"), page).unwrap();
    }
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
    let intruder = Arc::new(Intruder {
        repository: format!("{}/web", registry.host()),
        native: Native::new(NativeConfig::default()).unwrap(),
        memory: Memory::new(MemoryCluster::new()),
        stores: Stores::new(),
        seen: Arc::default(),
    });
    let world = shipway::host(folder.path()).images(Intruder::clone(&intruder));
    let driver = Driver::new(world.clone());
    let build = |name: &str| {
        Build::new(Artifact::new(name, name), intruder.repository.as_str(), Arc::<Intruder>::clone(&intruder))
    };
    let evil = driver.run(&Pipeline::new("evil").build(build("evil")), &Cancel::new()).await.unwrap();
    let evil = evil.into_result().unwrap().image("evil").unwrap().clone();
    let cx = shipway::RunContext::new(world, "test").context(None, None, Cancel::new());
    let found =
        intruder.repository(&cx).unwrap().manifest(&Label::Digest(evil.digest.clone())).await.unwrap();
    *intruder.seen.lock().unwrap() = Seen { evil: found, ..Seen::default() };

    let pipeline = Pipeline::new("shop")
        .build(
            build("web")
                .tagger(Arc::<Intruder>::clone(&intruder))
                .tester("image", Arc::<Intruder>::clone(&intruder)),
        )
        .deploy(
            Deploy::new(Release::new("shop"), Arc::<Intruder>::clone(&intruder))
                .tester("live", Arc::<Intruder>::clone(&intruder))
                .watch(Watch::new(Duration::from_millis(1), Duration::from_secs(60))),
        );
    let (mut right, mut wrong, mut moved, mut built) = (0, 0, 0, BTreeSet::new());
    for run in 0..RUNS {
        fs::write(folder.path().join("web/page"), format!("good {}", run / 2)).unwrap();
        let report = driver.run(&pipeline, &Cancel::new()).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
        // Also a result that is recorded is found by its digest.
        let expected = if run % 2 == 0 { Outcome::Succeeded } else { Outcome::Reused };
        assert_eq!(report.task("build:web"), Some(&expected));
        let image = report.image("web").unwrap();
        let live = &report.deployment("shop").unwrap().manifests.release.images[0];
        let mut seen = intruder.seen.lock().unwrap();
        seen.looked_at.extend([image.digest.clone(), live.digest.clone()]);
        for digest in seen.looked_at.drain(..) {
            assert_ne!(digest, evil.digest);
            built.insert(digest.clone());
            if digest == image.digest { right += 1 } else { wrong += 1 }
        }
        moved += std::mem::take(&mut seen.moved);
    }
    // The tags really are elsewhere.
    let tagged =
        intruder.repository(&cx).unwrap().manifest(&Label::Tag(Tag::parse("v1").unwrap())).await.unwrap();
    assert_eq!(tagged.unwrap().digest, evil.digest);
    println!(
        "F10: {RUNS} runs, {moved} times a tag was moved; tests and deployments saw the built digest {right} of {} times",
        right + wrong
    );
    assert_eq!(built.len(), RUNS.div_ceil(2), "each content once");
    assert!(wrong == 0 && right >= RUNS * 6 && moved > RUNS * 8, "{right} {wrong} {moved}");
}
