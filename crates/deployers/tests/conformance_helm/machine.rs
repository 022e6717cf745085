//! The deployer as it is used: with the machine's clock. The kit's clock passes at once, which the cluster's does not.

use std::sync::Arc;

use async_trait::async_trait;
use shipway_core::{
    Cancel, Capabilities, ChangeSet, Context, Deployer, Deployment, Desired, Event, FixedCredentials, Health,
    Inputs, Manifests, Release, Result, RunContext, Sink, World,
};
use shipway_deployers::Helm;

use crate::{cluster::kubeconfig, target::Target};

#[derive(Clone, Debug)]
pub(crate) struct OnThisMachine {
    helm: Helm,
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
    pub(crate) fn new(target: &Target, program: &str) -> Self {
        let (_, context) = kubeconfig().unwrap();
        let helm = Helm::new(context.as_str(), "chart").namespace(target.namespace()).program(program);
        Self { helm, kubeconfig: target.kubeconfig(), context }
    }

    fn context(&self, kit: &Context) -> Context {
        let credentials = FixedCredentials::new().cluster(&self.context, self.kubeconfig.as_str());
        let sink = Arc::new(Handed(kit.clone()));
        let path = [("PATH".to_owned(), std::env::var("PATH").unwrap())];
        let world = World::host(kit.root()).credentials(credentials).sink(sink).env(path);
        RunContext::new(world, kit.run_id()).context(kit.task().cloned(), None, Cancel::new())
    }
}

#[async_trait]
impl Deployer for OnThisMachine {
    fn capabilities(&self) -> Capabilities {
        self.helm.capabilities()
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        self.helm.inputs(&self.context(cx)).await
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        self.helm.render(&self.context(cx), release).await
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.helm.history(&self.context(cx), release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.helm.diff(&self.context(cx), desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        self.helm.apply(&self.context(cx), changes).await
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        self.helm.health(&self.context(cx), deployment).await
    }
}
