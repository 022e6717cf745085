//! What the deployer `kubectl` renders: kustomizations, packages of kpt, hooks, functions and checks. What needs `kustomize` or a
//! cluster says so and is skipped without.
#![cfg(feature = "kubernetes")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

mod checks;
#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../../../../tests/support/cluster.rs"]
mod cluster;
mod edits;
mod functions;
mod hooks;
mod hostile;
mod kpt;
mod kustomize;
mod schemas;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
mod stage;
