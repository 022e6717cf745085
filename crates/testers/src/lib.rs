//! Testers for Shipway: the structure of an image. And the reports of any tester as JUnit XML.

mod junit;
mod structure;

pub use self::{
    junit::{junit, junit_of_run},
    structure::{Structure, StructureConfig},
};
