//! The deployer as it is used: with the machine's clock. The kit's clock passes at once, which the cluster's does not.

use std::sync::Arc;

use async_trait::async_trait;
use shipway_core::{
    Cancel, Capabilities, ChangeSet, Context, Deployer, Deployment, Desired, Event, FixedCredentials, Health,
    Inputs, Manifests, Release, Result, RunContext, Sink, World,
};
use shipway_deployers::Kubectl;

use crate::{cluster::kubeconfig, target::Target};

#[derive(Clone, Debug)]
pub(crate) struct OnThisMachine {
    kubectl: Kubectl,
    kubeconfig: String,
    context: String,
}

/// Hands over to the kit what happens.
#[derive(Debug)]
struct Handed(Context);

impl Sink for Handed {
    fn emit(&self, event: &Event) {
        self.0.emit(event.kind.clone());
    }
}

impl OnThisMachine {
    pub(crate) fn new(target: &Target) -> Self {
        let (_, context) = kubeconfig().unwrap();
        let kubectl = Kubectl::new(context.as_str()).namespace(target.namespace()).manifests(["k8s"]);
        Self { kubectl, kubeconfig: target.kubeconfig(), context }
    }

    fn context(&self, kit: &Context) -> Context {
        let credentials = FixedCredentials::new().cluster(&self.context, self.kubeconfig.as_str());
        let sink = Arc::new(Handed(kit.clone()));
        let world = World::host(kit.root()).credentials(credentials).sink(sink);
        RunContext::new(world, kit.run_id()).context(kit.task().cloned(), None, Cancel::new())
    }
}

#[async_trait]
impl Deployer for OnThisMachine {
    fn capabilities(&self) -> Capabilities {
        self.kubectl.capabilities()
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        self.kubectl.inputs(&self.context(cx)).await
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        self.kubectl.render(&self.context(cx), release).await
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.kubectl.history(&self.context(cx), release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.kubectl.diff(&self.context(cx), desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        self.kubectl.apply(&self.context(cx), changes).await
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        self.kubectl.health(&self.context(cx), deployment).await
    }
}
