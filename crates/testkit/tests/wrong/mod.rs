//! Plug-ins that do everything right, and wrong ones, each of which breaks exactly one clause.

pub(crate) mod attester;
pub(crate) mod builder;
pub(crate) mod deployer;
pub(crate) mod log_reader;
pub(crate) mod runner;
pub(crate) mod shelf;
pub(crate) mod tagger;
pub(crate) mod tester;
