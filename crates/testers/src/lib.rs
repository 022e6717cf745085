//! Testers for Shipway: the structure of an image, commands, and containers. And the reports of any tester as JUnit XML.

mod command;
mod container;
mod junit;
mod structure;

pub use self::{
    command::{CommandTest, CommandTestConfig, TestDependencies},
    container::{ContainerTest, ContainerTestConfig},
    junit::{junit, junit_of_run},
    structure::{Structure, StructureConfig},
};
