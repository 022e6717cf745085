//! Builders for Shipway: [`Native`] makes images without a daemon, [`Docker`] has an engine make them,
//! [`Buildkit`] a buildkitd, and with the feature `kubernetes` `Kaniko` a pod of a cluster, which also
//! [`Buildkit`] has then.

mod buildkit;
mod custom;
mod docker;
mod dockerfile;
#[cfg(feature = "kubernetes")]
mod kaniko;
mod logins;
mod native;
mod place;
#[cfg(feature = "kubernetes")]
mod pod;
mod pushed;
mod sources;

#[cfg(feature = "kubernetes")]
pub use self::kaniko::{Kaniko, KanikoCache, KanikoConfig};
pub use self::{
    buildkit::{Buildkit, BuildkitConfig, BuildkitTlsFiles},
    custom::{Custom, CustomConfig, CustomDependencies, CustomDockerfile},
    docker::{BuildSecret, Docker, DockerConfig, Push},
    native::{FileCopy, ImageSettings, LayerCompression, Mode, Native, NativeConfig, Owner, Prepare},
    place::BuildCluster,
};
