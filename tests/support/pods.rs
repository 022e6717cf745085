//! A cluster for tests of what works in its pods, with a registry that pods and nodes reach. Whoever takes this file by its
//! path takes `cluster.rs` and `skip.rs` too.

use std::{
    env,
    ops::Deref,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;
use shipway_cluster::{Api, Selector};
use shipway_core::FixedCredentials;

use crate::cluster::{Bed, kubeconfig};

/// A cluster, and a namespace of it that is the test's own.
#[derive(Clone, Debug)]
pub(crate) struct Pods {
    bed: Bed,
    pub(crate) context: String,
    pub(crate) kubeconfig: String,
    pub(crate) registry: String,
}

impl Deref for Pods {
    type Target = Bed;

    fn deref(&self) -> &Bed {
        &self.bed
    }
}

pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn unlike(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Pods {
    /// Makes a namespace for a test, or says that the test lacks a cluster.
    pub(crate) async fn up(test: &str) -> Option<Self> {
        let Some(registry) = variable("SHIPWAY_KUBE_REGISTRY") else {
            crate::skip::skip(test, "a registry of the cluster: SHIPWAY_KUBE_REGISTRY");
            return None;
        };
        let bed = Bed::up(test).await?;
        let (kubeconfig, context) = kubeconfig()?;
        Some(Self { bed, context, kubeconfig, registry })
    }

    /// Removes the namespace, in which nothing may be left.
    pub(crate) async fn down(self) {
        assert_eq!(self.left().await, Vec::<String>::new());
        self.bed.down().await;
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

    /// Returns the reference of an image with a shell.
    pub(crate) fn base(&self) -> String {
        format!("{}/bases/busybox:local", self.registry)
    }
}
