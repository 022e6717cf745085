//! The command as a person runs it, against a registry in this process.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic and starts the program"
)]
#![expect(clippy::print_stdout, reason = "who runs the test alone sees that it was skipped")]

mod answers;
mod bench;
mod cluster;
mod configuration;
mod containers;
mod docker;
mod errors;
mod generated;
mod global;
mod handing_on;
mod help;
mod init;
mod past;
mod published;
mod resume;
mod samples;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
mod stopping;
mod surroundings;
mod tasks;
