//! Charts against helm itself, of both of its versions, a registry, a repository of charts on a server of files, and a
//! server with ChartMuseum's interface.
#![cfg(feature = "kubernetes")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

mod faults;
mod helm;
mod packed;
mod registry;
mod repository;
mod server;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
mod stage;
mod upload;
