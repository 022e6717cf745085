//! The builder `kaniko` in a real cluster: that of `SHIPWAY_KUBECONFIG`, with the registry `SHIPWAY_KUBE_REGISTRY`
//! that its pods reach, and the executor's image `SHIPWAY_KANIKO_IMAGE`. Each test has a namespace of its own,
//! which it removes.
#![cfg(feature = "kubernetes")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[path = "../support/bed.rs"]
mod bed;
mod build;
#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../../../../tests/support/cluster.rs"]
mod cluster;
mod conformance;
#[path = "../support/contract.rs"]
mod contract;
#[path = "../../../../tests/support/pods.rs"]
mod pods;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
