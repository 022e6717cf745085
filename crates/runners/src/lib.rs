//! Runners for Shipway: commands on the host, in containers and in pods of a cluster.

mod docker;
mod folder;
mod host;
#[cfg(feature = "kubernetes")]
mod kubernetes_job;
mod output;
mod unpack;

#[cfg(feature = "kubernetes")]
pub use self::kubernetes_job::{KubernetesJob, KubernetesJobConfig};
pub use self::{
    docker::{Docker, DockerConfig},
    host::{Host, HostConfig},
};
