//! F10 on a real registry and a real cluster: whoever may write to the registry moves the tag before and after each thing
//! that is done, and what runs is what was built and tested.

use std::{env, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use shipway_cluster::{Api, Selector};
use shipway_core::{
    Artifact, Build, BuildRequest, Builder, Cancel, Capabilities, Context, Deploy, Driver, FixedCredentials,
    Image, Images, Inputs, Pipeline, Release, Result, RunOutcome, Store, StoreKind, Tag, Target, Watch,
    World,
};
use shipway_oci::{Client, HostOptions, Stores};

use crate::{
    cluster::kubeconfig,
    intruder::Intruder,
    skip::skip,
    stage::{Stage, workload},
};

/// Copies one of the bed's images to where a build belongs.
#[derive(Clone, Debug)]
struct Copy {
    registry: String,
    stores: Stores,
}

impl Copy {
    async fn copy(&self, cx: &Context, name: &str, to: &Target) -> Result<Image> {
        let base = format!("{}/bases/{name}:local", self.registry);
        let base = self.stores.find(cx, &Store::Registry, &base).await?.expect("the bed has it");
        self.stores.copy(cx, &base, to).await
    }
}

#[async_trait]
impl Builder for Copy {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().writes([StoreKind::Registry])
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        self.copy(cx, "busybox", &request.target).await
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
    let builder = Copy { registry: registry.clone(), stores: Stores::with_client(client.clone()) };
    let repository = format!("{registry}/{}/web", stage.bed.namespace);
    let intruder = Intruder::new(repository.as_str(), client, builder.clone(), stage.kubectl.clone());
    let evil = Target::new(Store::Registry, repository.as_str(), Tag::parse("evil").unwrap());
    let evil = builder.copy(&stage.cx, "odd", &evil).await.unwrap().digest;
    intruder.move_to(&stage.cx, &evil).await;
    stage.write(&[workload("web", "web", &json!({"command": ["sleep", "1000"]}))]);
    let (text, context) = kubeconfig().unwrap();
    let credentials = FixedCredentials::new().cluster(&context, text);
    let world = World::host(stage.folder.path()).credentials(credentials).images(Intruder::clone(&intruder));
    let build = Build::new(Artifact::new("web", "."), repository.as_str(), Arc::<Intruder>::clone(&intruder))
        .tagger(Arc::<Intruder>::clone(&intruder))
        .tester("image", Arc::<Intruder>::clone(&intruder));
    let deploy = Deploy::new(Release::new("shop"), Arc::<Intruder>::clone(&intruder))
        .watch(Watch::new(Duration::from_millis(100), Duration::from_secs(60)));
    let pipeline = Pipeline::new("shop").build(build).deploy(deploy);
    let report = Driver::new(world).run(&pipeline, &Cancel::new()).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    let built = report.image("web").unwrap().digest.clone();

    assert_ne!(built, evil);
    assert_eq!(intruder.tagged(&stage.cx).await, evil, "the tag is elsewhere");
    {
        let seen = intruder.seen();
        assert!(seen.moved > 5);
        // What was tested, rendered and applied.
        assert!(
            seen.looked_at.len() >= 3 && seen.looked_at.iter().all(|digest| *digest == built),
            "{seen:?}"
        );
    }
    let selector = Selector::new().kind("v1", "Pod").namespace(stage.bed.namespace.as_str());
    let pods = stage.bed.cluster.list(&stage.bed.cx, &selector).await.unwrap().items;
    let [pod] = pods.as_slice() else { panic!("{pods:#?}") };
    let named = format!("{repository}@{built}");
    assert_eq!(pod["spec"]["containers"][0]["image"], named);
    // Nodes know an image by any repository that has it.
    let runs = pod["status"]["containerStatuses"][0]["imageID"].as_str().unwrap();
    assert!(runs.ends_with(&format!("@{built}")), "{runs}");
    stage.down().await;
}
