//! The command on real terminals: tmux is one, and tells what is to be seen on it.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and starts programs")]
#![expect(clippy::print_stdout, reason = "who runs the test alone sees that it was skipped")]

#[path = "../command/bench.rs"]
#[expect(dead_code, reason = "the other target runs the command in more ways")]
mod bench;
mod picture;
mod plain;
#[path = "../command/published.rs"]
#[expect(dead_code, reason = "the other target has both samples")]
mod published;
mod runs;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
mod stops;
mod tmux;
