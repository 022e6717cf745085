//! A registry in this process: HTTP/1.1 on a loopback address, blobs and manifests in a folder,
//! the part of the OCI distribution-spec v1.1 that pulling, pushing and listing tags need.
//!
//! It has no users, so it is for one machine's own programs. It does not delete what was pushed.

mod answer;
mod blobs;
mod fault;
mod manifests;
mod reading;
mod route;
mod server;
mod store;
mod uploads;

pub use self::{
    fault::{Fault, RegistryRequest},
    server::{Registry, RegistryBuilder},
};
