//! The cluster of these tests.

use std::{
    env, fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::{Value, json};
use shipway_cluster::{Api, Cluster, Selector};
use shipway_core::{
    Cancel, Context, Credentials, FixedCredentials, Image, Login, ObjectId, Result, RunContext, Secret,
    SecretId, Store, World,
};
use shipway_oci::{Client, HostOptions, Stores};
use shipway_runners::{KubernetesJob, KubernetesJobConfig};

/// A cluster with a namespace of the test's own.
#[derive(Clone)]
pub(crate) struct Bed {
    pub(crate) context: String,
    kubeconfig: String,
    pub(crate) registry: String,
    pub(crate) namespace: String,
    pub(crate) cluster: Cluster,
    pub(crate) cx: Context,
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn unlike(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The credentials of a world, and the cluster's.
#[derive(Debug)]
struct WithCluster {
    inner: Arc<dyn Credentials>,
    kubeconfig: String,
}

#[async_trait]
impl Credentials for WithCluster {
    async fn registry(&self, cx: &Context, host: &str) -> Result<Option<Login>> {
        self.inner.registry(cx, host).await
    }

    async fn cluster(&self, _cx: &Context, _context: &str) -> Result<Secret> {
        Ok(Secret::from(&*self.kubeconfig))
    }

    async fn secret(&self, cx: &Context, id: &SecretId) -> Result<Secret> {
        self.inner.secret(cx, id).await
    }
}

impl Bed {
    pub(crate) async fn up(test: &str) -> Option<Self> {
        let (Some(path), Some(registry)) =
            (variable("SHIPWAY_KUBECONFIG"), variable("SHIPWAY_KUBE_REGISTRY"))
        else {
            crate::skip::skip(
                &format!("kubernetes_job::{test}"),
                "a cluster: SHIPWAY_KUBECONFIG, SHIPWAY_KUBE_REGISTRY",
            );
            return None;
        };
        let kubeconfig = fs::read_to_string(path).unwrap();
        let context = variable("SHIPWAY_KUBE_CONTEXT").unwrap_or_else(|| "shipway-bed".to_owned());
        let credentials = FixedCredentials::new().cluster(&*context, &*kubeconfig);
        let world = World::host("/").credentials(credentials);
        let cx = RunContext::new(world, "bed").context(None, None, Cancel::new());
        let cluster = Cluster::open(&cx, &context).await.unwrap();
        let namespace = unlike("jobs");
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.create(&cx, "test", &object).await.unwrap();
        Some(Self { context, kubeconfig, registry, namespace, cluster, cx })
    }

    /// Makes volumes that claims of this test can have: folders of the node, which is this machine. A cluster that
    /// somebody named has its own.
    pub(crate) async fn offer_volumes(&self, count: usize) {
        if variable("SHIPWAY_KUBE_CONTEXT").is_some() {
            return;
        }
        for number in 0..count {
            let name = format!("{}-{number}", self.namespace);
            let object = json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
                "spec": {
                    "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                    "storageClassName": self.namespace, "persistentVolumeReclaimPolicy": "Retain",
                    "hostPath": {"path": self.folder().join(name), "type": "DirectoryOrCreate"},
                },
            });
            self.cluster.create(&self.cx, "test", &object).await.unwrap();
        }
    }

    fn folder(&self) -> PathBuf {
        env::temp_dir().join(format!("shipway-volumes-{}", self.namespace))
    }

    /// Says what a claim is.
    pub(crate) fn claim(&self) -> Value {
        let mut claim =
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        if variable("SHIPWAY_KUBE_CONTEXT").is_none() {
            claim["storageClassName"] = self.namespace.as_str().into();
        }
        claim
    }

    /// Removes the namespace, in which nothing may be left.
    pub(crate) async fn down(self) {
        assert_eq!(self.left().await, Vec::<String>::new());
        let id = ObjectId::new("v1", "Namespace", self.namespace.as_str());
        self.cluster.delete(&self.cx, &id, None).await.unwrap();
        let offered =
            self.cluster.list(&self.cx, &Selector::new().kind("v1", "PersistentVolume")).await.unwrap();
        for volume in offered.items.iter().filter(|one| one["spec"]["storageClassName"] == *self.namespace) {
            let id = shipway_cluster::object_id(volume).unwrap();
            self.cluster.delete(&self.cx, &id, None).await.unwrap();
        }
        if self.folder().exists() {
            fs::remove_dir_all(self.folder()).unwrap();
        }
    }

    /// Returns the jobs, pods, secrets and claims of the namespace.
    pub(crate) async fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for kind in ["Job", "Pod", "Secret", "PersistentVolumeClaim"] {
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

    pub(crate) fn images(&self) -> Stores {
        let client = Client::builder().host(&*self.registry, HostOptions::new().plain_http());
        Stores::with_client(client.build().unwrap())
    }

    /// Returns a world that has the cluster and its registry besides what it has.
    pub(crate) fn around(&self, world: World) -> World {
        let inner = Arc::clone(&world.credentials);
        let credentials = WithCluster { inner, kubeconfig: self.kubeconfig.clone() };
        world.images(self.images()).credentials(credentials)
    }

    pub(crate) fn context(&self, credentials: FixedCredentials) -> Context {
        let world = World::host("/").credentials(credentials).images(self.images());
        RunContext::new(world, unlike("run")).context(None, None, Cancel::new())
    }

    pub(crate) fn options(&self) -> KubernetesJobConfig {
        KubernetesJobConfig::new(&*self.context)
            .namespace(&*self.namespace)
            .init_image(format!("{}/bases/busybox:local", self.registry))
    }

    pub(crate) fn runner(&self) -> KubernetesJob {
        KubernetesJob::new(self.options()).unwrap()
    }

    /// Returns an image with a shell.
    pub(crate) async fn image(&self) -> Image {
        let cx = self.context(self.credentials());
        let reference = format!("{}/bases/busybox:local", self.registry);
        cx.images().find(&cx, &Store::Registry, &reference).await.unwrap().unwrap()
    }
}
