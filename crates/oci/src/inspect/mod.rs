//! Looks into images: the manifest and configuration for a platform, the files that a container
//! would see, and whether its program is among them.

mod archive;
mod content;
mod extract;
mod files;
mod image;
mod program;
mod tar_header;
mod tar_reader;
#[cfg(test)]
mod tests;
mod tree;

pub use self::{
    archive::Archive,
    files::{ImageFiles, Limits, find_file},
    image::{InspectedImage, read_image, same_platform},
    program::{Program, resolve_program},
    tar_reader::{TarEntry, TarKind},
    tree::{FileKind, FoundFile, Origin},
};
