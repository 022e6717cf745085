//! A real cluster for tests: that of `SHIPWAY_KUBECONFIG`, whose context is `SHIPWAY_KUBE_CONTEXT` or `shipway-bed`. Whoever takes
//! this file by its path takes `skip.rs` too.

use std::{
    env, fs,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};
use shipway_cluster::{Api, Cluster, Options};
use shipway_core::{Cancel, Context, FixedCredentials, ObjectId, RunContext, World};

/// A cluster, and a namespace of it that is the test's own.
#[derive(Clone, Debug)]
pub(crate) struct Bed {
    pub(crate) cx: Context,
    pub(crate) cluster: Cluster,
    pub(crate) namespace: String,
}

/// Returns the kubeconfig and its context.
pub(crate) fn kubeconfig() -> Option<(String, String)> {
    let path = env::var_os("SHIPWAY_KUBECONFIG")?;
    let context = env::var("SHIPWAY_KUBE_CONTEXT").unwrap_or_else(|_| "shipway-bed".to_owned());
    Some((fs::read_to_string(path).expect("the kubeconfig is read"), context))
}

pub(crate) fn context(name: &str, kubeconfig: &str) -> Context {
    let credentials = FixedCredentials::new().cluster(name, kubeconfig);
    let world = World::host("/").credentials(credentials);
    RunContext::new(world, "test").context(None, None, Cancel::new())
}

impl Bed {
    /// Returns a cluster with a new namespace, or says that the test lacks one.
    pub(crate) async fn up(test: &str) -> Option<Self> {
        Self::up_with(test, Options::default()).await
    }

    pub(crate) async fn up_with(test: &str, options: Options) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Some((text, name)) = kubeconfig() else {
            crate::skip::skip(test, "a cluster: SHIPWAY_KUBECONFIG");
            return None;
        };
        let cx = context(&name, &text);
        let cluster = Cluster::open_with(&cx, &name, options).await.expect("opened");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("test-{}-{number}", std::process::id());
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.create(&cx, "test", &object).await.expect("a namespace");
        Some(Self { cx, cluster, namespace })
    }

    /// Removes the namespace.
    pub(crate) async fn down(self) {
        let id = ObjectId::new("v1", "Namespace", self.namespace.as_str());
        self.cluster.delete(&self.cx, &id, None).await.expect("removed");
    }

    pub(crate) fn id(&self, version: &str, kind: &str, name: &str) -> ObjectId {
        ObjectId::new(version, kind, name).namespace(self.namespace.clone())
    }

    pub(crate) fn settings(&self, name: &str, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"test": "yes"}}, "data": data})
    }
}
