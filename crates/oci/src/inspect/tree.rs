//! The file tree that an image's layers make, built as containerd and Docker do on overlayfs: from the
//! lowest up, each layer is unpacked by itself and then laid over those below (containerd,
//! diff/apply/apply_linux.go; moby, daemon/graphdriver/overlay2).
//!
//! So a path of a layer leads through the layer's own links and never through those below: what it names
//! as a folder is one from then on, where the layers below had a link.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use shipway_core::{Error, Result};

use super::tar_reader::{TarEntry, TarKind};
use crate::layer::Device;

/// A file of an image, with links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundFile {
    /// Its path from the image's root, without links.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// The permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The number of the owner.
    pub uid: u64,
    /// The number of the group.
    pub gid: u64,
    /// The size in bytes, of a regular file.
    pub size: u64,
    /// The extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Which FIFO or device it is, if it is one.
    pub device: Option<Device>,
    /// Where its content is.
    pub(super) origin: Origin,
}

/// The entry of an image's layers that a file came in: one and the same for all names of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Origin {
    /// The layer, from 1, the lowest first; 0 for a folder that no entry names.
    pub layer: usize,
    /// The entry of that layer, from 1.
    pub entry: u64,
}

impl FoundFile {
    /// Returns the entry that it came in, by which hard links are told from files that are alike.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns whether it is a regular file that somebody may execute.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        self.kind == FileKind::File && self.mode & 0o111 != 0
    }
}

/// What a [`FoundFile`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; only where links are not followed.
    Link,
    /// A FIFO or a device.
    Special,
}

/// Linux's limits on a path and on the links in it (path_resolution(7)).
const PATH: usize = 4096;
const LINKS: usize = 40;
/// The most steps of a path; real images stay below 100.
const STEPS: usize = 256;
/// The most steps that are gone for all entries; 20 for each of a million, and some.
const ALL_STEPS: usize = 30_000_000;
/// The most bytes that the tree may take, and about what a node takes beside its texts.
const MEMORY: usize = 256 * 1024 * 1024;
const NODE: usize = 128;

#[derive(Debug)]
pub(super) struct Tree {
    /// By their path from the root, without links and with no `/` in front.
    nodes: BTreeMap<String, Node>,
    memory: usize,
    /// Modes and owners of files with several names, by their entry: the last name's entry decides.
    shared: BTreeMap<Origin, (u32, u64, u64)>,
    /// The steps gone so far to find the places of entries.
    gone: usize,
    layer: usize,
    /// The count of this layer's entries so far.
    entry: u64,
    /// The places that this layer's whiteouts were applied to, and the memory that they take.
    hidden: BTreeSet<String>,
    hidden_memory: usize,
}

#[derive(Clone, Debug)]
struct Node {
    kind: Kind,
    mode: u32,
    uid: u64,
    gid: u64,
    size: u64,
    xattrs: Option<Arc<BTreeMap<String, Vec<u8>>>>,
    /// The layer that put it in its place; a hard link's content may be of a layer below.
    layer: usize,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Kind {
    File,
    Folder,
    Link(String),
    Device(Device),
}

impl Node {
    /// Returns a folder that no entry names.
    fn folder(layer: usize) -> Self {
        let (kind, origin) = (Kind::Folder, Origin::default());
        Self { kind, mode: 0o755, uid: 0, gid: 0, size: 0, xattrs: None, layer, origin }
    }

    /// About how many bytes of memory it takes, without its path.
    fn cost(&self) -> usize {
        let xattrs = self.xattrs.iter().flat_map(|xattrs| xattrs.iter());
        let xattrs: usize = xattrs.map(|(name, value)| NODE + name.len() + value.len()).sum();
        let text = match &self.kind {
            Kind::Link(text) => text.len(),
            Kind::File | Kind::Folder | Kind::Device(_) => 0,
        };
        NODE + text + xattrs
    }
}

/// Where a path leads.
struct Place<'a> {
    path: String,
    node: Option<&'a Node>,
    /// Whether the path went through something that is not there.
    broken: bool,
    /// The count of steps that it took.
    gone: usize,
}

