//! Charts as data: read from a folder, an archive, a repository of charts or of git, completed with what they depend
//! on, and packed to the same bytes for the same files. The user's folder is never written to, and no archive is
//! unpacked.

mod archive;
mod complete;
mod content;
mod edit;
mod folder;
mod git;
mod ignore;
mod json;
mod lock;
mod metadata;
mod pack;
mod publish;
mod pulled;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod version;

pub use self::publish::HelmChart;
pub(crate) use self::{
    pulled::Pull,
    source::{Chart, LoadOptions, Source},
};
