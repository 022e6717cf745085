//! Sources in memory.

use std::{collections::BTreeMap, io::Cursor, path::Path};

use shipway::{Context, Entry, EntryKind, Error, Files, HostFiles, OpenFile, Result};

/// Files by their paths, whatever root is asked for.
#[derive(Debug)]
pub(crate) struct Sources(BTreeMap<String, Vec<u8>>);

impl Sources {
    pub(crate) fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self(files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes.to_owned())).collect())
    }

    fn look(&self, cx: &Context, path: &str) -> Result<Option<Entry>> {
        let Some(bytes) = self.0.get(path) else { return Ok(None) };
        // An entry is only to be had of a file system, and then changed.
        let Some(mut entry) = HostFiles.entry(cx, Path::new("/"), "usr")? else { return Ok(None) };
        path.clone_into(&mut entry.path);
        entry.kind = EntryKind::File;
        (entry.mode, entry.size, entry.inode) = (0o644, bytes.len() as u64, 7);
        (entry.modified, entry.changed) = (1_000_000_000, 1_000_000_000);
        Ok(Some(entry))
    }
}

impl Files for Sources {
    fn walk_each(&self, cx: &Context, _root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        let all = self.0.keys().filter_map(|path| self.look(cx, path).transpose());
        let all: Vec<Entry> = all.collect::<Result<_>>()?;
        Ok(vec![all; ignore.len()])
    }

    fn entry(&self, cx: &Context, _root: &Path, path: &str) -> Result<Option<Entry>> {
        self.look(cx, path)
    }

    fn open(&self, cx: &Context, _root: &Path, path: &str) -> Result<OpenFile> {
        let entry = self.look(cx, path)?.ok_or_else(|| Error::not_found(format!("there is no `{path}`")))?;
        Ok(OpenFile::new(entry, Cursor::new(self.0[path].clone())))
    }
}
