//! skaffold.yaml to pipelines: the samples, each stage's rules, the errors, and real files beside what
//! the real tool makes of them.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests read files, and say what they skip"
)]

mod corpus;
mod effective;
mod errors;
mod explain;
mod fields;
mod fix;
mod global;
mod init;
mod json_schema;
mod modules;
mod odd;
mod pipelines;
mod profiles;
mod recorded;
mod remote;
mod samples;
mod templates;
mod trust;
mod upgrades;

#[path = "../../../../tests/support/skip.rs"]
mod skip;

#[path = "../../../git/tests/remote/server.rs"]
#[expect(dead_code, reason = "git's own tests ask more of it")]
mod server;
