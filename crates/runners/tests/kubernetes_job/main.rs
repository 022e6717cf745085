//! The runners `kubernetes_job` and `kubernetes_exec` in a real cluster: that of `SHIPWAY_KUBECONFIG`, with busybox in the registry
//! `SHIPWAY_KUBE_REGISTRY` that its nodes pull from. Each test has a namespace of its own, which it removes.
#![cfg(feature = "kubernetes")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

mod bed;
#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../../../../tests/support/cluster.rs"]
mod cluster;
mod commands;
mod exec;
#[path = "../../../../tests/support/pods.rs"]
mod pods;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
