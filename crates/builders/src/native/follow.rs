//! Where a path of sources leads: its links are followed inside of the folder, as BuildKit does with
//! what `COPY` names (continuity, `fs.RootPath`). A link that leads out begins from the folder again.

use std::path::Path;

use shipway_core::{Context, Entry, EntryKind, Error, Result};

use super::tree::{parent, steps};

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Followed {
    /// Relative and without links, `.` for the folder itself; where nothing is, its first such step.
    pub(super) path: String,
    /// What is there; nothing also for the folder itself.
    pub(super) entry: Option<Entry>,
    /// The links on the way.
    pub(super) links: Vec<String>,
}

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;

/// Follows a path below the folder, the last step too.
pub(super) fn follow(cx: &Context, folder: &Path, path: &str) -> Result<Followed> {
    let mut left = steps(path);
    let (mut at, mut links) = (String::new(), Vec::new());
    // What is at `at`, unless the last step was back.
    let mut here = None;
    while let Some(step) = left.pop() {
        if step == ".." {
            at.truncate(parent(&at).len());
            here = None;
            continue;
        }
        let next = if at.is_empty() { step } else { format!("{at}/{step}") };
        let entry = cx.files().entry(cx, folder, &next)?;
        match entry {
            Some(Entry { kind: EntryKind::Link(text), .. }) => {
                links.push(next);
                if links.len() > MAX_LINKS {
                    return Err(Error::config(format!("`{path}` leads through more than {MAX_LINKS} links"))
                        .hint("name a file, or let the link lead to one"));
                }
                if text.starts_with('/') {
                    (at, here) = (String::new(), None);
                }
                left.extend(steps(&text));
            }
            Some(entry) if entry.kind == EntryKind::Folder || left.is_empty() => {
                (at, here) = (next, Some(entry));
            }
            _ => return Ok(Followed { path: next, entry: None, links }),
        }
    }
    if at.is_empty() {
        return Ok(Followed { path: ".".to_owned(), entry: None, links });
    }
    let entry = match here {
        Some(entry) => Some(entry),
        None => cx.files().entry(cx, folder, &at)?,
    };
    Ok(Followed { path: at, entry, links })
}
