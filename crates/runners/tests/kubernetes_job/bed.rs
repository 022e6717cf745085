//! The cluster of these tests.

use std::{env, fs, ops::Deref, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde_json::{Value, json};
use shipway_cluster::{Api, Selector};
use shipway_core::{
    Cancel, Context, Credentials, FixedCredentials, Image, Login, Result, RunContext, Secret, SecretId,
    Store, World,
};
use shipway_oci::{Client, HostOptions, Stores};
use shipway_runners::{KubernetesJob, KubernetesJobConfig};

use crate::pods::{Pods, unlike, variable};

/// A cluster with a namespace of the test's own.
#[derive(Clone)]
pub(crate) struct Bed(Pods);

impl Deref for Bed {
    type Target = Pods;

    fn deref(&self) -> &Pods {
        &self.0
    }
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
        Pods::up(&format!("kubernetes_job::{test}")).await.map(Self)
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

    /// Removes the namespace, in which nothing may be left, and what was offered to it.
    pub(crate) async fn down(self) {
        let (cluster, cx, folder) = (self.cluster.clone(), self.cx.clone(), self.folder());
        let namespace = self.namespace.clone();
        self.0.down().await;
        let offered = cluster.list(&cx, &Selector::new().kind("v1", "PersistentVolume")).await.unwrap();
        for volume in offered.items.iter().filter(|one| one["spec"]["storageClassName"] == *namespace) {
            let id = shipway_cluster::object_id(volume).unwrap();
            cluster.delete(&cx, &id, None).await.unwrap();
        }
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap();
        }
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
        KubernetesJobConfig::new(&*self.context).namespace(&*self.namespace).init_image(self.base())
    }

    pub(crate) fn runner(&self) -> KubernetesJob {
        KubernetesJob::new(self.options()).unwrap()
    }

    /// Returns an image with a shell.
    pub(crate) async fn image(&self) -> Image {
        let cx = self.context(self.credentials());
        cx.images().find(&cx, &Store::Registry, &self.base()).await.unwrap().unwrap()
    }
}
