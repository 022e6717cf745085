//! A registry in this process: HTTP/1.1 on a loopback address, blobs and manifests in a folder,
//! the whole of the OCI distribution-spec v1.1: pull, push, content discovery and management.
//!
//! It knows one login at most, and speaks plain HTTP: it is for one machine's own programs, or behind a
//! proxy that has TLS.

mod answer;
mod blobs;
mod fault;
mod login;
mod manifests;
mod range;
mod reading;
mod referrers;
mod removal;
mod route;
mod server;
mod store;
mod uploads;

pub use self::{
    fault::{Fault, RegistryRequest},
    server::{Registry, RegistryBuilder},
};
