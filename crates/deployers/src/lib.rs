//! Deployers: what brings a release to a target, watches it and goes back.

mod gitops;
mod manifests;
mod memory;
mod releases;

pub use self::{
    gitops::{Environment, Gitops, GitopsConfig, ImagePart, Substitute},
    manifests::{ResourceFilter, ResourceSelector},
    memory::{Memory, MemoryConfig},
};
