//! Hashes what files hold: a few files on the thread that asks, many on several, and none twice that
//! looks as it did.

use std::{
    borrow::Cow,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread::scope,
};

use crate::{
    Context, Entry, EntryKind, Error, ErrorKind, OpenFile, Result,
    context::{FileRead, cores},
};

/// The most threads; more would wait for the disk, and each holds a buffer.
const MOST: usize = 4;

/// How much work is worth one more thread, which takes about as long to begin as reading one such file.
const FILES: usize = 256;
const BYTES: u64 = 8 * 1024 * 1024;

const BUFFER: usize = 64 * 1024;

/// What was listed below one folder, whose table of the index it belongs to.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The folder, with the context's root.
    pub(super) folder: PathBuf,
    /// Sorted by name for the most part.
    pub(super) items: Vec<Item<'a>>,
}

/// Something that was listed.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    /// The path below the group's folder.
    pub(super) name: Cow<'a, str>,
    /// The folder that it was listed below.
    pub(super) root: &'a Path,
    pub(super) entry: &'a Entry,
}

/// Returns the hash of each item of each group, or nothing for a file that has gone since; in the order of the items,
/// whatever the count of threads. Of several errors it is the first item's.
pub(super) fn hash_groups(cx: &Context, groups: &[Group<'_>]) -> Result<Vec<Vec<Option<String>>>> {
    let mut hashes: Vec<Vec<Option<String>>> = groups.iter().map(|group| known(cx, group)).collect();
    let mut unread = Vec::new();
    for (group, hashes) in hashes.iter().enumerate() {
        let missing = hashes.iter().enumerate().filter(|(_, hash)| hash.is_none());
        unread.extend(missing.map(|(item, _)| (group, item)));
    }
    let files: Vec<&Item<'_>> = unread.iter().map(|(group, item)| &groups[*group].items[*item]).collect();
    let bytes: u64 = files.iter().map(|file| file.entry.size).sum();
    let worth = (files.len() / FILES).max(usize::try_from(bytes / BYTES).unwrap_or(MOST));
    let threads = match worth {
        0 | 1 => 1,
        worth => cores().min(MOST).min(worth),
    };
    let read = hash_on(threads, cx, &files);
    // What was read is remembered also when something after it could not be.
    let done = unread.iter().zip(&files).zip(&read);
    let done = done.filter_map(|((at, file), read)| Some((at.0, &*file.name, read.as_ref().ok()?.as_ref()?)));
    for done in done.collect::<Vec<_>>().chunk_by(|a, b| a.0 == b.0) {
        let folder = &groups[done[0].0].folder;
        cx.file_index().keep(cx, folder, done.iter().map(|(_, name, read)| (*name, *read)));
    }
    for ((group, item), read) in unread.into_iter().zip(read) {
        hashes[group][item] = read?.map(|read| of_file(read.entry.mode, &read.hash));
    }
    Ok(hashes)
}

/// Returns the hashes that need no reading.
fn known(cx: &Context, group: &Group<'_>) -> Vec<Option<String>> {
    let is_file = |item: &&Item<'_>| item.entry.kind == EntryKind::File;
    let files = group.items.iter().filter(is_file).map(|item| (&*item.name, item.entry));
    let mut known = cx.file_index().find(cx, &group.folder, files).into_iter();
    let hash = |item: &Item<'_>| match &item.entry.kind {
        EntryKind::File => known.next().flatten().map(|hash| of_file(item.entry.mode, &hash)),
        EntryKind::Folder => Some(format!("folder {:04o}", item.entry.mode)),
        EntryKind::Link(text) => Some(format!("link {text}")),
        EntryKind::Special => Some("special".to_owned()),
    };
    group.items.iter().map(hash).collect()
}

/// Returns what each file holds, up to the first error.
fn hash_on(threads: usize, cx: &Context, files: &[&Item<'_>]) -> Vec<Result<Option<FileRead>>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut buffer, mut hashes) = (vec![0; BUFFER], Vec::new());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(at) else { return hashes };
            let hash = hash_file(cx, file, &mut buffer);
            if hash.is_err() {
                // What comes before it is in somebody's hands already, and what comes after it is not needed.
                next.store(files.len(), Ordering::Relaxed);
            }
            hashes.push((at, hash));
        }
    };
    let mut hashes: Vec<(usize, Result<Option<FileRead>>)> = scope(|scope| {
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

/// Reads a file, or returns nothing if it has gone since.
fn hash_file(cx: &Context, file: &Item<'_>, buffer: &mut [u8]) -> Result<Option<FileRead>> {
    cx.check_stopped()?;
    let place = cx.path(file.root).join(&file.entry.path);
    // Not for people, but to be compared with what a file system writes down.
    let now = cx.clock().now();
    let OpenFile { entry, mut reader, .. } = match cx.files().open(cx, file.root, &file.entry.path) {
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
    Ok(Some(FileRead { entry, now, hash: hasher.finalize() }))
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
        let root = Path::new("/");
        let items: Vec<_> =
            entries.iter().map(|entry| Item { name: (&*entry.path).into(), root, entry }).collect();
        if threads == 0 {
            return Ok(hash_groups(&cx, &[Group { folder: root.to_owned(), items }])?.remove(0));
        }
        let read = hash_on(threads, &cx, &items.iter().collect::<Vec<_>>()).into_iter();
        read.map(|read| Ok(read?.map(|read| of_file(read.entry.mode, &read.hash)))).collect()
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
