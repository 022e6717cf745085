//! The files of a stage, of an image or of the context, as a tree without contents: each file says where
//! its content is, so that copying from one tree to another moves none.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use shipway_core::{Error, Result};
use shipway_oci::{Device, FileKind, FoundFile, ImageFiles, Origin};

/// The files of a tree, as they came from an image and were changed since.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    base: Option<Arc<ImageTree>>,
    /// Several names of one file share their node.
    made: BTreeMap<String, Arc<Node>>,
    /// Places whose files of the base are gone, with all below.
    hidden: BTreeSet<String>,
    changed: BTreeSet<String>,
    /// Places of folders that something else took since the last time.
    replaced: BTreeSet<String>,
}

/// The files of an image, which is known by its number.
#[derive(Debug)]
pub(super) struct ImageTree {
    pub(super) image: usize,
    pub(super) files: ImageFiles,
}

/// A file, folder or link.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a [`Node`] is.
#[derive(Clone, Debug)]
pub(super) enum What {
    Folder,
    File(Body),
    Link(String),
    Device(Device),
    /// A FIFO, socket or device of the context, which no image may have.
    Odd,
}

/// Where a file's content is.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// In a file below a folder of the machine.
    Host { root: Arc<Path>, path: String, size: u64 },
    /// In memory, because it was written in the Dockerfile.
    Text(Arc<str>),
    /// In a layer of an image.
    Image { image: usize, file: Box<FoundFile> },
    /// In an archive of the context.
    Archive { archive: Arc<ArchiveFile>, entry: u64, size: u64 },
}

/// An archive of the context.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ArchiveFile {
    pub(super) root: Arc<Path>,
    pub(super) path: String,
}

/// Tells the names of one file from files that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Base(Origin),
    Made(usize),
}

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;

impl Node {
    /// Returns a folder of root's.
    pub(super) fn folder(mode: u32) -> Self {
        Self { what: What::Folder, mode, uid: 0, gid: 0, xattrs: BTreeMap::new() }
    }

    pub(super) fn owner(mut self, owner: (u64, u64)) -> Self {
        (self.uid, self.gid) = owner;
        self
    }

    pub(super) fn is_folder(&self) -> bool {
        matches!(self.what, What::Folder)
    }
}

impl Tree {
    /// Returns the tree of an image.
    pub(super) fn of_image(base: Arc<ImageTree>) -> Self {
        Self { base: Some(base), ..Self::default() }
    }

    /// Returns what is at a path, whose folders are no links.
    pub(super) fn node(&self, path: &str) -> Result<Option<Arc<Node>>> {
        if let Some(node) = self.made.get(path) {
            return Ok(Some(Arc::clone(node)));
        }
        Ok(match self.base_file(path)? {
            Some((image, file)) => {
                let link = self.base.as_ref().and_then(|base| base.files.link(path));
                Some(Arc::new(base_node(image, file, link)))
            }
            None if path.is_empty() => Some(Arc::new(Node::folder(0o755))),
            None => None,
        })
    }

    /// Returns what the names of the file at a path have in common.
    pub(super) fn identity(&self, path: &str) -> Result<Option<Identity>> {
        if let Some(node) = self.made.get(path) {
            return Ok(Some(Identity::Made(Arc::as_ptr(node).addr())));
        }
        Ok(self.base_file(path)?.map(|(_, file)| Identity::Base(file.origin())))
    }

    fn base_file(&self, path: &str) -> Result<Option<(usize, FoundFile)>> {
        match &self.base {
            Some(base) if !self.is_hidden(path) => {
                // A path that is too long, or leads in a circle, is an error of the image's.
                Ok(base.files.entry(path)?.map(|file| (base.image, file)))
            }
            _ => Ok(None),
        }
    }

    fn is_hidden(&self, path: &str) -> bool {
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        !self.hidden.is_empty() && above.chain([path]).any(|path| self.hidden.contains(path))
    }

