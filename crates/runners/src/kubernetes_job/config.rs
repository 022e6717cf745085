//! The options of the runner `kubernetes_job`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipway_core::{Catalog, Error, PluginConfig, Result};

use super::KubernetesJob;

/// The options of the runner `kubernetes_job`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct KubernetesJobConfig {
    /// The context, by which the world's credentials know the cluster.
    pub context: String,
    /// The namespace; the context's own when absent.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The image of commands that name none.
    #[serde(default)]
    pub image: Option<String>,
    /// An image with a `busybox` that needs no libraries, which waits in the pod for whoever listens.
    #[serde(default = "helper")]
    pub init_image: String,
    /// The service account, whose token the pod gets then; none when absent.
    #[serde(default)]
    pub service_account: Option<String>,
    /// A secret of the namespace with which nodes pull images.
    #[serde(default)]
    pub image_pull_secret: Option<String>,
    /// The command's `resources`, as a container has them.
    #[serde(default)]
    pub resources: Option<Value>,
    /// Tolerations, as a pod has them.
    #[serde(default)]
    pub tolerations: Vec<Value>,
    /// Labels that the node must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Annotations of the pod.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Labels of the pod.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The user that commands run as, by number; the image's when absent.
    #[serde(default)]
    pub run_as_user: Option<i64>,
    /// The longest that a command may take, in seconds; 3600 by default. A task's own timeout counts too.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
    /// How long a job stays that nobody is left to remove, in seconds; 600 by default.
    #[serde(default = "stays")]
    pub ttl_seconds: u64,
    /// What a volume's claim is, as the `spec` of a `PersistentVolumeClaim` has it; without one there are no volumes.
    /// Where pods may run on several nodes, it must be one that all of them can have.
    #[serde(default)]
    pub volume_claim: Option<Value>,
    /// How many commands run at once; as many as there are when absent.
    #[serde(default)]
    pub concurrency: Option<u32>,
}

fn helper() -> String {
    "busybox:1.37.0-musl".to_owned()
}

fn timeout() -> u64 {
    3600
}

fn stays() -> u64 {
    600
}

impl KubernetesJobConfig {
    /// Returns the usual options, for the cluster of this context.
    pub fn new(context: impl Into<String>) -> Self {
        Self {
            context: context.into(),
            namespace: None,
            image: None,
            init_image: helper(),
            service_account: None,
            image_pull_secret: None,
            resources: None,
            tolerations: Vec::new(),
            node_selector: BTreeMap::new(),
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            run_as_user: None,
            timeout_seconds: timeout(),
            ttl_seconds: stays(),
            volume_claim: None,
            concurrency: None,
        }
    }

    /// Sets the namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the image of commands that name none.
    #[must_use]
    pub fn image(mut self, reference: impl Into<String>) -> Self {
        self.image = Some(reference.into());
        self
    }

    /// Sets the image with the program that waits.
    #[must_use]
    pub fn init_image(mut self, reference: impl Into<String>) -> Self {
        self.init_image = reference.into();
        self
    }

    /// Sets the command's resources.
    #[must_use]
    pub fn resources(mut self, resources: Value) -> Self {
        self.resources = Some(resources);
        self
    }

    /// Sets what a volume's claim is.
    #[must_use]
    pub fn volume_claim(mut self, spec: Value) -> Self {
        self.volume_claim = Some(spec);
        self
    }

    /// Adds a toleration.
    #[must_use]
    pub fn toleration(mut self, toleration: Value) -> Self {
        self.tolerations.push(toleration);
        self
    }

    /// Adds a label that the node must have.
    #[must_use]
    pub fn node_selector(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.node_selector.insert(name.into(), value.into());
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.context.is_empty() {
            return Err(Error::config("runner `kubernetes_job` has no cluster")
                .hint("name the context of a kubeconfig with `context`"));
        }
        if self.timeout_seconds == 0 {
            return Err(Error::config("`timeoutSeconds` is 0").hint("leave it out to mean 3600"));
        }
        match self.concurrency {
            Some(0) => Err(Error::config("`concurrency` is 0").hint("leave it out for no limit")),
            _ => Ok(()),
        }
    }
}

impl PluginConfig for KubernetesJobConfig {
    const KIND: &'static str = "kubernetes_job";

    type Plugin = KubernetesJob;

    fn into_plugin(self, _catalog: &Catalog) -> Result<KubernetesJob> {
        KubernetesJob::new(self)
    }
}
