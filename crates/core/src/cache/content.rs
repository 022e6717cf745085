//! Hashes what files hold: a few files on the thread that asks, many on several, and none twice that
//! looks as it did.

use std::{
    panic::resume_unwind,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread::{available_parallelism, scope},
};

use crate::{Context, Entry, EntryKind, Error, ErrorKind, OpenFile, Result};

/// The most threads; more would wait for the disk, and each holds a buffer.
const MOST: usize = 4;

/// How much work is worth one more thread, which takes about as long to begin as reading one such file.
const FILES: usize = 256;
const BYTES: u64 = 8 * 1024 * 1024;

const BUFFER: usize = 64 * 1024;

/// Something that was listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    /// The folder that it was listed below.
    pub(super) root: &'a Path,
    pub(super) entry: &'a Entry,
}

/// Returns the hash of each item, or nothing for a file that has gone since; in the order of the items, whatever the
/// count of threads. Of several errors it is the first item's.
pub(super) fn hash_items(cx: &Context, items: &[Item<'_>]) -> Result<Vec<Option<String>>> {
    let (mut hashes, mut unread) = (Vec::with_capacity(items.len()), Vec::new());
    for (at, item) in items.iter().enumerate() {
        let hash = match &item.entry.kind {
            EntryKind::File => {
                let known = cx.known_hashes().get(&cx.path(item.root).join(&item.entry.path), item.entry);
                if known.is_none() {
                    unread.push(at);
                }
                known.map(|hash| of_file(item.entry.mode, &hash))
            }
            EntryKind::Folder => Some(format!("folder {:04o}", item.entry.mode)),
            EntryKind::Link(text) => Some(format!("link {text}")),
            EntryKind::Special => Some("special".to_owned()),
        };
        hashes.push(hash);
    }
    let files: Vec<Item<'_>> = unread.iter().map(|at| items[*at]).collect();
    let bytes: u64 = files.iter().map(|file| file.entry.size).sum();
    let worth = (files.len() / FILES).max(usize::try_from(bytes / BYTES).unwrap_or(MOST));
    let threads = match worth {
        0 | 1 => 1,
        worth => available_parallelism().map_or(1, usize::from).min(MOST).min(worth),
    };
    for (at, hash) in unread.into_iter().zip(hash_on(threads, cx, &files)) {
        hashes[at] = hash?;
    }
    Ok(hashes)
}

/// Returns what each file holds, up to the first error.
fn hash_on(threads: usize, cx: &Context, files: &[Item<'_>]) -> Vec<Result<Option<String>>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut buffer, mut hashes) = (vec![0; BUFFER], Vec::new());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(at) else { return hashes };
            let hash = hash_file(cx, *file, &mut buffer);
            if hash.is_err() {
                // What comes before it is in somebody's hands already, and what comes after it is not needed.
                next.store(files.len(), Ordering::Relaxed);
            }
            hashes.push((at, hash));
        }
    };
    let mut hashes: Vec<(usize, Result<Option<String>>)> = scope(|scope| {
        // This thread is one of them, so that the work is done even where no other is to be had.
        let others = 1..threads;
        let others: Vec<_> = others
            .filter_map(|_| {
                std::thread::Builder::new().name("shipway-hash".to_owned()).spawn_scoped(scope, work).ok()
            })
            .collect();
        let own = if files.is_empty() { Vec::new() } else { work() };
        let others =
            others.into_iter().flat_map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        own.into_iter().chain(others).collect()
    });
    hashes.sort_by_key(|(at, _)| *at);
    hashes.into_iter().map(|(_, hash)| hash).collect()
}

/// Returns the hash of what a file holds, or nothing if it has gone since.
fn hash_file(cx: &Context, file: Item<'_>, buffer: &mut [u8]) -> Result<Option<String>> {
    cx.check_stopped()?;
    let place = cx.path(file.root).join(&file.entry.path);
    // Not for people, but to be compared with what a file system writes down.
    let now = cx.clock().now();
    let OpenFile { entry: opened, mut reader, .. } = match cx.files().open(cx, file.root, &file.entry.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut hasher = blake3::Hasher::new();
    loop {
        cx.check_stopped()?;
        let count = reader.read(buffer).map_err(|error| Error::io("read", &place, error))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    let hash = hasher.finalize();
    cx.known_hashes().keep(&place, &opened, now, hash);
    Ok(Some(of_file(opened.mode, &hash)))
}

/// As `format!("{mode:04o} {}", hash.to_hex())`, which takes several times as long.
fn of_file(mode: u32, hash: &blake3::Hash) -> String {
    let mut text = String::with_capacity(5 + 2 * blake3::OUT_LEN);
    // Permission bits, with setuid, setgid and sticky, are four digits.
    text.extend([9, 6, 3, 0].map(|shift| char::from(b'0' + (mode >> shift & 7) as u8)));
    text.push(' ');
    text.push_str(hash.to_hex().as_str());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cancel, Files, RunContext, Tree, World};

    /// Files that are named by numbers and hold as many thousand letters; 7 has gone, and these are links by now.
    #[derive(Debug)]
    struct Numbered {
        links: &'static [&'static str],
    }

    fn entry(name: &str) -> Entry {
        let (path, kind) = (name.to_owned(), EntryKind::File);
        Entry { path, kind, mode: 0o644, size: 0, modified: 0, changed: 0, inode: 0 }
    }

    impl Files for Numbered {
        fn walk_each(&self, _: &Context, _: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
            Ok(ignore.iter().map(|_| (0..300).map(|at| entry(&at.to_string())).collect()).collect())
        }

        fn entry(&self, _: &Context, _: &Path, path: &str) -> Result<Option<Entry>> {
            Ok(Some(entry(path)))
        }

        fn open(&self, _: &Context, _: &Path, path: &str) -> Result<OpenFile> {
            match path {
                "7" => Err(Error::not_found("it has gone")),
                link if self.links.contains(&link) => Err(Error::config(format!("`{link}` is a link"))),
                path => {
                    let content = vec![b'x'; path.parse::<usize>().map_or(0, |length| length * 1000)];
                    Ok(OpenFile::new(entry(path), std::io::Cursor::new(content)))
                }
            }
        }
    }

    fn hashes(threads: usize, links: &'static [&'static str]) -> Result<Vec<Option<String>>> {
        let world = World::host("/").files(Numbered { links });
        let cx = RunContext::new(world, "test").context(None, None, Cancel::new());
        let entries = cx.files().walk(&cx, &Tree::new("/"))?;
        let items: Vec<_> = entries.iter().map(|entry| Item { root: Path::new("/"), entry }).collect();
        if threads == 0 {
            return hash_items(&cx, &items);
        }
        hash_on(threads, &cx, &items).into_iter().collect()
    }

    #[test]
    fn hashes_and_errors_are_the_same_on_any_count_of_threads() {
        let alone = hashes(1, &[]).unwrap();
        assert_eq!((alone.len(), alone.iter().position(Option::is_none)), (300, Some(7)));
        let unlike: std::collections::BTreeSet<_> = alone.iter().collect();
        assert_eq!(unlike.len(), 300);
        for threads in [0, 2, 3, 8] {
            assert_eq!(hashes(threads, &[]).unwrap(), alone, "{threads}");
        }
        for threads in [0, 1, 2, 8] {
            let error = hashes(threads, &["299", "100", "101"]).unwrap_err();
            assert_eq!(error.to_string(), "`100` is a link", "{threads}");
        }
    }
}
