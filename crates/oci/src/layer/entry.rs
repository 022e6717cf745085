//! What goes into a layer, as plain data, and the order and form that it must have.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use shipway_core::{Error, Result};

/// A file, folder or link of a layer.
///
/// What is not set is as reproducible images have it: owner and group 0, and 1970 as the time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerEntry {
    /// The path below the image's root, with `/` between its steps.
    pub path: String,
    /// What is there.
    pub content: Content,
    /// The permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The number of the owner.
    pub uid: u64,
    /// The number of the group.
    pub gid: u64,
    /// When it was modified, in seconds since 1970.
    pub mtime: u64,
    /// Its extended attributes, such as `security.capability`.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a [`LayerEntry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A regular file that is read through the context's door when its turn comes.
    File {
        /// The folder that it must be below.
        root: Arc<Path>,
        /// Its path below that folder.
        path: String,
        /// Its size, which it must still have when it is read.
        size: u64,
    },
    /// A small file from memory.
    Bytes(Bytes),
    /// A folder.
    Folder,
    /// A symbolic link with this text, which is kept as it is.
    Link(String),
    /// Another name of the file at this path of the same layer, which must come before it by steps.
    HardLink(String),
    /// A FIFO or a device.
    Device(Device),
}

/// A FIFO, or a device by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Device {
    /// A FIFO.
    Fifo,
    /// A character device.
    Character {
        /// The number of its driver.
        major: u32,
        /// The number that the driver knows it by.
        minor: u32,
    },
    /// A block device.
    Block {
        /// The number of its driver.
        major: u32,
        /// The number that the driver knows it by.
        minor: u32,
    },
}

impl LayerEntry {
    /// Returns a regular file with mode 0644 and the content of `source` below `root`.
    pub fn file(
        path: impl Into<String>,
        root: impl Into<Arc<Path>>,
        source: impl Into<String>,
        size: u64,
    ) -> Self {
        Self::new(path.into(), Content::File { root: root.into(), path: source.into(), size }, 0o644)
    }

    /// Returns a regular file with mode 0644 and this content.
    pub fn bytes(path: impl Into<String>, content: impl Into<Bytes>) -> Self {
        Self::new(path.into(), Content::Bytes(content.into()), 0o644)
    }

    /// Returns a folder with mode 0755.
    pub fn folder(path: impl Into<String>) -> Self {
        Self::new(path.into(), Content::Folder, 0o755)
    }

    /// Returns a symbolic link with this text.
    pub fn link(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(path.into(), Content::Link(text.into()), 0o777)
    }

    /// Returns another name of the file at `target`, a path of the same layer; mode and owner are that
    /// file's own.
    pub fn hard_link(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new(path.into(), Content::HardLink(target.into()), 0o644)
    }

    /// Returns a FIFO or device with mode 0644.
    pub fn device(path: impl Into<String>, device: Device) -> Self {
        Self::new(path.into(), Content::Device(device), 0o644)
    }

    fn new(path: String, content: Content, mode: u32) -> Self {
        Self { path, content, mode, uid: 0, gid: 0, mtime: 0, xattrs: BTreeMap::new() }
    }

    /// Sets the permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the numbers of owner and group.
    #[must_use]
    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// Sets when it was modified, in seconds since 1970.
    #[must_use]
    pub fn mtime(mut self, mtime: u64) -> Self {
        self.mtime = mtime;
        self
    }

    /// Sets the extended attributes.
    #[must_use]
    pub fn xattrs(mut self, xattrs: BTreeMap<String, Vec<u8>>) -> Self {
        self.xattrs = xattrs;
        self
    }

    pub(super) fn size(&self) -> u64 {
        match &self.content {
            Content::File { size, .. } => *size,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Folder | Content::Link(_) | Content::HardLink(_) | Content::Device(_) => 0,
        }
    }
}

