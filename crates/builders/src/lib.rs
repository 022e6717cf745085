//! Builders for Shipway: [`Native`] makes images without a daemon, [`Docker`] has an engine make them, and
//! with the feature `kubernetes` `Kaniko` a pod of a cluster.

mod custom;
mod docker;
mod dockerfile;
#[cfg(feature = "kubernetes")]
mod kaniko;
mod native;
mod sources;

#[cfg(feature = "kubernetes")]
pub use self::kaniko::{Kaniko, KanikoCache, KanikoCluster, KanikoConfig};
pub use self::{
    custom::{Custom, CustomConfig, CustomDependencies, CustomDockerfile},
    docker::{BuildSecret, Docker, DockerConfig, Push},
    native::{FileCopy, ImageSettings, LayerCompression, Mode, Native, NativeConfig, Owner, Prepare},
};
