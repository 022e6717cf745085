//! A chart's folder, read as helm reads it: what `.helmignore` leaves out is not looked at, and links are followed;
//! but here none of them leads out of the folder.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use shipway_core::{Context, EntryKind, Error, ErrorKind, Result};

use super::{
    content::{Content, LARGEST_FILE, Room},
    ignore::{self, Ignored},
};

/// What helm takes from the beginning of a file.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// How many links one may lead through, and how deep folders may lie in each other.
const MOST_LINKS: usize = 40;
const DEEPEST: usize = 60;

/// A folder of a chart.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// A folder that is somebody's word, so that links to it are followed.
    pub(super) root: PathBuf,
    /// The chart's folder below it, on the way to which none are; empty for the root itself.
    pub(super) path: String,
    /// What it is called in messages.
    pub(super) name: String,
}

struct Reading<'a> {
    cx: &'a Context,
    folder: &'a Folder,
    ignored: Ignored,
    room: Room,
    content: Content,
}

impl Folder {
    /// Returns where it is.
    pub(super) fn place(&self) -> PathBuf {
        self.root.join(&self.path)
    }

    /// Reads the chart's files; blocking.
    ///
    /// # Errors
    /// `NotFound` when there is no such folder; `Config` for a link that leads out of it, in a circle or nowhere, for
    /// what is neither a file nor a folder, and for more than helm reads.
    pub(super) fn read(&self, cx: &Context) -> Result<Content> {
        let rules = self.file(cx, ignore::FILE)?.unwrap_or_default();
        let ignored =
            Ignored::parse(&format!("{}/{}", self.name, ignore::FILE), &String::from_utf8_lossy(&rules))?;
        let content = Content::new(&self.name);
        let mut reading = Reading { cx, folder: self, ignored, room: Room::new(), content };
        reading.folder("", "", &mut Vec::new())?;
        Ok(reading.content)
    }

    /// Reads one file at the top of the chart, following links as [`read`](Self::read) does, if it is there; blocking.
    pub(super) fn file(&self, cx: &Context, file: &str) -> Result<Option<Vec<u8>>> {
        let entry = match cx.files().entry(cx, &self.root, &joined(&self.path, file)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            entry => entry?,
        };
        match entry.map(|entry| entry.kind) {
            None => Ok(None),
            Some(EntryKind::Link(text)) => {
                let found = self.resolve(cx, file, &text);
                let (place, _) = found.map_err(|why| wrong(&format!("{}/{file}", self.name), &why))?;
                self.open(cx, &place).map(Some)
            }
            Some(_) => self.open(cx, file).map(Some),
        }
    }

    /// Reads a file of the chart that no link leads to.
    fn open(&self, cx: &Context, file: &str) -> Result<Vec<u8>> {
        let mut content = cx.files().open(cx, &self.root, &joined(&self.path, file))?.read(LARGEST_FILE)?;
        if content.starts_with(MARK) {
            content.drain(..MARK.len());
        }
        Ok(content)
    }

    /// Returns what is at the end of a link, and where below the chart's folder that is; or why it is not taken.
    fn resolve(&self, cx: &Context, link: &str, text: &str) -> Result<(String, EntryKind), String> {
        let leaves = || "is a link that leads out of the chart".to_owned();
        let mut left = MOST_LINKS;
        let mut place: Vec<String> = steps(link);
        place.pop();
        let mut rest = steps_back(text);
        if text.starts_with('/') {
            return Err(leaves());
        }
        let mut kind = EntryKind::Folder;
        while let Some(step) = rest.pop() {
            match step.as_str() {
                "" | "." => continue,
                ".." => {
                    place.pop().ok_or_else(leaves)?;
                    kind = EntryKind::Folder;
                    continue;
                }
                _ => place.push(step),
            }
            let path = place.join("/");
            let entry = cx.files().entry(cx, &self.root, &joined(&self.path, &path));
            let entry = entry.ok().flatten().ok_or("is a link that leads nowhere")?;
            if let EntryKind::Link(text) = &entry.kind {
                left = left.checked_sub(1).ok_or("is a link that leads in a circle")?;
                if text.starts_with('/') {
                    return Err(leaves());
                }
                place.pop();
                rest.extend(steps_back(text));
                kind = EntryKind::Folder;
            } else {
                kind = entry.kind;
            }
        }
        Ok((place.join("/"), kind))
    }
}

impl Reading<'_> {
    /// Reads the folder that is at `place` below the chart's, and is called `shown` there.
    fn folder(&mut self, place: &str, shown: &str, above: &mut Vec<String>) -> Result<()> {
        self.cx.check_stopped()?;
        if above.len() > DEEPEST {
            return Err(self.wrong(shown, "is too deep in folders"));
        }
        let path = joined(&self.folder.path, place);
        let entries = self.cx.files().list(self.cx, &self.folder.root, path.trim_end_matches('/'))?;
        above.push(place.to_owned());
        for entry in entries {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            let (place, shown) = (joined(place, name), joined(shown, name));
            let (place, kind) = match entry.kind {
                EntryKind::Link(text) => match self.folder.resolve(self.cx, &place, &text) {
                    Ok(found) => found,
                    // What is left out whatever it is may lead anywhere.
                    Err(_) if self.ignored.leaves_out(&shown, false) => continue,
                    Err(why) => return Err(self.wrong(&shown, &why)),
                },
                kind => (place, kind),
            };
            let is_folder = kind == EntryKind::Folder;
            if self.ignored.leaves_out(&shown, is_folder) || is_off(&shown) {
                continue;
            }
            match kind {
                EntryKind::Folder if above.contains(&place) => {
                    return Err(self.wrong(&shown, "is a link that leads in a circle"));
                }
                EntryKind::Folder => self.folder(&place, &shown, above)?,
                EntryKind::File => self.file(&place, shown)?,
                _ => return Err(self.wrong(&shown, "is neither a file nor a folder")),
            }
        }
        above.pop();
        Ok(())
    }

    fn file(&mut self, place: &str, shown: String) -> Result<()> {
        let content = self.folder.open(self.cx, place)?;
        self.room.take(content.len()).map_err(|why| self.wrong(&shown, &why))?;
        self.content.files.insert(shown, Bytes::from(content));
        Ok(())
    }

    fn wrong(&self, path: &str, why: &str) -> Error {
        wrong(&self.content.shown(path), why)
    }
}

fn wrong(shown: &str, why: &str) -> Error {
    Error::config(format!("`{shown}` {why}"))
        .hint("take it out of the chart, or leave it out with `.helmignore`")
}

/// Whether helm takes it for nothing: what is in `charts/` under such a name (pkg/chart/loader, `LoadFiles`).
fn is_off(path: &str) -> bool {
    let name = path.strip_prefix("charts/").filter(|name| !name.contains('/'));
    name.is_some_and(|name| name.starts_with(['_', '.']) && !name.ends_with(".prov"))
}

/// Returns a path below another, which may be empty.
pub(super) fn joined(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

fn steps(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

/// Returns the steps of a link's text, the first at the end.
fn steps_back(text: &str) -> Vec<String> {
    text.split('/').rev().map(str::to_owned).collect()
}

/// Returns a path below a folder, if it is there, as the doors take it.
pub(super) fn below(folder: &Path, path: &Path) -> Option<String> {
    path.strip_prefix(folder).ok().map(|path| path.to_string_lossy().into_owned())
}
