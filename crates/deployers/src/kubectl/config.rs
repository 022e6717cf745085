//! The options of the deployer `kubectl`, as a file has them.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, PluginConfig, Result};

use super::Kubectl;
use crate::{manifests::ResourceSelector, releases::check_name};

/// The options of the deployer `kubectl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct KubectlConfig {
    /// The context of the kubeconfig.
    pub context: String,
    /// See [`Kubectl::namespace`].
    #[serde(default)]
    pub namespace: Option<String>,
    /// See [`Kubectl::folder`].
    #[serde(default)]
    pub folder: PathBuf,
    /// See [`Kubectl::manifests`].
    #[serde(default)]
    pub manifests: Vec<String>,
    /// See [`Kubectl::allow_http`].
    #[serde(default)]
    pub allow_http: bool,
    /// See [`Kubectl::labels`].
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// See [`Kubectl::resource_selector`].
    #[serde(default)]
    pub resource_selector: ResourceSelector,
    /// See [`Kubectl::tolerate_failures`].
    #[serde(default)]
    pub tolerate_failures: bool,
    /// See [`Kubectl::credential_programs`].
    #[serde(default)]
    pub credential_programs: bool,
}

impl PluginConfig for KubectlConfig {
    const KIND: &'static str = "kubectl";
    type Plugin = Kubectl;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Kubectl> {
        if let Some(namespace) = &self.namespace {
            check_name("namespace", namespace)?;
        }
        Ok(Kubectl {
            context: self.context,
            namespace: self.namespace,
            folder: self.folder,
            manifests: self.manifests,
            plain_http: self.allow_http,
            labels: self.labels,
            selector: self.resource_selector,
            tolerate_failures: self.tolerate_failures,
            credential_programs: self.credential_programs,
        })
    }
}
