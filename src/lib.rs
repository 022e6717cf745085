#![doc = include_str!("../README.md")]

// The facade is all of core under one name; plug-ins keep their families' names.
pub use shipway_core::*;

pub use shipway_builders as builders;
pub use shipway_cluster as cluster;
pub use shipway_config as config;
pub use shipway_deployers as deployers;
pub use shipway_docker as docker;
pub use shipway_git as git;
pub use shipway_oci as oci;
pub use shipway_provenance as provenance;
pub use shipway_report as report;
pub use shipway_runners as runners;
pub use shipway_taggers as taggers;
pub use shipway_template as template;
pub use shipway_testers as testers;

/// Returns a catalog of every kind of plug-in in this package.
///
/// ```
/// let kinds = shipway::catalog().kinds();
/// assert_eq!(kinds["builder"], ["buildkit", "custom", "docker", "kaniko", "native"]);
/// assert_eq!(kinds["tagger"], [
///     "customTemplate", "dateTime", "envTemplate", "fixed", "gitCommit", "inputDigest", "sha256"
/// ]);
/// assert_eq!(kinds["tester"], ["command", "container", "structure", "verify-provenance"]);
/// assert_eq!(kinds["deployer"], ["gitops", "helm", "kubectl", "memory"]);
/// assert_eq!(kinds["attester"], ["attest"]);
/// assert_eq!(kinds["log reader"], ["gitops", "helm", "kubectl"]);
/// assert_eq!(kinds["runner"], ["docker", "host", "kubernetes_exec", "kubernetes_job"]);
/// ```
#[must_use]
pub fn catalog() -> Catalog {
    Catalog::new()
        .with_builder::<builders::NativeConfig>()
        .with_builder::<builders::DockerConfig>()
        .with_builder::<builders::CustomConfig>()
        .with_builder::<builders::KanikoConfig>()
        .with_builder::<builders::BuildkitConfig>()
        .merge(taggers::catalog())
        .with_tester::<testers::StructureConfig>()
        .with_tester::<testers::CommandTestConfig>()
        .with_tester::<testers::ContainerTestConfig>()
        .with_tester::<provenance::VerifyProvenanceConfig>()
        .with_attester::<provenance::AttestConfig>()
        .with_deployer::<deployers::GitopsConfig>()
        .with_deployer::<deployers::HelmConfig>()
        .with_deployer::<deployers::KubectlConfig>()
        .with_deployer::<deployers::MemoryConfig>()
        .with_log_reader::<deployers::GitopsLogsConfig>()
        .with_log_reader::<deployers::HelmConfig>()
        .with_log_reader::<deployers::KubectlConfig>()
        .with_runner::<runners::HostConfig>()
        .with_runner::<runners::DockerConfig>()
        .with_runner::<runners::KubernetesJobConfig>()
        .with_runner::<runners::KubernetesExecConfig>()
}

/// Returns this machine's world around a folder of sources, with the door to images in registries,
/// layouts and Docker's engines.
///
/// An engine is connected when a pipeline names it, never before. No credentials, an empty environment, and events are dropped: hand these over with
/// [`World::credentials`], [`World::env`] and [`World::sink`].
pub fn host(root: impl Into<std::path::PathBuf>) -> World {
    World::host(root).images(docker::DaemonStores::new(oci::Stores::new()))
}

#[cfg(doctest)]
#[doc = include_str!("../docs/coming-from-skaffold.md")]
struct ComingFromSkaffold;
