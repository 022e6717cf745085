//! Whole programs against a real cluster: that of `SHIPWAY_KUBECONFIG`, whose nodes share this machine's network.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[expect(dead_code, reason = "other programs use more of it")]
#[path = "../support/cluster.rs"]
mod cluster;
mod dev_profile;
mod platform;
mod quickstart;
#[path = "../support/skip.rs"]
mod skip;
