//! What a configuration means once its profiles and the defaults are applied.

use std::path::Path;

use shipway_yaml::{Document, Node, Style};

use super::{Options, defaults, paths, version::Version};
use crate::path::{put, take};

/// Returns a configuration with the defaults, and with paths from a folder.
pub(super) fn effective(document: &Document, options: &Options, folder: &Path) -> Document {
    let mut document = document.clone();
    let root = &mut document.root;
    defaults::set(root, options);
    paths::rebase(root, folder);
    let newest = Node::scalar(Version::NEWEST.to_string(), Style::Plain);
    put(root, &["apiVersion"], &newest.clone(), newest);
    // What is required is there itself.
    take(root, &["requires"]);
    document
}
