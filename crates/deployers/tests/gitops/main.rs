//! The deployer `gitops` on repositories that git itself then reads.

#![expect(clippy::disallowed_methods, reason = "the tests drive git and look at the disk")]

mod faults;
mod flow;
mod repositories;
mod stage;
