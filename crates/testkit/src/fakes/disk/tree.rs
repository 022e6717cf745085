//! Files and folders in memory.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::operation::{FileNumber, Operation};

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    names: BTreeMap<PathBuf, Node>,
    /// Also those that have no name any more: who has one open reads and writes it all the same.
    files: BTreeMap<FileNumber, File>,
    /// Moves on with each operation: the disk's own clock.
    time: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Folder,
    File(FileNumber),
}

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) used: i128,
}

impl Tree {
    pub(super) fn node(&self, path: &Path) -> Option<Node> {
        if is_root(path) { Some(Node::Folder) } else { self.names.get(path).copied() }
    }

    pub(super) fn file(&self, file: FileNumber) -> Option<&File> {
        self.files.get(&file)
    }

    pub(super) fn named(&self, path: &Path) -> io::Result<FileNumber> {
        match self.node(path) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Returns the names in a folder, sorted.
    pub(super) fn list(&self, folder: &Path) -> Vec<String> {
        let inside = self.names.keys().filter(|path| folder_of(path) == within(folder));
        let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut names: Vec<String> = inside.filter_map(name).collect();
        names.sort();
        names
    }

    /// Returns every file by its path.
    pub(super) fn all(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let content = |node: &Node| match node {
            Node::File(file) => self.files.get(file).map(|file| file.bytes.clone()),
            Node::Folder => None,
        };
        self.names.iter().filter_map(|(path, node)| Some((path.clone(), content(node)?))).collect()
    }

    /// Returns a number that no file has.
    pub(super) fn next_file(&self) -> FileNumber {
        self.files.last_key_value().map_or(0, |(last, _)| last + 1)
    }

    /// Does what was checked before.
    pub(super) fn apply(&mut self, operation: &Operation) {
        self.time += 1;
        let time = self.time;
        match operation {
            Operation::Create { path, file } => {
                self.names.insert(path.clone(), Node::File(*file));
                self.files.entry(*file).or_default().used = time;
            }
            Operation::Write { file, bytes, .. } => {
                let file = self.files.entry(*file).or_default();
                file.bytes.extend_from_slice(bytes);
                file.used = time;
            }
            Operation::Touch { file, .. } => self.files.entry(*file).or_default().used = time,
            Operation::Rename { from, to, file } => {
                self.names.insert(to.clone(), Node::File(*file));
                if from != to {
                    self.unlink(from, *file);
                }
            }
            Operation::Remove { path } => drop(self.names.remove(path)),
            Operation::CreateFolder { path } => {
                self.names.insert(path.clone(), Node::Folder);
            }
            Operation::Sync { .. } | Operation::SyncFolder { .. } => {}
        }
    }

    /// Gives a file a name and leaves it the one it had.
    pub(super) fn link(&mut self, path: &Path, file: FileNumber) {
        self.names.insert(path.to_owned(), Node::File(file));
    }

    fn unlink(&mut self, path: &Path, file: FileNumber) {
        if self.names.get(path) == Some(&Node::File(file)) {
            self.names.remove(path);
        }
    }

    /// Cuts a file to its first bytes.
    pub(super) fn truncate(&mut self, file: FileNumber, length: usize) {
        if let Some(file) = self.files.get_mut(&file) {
            file.bytes.truncate(length);
        }
    }

    /// Removes what is in no folder, as when a folder was lost, and files without a name.
    pub(super) fn prune(&mut self) {
        let names = std::mem::take(&mut self.names);
        // A folder comes before what is in it.
        for (path, node) in names {
            if self.node(folder_of(&path)) == Some(Node::Folder) {
                self.names.insert(path, node);
            }
        }
        let names = &self.names;
        self.files.retain(|file, _| names.values().any(|node| *node == Node::File(*file)));
    }
}

/// Whether this folder is always there: `/`, and the one that relative paths are below.
pub(super) fn is_root(path: &Path) -> bool {
    path.parent().is_none() || path == Path::new(".")
}

/// Returns the folder that a path is in; `.` for a name alone.
pub(super) fn folder_of(path: &Path) -> &Path {
    within(path.parent().unwrap_or(path))
}

fn within(folder: &Path) -> &Path {
    if folder == Path::new("") { Path::new(".") } else { folder }
}
