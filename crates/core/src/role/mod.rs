//! The roles that plug-ins play. Object-safe, no default methods, no getters for other
//! interfaces; what each promises is numbered in CONTRACT.md and checked by the conformance kit.

mod attester;
mod builder;
mod deployer;
mod log_reader;
mod runner;
mod tagger;
mod tester;

pub use self::{
    attester::Attester, builder::Builder, deployer::Deployer, log_reader::LogReader, runner::Runner,
    tagger::Tagger, tester::Tester,
};
