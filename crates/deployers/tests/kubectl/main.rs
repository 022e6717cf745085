//! The deployer `kubectl` against a real cluster. Each test has a namespace of its own, which it removes.
#![cfg(feature = "kubernetes")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

mod canaries;
#[path = "../../../../tests/support/cluster.rs"]
mod cluster;
mod health;
#[path = "../../../../tests/support/intruder.rs"]
mod intruder;
mod killed;
mod life;
mod moments;
mod order;
mod partial;
#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../../../../tests/support/proxy.rs"]
mod proxy;
mod refused;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
mod slow;
mod stage;
mod tags;
mod two;
#[path = "../../../../tests/secrets/canaries.rs"]
mod values;
