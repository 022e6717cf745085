//! Unpacks archives that `ADD` names into a tree as BuildKit does: a port of moby's go-archive, which
//! works with the destination as its root, so that nothing in an archive leads out of it.

use std::{collections::BTreeMap, sync::Arc};

use shipway_core::{Context, Error, ErrorKind, Result};
use shipway_oci::{Archive, Limits, TarEntry, TarKind};

use super::tree::{ArchiveFile, Body, Node, Tree, What, join, parent, steps};

/// Unpacks the file of a node below a folder of the tree, if it is an archive; blocking.
pub(super) fn unpack(
    cx: &Context,
    node: &Node,
    tree: &mut Tree,
    destination: &str,
    owner: Option<(u64, u64)>,
) -> Result<bool> {
    let What::File(Body::Host { root, path, .. }) = &node.what else { return Ok(false) };
    let archive = ArchiveFile { root: Arc::clone(root), path: path.clone() };
    let note = |error: Error| error.note(format!("it is the archive `{path}`"));
    let mut reader = archive.open(cx).map_err(note)?;
    let first = match reader.next_entry() {
        Ok(Some(first)) => first,
        // BuildKit, `isArchivePath`: what does not begin as an archive is a file like any other.
        Ok(None) => return Ok(false),
        Err(error) if error.kind() == ErrorKind::BadOutput => return Ok(false),
        Err(error) => return Err(note(error)),
    };
    let root = tree.resolve("", destination)?;
    tree.make_folders(&root, 0o755, owner)?;
    let mut unpacker = Unpacker { archive: Arc::new(archive), tree, root, owner };
    let (mut next, mut number) = (Some(first), 0);
    while let Some(entry) = next {
        number += 1;
        unpacker.entry(entry, number).map_err(note)?;
        next = reader.next_entry().map_err(note)?;
    }
    Ok(true)
}

impl ArchiveFile {
    /// Opens the archive; blocking.
    pub(super) fn open(&self, cx: &Context) -> Result<Archive> {
        let file = cx.files().open(cx, &self.root, &self.path)?;
        Archive::open(file.reader, Limits::default())
    }
}

struct Unpacker<'a> {
    archive: Arc<ArchiveFile>,
    tree: &'a mut Tree,
    /// The folder that is the archive's root.
    root: String,
    owner: Option<(u64, u64)>,
}

impl Unpacker<'_> {
    fn entry(&mut self, entry: TarEntry, number: u64) -> Result<()> {
        let Some(place) = self.place(&entry.path)? else {
            // The folder that it is unpacked to stays as it is.
            return Ok(());
        };
        // Folders that the archive does not name are root's, whoever the rest belongs to.
        self.tree.make_folders(parent(&place), 0o755, None)?;
        let owner = self.owner.unwrap_or((entry.uid, entry.gid));
        let what = match entry.kind {
            TarKind::Folder => What::Folder,
            TarKind::File => {
                let archive = Arc::clone(&self.archive);
                What::File(Body::Archive { archive, entry: number, size: entry.size })
            }
            TarKind::Link(text) => What::Link(text),
            TarKind::Device(device) => What::Device(device),
            TarKind::HardLink(target) => return self.hard_link(&target, place, owner, entry.mode),
            _ => return Err(Error::unsupported(format!("`{}` is of a kind that is not known", entry.path))),
        };
        let is_folder = matches!(what, What::Folder);
        let mode = if matches!(what, What::Link(_)) { 0o777 } else { entry.mode };
        let mut xattrs = entry.xattrs;
        if let (true, Some(there)) = (is_folder, self.tree.node(&place)?.filter(|there| there.is_folder())) {
            // Two folders become one, with what both have.
            let mut both: BTreeMap<_, _> = there.xattrs.clone();
            both.append(&mut xattrs);
            xattrs = both;
        }
        self.tree.put(place, Arc::new(Node { what, mode, uid: owner.0, gid: owner.1, xattrs }))
    }

    /// Returns where a path of the archive leads, or `None` for the root.
    fn place(&self, path: &str) -> Result<Option<String>> {
        let path = clean(path);
        let Some(name) = path.rsplit('/').next().filter(|name| !name.is_empty()) else { return Ok(None) };
        let folder = self.tree.resolve(&self.root, parent(&path))?;
        Ok(Some(join(&folder, name)))
    }

    fn hard_link(&mut self, target: &str, place: String, owner: (u64, u64), mode: u32) -> Result<()> {
        let found = match self.place(target)? {
            Some(found) => {
                self.tree.touch(&found)?.filter(|node| !node.is_folder()).map(|node| (found, node))
            }
            None => None,
        };
        let Some((found, node)) = found else {
            return Err(Error::bad_output(format!(
                "the hard link `{place}` of an archive leads to `{target}`, where no file is"
            )));
        };
        if found == place {
            return Ok(());
        }
        // All names are of one file, whose owner and mode are those of the last.
        let mode = if matches!(node.what, What::Link(_)) { node.mode } else { mode };
        let new = Arc::new(Node { mode, uid: owner.0, gid: owner.1, ..Node::clone(&node) });
        self.tree.replace_names(&node, &new);
        self.tree.put(place, new)
    }
}

/// Returns the path from the archive's root, with nothing of it above the root (Go, `filepath.Clean`
/// of a path that is joined to `/`).
fn clean(path: &str) -> String {
    let mut clean: Vec<String> = Vec::new();
    for step in steps(path).into_iter().rev() {
        match step.as_str() {
            ".." => drop(clean.pop()),
            _ => clean.push(step),
        }
    }
    clean.join("/")
}