impl Tree {
    pub(super) fn new() -> Self {
        let nodes = BTreeMap::from([(String::new(), Node::folder(0))]);
        let (hidden, shared) = (BTreeSet::new(), BTreeMap::new());
        Self { nodes, shared, memory: NODE, gone: 0, layer: 0, entry: 0, hidden, hidden_memory: 0 }
    }

    /// Begins a layer above all so far.
    pub(super) fn begin_layer(&mut self) {
        self.layer += 1;
        self.entry = 0;
        self.hidden.clear();
        self.memory -= std::mem::take(&mut self.hidden_memory);
    }

    /// Adds an entry of the layer, or applies it if it is a whiteout.
    pub(super) fn apply(&mut self, entry: TarEntry) -> Result<()> {
        self.entry += 1;
        let path = clean(&entry.path)?;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let folder = self.make_folder(folder)?;
        if let Some(hidden) = name.strip_prefix(".wh.") {
            return self.hide(&folder, hidden, &entry.path);
        }
        let place = join(&folder, name);
        let kind = match entry.kind {
            TarKind::File => Kind::File,
            TarKind::Folder => Kind::Folder,
            TarKind::Device(device) => Kind::Device(device),
            TarKind::Link(text) if text.len() > PATH => return Err(too_long(&entry.path)),
            TarKind::Link(text) => Kind::Link(text),
            TarKind::HardLink(target) => {
                return self.hard_link(&target, place, (entry.mode, entry.uid, entry.gid));
            }
        };
        let node = Node {
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
            xattrs: (!entry.xattrs.is_empty()).then(|| Arc::new(entry.xattrs)),
            layer: self.layer,
            origin: Origin { layer: self.layer, entry: self.entry },
        };
        self.put(place, node)
    }

    /// Returns the file at a path, following links, or `None` when there is none; the last link only
    /// where `follow_last` says so.
    pub(super) fn find(&self, path: &str, follow_last: bool) -> Result<Option<FoundFile>> {
        let place = self.walk(path, follow_last, 0)?;
        let Some(node) = place.node.filter(|_| !place.broken) else { return Ok(None) };
        Ok(Some(self.found(&place.path, node)))
    }

    /// Returns everything but the root, by path.
    pub(super) fn all(&self) -> impl Iterator<Item = FoundFile> {
        let below = self.nodes.iter().filter(|(path, _)| !path.is_empty());
        below.map(|(path, node)| self.found(path, node))
    }

    fn found(&self, path: &str, node: &Node) -> FoundFile {
        let kind = match node.kind {
            Kind::File => FileKind::File,
            Kind::Folder => FileKind::Folder,
            Kind::Device(_) => FileKind::Special,
            Kind::Link(_) => FileKind::Link,
        };
        let own = (node.mode, node.uid, node.gid);
        let (mode, uid, gid) = self.shared.get(&node.origin).copied().unwrap_or(own);
        FoundFile {
            path: format!("/{path}"),
            kind,
            // Linux gives every link this mode, whatever its entry says (symlink(7)).
            mode: if kind == FileKind::Link { 0o777 } else { mode },
            uid,
            gid,
            size: node.size,
            xattrs: node.xattrs.as_deref().cloned().unwrap_or_default(),
            device: match node.kind {
                Kind::Device(device) => Some(device),
                Kind::File | Kind::Folder | Kind::Link(_) => None,
            },
            origin: node.origin,
        }
    }

    /// Returns the names in the folder at a path, sorted, or `None` when there is no folder.
    pub(super) fn names(&self, path: &str) -> Result<Option<Vec<&str>>> {
        let place = self.walk(path, true, 0)?;
        if place.broken || !place.node.is_some_and(|node| matches!(node.kind, Kind::Folder)) {
            return Ok(None);
        }
        let prefix = if place.path.is_empty() { String::new() } else { format!("{}/", place.path) };
        let below = self.nodes.range(prefix.clone()..).map(|(path, _)| path.as_str());
        let names = below.map_while(|path| path.strip_prefix(&*prefix));
        Ok(Some(names.filter(|name| !name.is_empty() && !name.contains('/')).collect()))
    }

