//! Runners for Shipway: commands on the host, in containers, in pods of a cluster, and in containers that run already.

mod docker;
mod folder;
mod host;
#[cfg(feature = "kubernetes")]
mod kubernetes_exec;
#[cfg(feature = "kubernetes")]
mod kubernetes_job;
mod output;
mod unpack;

pub use self::{
    docker::{Docker, DockerConfig},
    host::{Host, HostConfig},
};
#[cfg(feature = "kubernetes")]
pub use self::{
    kubernetes_exec::{KubernetesExec, KubernetesExecConfig},
    kubernetes_job::{KubernetesJob, KubernetesJobConfig},
};
