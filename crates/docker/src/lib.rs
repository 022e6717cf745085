//! The Docker Engine over its API: images in a daemon, builds, and containers, for builders, runners
//! and the store of images that a daemon is.
//!
//! [`Daemon`] is the engine; [`DaemonStores`] is the door to images over engines, registries and
//! layouts. Nothing is read from the environment: whoever embeds Shipway names the endpoint.
//!
//! The client is our own, over `hyper`: `bollard` 0.21.1 (without `tonic`) cannot do much of what is needed,
//! and what it does is not bounded.
//!
//! - It opens no BuildKit session, and an `aux` that is a text, as BuildKit's trace is, is an error to it
//!   (`BuildInfo`). A build has one `extrahosts`. The answer to a push has no digest (`PushImageInfo`), the
//!   one to `/_ping` no headers, of which one says which builder the engine prefers.
//! - It hands the variables of a container and the arguments of a build to `log`
//!   (`serialize_payload`, `build_request`), past the context, which masks secrets.
//! - No answer has a bound: a whole one, a line and a frame of output are held in memory however long
//!   they are, and its timeout ends with an answer's head.
//! - It leaves the agreed version out of its paths (`Uri::parse`), and names in them are not escaped.
//!
//! Ours for what it cannot do and `bollard` for the rest was tried: two clients, and 3 % fewer lines.

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
