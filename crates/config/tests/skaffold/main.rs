//! skaffold.yaml to pipelines: the samples, each stage's rules, the errors, and real files beside what
//! the real tool makes of them.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests read files, and say what they skip"
)]

mod corpus;
mod errors;
mod fix;
mod odd;
mod pipelines;
mod profiles;
mod recorded;
mod samples;
mod upgrades;

#[path = "../../../../tests/support/skip.rs"]
mod skip;
