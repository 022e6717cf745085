//! Commands around the phases, as Skaffold has them.

use serde::Deserialize;

/// What is done before and after something.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "T: Deserialize<'de>")]
pub(in crate::skaffold) struct Hooks<T> {
    #[serde(default = "Vec::new")]
    pub(in crate::skaffold) before: Vec<T>,
    #[serde(default = "Vec::new")]
    pub(in crate::skaffold) after: Vec<T>,
}

impl<T> Default for Hooks<T> {
    fn default() -> Self {
        Self { before: Vec::new(), after: Vec::new() }
    }
}

/// A command on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::skaffold) struct HostHook {
    pub(in crate::skaffold) command: Vec<String>,
    /// The systems on which it runs, as Go calls them; any where it is empty.
    #[serde(default)]
    pub(in crate::skaffold) os: Vec<String>,
    pub(in crate::skaffold) dir: Option<String>,
}

/// A command here, or in containers of what is deployed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::skaffold) struct DeployHook {
    pub(in crate::skaffold) host: Option<HostHook>,
    pub(in crate::skaffold) container: Option<ContainerHook>,
}

/// A command in all containers that run and have such names.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::skaffold) struct ContainerHook {
    pub(in crate::skaffold) command: Vec<String>,
    pub(in crate::skaffold) pod_name: String,
    #[serde(default)]
    pub(in crate::skaffold) container_name: String,
}
