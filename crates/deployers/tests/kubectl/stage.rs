//! A deployer with manifests in a folder, and a namespace of the cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};
use shipway_cluster::{Api, Selector, managers};
use shipway_core::{
    Cancel, ChangeSet, Context, Deployer, Deployment, Desired, Error, Manifests, ObjectId, Release, Result,
    RunContext, TaskId, World,
};
use shipway_deployers::Kubectl;
use tempfile::TempDir;

use crate::{
    cluster::{Bed, kubeconfig},
    proxy::Proxy,
};

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

    /// Returns a stage whose deployer reaches the cluster through a proxy.
    pub(crate) async fn behind_a_proxy(test: &str) -> Option<(Self, Proxy)> {
        let mut stage = Self::up(test).await?;
        let (text, name) = kubeconfig()?;
        let proxy = Proxy::start(&text, &name).await;
        stage.cx = context(&name, &proxy.kubeconfig(), &stage.folder);
        Some((stage, proxy))
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

    /// Returns what has to change for what the folder has.
    pub(crate) async fn plan(&self) -> Result<ChangeSet> {
        let manifests = self.render().await;
        self.diff(&Desired::Released { manifests, share: 100 }).await
    }

    /// Returns what would have to change for what the folder has, a line each.
    pub(crate) async fn changes(&self) -> Result<Vec<String>> {
        let changes = self.plan().await?;
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

    /// Returns all that the release and others have in the namespace, with who owns which fields of it; without the
    /// deployer's records, and what controllers and the API server write by themselves.
    pub(crate) async fn objects(&self) -> BTreeMap<String, Value> {
        let mut objects = BTreeMap::new();
        for (version, kind) in
            [("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "Service"), ("apps/v1", "Deployment")]
        {
            let selector = Selector::new().kind(version, kind).namespace(self.bed.namespace.as_str());
            for mut object in self.bed.cluster.list(&self.bed.cx, &selector).await.unwrap().items {
                let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                let records = object["type"].as_str().is_some_and(|kind| kind.starts_with("shipway.dev/"));
                if records || name == "kube-root-ca.crt" {
                    continue;
                }
                let owners = managers(&object).unwrap().into_iter();
                let owners = owners.filter(|owner| owner.manager != "kube-controller-manager");
                let owners: BTreeSet<String> = owners
                    .map(|owner| format!("{} {:?} {}", owner.manager, owner.method, owner.fields.to_v1()))
                    .collect();
                object.as_object_mut().unwrap().remove("status");
                let metadata = object["metadata"].as_object_mut().unwrap();
                for name in ["managedFields", "resourceVersion", "generation"] {
                    metadata.remove(name);
                }
                let by_controllers = "deployment.kubernetes.io/revision";
                if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                    annotations.remove(by_controllers);
                    if annotations.is_empty() {
                        metadata.remove("annotations");
                    }
                }
                // Its order is nobody's.
                if let Some(ports) = object["spec"]["ports"].as_array_mut() {
                    ports.sort_by_key(|port| port["port"].as_u64());
                }
                object["owners"] = json!(owners);
                objects.insert(format!("{kind} {name}"), object);
            }
        }
        objects
    }

    /// Returns who holds the release's lease, if anybody does.
    pub(crate) async fn holder(&self) -> Option<String> {
        let id = self.bed.id("coordination.k8s.io/v1", "Lease", "shipway.shop");
        let lease = self.bed.cluster.get(&self.bed.cx, &id).await.unwrap()?;
        lease["spec"]["holderIdentity"].as_str().map(ToOwned::to_owned)
    }

    pub(crate) async fn history(&self) -> Vec<String> {
        let history = self.kubectl.history(&self.cx, "shop").await.unwrap();
        history.into_iter().map(|deployment| deployment.revision).collect()
    }
}

/// Returns a new context, as another process of the same run has it.
pub(crate) fn context(name: &str, kubeconfig: &str, folder: &TempDir) -> Context {
    context_of("run", name, kubeconfig, folder)
}

/// Returns a new context of a run.
pub(crate) fn context_of(run: &str, name: &str, kubeconfig: &str, folder: &TempDir) -> Context {
    let credentials = shipway_core::FixedCredentials::new().cluster(name, kubeconfig);
    let world = World::host(folder.path()).credentials(credentials);
    RunContext::new(world, run).context(TaskId::parse("apply:shop").ok(), None, Cancel::new())
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
