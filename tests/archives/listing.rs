//! All files of an image as lines, by us and by others.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    sync::{Arc, Mutex},
};

use shipway::{
    Result,
    oci::{FileKind, ImageFiles, Limits},
};

use crate::readers::Site;

/// What is at a path: kind, mode, owner, and a link's text or a file's content.
pub(crate) type Listing = BTreeMap<String, String>;

/// Returns the listing of an image as we read its layers.
pub(crate) async fn of_layers(site: &Site) -> Result<Listing> {
    let files = ImageFiles::read(&site.layout, &site.layers, Limits::default()).await?;
    let mut listing = Listing::new();
    let mut regular = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for name in files.names(&format!("{folder}/"))?.unwrap_or_default() {
            let path = format!("{folder}/{name}");
            let found = files.entry(&path)?.unwrap();
            let (kind, more) = match found.kind {
                FileKind::Folder => {
                    folders.push(path.clone());
                    ("folder", String::new())
                }
                FileKind::Link => ("link", files.link(&path).unwrap().to_owned()),
                FileKind::File => {
                    regular.push(found.clone());
                    ("file", String::new())
                }
                _ => ("special", String::new()),
            };
            listing.insert(path, line(kind, found.mode, found.uid, found.gid, &more));
        }
    }
    let listing = Arc::new(Mutex::new(listing));
    let into = Arc::clone(&listing);
    ImageFiles::contents(&site.layout, &site.layers, regular, 1 << 20, move |file, content| {
        let mut listing = into.lock().unwrap();
        listing.get_mut(&file.path).unwrap().push_str(&String::from_utf8_lossy(content));
        Ok(())
    })
    .await?;
    let listing = listing.lock().unwrap().clone();
    Ok(listing)
}

/// Returns the listing of a folder that somebody else unpacked.
pub(crate) fn of_folder(root: &Path) -> Listing {
    let mut listing = Listing::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // overlayfs lists a whiteout in a folder that no lower layer has, and then has nothing there.
            let Ok(seen) = fs::symlink_metadata(&path) else { continue };
            let kind = seen.file_type();
            let special = kind.is_fifo() || kind.is_char_device() || kind.is_block_device();
            let (kind, more) = match (seen.is_dir(), seen.is_symlink()) {
                (true, _) => {
                    folders.push(path.clone());
                    ("folder", String::new())
                }
                (_, true) => ("link", fs::read_link(&path).unwrap().to_string_lossy().into_owned()),
                _ if special => ("special", String::new()),
                _ => ("file", String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()),
            };
            let line = line(kind, seen.mode() & 0o7777, seen.uid().into(), seen.gid().into(), &more);
            listing.insert(format!("/{}", path.strip_prefix(root).unwrap().display()), line);
        }
    }
    listing
}

fn line(kind: &str, mode: u32, user: u64, group: u64, more: &str) -> String {
    format!("{kind} {mode:04o} {user}:{group} {more}")
}
