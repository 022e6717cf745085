//! The files of a folder, as far as somebody wrote them for a project.

use std::path::Path;

use shipway_core::{Context, Entry, EntryKind, ErrorKind, Location, Result};
use shipway_git::Ignored;

use super::found::name_of;
use crate::Notice;

/// What is not a project's own work (skaffold: initializer/analyze/analyze.go, `skipFolder`, and Rust's folder).
const SKIPPED: [&str; 3] = ["node_modules", "target", "vendor"];

/// Folders nested deeper are not looked at.
const MOST_DEEP: usize = 16;

/// How many files and folders are looked at.
const MOST: usize = 100_000;

/// The largest `.gitignore`, in bytes.
const LARGEST_RULES: usize = 256 * 1024;

/// The files below the root, folder by folder, and what is left out.
#[derive(Debug, Default)]
pub(super) struct Folders {
    pub(super) files: Vec<String>,
    pub(super) notices: Vec<Notice>,
}

impl Folders {
    /// Lists the files, without those that are hidden, that a `.gitignore` leaves out, or that lie in a folder for what others
    /// wrote. Links are not followed.
    pub(super) fn list(cx: &Context) -> Result<Self> {
        let (mut folders, mut ignored, mut looks) = (Self::default(), Ignored::default(), 0);
        // The last is entered first, so that a folder comes with all that is in it.
        let mut open = vec![String::new()];
        while let Some(folder) = open.pop() {
            if looks >= MOST {
                let message = format!("more than {MOST} files and folders are not looked at");
                folders.notice(&folder, message);
                break;
            }
            let entries = match cx.files().list(cx, Path::new(""), &folder) {
                Ok(entries) => entries,
                Err(error) if folder.is_empty() || is_stop(error.kind()) => return Err(error),
                Err(error) => {
                    folders.notice(&folder, format!("it is not looked at: {}", said(&error)));
                    continue;
                }
            };
            looks += entries.len();
            if let Some(rules) = entries.iter().find(|entry| name_of(&entry.path) == ".gitignore") {
                // Where it cannot be read, nothing is left out.
                if let Ok(text) = open_file(cx, &rules.path).and_then(|file| file.read(LARGEST_RULES)) {
                    ignored.add(&folder, &text);
                }
            }
            let depth = if folder.is_empty() { 0 } else { folder.matches('/').count() + 1 };
            let inner = folders.take(entries, &ignored);
            if depth < MOST_DEEP {
                open.extend(inner.into_iter().rev());
            } else if let Some(first) = inner.first() {
                folders.notice(first, format!("folders more than {MOST_DEEP} deep are not looked at"));
            }
        }
        Ok(folders)
    }

    /// Takes the files and returns the folders of a folder.
    fn take(&mut self, entries: Vec<Entry>, ignored: &Ignored) -> Vec<String> {
        let mut inner = Vec::new();
        for Entry { path, kind, .. } in entries {
            let name = name_of(&path);
            let folder = kind == EntryKind::Folder;
            if name.starts_with('.')
                || (folder && SKIPPED.contains(&name))
                || ignored.leaves_out(&path, folder)
            {
                continue;
            }
            match kind {
                EntryKind::Folder => inner.push(path),
                EntryKind::File => self.files.push(path),
                _ => {}
            }
        }
        inner
    }

    fn notice(&mut self, path: &str, message: impl Into<String>) {
        let path = if path.is_empty() { "." } else { path };
        self.notices.push(Notice::new(Location::new(path, 0, 0), message));
    }
}

/// Opens a file below the root.
pub(super) fn open_file(cx: &Context, path: &str) -> Result<shipway_core::OpenFile> {
    cx.files().open(cx, Path::new(""), path)
}

/// Returns an error's message with the first of its causes, which says why.
pub(super) fn said(error: &shipway_core::Error) -> String {
    match error.report().causes.first() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

pub(super) fn is_stop(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Cancelled | ErrorKind::Timeout)
}
