//! Where the pods of builds are, in Skaffold's words (`build.cluster`), for every builder that has some.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipway_core::{Error, Result};

/// The cluster of a builder, and what its pods are like. Nothing of it decides the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct BuildCluster {
    /// The context, by which the world's credentials know the cluster.
    pub context: String,
    /// The namespace; the context's own when absent.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The service account, whose token the pod gets then; none when absent.
    #[serde(default)]
    pub service_account: Option<String>,
    /// A secret of the namespace with which nodes pull the builder's image.
    #[serde(default)]
    pub image_pull_secret: Option<String>,
    /// A secret of the namespace with a `config.json` for registries, in the place of the world's logins.
    #[serde(default)]
    pub docker_config_secret: Option<String>,
    /// The builder's `resources`, as a container has them.
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
    /// More volumes, as a pod has them.
    #[serde(default)]
    pub volumes: Vec<Value>,
    /// Where the builder sees them, as a container has them.
    #[serde(default)]
    pub volume_mounts: Vec<Value>,
    /// The user that the pod runs as; the images' own when absent.
    #[serde(default)]
    pub run_as_user: Option<i64>,
    /// The longest that a build may take, in seconds; 1200 by default.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
    /// How many builds run at once; as many as there are when absent.
    #[serde(default)]
    pub concurrency: Option<u32>,
}

fn timeout() -> u64 {
    1200
}

impl BuildCluster {
    /// Returns the cluster of this context, with the usual pods.
    pub fn new(context: impl Into<String>) -> Self {
        Self {
            context: context.into(),
            namespace: None,
            service_account: None,
            image_pull_secret: None,
            docker_config_secret: None,
            resources: None,
            tolerations: Vec::new(),
            node_selector: BTreeMap::new(),
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            volumes: Vec::new(),
            volume_mounts: Vec::new(),
            run_as_user: None,
            timeout_seconds: timeout(),
            concurrency: None,
        }
    }

    /// Sets the namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the builder's resources.
    #[must_use]
    pub fn resources(mut self, resources: Value) -> Self {
        self.resources = Some(resources);
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

    /// Sets the longest that a build may take.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout_seconds = time.as_secs();
        self
    }

    /// Sets how many builds run at once.
    #[must_use]
    pub fn concurrency(mut self, builds: u32) -> Self {
        self.concurrency = Some(builds);
        self
    }

    pub(crate) fn check(&self, builder: &str) -> Result<()> {
        if self.context.is_empty() {
            return Err(Error::config(format!("builder `{builder}` has no cluster"))
                .hint("name the context of a kubeconfig with `cluster.context`"));
        }
        if self.timeout_seconds == 0 {
            return Err(Error::config("`timeoutSeconds` is 0").hint("leave it out to mean 1200"));
        }
        match self.concurrency {
            Some(0) => Err(Error::config("`concurrency` is 0").hint("leave it out for no limit")),
            _ => Ok(()),
        }
    }
}
