//! Testers for Shipway: the structure of an image. And the reports of any tester as JUnit XML.

mod command;
mod junit;
mod structure;

pub use self::{
    command::{CommandTest, CommandTestConfig, TestDependencies},
    junit::{junit, junit_of_run},
    structure::{Structure, StructureConfig},
};
