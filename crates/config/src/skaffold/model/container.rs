//! Containers that are run: `verify` and `customActions`.

use serde::Deserialize;
use shipway_yaml::Spanned;

/// One container that says whether what is deployed does what it should.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::skaffold) struct VerifyTest {
    pub(in crate::skaffold) name: Spanned<String>,
    pub(in crate::skaffold) timeout: Option<u64>,
    pub(in crate::skaffold) container: Container,
    #[serde(default)]
    pub(in crate::skaffold) execution_mode: ExecutionMode,
}

/// Containers that are run together when somebody asks for it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::skaffold) struct CustomAction {
    pub(in crate::skaffold) name: Spanned<String>,
    pub(in crate::skaffold) timeout: Option<u64>,
    pub(in crate::skaffold) fail_fast: Option<bool>,
    #[serde(default)]
    pub(in crate::skaffold) containers: Vec<Container>,
    #[serde(default)]
    pub(in crate::skaffold) execution_mode: ExecutionMode,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::skaffold) struct Container {
    pub(in crate::skaffold) name: Spanned<String>,
    pub(in crate::skaffold) image: Spanned<String>,
    #[serde(default)]
    pub(in crate::skaffold) command: Vec<String>,
    #[serde(default)]
    pub(in crate::skaffold) args: Vec<String>,
    #[serde(default)]
    pub(in crate::skaffold) env: Vec<Variable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::skaffold) struct Variable {
    pub(in crate::skaffold) name: String,
    #[serde(default)]
    pub(in crate::skaffold) value: String,
}

/// Where they run; on this machine where nothing is said.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::skaffold) struct ExecutionMode {
    pub(in crate::skaffold) local: Option<LocalMode>,
    pub(in crate::skaffold) kubernetes_cluster: Option<ClusterMode>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::skaffold) struct LocalMode {
    pub(in crate::skaffold) use_local_images: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::skaffold) struct ClusterMode {
    pub(in crate::skaffold) overrides: Option<Spanned<String>>,
    pub(in crate::skaffold) job_manifest_path: Option<Spanned<String>>,
}
