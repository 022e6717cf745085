//! BuildKit: its own API at a buildkitd, and its sessions, which an engine has too.

mod address;
mod client;
mod filesync;
mod grpc;
pub(crate) mod messages;
pub(crate) mod session;
mod solve;

pub use self::{
    address::{BuildkitAddress, BuildkitTls},
    client::Buildkit,
    filesync::{Sent, SharedFolder},
    session::SessionOffer,
    solve::{CacheExport, CacheMode, SolveSpec},
};
