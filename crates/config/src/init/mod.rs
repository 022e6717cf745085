//! A first skaffold.yaml for a folder that has none: [`look`] finds what could be built and deployed, [`Found::pairs`] says
//! which Dockerfile builds which image that a manifest names, and [`write()`] makes the text. Nothing is run and
//! nothing is written: what becomes of the text is the caller's to say.

mod analysis;
mod choices;
mod dockerfile;
mod folders;
mod found;
mod kustomization;
mod look;
mod manifest;
mod names;
mod pairs;
mod project;
mod write;

pub use self::{
    choices::Choices,
    found::{Found, ProjectKind, Unsupported},
    look::look,
    pairs::{Pair, Pairs},
    write::{Initial, write},
};
