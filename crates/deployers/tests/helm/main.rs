//! The deployer `helm` with the real programs, 3 and 4, against a real cluster. Each test has a namespace of its own, which it removes.
#![cfg(feature = "kubernetes")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[path = "../../../../tests/support/cluster.rs"]
mod cluster;
mod faults;
mod hooks;
mod life;
mod remote;
mod secrets;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
mod stage;
