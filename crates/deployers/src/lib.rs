//! Deployers: what brings a release to a target, watches it and goes back.

mod gitops;
#[cfg(feature = "kubernetes")]
mod helm;
#[cfg(feature = "kubernetes")]
mod kubectl;
#[cfg(feature = "kubernetes")]
mod logs;
mod manifests;
mod memory;
mod releases;
#[cfg(feature = "kubernetes")]
mod turn;
#[cfg(feature = "kubernetes")]
mod watch;
mod workload;

pub use self::{
    gitops::{Environment, Gitops, GitopsConfig, GitopsLogs, GitopsLogsConfig, ImagePart, Substitute},
    manifests::{Kustomization, KustomizationImage},
    memory::{Memory, MemoryConfig},
};
#[cfg(feature = "kubernetes")]
pub use self::{
    helm::{Helm, HelmChart, HelmConfig, HelmFlags, HelmGit, HelmPackaged},
    kubectl::{Kubectl, KubectlCharts, KubectlConfig, KubectlFlags, KubectlKustomize, KubectlManifests},
    manifests::{HostHook, ManifestFunction, ManifestHook, ManifestHooks, ResourceFilter, ResourceSelector},
};