    /// Returns the names in the folder at a path, sorted.
    pub(super) fn names(&self, folder: &str) -> Result<Vec<String>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut names = BTreeSet::new();
        if let (Some(base), false) = (&self.base, self.is_hidden(folder)) {
            let own = base.files.names(folder)?.unwrap_or_default();
            names.extend(own.into_iter().filter(|name| !self.hidden.contains(&format!("{prefix}{name}"))));
        }
        let below = self.made.range(prefix.clone()..).map_while(|(path, _)| path.strip_prefix(&*prefix));
        names.extend(below.filter(|name| !name.is_empty() && !name.contains('/')));
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// Returns where a path leads, its links followed, never out of the folder `root`, which must be
    /// resolved. What is not there, or is no folder, is gone through as it is written (continuity,
    /// `fs.RootPath`).
    pub(super) fn resolve(&self, root: &str, path: &str) -> Result<String> {
        let mut left = steps(path);
        let mut at = root.to_owned();
        let mut links = 0;
        while let Some(step) = left.pop() {
            if step == ".." {
                if at.len() > root.len() {
                    at.truncate(parent(&at).len());
                }
                continue;
            }
            let next = join(&at, &step);
            if let Some(What::Link(text)) = self.node(&next)?.map(|node| node.what.clone()) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Error::config(format!("`{path}` leads through more than {MAX_LINKS} links"))
                        .hint("name a file, or let the link lead to one"));
                }
                if text.starts_with('/') {
                    root.clone_into(&mut at);
                }
                left.extend(steps(&text));
            } else {
                at = next;
            }
        }
        Ok(at)
    }

    /// Puts a node at a path, in the place of what is there; what is below a folder stays below it.
    pub(super) fn put(&mut self, path: String, node: Arc<Node>) -> Result<()> {
        if let Some(old) = self.node(&path)?
            && old.is_folder() != node.is_folder()
        {
            self.remove(&path);
            if old.is_folder() {
                self.replaced.insert(path.clone());
            }
        }
        self.changed.insert(path.clone());
        self.made.insert(path, node);
        Ok(())
    }

    /// Puts a node in the place of another for all names of that one.
    pub(super) fn replace_names(&mut self, old: &Arc<Node>, new: &Arc<Node>) {
        for path in &self.changed {
            if let Some(node) = self.made.get_mut(path)
                && Arc::ptr_eq(node, old)
            {
                *node = Arc::clone(new);
            }
        }
    }

    /// Removes what is at a path, with all below.
    pub(super) fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        let gone = |key: &String| key == path || key.starts_with(&below);
        self.made.retain(|key, _| !gone(key));
        self.changed.retain(|key| !gone(key));
        if self.base.is_some() {
            self.hidden.insert(path.to_owned());
        }
    }

    /// Makes a folder at a resolved path, and those above it, as far as they are missing.
    pub(super) fn make_folders(&mut self, path: &str, mode: u32, owner: Option<(u64, u64)>) -> Result<()> {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends.filter(|end| *end > 0) {
            let folder = &path[..end];
            match self.node(folder)? {
                Some(node) if node.is_folder() => {}
                Some(_) => {
                    return Err(Error::config(format!(
                        "`/{folder}` is a file in the image, so nothing can be below it"
                    ))
                    .hint("copy to another path"));
                }
                None => {
                    let node = Node::folder(mode).owner(owner.unwrap_or_default());
                    self.put(folder.to_owned(), Arc::new(node))?;
                }
            }
        }
        Ok(())
    }

    /// Returns what was put since the last time, each folder before what is in it.
    pub(super) fn take_changes(&mut self) -> Result<Vec<(String, Arc<Node>)>> {
        let (changed, replaced) = (std::mem::take(&mut self.changed), std::mem::take(&mut self.replaced));
        let node = |path: String| self.made.get(&path).map(|node| (path.clone(), Arc::clone(node)));
        let mut changes: Vec<_> = changed.into_iter().filter_map(node).collect();
        changes.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        match changes.iter().find(|(path, node)| node.is_folder() && replaced.contains(path)) {
            Some((path, _)) => Err(Error::unsupported(format!(
                "builder `native` does not make a folder anew: `/{path}` is replaced by a file and then by a folder"
            ))
            .hint("do it with two instructions")),
            None => Ok(changes),
        }
    }

    /// Says that a path of the base belongs to the changes, and returns its node.
    pub(super) fn touch(&mut self, path: &str) -> Result<Option<Arc<Node>>> {
        let node = self.node(path)?;
        if let Some(node) = &node {
            self.changed.insert(path.to_owned());
            self.made.insert(path.to_owned(), Arc::clone(node));
        }
        Ok(node)
    }
}

