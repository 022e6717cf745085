//! The options of the deployer `kubectl`, as `skaffold.yaml` has them.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shipway_core::{Catalog, Error, PluginConfig, Result};

use super::Kubectl;
use crate::{manifests::ResourceSelector, releases::check_name};

/// The options of the deployer `kubectl`: those of Skaffold's `deploy.kubectl` and `manifests`, and more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct KubectlConfig {
    /// The context of the kubeconfig. Without one, nothing can be deployed.
    pub kube_context: Option<String>,
    /// See [`Kubectl::namespace`].
    pub default_namespace: Option<String>,
    /// The manifests.
    pub manifests: KubectlManifests,
    /// See [`Kubectl::folder`].
    pub folder: PathBuf,
    /// See [`Kubectl::allow_http`].
    pub allow_http: bool,
    /// See [`Kubectl::labels`].
    pub labels: BTreeMap<String, String>,
    /// See [`Kubectl::resource_selector`].
    pub resource_selector: ResourceSelector,
    /// See [`Kubectl::tolerate_failures`].
    pub tolerate_failures_until_deadline: bool,
    /// See [`Kubectl::credential_programs`].
    pub credential_programs: bool,
    /// See [`Kubectl::image_loader`].
    pub image_loader: Option<Vec<String>>,
    /// What else Skaffold has, and this deployer has not yet.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What is deployed, as Skaffold's `manifests` says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct KubectlManifests {
    /// See [`Kubectl::manifests`].
    pub raw_yaml: Vec<String>,
    /// What else Skaffold has, and this deployer has not yet.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl PluginConfig for KubectlConfig {
    const KIND: &'static str = "kubectl";
    type Plugin = Kubectl;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Kubectl> {
        for (place, other) in [("", &self.other), ("manifests.", &self.manifests.other)] {
            if let Some(name) = other.keys().next() {
                return Err(Error::unsupported(format!(
                    "`{place}{name}` is not supported by the deployer `kubectl` yet"
                ))
                .hint(
                    "it applies plain manifests (`manifests.rawYaml`) through the API, without the program",
                ));
            }
        }
        if let Some(namespace) = &self.default_namespace {
            check_name("namespace", namespace)?;
        }
        Ok(Kubectl {
            context: self.kube_context,
            namespace: self.default_namespace,
            folder: self.folder,
            manifests: self.manifests.raw_yaml,
            plain_http: self.allow_http,
            labels: self.labels,
            selector: self.resource_selector,
            tolerate_failures: self.tolerate_failures_until_deadline,
            credential_programs: self.credential_programs,
            image_loader: self.image_loader,
        })
    }
}
