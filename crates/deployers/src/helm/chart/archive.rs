//! A chart's archive from anywhere: read in memory, within bounds, and never unpacked.
//!
//! What helm would take another way than whoever looked at it before, or what no packer of charts writes, is refused:
//! links and devices, paths that lead out, `\` in names, files beside the chart's folder, and one file twice.

use std::io::{Cursor, Read as _};

use bytes::Bytes;
use shipway_core::{Error, Result};
use shipway_oci::{Archive, Limits, TarKind};

use super::{
    content::{Content, DEEPEST, LARGEST_FILE, Room},
    metadata::Metadata,
};

/// The largest archive; compressed it is smaller than what is in it may be.
pub(super) const LARGEST: usize = 100 * 1024 * 1024;

/// What gzip begins with.
const MAGIC: &[u8] = b"\x1f\x8b\x08";

/// Reads an archive, and those in it.
///
/// # Errors
/// `BadOutput` for what is no archive of a chart, or one that is not taken; `Config`, with file, line and column, for
/// what is wrong in its `Chart.yaml`.
pub(super) fn read(name: &str, archive: &Bytes) -> Result<(Metadata, Content)> {
    read_within(name, archive, &mut Room::new(), 0)
}

fn read_within(name: &str, archive: &Bytes, room: &mut Room, depth: usize) -> Result<(Metadata, Content)> {
    let refused = |why: String| {
        Error::bad_output(format!("the chart archive `{name}` is not taken: {why}"))
            .hint("make it with `helm package`, or name the chart's folder")
    };
    if depth > DEEPEST {
        return Err(refused(format!("charts lie more than {DEEPEST} deep in each other")));
    }
    if archive.len() > LARGEST {
        return Err(refused(format!("it has more than {LARGEST} bytes")));
    }
    if !archive.starts_with(MAGIC) {
        return Err(refused("it is not compressed with gzip".to_owned()));
    }
    let content = entries(name, archive, room).map_err(|error| match error {
        Wrong::Here(why) => refused(why),
        Wrong::Tar(error) => refused("it is no tar archive".to_owned()).source(error),
    })?;
    let metadata = Metadata::read(&content)?;
    for (path, nested) in &content.files {
        if is_chart(path) {
            read_within(&content.shown(path), nested, room, depth + 1)?;
        }
    }
    Ok((metadata, content))
}

enum Wrong {
    Here(String),
    Tar(Error),
}

fn entries(name: &str, archive: &Bytes, room: &mut Room) -> Result<Content, Wrong> {
    // Headers and what fills up blocks are in the tar besides; more would be nothing but those.
    let bytes = (room.bytes() + (room.files() + 1) * 2048) as u64;
    // Folders and comments are entries too.
    let limits = Limits::default().bytes(bytes).entries(2 * room.files() as u64 + 16);
    let mut tar = Archive::open(Cursor::new(archive.clone()), limits).map_err(Wrong::Tar)?;
    let mut content = Content::new(name);
    let mut top: Option<String> = None;
    while let Some(entry) = tar.next_entry().map_err(Wrong::Tar)? {
        let shown = entry.path.escape_debug().to_string();
        let wrong = |why: &str| Wrong::Here(format!("`{shown}` {why}"));
        let is_folder = match entry.kind {
            TarKind::File => false,
            TarKind::Folder => true,
            TarKind::Link(_) | TarKind::HardLink(_) => return Err(wrong("is a link")),
            _ => return Err(wrong("is a device or a FIFO")),
        };
        let path = if is_folder { entry.path.strip_suffix('/').unwrap_or(&entry.path) } else { &entry.path };
        check(path).map_err(wrong)?;
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        if *top.get_or_insert_with(|| first.to_owned()) != first {
            return Err(wrong("is not in the one folder that the others are in"));
        }
        let Some(rest) = rest.filter(|_| !is_folder) else {
            if is_folder {
                continue;
            }
            return Err(wrong("is beside the chart's folder"));
        };
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        room.take(size).map_err(|why| wrong(&why))?;
        let mut data = Vec::with_capacity(size);
        let read = tar.by_ref().take(LARGEST_FILE as u64 + 1).read_to_end(&mut data);
        read.map_err(|error| Wrong::Tar(Error::bad_output("its content cannot be read").source(error)))?;
        // helm takes it away, and YAML would have it in the first key.
        let data = Bytes::from(data);
        let data = if data.starts_with(b"\xef\xbb\xbf") { data.slice(3..) } else { data };
        if content.files.insert(rest.to_owned(), data).is_some() {
            return Err(wrong("is there twice"));
        }
    }
    if content.files.is_empty() {
        return Err(Wrong::Here("there is nothing in it".to_owned()));
    }
    Ok(content)
}

/// Says what is wrong with a path, if anything is.
fn check(path: &str) -> Result<(), &'static str> {
    if path.contains('\\') {
        return Err("has a `\\` in its name");
    }
    if path.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return Err("has signs in its name that no file has");
    }
    if path.starts_with('/') {
        return Err("is an absolute path");
    }
    if path.split('/').any(|step| step == "..") {
        return Err("leads to a folder above");
    }
    if path.split('/').any(|step| matches!(step, "" | ".")) {
        return Err("is not the plain path of a file");
    }
    // helm: `drivePathPattern`.
    let drive =
        |step: &str| step.len() == 2 && step.as_bytes()[0].is_ascii_alphabetic() && step.ends_with(':');
    if path.split('/').any(drive) {
        return Err("names a drive");
    }
    Ok(())
}

/// Whether helm takes a file of a chart for a chart within it.
pub(super) fn is_chart(path: &str) -> bool {
    let steps: Vec<&str> = path.split('/').collect();
    let names = steps.iter().skip(1).step_by(2);
    steps.len().is_multiple_of(2)
        && steps.iter().step_by(2).all(|step| *step == "charts")
        && names.clone().all(|name| !name.starts_with(['_', '.']))
        && path.ends_with(".tgz")
}
