//! A cluster for the tests of builders that have a pod, and a folder of sources.

use std::{
    env, fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use shipway_builders::BuildCluster;
use shipway_cluster::{Api, Cluster, Selector};
use shipway_core::{
    Artifact, BuildRequest, Cancel, Context, Fingerprint, FixedCredentials, Image, ObjectId, RunContext,
    Store, Tag, Target, World,
};
use shipway_oci::{Client, FoundFile, HostOptions, ImageFiles, Limits, Stores, read_image};
use tempfile::TempDir;

/// The longest that anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A cluster with a namespace of the test's own.
pub(crate) struct Bed {
    pub(crate) context: String,
    kubeconfig: String,
    pub(crate) registry: String,
    /// The builder's image.
    pub(crate) image: String,
    pub(crate) namespace: String,
    pub(crate) folder: TempDir,
    pub(crate) cluster: Cluster,
    pub(crate) cx: Context,
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the door to images, also in the registry of the cluster.
pub(crate) fn images() -> Stores {
    let hosts = ["SHIPWAY_KUBE_REGISTRY", "SHIPWAY_KUBE_REGISTRY_AUTH"].into_iter().filter_map(variable);
    let client =
        hosts.fold(Client::builder(), |client, host| client.host(host, HostOptions::new().plain_http()));
    Stores::with_client(client.build().unwrap())
}

pub(crate) fn unlike(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Bed {
    /// Makes a namespace for a test of a builder, or returns `None` where there is no cluster.
    pub(crate) async fn up(builder: &str, test: &str) -> Option<Self> {
        let named = format!("SHIPWAY_{}_IMAGE", builder.to_uppercase());
        let (Some(path), Some(registry), Some(image)) =
            (variable("SHIPWAY_KUBECONFIG"), variable("SHIPWAY_KUBE_REGISTRY"), variable(&named))
        else {
            crate::skip::skip(
                &format!("{builder}::{test}"),
                &format!("a cluster: SHIPWAY_KUBECONFIG, SHIPWAY_KUBE_REGISTRY, {named}"),
            );
            return None;
        };
        let kubeconfig = fs::read_to_string(path).unwrap();
        let context = variable("SHIPWAY_KUBE_CONTEXT").unwrap_or_else(|| "shipway-bed".to_owned());
        let credentials = FixedCredentials::new().cluster(&*context, &*kubeconfig);
        let world = World::host("/").credentials(credentials);
        let cx = RunContext::new(world, "bed").context(None, None, Cancel::new());
        let cluster = Cluster::open(&cx, &context).await.unwrap();
        let namespace = unlike(builder);
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.create(&cx, "test", &object).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Some(Self { context, kubeconfig, registry, image, namespace, folder, cluster, cx })
    }

    /// Removes the namespace, in which nothing may be left.
    pub(crate) async fn down(self) {
        assert_eq!(self.left().await, Vec::<String>::new());
        let id = ObjectId::new("v1", "Namespace", self.namespace.as_str());
        self.cluster.delete(&self.cx, &id, None).await.unwrap();
    }

    /// Returns the jobs, pods and secrets of the namespace.
    pub(crate) async fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for kind in ["Job", "Pod", "Secret"] {
            left.extend(
                self.list(kind).await.iter().map(|one| format!("{kind} {}", one["metadata"]["name"])),
            );
        }
        left
    }

    pub(crate) async fn list(&self, kind: &str) -> Vec<Value> {
        let version = if kind == "Job" { "batch/v1" } else { "v1" };
        let selector = Selector::new().kind(version, kind).namespace(&self.namespace);
        self.cluster.list(&self.cx, &selector).await.unwrap().items
    }

    pub(crate) fn credentials(&self) -> FixedCredentials {
        FixedCredentials::new().cluster(&*self.context, &*self.kubeconfig)
    }

    pub(crate) fn world(&self) -> World {
        World::host(self.folder.path()).credentials(self.credentials()).images(images())
    }

    pub(crate) fn context(&self) -> Context {
        RunContext::new(self.world(), unlike("run")).context(None, None, Cancel::new())
    }

    /// Returns the place of the builder's pods.
    pub(crate) fn place(&self) -> BuildCluster {
        BuildCluster::new(&*self.context).namespace(&*self.namespace)
    }

    /// Returns the reference of an image with a shell.
    pub(crate) fn base(&self) -> String {
        format!("{}/bases/busybox:local", self.registry)
    }

    pub(crate) fn write(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = self.folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    pub(crate) fn target(&self) -> Target {
        let repository = format!("{}/{}", self.registry, unlike("built/image"));
        Target::new(Store::Registry, repository, Tag::parse("built").unwrap())
    }
}

/// Waits until something of a kind is so.
pub(crate) async fn until(bed: &Bed, kind: &str, is_so: impl Fn(&Value) -> bool + Send + Sync) -> Value {
    let waiting = async {
        loop {
            if let Some(found) = bed.list(kind).await.into_iter().find(|one| is_so(one)) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect("it comes")
}

/// Returns whether the builder's container runs.
pub(crate) fn is_running(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["state"]["running"].is_object()
}

/// Returns a file of an image.
pub(crate) async fn file(cx: &Context, image: &Image, path: &str) -> Vec<u8> {
    let repository = images().open(cx, &image.store, &image.repository).unwrap();
    let layers = read_image(repository.as_ref(), &image.digest, None).await.unwrap().manifest.layers;
    let files = ImageFiles::read(repository.as_ref(), &layers, Limits::default()).await.unwrap();
    let found = files.find(path).unwrap().unwrap();
    let content = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&content);
    let keep = move |_: &FoundFile, bytes: &[u8]| {
        bytes.clone_into(&mut kept.lock().unwrap());
        Ok(())
    };
    ImageFiles::contents(repository.as_ref(), &layers, [found], 100 << 20, keep).await.unwrap();
    content.lock().unwrap().clone()
}

pub(crate) fn request(target: Target) -> BuildRequest {
    BuildRequest::new(Artifact::new("web", "."), target, Fingerprint::parse("0".repeat(64)).unwrap())
}
