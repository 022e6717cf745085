//! F10 of the reliability standard: whoever may write to the registry, and moves every tag before and after each thing
//! that is done.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use shipway_core::{
    Artifact, BuildRequest, Builder, Capabilities, Case, CaseOutcome, ChangeSet, Context, Deployer,
    Deployment, Desired, Digest, Error, Health, Image, Images, Inputs, Manifests, Release, Result, Store,
    Subject, Tag, TagRequest, Tagger, Target, TestReport, Tester,
};
use shipway_oci::{Client, Distribution, Label, RawManifest, RemoteRepository, Stores};

/// What people call the image.
const TAG: &str = "v1";

/// Plays every role with the parts that it was given, and moves all tags before and after each thing that they do.
#[derive(Clone, Debug)]
pub(crate) struct Intruder {
    pub(crate) repository: String,
    client: Client,
    stores: Stores,
    builder: Arc<dyn Builder>,
    deployer: Arc<dyn Deployer>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What the tags are moved to.
    evil: Option<RawManifest>,
    tags: BTreeSet<Tag>,
    pub(crate) moved: usize,
    /// The digests that tests and deployments looked at.
    pub(crate) looked_at: Vec<Digest>,
}

impl Intruder {
    /// Returns one that moves nothing yet.
    pub(crate) fn new(
        repository: impl Into<String>,
        client: Client,
        builder: impl Builder,
        deployer: impl Deployer,
    ) -> Arc<Self> {
        Arc::new(Self {
            repository: repository.into(),
            stores: Stores::with_client(client.clone()),
            client,
            builder: Arc::new(builder),
            deployer: Arc::new(deployer),
            seen: Arc::default(),
        })
    }

    /// Forgets what was seen; from now on all tags that are seen are moved to this image of the repository.
    pub(crate) async fn move_to(&self, cx: &Context, evil: &Digest) {
        let found = self.repository(cx).unwrap().manifest(&Label::Digest(evil.clone())).await.unwrap();
        assert!(found.is_some(), "{evil} is there");
        *self.seen() = Seen { evil: found, ..Seen::default() };
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Returns what has the tag that people know.
    pub(crate) async fn tagged(&self, cx: &Context) -> Digest {
        let tag = Label::Tag(Tag::parse(TAG).unwrap());
        self.repository(cx).unwrap().manifest(&tag).await.unwrap().unwrap().digest
    }

    fn repository(&self, cx: &Context) -> Result<RemoteRepository> {
        self.client.repository(cx, &self.repository)
    }

    /// Moves every tag that there is to another image.
    async fn move_tags(&self, cx: &Context) -> Result<()> {
        let (evil, tags) = {
            let seen = self.seen();
            (seen.evil.clone(), seen.tags.clone())
        };
        let Some(evil) = evil else { return Ok(()) };
        let repository = self.repository(cx)?;
        for tag in &tags {
            repository.write_manifest(&evil.media_type, evil.bytes.clone(), Some(tag)).await?;
        }
        self.seen().moved += tags.len();
        Ok(())
    }

    fn note_tag(&self, tag: &Tag) {
        self.seen().tags.insert(tag.clone());
    }

    /// Takes note of the image that each object itself names.
    fn note_manifests(&self, manifests: &Manifests) {
        assert!(!manifests.objects.is_empty());
        for object in &manifests.objects {
            let text: &str = object.text.as_ref();
            let (_, digest) = text.split_once('@').unwrap_or_else(|| panic!("`{text}` goes by a tag"));
            self.seen().looked_at.push(Digest::parse(&digest[.."sha256:".len() + 64]).unwrap());
        }
    }
}

#[async_trait]
impl Builder for Intruder {
    fn capabilities(&self) -> Capabilities {
        self.builder.capabilities()
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        self.builder.inputs(cx, artifact).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let image = self.builder.build(cx, request).await?;
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
        let tag = Tag::parse(TAG)?;
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
            other => return Err(Error::unsupported(format!("{other:?}"))),
        };
        for image in images {
            // As whoever runs it finds it.
            let found = self.stores.find(cx, &image.store, &image.reference()).await?;
            self.seen().looked_at.push(found.expect("it is there").digest);
        }
        Ok(TestReport::new().cases([Case::new("seen", CaseOutcome::Passed)]))
    }
}

#[async_trait]
impl Deployer for Intruder {
    fn capabilities(&self) -> Capabilities {
        self.deployer.capabilities()
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        self.deployer.inputs(cx).await
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        self.move_tags(cx).await?;
        let manifests = self.deployer.render(cx, release).await?;
        self.note_manifests(&manifests);
        Ok(manifests)
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.deployer.history(cx, release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.move_tags(cx).await?;
        self.deployer.diff(cx, desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        self.move_tags(cx).await?;
        let deployment = self.deployer.apply(cx, changes).await?;
        self.note_manifests(&deployment.manifests);
        Ok(deployment)
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        self.move_tags(cx).await?;
        self.deployer.health(cx, deployment).await
    }
}