    /// Returns the text of the link at this very path, without following any.
    pub(super) fn link(&self, path: &str) -> Option<&str> {
        match &self.nodes.get(path)?.kind {
            Kind::Link(text) => Some(text),
            Kind::File | Kind::Folder | Kind::Device(_) => None,
        }
    }

    /// Returns where a path leads, never out of the root, through the links of layers from `since` on. A
    /// step that is not there, or that is no folder, is gone through as it is written.
    fn walk(&self, path: &str, follow_last: bool, since: usize) -> Result<Place<'_>> {
        let mut steps: Vec<&str> = path.rsplit('/').collect();
        let mut here = String::new();
        let mut broken = false;
        let (mut links, mut gone) = (0, 0);
        while let Some(step) = steps.pop() {
            gone += 1;
            match step {
                "" | "." => continue,
                ".." => {
                    here.truncate(here.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = join(&here, step);
            let node = self.nodes.get(&next);
            match node.map(|node| &node.kind) {
                Some(Kind::Link(text))
                    if (follow_last || !steps.is_empty()) && node.is_some_and(|node| node.layer >= since) =>
                {
                    links += 1;
                    if links > LINKS {
                        return Err(Error::bad_output(format!(
                            "`{}` leads through more than {LINKS} links",
                            path.escape_debug()
                        )));
                    }
                    if text.starts_with('/') {
                        here.clear();
                    }
                    steps.extend(text.rsplit('/'));
                    continue;
                }
                Some(Kind::Folder) => {}
                Some(_) => broken |= !steps.is_empty(),
                None => broken = true,
            }
            here = next;
        }
        Ok(Place { node: self.nodes.get(&here), path: here, broken, gone })
    }

    /// Returns where a folder of this layer is, after making it and those above it; what a layer below has
    /// in the place of one of them goes.
    fn make_folder(&mut self, folder: &str) -> Result<String> {
        let Place { path, gone, .. } = self.walk(folder, true, self.layer)?;
        self.take_steps(gone)?;
        if path.len() > PATH {
            return Err(too_long(folder));
        }
        let mut ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        ends.push(path.len());
        for end in ends {
            let node = self.nodes.get(&path[..end]);
            match node.map(|node| (&node.kind, node.layer)) {
                Some((Kind::Folder, _)) => {}
                Some((_, layer)) if layer == self.layer => {
                    return Err(Error::bad_output(format!(
                        "a layer has `{}` below something that is no folder",
                        folder.escape_debug()
                    )));
                }
                _ => self.put(path[..end].to_owned(), Node::folder(self.layer))?,
            }
        }
        Ok(path)
    }

    fn hard_link(&mut self, target: &str, place: String, own: (u32, u64, u64)) -> Result<()> {
        let target = &clean(target)?;
        let mut found = self.walk(target, false, self.layer)?;
        if found.node.is_none() {
            // Not on overlayfs, but who unpacks layers over each other finds a file of a layer below.
            found = self.walk(target, false, 0)?;
        }
        let node = match found.node {
            Some(node) if !matches!(node.kind, Kind::Folder) && !found.broken => node.clone(),
            _ => {
                let (target, place) = (target.escape_debug(), place.escape_debug());
                return Err(Error::bad_output(format!(
                    "the hard link `{place}` of a layer leads to `{target}`, where no file is"
                )));
            }
        };
        let gone = found.gone;
        self.take_steps(gone)?;
        // containerd and Docker give the one file what the entry of its new name says.
        if self.shared.insert(node.origin, own).is_none() {
            self.take_memory(NODE)?;
        }
        self.put(place, Node { layer: self.layer, ..node })
    }

    /// Puts a node in the place of what is there; only folders become one with folders.
    fn put(&mut self, place: String, node: Node) -> Result<()> {
        if let Some(old) = self.nodes.get(&place) {
            if place.is_empty() && !matches!(node.kind, Kind::Folder) {
                return Err(Error::bad_output("a layer's root is not a folder"));
            }
            if !(matches!(old.kind, Kind::Folder) && matches!(node.kind, Kind::Folder)) {
                self.remove(&place, true, |_| true);
            }
        }
        self.insert(place, node)
    }

    /// Applies a whiteout (OCI image-spec, layer.md, "Whiteouts"): it hides what layers below have,
    /// never what its own layer has, wherever that comes.
    fn hide(&mut self, folder: &str, name: &str, whiteout: &str) -> Result<()> {
        let layer = self.layer;
        let (place, with_itself) = match name {
            ".wh..opq" => (folder.to_owned(), false),
            // Notes of AUFS to itself.
            _ if name.starts_with(".wh.") => return Ok(()),
            "" | "." | ".." => {
                let whiteout = whiteout.escape_debug();
                return Err(Error::bad_output(format!("the whiteout `{whiteout}` of a layer names no file")));
            }
            _ => (join(folder, name), true),
        };
        // Once a layer is enough, however often a hostile one says it.
        let key = if with_itself { place.clone() } else { format!("{place}/") };
        let cost = key.len() + NODE;
        if self.hidden.insert(key) {
            self.hidden_memory += cost;
            self.remove(&place, with_itself, |node| node.layer < layer);
            self.take_memory(cost)?;
        }
        Ok(())
    }

    /// Removes what is below a place, and the place, as far as the nodes are such and nothing else
    /// stays below them.
    fn remove(&mut self, place: &str, with_itself: bool, such: impl Fn(&Node) -> bool) {
        // `0` comes after `/`: the range is of all paths that begin with the place and a `/`.
        let below = if place.is_empty() {
            (String::new(), None)
        } else {
            (format!("{place}/"), Some(format!("{place}0")))
        };
        let paths = self.nodes.range(below.0..).map(|(path, node)| (path, such(node)));
        let paths = paths.take_while(|(path, _)| below.1.as_ref().is_none_or(|end| *path < end));
        let mut found: Vec<(String, bool)> = paths.map(|(path, such)| (path.clone(), such)).collect();
        if with_itself {
            found.extend(self.nodes.get(place).map(|node| (place.to_owned(), such(node))));
        }
        let mut needed = BTreeSet::from([""]);
        for (path, _) in found.iter().filter(|(_, such)| !such) {
            // What is above a path that is needed was marked with it.
            for (end, _) in path.rmatch_indices('/') {
                if !needed.insert(&path[..end]) {
                    break;
                }
            }
        }
        for (path, such) in &found {
            if *such && !needed.contains(path.as_str()) {
                self.memory -= self.nodes.remove(path).map_or(0, |node| path.len() + node.cost());
            }
        }
    }

    fn insert(&mut self, path: String, node: Node) -> Result<()> {
        if path.len() > PATH || path.matches('/').count() >= STEPS {
            return Err(too_long(&path));
        }
        let (key, new) = (path.len(), path.len() + node.cost());
        let old = self.nodes.insert(path, node);
        self.memory -= old.map_or(0, |old| key + old.cost());
        self.take_memory(new)
    }

    /// Entries that lead through link after link cost a short layer much time.
    fn take_steps(&mut self, steps: usize) -> Result<()> {
        self.gone += steps;
        if self.gone > ALL_STEPS {
            return Err(Error::bad_output("the image's layers lead through too many links"));
        }
        Ok(())
    }

    fn take_memory(&mut self, bytes: usize) -> Result<()> {
        self.memory += bytes;
        if self.memory > MEMORY {
            return Err(Error::bad_output(format!("the image's list of files has more than {MEMORY} bytes")));
        }
        Ok(())
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Returns a path of a tar without a `/` in front, a `./` or a double `/`.
fn clean(path: &str) -> Result<String> {
    if path.len() > PATH {
        return Err(too_long(path));
    }
    let steps: Vec<&str> = path.split('/').filter(|step| !matches!(*step, "" | ".")).collect();
    if steps.contains(&"..") {
        // No tool writes such a path in earnest, and every reader has its own idea of it.
        return Err(Error::bad_output(format!("a layer has the path `{}`", path.escape_debug()))
            .hint("a path with `..` leads out of the image; make it with another tool"));
    }
    Ok(steps.join("/"))
}

fn too_long(path: &str) -> Error {
    let start: String = path.chars().take(60).collect();
    Error::bad_output(format!("a path of a layer has more than {PATH} bytes or {STEPS} steps"))
        .note(format!("it begins with `{}`", start.escape_debug()))
}
