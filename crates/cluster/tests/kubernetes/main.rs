//! A real cluster: that of `SHIPWAY_KUBECONFIG`, whose context is `SHIPWAY_KUBE_CONTEXT` or `shipway-bed`. Each
//! test has a namespace of its own, which it removes.
#![cfg(feature = "kubernetes")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[path = "../../../../tests/support/cluster.rs"]
mod bed;
mod objects;
mod pods;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
#[path = "../api/suite.rs"]
mod suite;
