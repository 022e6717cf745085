//! The command as a person runs it, against a registry in this process.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic and starts the program"
)]

mod bench;
mod errors;
mod help;
mod tasks;
