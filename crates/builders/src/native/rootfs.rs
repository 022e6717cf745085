//! What is where in the image in the making, as far as a copy needs to know: which folders are there
//! already, and where links inside the image lead.

use std::collections::BTreeMap;

use shipway_core::{Error, Result};
use shipway_oci::{Content, FileKind, ImageFiles, LayerEntry};

/// The tree of the base and of the layers made so far.
#[derive(Debug, Default)]
pub(super) struct Rootfs {
    base: Option<ImageFiles>,
    made: BTreeMap<String, Node>,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Folder,
    Link(String),
    File,
}

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;

impl Rootfs {
    pub(super) fn new(base: Option<ImageFiles>) -> Self {
        Self { base, made: BTreeMap::new() }
    }

    /// Remembers an entry of a new layer.
    pub(super) fn add(&mut self, entry: &LayerEntry) {
        let node = match &entry.content {
            Content::Folder => Node::Folder,
            Content::Link(text) => Node::Link(text.clone()),
            _ => Node::File,
        };
        self.made.insert(entry.path.clone(), node);
    }

    /// Returns the path, without a `/` in front, to which a path in the image leads, and whether it is
    /// a folder there. Steps that are not there yet stay as they are.
    pub(super) fn resolve(&self, path: &str) -> Result<(String, bool)> {
        let mut left: Vec<String> = steps(path);
        let mut at = String::new();
        let (mut links, mut folder) = (0, true);
        while let Some(step) = left.pop() {
            if step == ".." {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            let next = if at.is_empty() { step } else { format!("{at}/{step}") };
            match self.node(&next)? {
                Some(Node::Link(text)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Error::config(format!(
                            "`{path}` leads through a circle of links in the image"
                        )));
                    }
                    // A link begins from its own folder, or from the image's root.
                    if text.starts_with('/') {
                        at.clear();
                    }
                    left.extend(steps(&text));
                    folder = true;
                }
                Some(Node::File) if !left.is_empty() => {
                    return Err(Error::config(format!(
                        "`/{next}` is a file in the image, so nothing can be below it"
                    ))
                    .hint("copy to another path"));
                }
                Some(node) => (at, folder) = (next, node == Node::Folder),
                None => (at, folder) = (next, false),
            }
        }
        Ok((at, folder))
    }

    /// Returns whether a folder (or else something that is none) lies at a path whose folder is
    /// resolved; `None` where nothing does.
    pub(super) fn holds_folder(&self, path: &str) -> Result<Option<bool>> {
        Ok(self.node(path)?.map(|node| node == Node::Folder))
    }

    /// Returns the node at a path whose folder is resolved.
    fn node(&self, path: &str) -> Result<Option<Node>> {
        if let Some(node) = self.made.get(path) {
            return Ok(Some(node.clone()));
        }
        let Some(base) = &self.base else { return Ok(None) };
        // Its links are followed here, for they may lead to what was made.
        if let Some(text) = base.link(path) {
            return Ok(Some(Node::Link(text.to_owned())));
        }
        let found = base.find(path)?;
        Ok(found.map(|found| if found.kind == FileKind::Folder { Node::Folder } else { Node::File }))
    }
}

/// Returns the folder of a path; empty for the root.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Returns the steps of a path, the first one last.
pub(super) fn steps(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|step| !matches!(*step, "" | ".")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_image_are_followed_inside_of_it() {
        let mut rootfs = Rootfs::default();
        for entry in [
            LayerEntry::folder("usr/bin"),
            LayerEntry::link("bin", "usr/bin"),
            LayerEntry::link("abs", "/usr"),
            LayerEntry::link("out", "../../../etc"),
            LayerEntry::link("usr/up", "../usr/bin"),
            LayerEntry::link("loop", "loop"),
            LayerEntry::bytes("file", ""),
        ] {
            rootfs.add(&entry);
        }
        for (path, expected) in [
            ("/", ("", true)),
            ("/bin", ("usr/bin", true)),
            ("/bin/x", ("usr/bin/x", false)),
            ("abs/bin/", ("usr/bin", true)),
            ("/out/passwd", ("etc/passwd", false)),
            ("/usr/up/a/../b", ("usr/bin/b", false)),
            ("/file", ("file", false)),
            ("/new/folder", ("new/folder", false)),
        ] {
            assert_eq!(rootfs.resolve(path).unwrap(), (expected.0.to_owned(), expected.1), "{path}");
        }
        assert!(rootfs.resolve("/loop").is_err());
        assert!(rootfs.resolve("/file/x").is_err());
    }
}
