//! Builders for Shipway: [`Native`] makes images without a daemon, [`Docker`] has an engine make them.

mod custom;
mod docker;
mod dockerfile;
mod native;
mod sources;

pub use self::{
    custom::{Custom, CustomConfig, CustomDependencies, CustomDockerfile},
    docker::{BuildSecret, Docker, DockerConfig, Push},
    native::{FileCopy, ImageSettings, LayerCompression, Mode, Native, NativeConfig, Owner, Prepare},
};
