//! Testers for Shipway: the structure of an image.

mod structure;

pub use self::structure::{Structure, StructureConfig};
