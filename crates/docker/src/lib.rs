//! The Docker Engine over its API: images in a daemon, builds, and containers, for builders, runners
//! and the store of images that a daemon is.
//!
//! [`Daemon`] is the engine; [`DaemonStores`] is the door to images over engines, registries and
//! layouts. Nothing is read from the environment: whoever embeds Shipway names the endpoint.
//!
//! The client is our own, over `hyper`. An engine's answers are bounded, a request that is dropped
//! closes its connection (so that the engine stops the work), and a BuildKit session serves secrets
//! and agents that come through the context: with `bollard` 0.21 they would come from the process's
//! environment, and the context of a build would be held in memory.

mod answer;
mod archive;
mod build;
mod containers;
mod daemon;
mod endpoint;
mod exchange;
mod frames;
mod images;
mod load;
mod message;
mod pipe;
mod progress;
mod query;
mod save;
mod session;
mod stores;
mod tar;
mod volumes;

pub use self::{
    archive::{ArchiveEntry, ArchiveKind, ArchiveReader},
    build::BuildSpec,
    containers::{ContainerInput, ContainerMount, ContainerOutput, ContainerSpec},
    daemon::{Daemon, DaemonVersion},
    endpoint::Endpoint,
    images::{DaemonImage, Pushed},
    session::SessionOffer,
    stores::DaemonStores,
    tar::{TarWriter, tar_stream},
};

/// A stream of bytes, such as an archive.
pub type Reader = shipway_oci::BlobReader;