fn base_node(image: usize, file: FoundFile, link: Option<&str>) -> Node {
    let what = match (file.kind, file.device) {
        (FileKind::Folder, _) => What::Folder,
        (FileKind::File, _) => What::File(Body::Image { image, file: Box::new(file.clone()) }),
        (_, Some(device)) => What::Device(device),
        _ => What::Link(link.unwrap_or_default().to_owned()),
    };
    Node { what, mode: file.mode, uid: file.uid, gid: file.gid, xattrs: file.xattrs }
}

/// Returns the folder of a path; empty for the root.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

pub(super) fn join(folder: &str, name: &str) -> String {
    match (folder, name) {
        (folder, "") => folder.to_owned(),
        ("", name) => name.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

/// Returns the steps of a path, the first one last.
pub(super) fn steps(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|step| !matches!(*step, "" | ".")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(what: What) -> Arc<Node> {
        Arc::new(Node { what, ..Node::folder(0o755) })
    }

    fn tree() -> Tree {
        let mut tree = Tree::default();
        let file = || node(What::File(Body::Text("".into())));
        for (path, node) in [
            ("usr", node(What::Folder)),
            ("usr/bin", node(What::Folder)),
            ("bin", node(What::Link("usr/bin".to_owned()))),
            ("abs", node(What::Link("/usr".to_owned()))),
            ("out", node(What::Link("../../../etc".to_owned()))),
            ("usr/up", node(What::Link("../usr/bin".to_owned()))),
            ("loop", node(What::Link("loop".to_owned()))),
            ("file", file()),
            ("usr/bin/x", file()),
        ] {
            tree.put(path.to_owned(), node).unwrap();
        }
        tree
    }

    #[test]
    fn links_are_followed_inside_of_the_tree() {
        let tree = tree();
        for (path, expected) in [
            ("/", ""),
            ("/bin", "usr/bin"),
            ("/bin/x", "usr/bin/x"),
            ("abs/bin/", "usr/bin"),
            ("/out/passwd", "etc/passwd"),
            ("/usr/up/a/../b", "usr/bin/b"),
            ("/file/x", "file/x"),
            ("/new/folder", "new/folder"),
        ] {
            assert_eq!(tree.resolve("", path).unwrap(), expected, "{path}");
        }
        assert!(tree.resolve("", "/loop").is_err());
        assert_eq!(tree.resolve("usr", "/../../abs").unwrap(), "usr/abs");
        assert_eq!(tree.resolve("usr", "up").unwrap(), "usr/usr/bin");
    }

    #[test]
    fn a_file_in_a_folders_place_hides_all_below() {
        let mut tree = tree();
        tree.take_changes().unwrap();
        assert_eq!(tree.names("usr").unwrap(), ["bin", "up"]);
        tree.put("usr/bin".to_owned(), node(What::Link("x".to_owned()))).unwrap();
        assert!(tree.node("usr/bin/x").unwrap().is_none());
        tree.make_folders("a/b", 0o700, Some((1, 2))).unwrap();
        assert!(tree.make_folders("file/b", 0o700, None).is_err());
        let changes = tree.take_changes().unwrap();
        assert_eq!(
            changes.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["a", "a/b", "usr/bin"]
        );
        assert_eq!((changes[1].1.mode, changes[1].1.uid, changes[1].1.gid), (0o700, 1, 2));
        assert_eq!(tree.names("").unwrap(), ["a", "abs", "bin", "file", "loop", "out", "usr"]);
    }
}