/// Checks and sorts entries: each folder comes before what is in it, and that directly after it.
pub(super) fn arrange(mut entries: Vec<LayerEntry>) -> Result<Vec<LayerEntry>> {
    entries.iter().try_for_each(check)?;
    // By steps and not by bytes, in which `a-b` would come between `a` and `a/b`.
    entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    let mut leaf: Option<&str> = None;
    for (i, entry) in entries.iter().enumerate() {
        let path = entry.path.as_str();
        if i > 0 && entries[i - 1].path == path {
            return Err(Error::config(format!("`{path}` is in the layer twice")));
        }
        let below = |leaf: &str| path.strip_prefix(leaf).is_some_and(|rest| rest.starts_with('/'));
        if let Some(leaf) = leaf.filter(|leaf| below(leaf)) {
            // A runtime would follow a link here, out of the place that the path names.
            return Err(Error::config(format!("`{path}` is below `{leaf}`, which is not a folder")));
        }
        if entry.content != Content::Folder {
            leaf = Some(path);
        }
    }
    check_hard_links(&entries)?;
    Ok(entries)
}

/// Checks that each hard link leads to a file that comes before it: runtimes make them as they read.
fn check_hard_links(entries: &[LayerEntry]) -> Result<()> {
    if !entries.iter().any(|entry| matches!(entry.content, Content::HardLink(_))) {
        return Ok(());
    }
    let mut files = BTreeSet::new();
    for entry in entries {
        match &entry.content {
            Content::HardLink(target) if !files.contains(target.as_str()) => {
                return Err(Error::config(format!(
                    "the hard link `{}` leads to `{target}`, which is no file before it in the layer",
                    entry.path
                )));
            }
            Content::Folder | Content::HardLink(_) => {}
            _ => {
                files.insert(entry.path.as_str());
            }
        }
    }
    Ok(())
}

fn check(entry: &LayerEntry) -> Result<()> {
    let path = &entry.path;
    let bad = |step: &str| matches!(step, "" | "." | "..");
    if path.split('/').any(bad) || path.contains('\0') {
        return Err(Error::config(format!("`{}` is not a path in a layer", path.escape_debug()))
            .hint("name it from the image's root, without a `/` at either end and without `.` and `..`"));
    }
    // OCI image-spec, layer.md, "Whiteouts": such a file would delete another.
    if path.split('/').any(|step| step.starts_with(".wh.")) {
        return Err(Error::config(format!("`{path}` cannot be in an image"))
            .hint("a name that begins with `.wh.` means a deleted file; rename it or leave it out"));
    }
    match &entry.content {
        Content::Link(text) if text.is_empty() || text.contains('\0') => {
            Err(Error::config(format!("the link `{path}` has no valid text")))
        }
        _ => Ok(()),
    }?;
    match entry.xattrs.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        Some(name) => Err(Error::config(format!(
            "`{path}` has the extended attribute `{}`, which a layer cannot hold",
            name.escape_debug()
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_by_steps_and_checked() {
        let paths = ["a-b", "a/b", "a", "a/b-c", "B"].map(LayerEntry::folder).to_vec();
        let sorted: Vec<String> = arrange(paths).unwrap().into_iter().map(|entry| entry.path).collect();
        assert_eq!(sorted, ["B", "a", "a/b", "a/b-c", "a-b"]);
        for bad in ["", "/a", "a/", "a//b", "./a", "a/../b", "..", "a\0", "a/.wh.b", ".wh..wh..opq"] {
            assert!(arrange(vec![LayerEntry::folder(bad)]).is_err(), "{bad:?}");
        }
        assert!(arrange(vec![LayerEntry::link("a", "")]).is_err());
        assert!(arrange(vec![LayerEntry::folder("a"), LayerEntry::bytes("a", "")]).is_err());
        assert!(arrange(vec![LayerEntry::link("a", "/etc"), LayerEntry::bytes("a/b", "")]).is_err());
        let xattrs = |name: &str| BTreeMap::from([(name.to_owned(), Vec::new())]);
        assert!(arrange(vec![LayerEntry::bytes("a", "").xattrs(xattrs("user.a"))]).is_ok());
        assert!(arrange(vec![LayerEntry::bytes("a", "").xattrs(xattrs("user.a=b"))]).is_err());
        for (target, fine) in [("a", true), ("c", false), ("d", false), ("none", false), ("b", false)] {
            let entries = vec![
                LayerEntry::bytes("a", ""),
                LayerEntry::hard_link("b", target),
                LayerEntry::bytes("c", ""),
                LayerEntry::folder("d"),
            ];
            assert_eq!(arrange(entries).is_ok(), fine, "{target}");
        }
        let beside = vec![LayerEntry::link("a", "/etc"), LayerEntry::bytes("a.b", "")];
        assert_eq!(arrange(beside).unwrap().len(), 2);
    }
}
