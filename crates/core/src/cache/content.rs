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

/// Returns the hash of each entry below `root`, or nothing for a file that has gone since; in the order of the
/// entries, whatever the count of threads. Of several errors it is the first entry's.
pub(super) fn hash_entries(cx: &Context, root: &Path, entries: &[Entry]) -> Result<Vec<Option<String>>> {
    let bytes: u64 = entries.iter().map(|entry| entry.size).sum();
    let worth = (entries.len() / FILES).max(usize::try_from(bytes / BYTES).unwrap_or(MOST));
    let threads = available_parallelism().map_or(1, usize::from).min(MOST).min(worth);
    hash_on(threads, cx, root, entries)
}

fn hash_on(threads: usize, cx: &Context, root: &Path, entries: &[Entry]) -> Result<Vec<Option<String>>> {
    if threads < 2 {
        let mut buffer = vec![0; BUFFER];
        return entries.iter().map(|entry| hash_entry(cx, root, entry, &mut buffer)).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut buffer, mut hashes) = (vec![0; BUFFER], Vec::new());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(at) else { return hashes };
            let hash = hash_entry(cx, root, entry, &mut buffer);
            if hash.is_err() {
                // What comes before it is in somebody's hands already, and what comes after it is not needed.
                next.store(entries.len(), Ordering::Relaxed);
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
        let own = work();
        let others =
            others.into_iter().flat_map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        own.into_iter().chain(others).collect()
    });
    hashes.sort_by_key(|(at, _)| *at);
    hashes.into_iter().map(|(_, hash)| hash).collect()
}

/// Returns the hash of what is listed, or nothing for a file that has gone since.
fn hash_entry(cx: &Context, root: &Path, entry: &Entry, buffer: &mut [u8]) -> Result<Option<String>> {
    cx.check_stopped()?;
    Ok(Some(match &entry.kind {
        EntryKind::File => {
            let place = cx.path(root).join(&entry.path);
            if let Some(hash) = cx.known_hashes().get(&place, entry) {
                return Ok(Some(of_file(entry, &hash)));
            }
            // Not for people, but to be compared with what a file system writes down.
            let now = cx.clock().now();
            let OpenFile { entry: opened, mut reader, .. } = match cx.files().open(cx, root, &entry.path) {
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
            of_file(&opened, &hash)
        }
        EntryKind::Folder => format!("folder {:04o}", entry.mode),
        EntryKind::Link(text) => format!("link {text}"),
        EntryKind::Special => "special".to_owned(),
    }))
}

fn of_file(entry: &Entry, hash: &blake3::Hash) -> String {
    format!("{:04o} {}", entry.mode, hash.to_hex())
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
        fn walk(&self, _: &Context, _: &Tree) -> Result<Vec<Entry>> {
            Ok((0..300).map(|at| entry(&at.to_string())).collect())
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
        if threads == 0 {
            return hash_entries(&cx, Path::new("/"), &entries);
        }
        hash_on(threads, &cx, Path::new("/"), &entries)
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
