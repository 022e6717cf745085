//! What people look at, looked at: the page, the graph in its forms, and the list of runs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod graphs;
mod hostile;
mod pages;
mod runs;
mod strict;
