//! A deployer with manifests in a folder, and a namespace of the cluster.

use std::fs;

use serde_json::{Value, json};
use shipway_cluster::{Api, Selector};
use shipway_core::{
    Cancel, ChangeSet, Context, Deployer, Deployment, Desired, Error, Manifests, ObjectId, Release, Result,
    RunContext, TaskId, World,
};
use shipway_deployers::Kubectl;
use tempfile::TempDir;

use crate::cluster::{Bed, kubeconfig};

pub(crate) struct Stage {
    pub(crate) bed: Bed,
    pub(crate) kubectl: Kubectl,
    pub(crate) cx: Context,
    pub(crate) folder: TempDir,
}

impl Stage {
    /// Returns a stage, or says that the test lacks a cluster.
    pub(crate) async fn up(test: &str) -> Option<Self> {
        let bed = Bed::up(test).await?;
        let (text, name) = kubeconfig()?;
        let folder = tempfile::tempdir().unwrap();
        let kubectl = Kubectl::new(name.as_str()).namespace(bed.namespace.as_str()).manifests(["k8s"]);
        let cx = context(&name, &text, &folder);
        fs::create_dir(folder.path().join("k8s")).unwrap();
        Some(Self { bed, kubectl, cx, folder })
    }

    pub(crate) async fn down(self) {
        self.bed.down().await;
    }

    /// Writes the manifests: each text is a file.
    pub(crate) fn write(&self, files: &[(&str, String)]) {
        let folder = self.folder.path().join("k8s");
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    pub(crate) async fn render(&self) -> Manifests {
        self.kubectl.render(&self.cx, &Release::new("shop")).await.unwrap()
    }

    pub(crate) async fn diff(&self, desired: &Desired) -> Result<ChangeSet> {
        self.kubectl.diff(&self.cx, desired).await
    }

    pub(crate) async fn reach(&self, desired: Desired) -> Result<Deployment> {
        let changes = self.diff(&desired).await?;
        self.kubectl.apply(&self.cx, &changes).await
    }

    /// Releases what the folder has.
    pub(crate) async fn release(&self) -> Result<Deployment> {
        let manifests = self.render().await;
        self.reach(Desired::Released { manifests, share: 100 }).await
    }

    /// Returns what would have to change for what the folder has, a line each.
    pub(crate) async fn changes(&self) -> Result<Vec<String>> {
        let manifests = self.render().await;
        let changes = self.diff(&Desired::Released { manifests, share: 100 }).await?;
        Ok(changes.changes.iter().map(|change| format!("{} {}", change.verb, change.object.name)).collect())
    }

    pub(crate) fn id(&self, name: &str) -> ObjectId {
        self.bed.id("v1", "ConfigMap", name)
    }

    pub(crate) async fn get(&self, id: &ObjectId) -> Option<Value> {
        self.bed.cluster.get(&self.cx, id).await.unwrap()
    }

    /// Returns the names of the config maps that are not Kubernetes' own.
    pub(crate) async fn maps(&self) -> Vec<String> {
        let selector = Selector::new().kind("v1", "ConfigMap").namespace(self.bed.namespace.as_str());
        let list = self.bed.cluster.list(&self.cx, &selector).await.unwrap();
        let names = list.items.iter().filter_map(|item| item["metadata"]["name"].as_str());
        names.filter(|name| *name != "kube-root-ca.crt").map(ToOwned::to_owned).collect()
    }

    pub(crate) async fn history(&self) -> Vec<String> {
        let history = self.kubectl.history(&self.cx, "shop").await.unwrap();
        history.into_iter().map(|deployment| deployment.revision).collect()
    }
}

/// Returns a new context, as another process has it.
pub(crate) fn context(name: &str, kubeconfig: &str, folder: &TempDir) -> Context {
    let credentials = shipway_core::FixedCredentials::new().cluster(name, kubeconfig);
    let world = World::host(folder.path()).credentials(credentials);
    RunContext::new(world, "run").context(TaskId::parse("apply:shop").ok(), None, Cancel::new())
}

/// Returns a config map as a person writes it.
pub(crate) fn settings(name: &str, colour: &str) -> (&'static str, String) {
    let file: &'static str = Box::leak(format!("{name}.yaml").into_boxed_str());
    (
        file,
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name} # here\ndata:\n  colour: {colour}\n"
        ),
    )
}

/// Returns a workload of one container.
pub(crate) fn workload(name: &str, image: &str, more: &Value) -> (&'static str, String) {
    let mut container = json!({"name": "main", "image": image});
    for (field, value) in more.as_object().into_iter().flatten() {
        container[field] = value.clone();
    }
    let labels = json!({ "app": name });
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {"metadata": { "labels": labels }, "spec": {
                "terminationGracePeriodSeconds": 0, "containers": [container]}},
        },
    });
    ("workload.json", object.to_string())
}

/// Returns how an error reads in full.
pub(crate) fn told(error: &Error) -> String {
    error.report().to_string()
}
