//! Real parts: images, builds and commands in a Docker engine, whose endpoint `SHIPWAY_BED_DOCKER`
//! names.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test looks at the real engine")]
#![expect(clippy::print_stdout, reason = "who runs the test alone sees that it was skipped")]

mod bed;
mod builder;
mod pipeline;
mod runner;
#[path = "../support/skip.rs"]
mod skip;
mod stores;
