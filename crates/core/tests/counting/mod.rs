//! A door to files that tells how many were opened.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use shipway_core::{Context, Entry, Files, HostFiles, OpenFile, Result};

/// The machine's files, with a count of those that are opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting(pub(crate) Arc<AtomicUsize>);

impl Files for Counting {
    fn walk_each(&self, cx: &Context, root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        HostFiles.walk_each(cx, root, ignore)
    }

    fn entry(&self, cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>> {
        HostFiles.entry(cx, root, path)
    }

    fn open(&self, cx: &Context, root: &Path, path: &str) -> Result<OpenFile> {
        self.0.fetch_add(1, Ordering::Relaxed);
        HostFiles.open(cx, root, path)
    }
}
