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

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

mod answer;
mod archive;
mod base64;
mod build;
mod buildkit;
mod containers;
mod daemon;
mod endpoint;
mod exchange;
mod frames;
mod images;
mod load;
mod pipe;
mod progress;
mod query;
mod save;
mod stores;
mod tar;
mod volumes;

pub use self::{
    archive::{ArchiveEntry, ArchiveKind, ArchiveReader},
    build::BuildSpec,
    buildkit::{
        Buildkit, BuildkitAddress, BuildkitTls, CacheExport, CacheMode, Sent, SessionOffer, SharedFolder,
        SolveSpec,
    },
    containers::{ContainerInput, ContainerMount, ContainerOutput, ContainerSpec},
    daemon::{Daemon, DaemonVersion},
    endpoint::Endpoint,
    images::{DaemonImage, Pushed},
    stores::DaemonStores,
    tar::{TarWriter, tar_stream},
};

/// A stream of bytes, such as an archive.
pub type Reader = shipway_oci::BlobReader;

/// Returns a name unlike any other's, also of another process. Nobody guesses it: who knows a session's name
/// may ask what the session answers.
fn unlike(cx: &shipway_core::Context) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Its keys are the system's random numbers.
    let random = [RandomState::new(), RandomState::new()].map(|keys| keys.hash_one(std::process::id()));
    let unlike = format!("{}-{:?}-{random:?}", cx.run_id(), cx.clock().now());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    shipway_oci::digest_of(format!("{unlike}-{count}").as_bytes()).hex()[..32].to_owned()
}
