//! Runners for Shipway: commands on the host and in containers.

mod docker;
mod folder;
mod host;
mod output;

pub use self::{
    docker::{Docker, DockerConfig},
    host::{Host, HostConfig},
};
