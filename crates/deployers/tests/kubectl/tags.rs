//! F10 on a real registry and a real cluster: whoever may write to the registry moves the tag before and after each thing
//! that is done, and what runs is what was built and tested.

use std::{
    env,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use shipway_cluster::{Api, Selector};
use shipway_core::{
    Artifact, Build, BuildRequest, Builder, Cancel, Capabilities, Case, CaseOutcome, ChangeSet, Context,
    Deploy, Deployer, Deployment, Desired, Digest, Driver, FixedCredentials, Health, Image, Images, Inputs,
    Manifests, Pipeline, Release, Result, RunOutcome, Store, StoreKind, Subject, Tag, TagRequest, Tagger,
    Target, TestReport, Tester, Watch, World,
};
use shipway_deployers::Kubectl;
use shipway_oci::{Client, Distribution, HostOptions, Label, RawManifest, Stores};

use crate::{
    cluster::kubeconfig,
    skip::skip,
    stage::{Stage, workload},
};

/// Plays every role, and moves the tag to another image whenever it can.
#[derive(Debug)]
struct Intruder {
    registry: String,
    client: Client,
    stores: Stores,
    repository: String,
    kubectl: Kubectl,
    evil: Mutex<Option<RawManifest>>,
    moved: Mutex<usize>,
    tested: Mutex<Vec<Digest>>,
}

const TAG: &str = "v1";

impl Intruder {
    async fn base(&self, cx: &Context, name: &str) -> Result<Image> {
        let found =
            self.stores.find(cx, &Store::Registry, &format!("{}/bases/{name}:local", self.registry)).await?;
        Ok(found.expect("the bed has it"))
    }

    /// Has the other image where its manifest can get the tag.
    async fn prepare(&self, cx: &Context) {
        let evil = Target::new(Store::Registry, self.repository.as_str(), Tag::parse("evil").unwrap());
        let copied = self.stores.copy(cx, &self.base(cx, "odd").await.unwrap(), &evil).await.unwrap();
        let repository = self.client.repository(cx, &self.repository).unwrap();
        let manifest = repository.manifest(&Label::Digest(copied.digest)).await.unwrap();
        *self.evil.lock().unwrap() = manifest;
    }

    async fn move_tag(&self, cx: &Context) -> Result<()> {
        let evil = self.evil.lock().unwrap().clone().expect("prepared");
        let repository = self.client.repository(cx, &self.repository)?;
        repository.write_manifest(&evil.media_type, evil.bytes, Some(&Tag::parse(TAG)?)).await?;
        *self.moved.lock().unwrap() += 1;
        Ok(())
    }
}

#[async_trait]
impl Builder for Intruder {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().writes([StoreKind::Registry])
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let image = self.stores.copy(cx, &self.base(cx, "busybox").await?, &request.target).await?;
        self.move_tag(cx).await?;
        Ok(image)
    }
}

#[async_trait]
impl Tagger for Intruder {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, _cx: &Context, _request: &TagRequest) -> Result<Tag> {
        Tag::parse(TAG)
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
        self.move_tag(cx).await?;
        if let Subject::Image(image) = subject {
            // As whoever runs it finds it.
            let found = self.stores.find(cx, &image.store, &image.reference()).await?.expect("it is there");
            self.tested.lock().unwrap().push(found.digest);
        }
        Ok(TestReport::new().cases([Case::new("seen", CaseOutcome::Passed)]))
    }
}

#[async_trait]
impl Deployer for Intruder {
    fn capabilities(&self) -> Capabilities {
        self.kubectl.capabilities()
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        self.kubectl.inputs(cx).await
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        self.move_tag(cx).await?;
        self.kubectl.render(cx, release).await
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.kubectl.history(cx, release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.move_tag(cx).await?;
        self.kubectl.diff(cx, desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        self.move_tag(cx).await?;
        self.kubectl.apply(cx, changes).await
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        self.move_tag(cx).await?;
        self.kubectl.health(cx, deployment).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_what_was_built_whatever_happens_to_the_tag() {
    let test = "what_runs_is_what_was_built_whatever_happens_to_the_tag";
    let Ok(registry) = env::var("SHIPWAY_KUBE_REGISTRY") else {
        return skip(test, "a registry of the cluster: SHIPWAY_KUBE_REGISTRY");
    };
    let Some(stage) = Stage::up(test).await else { return };
    let client = Client::builder().host(registry.as_str(), HostOptions::new().plain_http()).build().unwrap();
    let intruder = Arc::new(Intruder {
        repository: format!("{registry}/{}/web", stage.bed.namespace),
        registry,
        stores: Stores::with_client(client.clone()),
        client,
        kubectl: stage.kubectl.clone(),
        evil: Mutex::default(),
        moved: Mutex::default(),
        tested: Mutex::default(),
    });
    intruder.prepare(&stage.cx).await;
    stage.write(&[workload("web", "web", &json!({"command": ["sleep", "1000"]}))]);
    let (text, context) = kubeconfig().unwrap();
    let credentials = FixedCredentials::new().cluster(&context, text);
    let world = World::host(stage.folder.path()).credentials(credentials).images(intruder.stores.clone());
    let build = Build::new(
        Artifact::new("web", "."),
        intruder.repository.as_str(),
        Arc::<Intruder>::clone(&intruder),
    )
    .tagger(Arc::<Intruder>::clone(&intruder))
    .tester("image", Arc::<Intruder>::clone(&intruder));
    let deploy = Deploy::new(Release::new("shop"), Arc::<Intruder>::clone(&intruder))
        .watch(Watch::new(Duration::from_millis(100), Duration::from_secs(60)));
    let pipeline = Pipeline::new("shop").build(build).deploy(deploy);
    let report = Driver::new(world).run(&pipeline, &Cancel::new()).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    let built = report.image("web").unwrap().digest.clone();

    let evil = intruder.evil.lock().unwrap().clone().unwrap().digest;
    assert_ne!(built, evil);
    let moved = intruder.client.repository(&stage.cx, &intruder.repository).unwrap();
    let moved = moved.manifest(&Label::Tag(Tag::parse(TAG).unwrap())).await.unwrap();
    assert_eq!(moved.unwrap().digest, evil, "the tag is elsewhere");
    assert!(*intruder.moved.lock().unwrap() > 5);
    assert_eq!(*intruder.tested.lock().unwrap(), std::slice::from_ref(&built));
    let selector = Selector::new().kind("v1", "Pod").namespace(stage.bed.namespace.as_str());
    let pods = stage.bed.cluster.list(&stage.bed.cx, &selector).await.unwrap().items;
    let [pod] = pods.as_slice() else { panic!("{pods:#?}") };
    let named = format!("{}@{built}", intruder.repository);
    assert_eq!(pod["spec"]["containers"][0]["image"], named);
    // Nodes know an image by any repository that has it.
    let runs = pod["status"]["containerStatuses"][0]["imageID"].as_str().unwrap();
    assert!(runs.ends_with(&format!("@{built}")), "{runs}");
    stage.down().await;
}
