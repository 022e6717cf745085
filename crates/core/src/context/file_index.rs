//! The file index: what was hashed already, with what a look at each file showed then, so that later snapshots read
//! only what has changed since. It lasts as long as its driver, and longer where the world has a cache.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Context, Entry};
use crate::Timestamp;

/// How long a file must have rested before it was read to be known afterwards: a change right after the reading
/// may have the same time as one right before it, as far as a file system can tell. FAT counts in 2 s, ext3 in 1 s;
/// git calls such files "racily clean".
const REST: i128 = 3_000_000_000;

/// The most files that a table has, of some 100 bytes each; what is beyond is read again.
const MOST: usize = 1 << 19;

/// The form of the tables in the cache; whoever changes it changes the number.
const FORM: &str = "file index 1";

/// The tables of a driver, one for each folder of sources.
#[derive(Debug, Default)]
pub(crate) struct FileIndex(Mutex<BTreeMap<PathBuf, Arc<Mutex<Option<Table>>>>>);

/// The files below one folder, sorted by path.
#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    path: Box<str>,
    look: Look,
    hash: blake3::Hash,
    /// Whether somebody asked for it since the table was loaded.
    asked: bool,
}

/// All that a look shows of a file's content: when content and metadata changed, of which nobody can set the last,
/// size, inode and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    changed: i64,
    modified: i64,
    size: u64,
    inode: u64,
    mode: u32,
}

/// A file that was read: what it looked like before, when that was at the earliest, and the hash of what it held.
#[derive(Debug)]
pub(crate) struct FileRead {
    pub(crate) entry: Entry,
    pub(crate) now: Timestamp,
    pub(crate) hash: blake3::Hash,
}

impl FileIndex {
    /// Returns the hash of what each file holds that looks as it did when it was read. The paths are below the
    /// folder, and sorted for the most part; blocking.
    pub(crate) fn find<'a>(
        &self,
        cx: &Context,
        folder: &Path,
        files: impl Iterator<Item = (&'a str, &'a Entry)>,
    ) -> Vec<Option<blake3::Hash>> {
        self.with(cx, folder, |table| table.find(files))
    }

    /// Remembers files that were read, where the world has a cache for good; blocking.
    pub(crate) fn keep<'a>(
        &self,
        cx: &Context,
        folder: &Path,
        files: impl Iterator<Item = (&'a str, &'a FileRead)>,
    ) {
        let rows: Vec<Row> = files.filter_map(|(path, read)| row(path, read)).collect();
        if rows.is_empty() {
            return;
        }
        self.with(cx, folder, |table| {
            table.keep(rows);
            if let Some((cache, key)) = cx.cache().zip(key(folder)) {
                // What is not kept is read again.
                let _ = cache.store(&key, &table.encode());
            }
        });
    }

    /// Does something with a folder's table, which is loaded when it is used first.
    fn with<T>(&self, cx: &Context, folder: &Path, work: impl FnOnce(&mut Table) -> T) -> T {
        let table = {
            let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tables.entry(folder.to_owned()).or_default())
        };
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        work(table.get_or_insert_with(|| {
            // Without it, files are read.
            let kept = cx.cache().zip(key(folder)).and_then(|(cache, key)| cache.load(&key).ok()?);
            kept.and_then(|kept| Table::decode(&kept)).unwrap_or_default()
        }))
    }
}

/// Returns the key of a folder's table; a folder that is somewhere else for another process has none.
fn key(folder: &Path) -> Option<String> {
    folder.is_absolute().then(|| format!("{FORM} {}", folder.display()))
}

fn look(entry: &Entry) -> Option<Look> {
    Some(Look {
        changed: i64::try_from(entry.changed).ok()?,
        modified: i64::try_from(entry.modified).ok()?,
        size: entry.size,
        inode: entry.inode,
        mode: entry.mode,
    })
}

/// Returns what is remembered of a file, if it had rested when it was read.
fn row(path: &str, read: &FileRead) -> Option<Row> {
    let entry = &read.entry;
    let changed = entry.changed.max(entry.modified);
    // Files that come from elsewhere than a file system may not tell.
    let told = entry.changed > 0 && entry.inode != 0;
    if !told || changed + REST > i128::from(read.now.0) * 1_000_000 {
        return None;
    }
    Some(Row { path: path.into(), look: look(entry)?, hash: read.hash, asked: true })
}

impl Table {
    fn find<'a>(&mut self, files: impl Iterator<Item = (&'a str, &'a Entry)>) -> Vec<Option<blake3::Hash>> {
        let mut at = 0;
        let mut find = |(path, entry): (&str, &Entry)| {
            if at > 0 && *self.rows[at - 1].path >= *path {
                at = 0;
            }
            at = seek(&self.rows, at, path);
            let row = self.rows.get_mut(at).filter(|row| *row.path == *path)?;
            row.asked = true;
            (look(entry) == Some(row.look)).then_some(row.hash)
        };
        files.map(&mut find).collect()
    }

    fn keep(&mut self, mut rows: Vec<Row>) {
        rows.append(&mut self.rows);
        // The sort is stable: of two looks at one file the newer comes first, and stays.
        rows.sort_by(|a, b| a.path.cmp(&b.path));
        rows.dedup_by(|later, first| later.path == first.path);
        if rows.len() > MOST {
            rows.retain(|row| row.asked);
            rows.truncate(MOST);
        }
        self.rows = rows;
    }

    /// Returns the table as bytes: of each path only what is unlike the one before.
    fn encode(&self) -> Vec<u8> {
        let (mut bytes, mut before) = (Vec::with_capacity(self.rows.len() * 96), "");
        for row in &self.rows {
            let shared = before.bytes().zip(row.path.bytes()).take_while(|(a, b)| a == b).count();
            let rest = &row.path.as_bytes()[shared..];
            // No path is as long as that.
            let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
            bytes.extend_from_slice(&number(shared));
            bytes.extend_from_slice(&number(rest.len()));
            bytes.extend_from_slice(rest);
            bytes.extend_from_slice(&row.look.changed.to_le_bytes());
            bytes.extend_from_slice(&row.look.modified.to_le_bytes());
            bytes.extend_from_slice(&row.look.size.to_le_bytes());
            bytes.extend_from_slice(&row.look.inode.to_le_bytes());
            bytes.extend_from_slice(&row.look.mode.to_le_bytes());
            bytes.extend_from_slice(row.hash.as_bytes());
            before = &row.path;
        }
        bytes
    }

    /// Returns the table, if that is what the bytes are.
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (mut rows, mut path) = (Vec::<Row>::with_capacity(bytes.len() / 80), Vec::new());
        let bytes = &mut bytes;
        while !bytes.is_empty() {
            let shared = u32::from_le_bytes(next(bytes)?) as usize;
            let length = u32::from_le_bytes(next(bytes)?) as usize;
            let (rest, after) = bytes.split_at_checked(length)?;
            *bytes = after;
            if shared > path.len() {
                return None;
            }
            path.truncate(shared);
            path.extend_from_slice(rest);
            let path: Box<str> = std::str::from_utf8(&path).ok()?.into();
            // What is not in its order would not be found.
            if rows.last().is_some_and(|last| last.path >= path) {
                return None;
            }
            let look = Look {
                changed: i64::from_le_bytes(next(bytes)?),
                modified: i64::from_le_bytes(next(bytes)?),
                size: u64::from_le_bytes(next(bytes)?),
                inode: u64::from_le_bytes(next(bytes)?),
                mode: u32::from_le_bytes(next(bytes)?),
            };
            rows.push(Row { path, look, hash: blake3::Hash::from_bytes(next(bytes)?), asked: false });
        }
        Some(Self { rows })
    }
}

/// Takes so many bytes off the front.
fn next<const LENGTH: usize>(bytes: &mut &[u8]) -> Option<[u8; LENGTH]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

/// Returns where the path is or would be, which is not before `from`. Steps double, so that what comes next is found
/// at once and what is far away soon.
fn seek(rows: &[Row], mut from: usize, path: &str) -> usize {
    let (mut end, mut step) = (from, 1);
    while rows.get(end).is_some_and(|row| *row.path < *path) {
        from = end + 1;
        end += step;
        step *= 2;
    }
    let end = end.min(rows.len());
    from + rows[from..end].partition_point(|row| *row.path < *path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::EntryKind;

    fn at(seconds: i128) -> i128 {
        seconds * 1_000_000_000
    }

    fn entry(changed: i128, inode: u64) -> Entry {
        Entry {
            path: "a".to_owned(),
            kind: EntryKind::File,
            mode: 0o644,
            size: 1,
            modified: at(5),
            changed,
            inode,
        }
    }

    fn read(entry: Entry, content: &str) -> FileRead {
        FileRead { entry, now: Timestamp(100_000), hash: blake3::hash(content.as_bytes()) }
    }

    fn table(reads: &[(&str, &FileRead)]) -> Table {
        let mut table = Table::default();
        table.keep(reads.iter().filter_map(|(path, read)| row(path, read)).collect());
        table
    }

    fn find(table: &mut Table, path: &str, entry: &Entry) -> Option<blake3::Hash> {
        table.find([(path, entry)].into_iter()).remove(0)
    }

    #[test]
    fn only_a_file_that_rested_and_looks_the_same_is_known() {
        for (changed, inode, kept) in [
            (at(97), 1, true),
            (at(97) + 1, 1, false),
            (at(200), 1, false),
            (at(97), 0, false),
            (0, 1, false),
            (i128::MAX - REST, 1, false),
        ] {
            let one = read(entry(changed, inode), "x");
            let found = find(&mut table(&[("a", &one)]), "a", &one.entry);
            assert_eq!(found.is_some(), kept, "{changed} {inode}");
        }
        let one = read(entry(at(50), 1), "x");
        let mut known = table(&[("a", &one)]);
        assert_eq!(find(&mut known, "a", &one.entry), Some(one.hash));
        assert_eq!(find(&mut known, "b", &one.entry), None);
        for other in [
            entry(at(50) + 1, 1),
            entry(at(50), 2),
            Entry { size: 2, ..one.entry.clone() },
            Entry { modified: at(6), ..one.entry.clone() },
            Entry { mode: 0o755, ..one.entry.clone() },
            Entry { changed: i128::MAX, ..one.entry.clone() },
        ] {
            assert_eq!(find(&mut known, "a", &other), None, "{other:?}");
        }
        let edited = read(Entry { size: 2, ..one.entry.clone() }, "xy");
        known.keep(row("a", &edited).into_iter().collect());
        assert_eq!(find(&mut known, "a", &edited.entry), Some(edited.hash));
        assert_eq!(find(&mut known, "a", &one.entry), None, "a place is remembered once");
    }

    #[test]
    fn a_full_table_forgets_what_nobody_asked_for() {
        let one = read(entry(at(50), 1), "x");
        let rows = |from: usize, count: usize| -> Vec<Row> {
            let row = |number| row(&format!("{number:07}"), &one).expect("it rested");
            (from..from + count).map(row).collect()
        };
        let mut old = Table { rows: rows(0, MOST) };
        old.rows.iter_mut().for_each(|row| row.asked = false);
        assert!(find(&mut old, "0000007", &one.entry).is_some());
        old.keep(rows(MOST, 1));
        let left: Vec<&str> = old.rows.iter().map(|row| &*row.path).collect();
        assert_eq!(left, ["0000007", &format!("{MOST:07}")]);
        old.keep(rows(0, MOST + 5));
        assert_eq!(old.rows.len(), MOST);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

        #[test]
        fn a_table_is_as_a_map_however_it_is_asked_and_written(
            first in proptest::collection::btree_map("[aé/]{0,4}", 1_u64..4, 0..30),
            second in proptest::collection::btree_map("[aé/]{0,4}", 1_u64..4, 0..30),
            asked in proptest::collection::vec(("[aé/]{0,4}", 1_u64..4), 0..30),
        ) {
            let mut model = BTreeMap::new();
            let mut table = Table::default();
            for files in [first, second] {
                let reads: BTreeMap<&str, FileRead> = files
                    .iter()
                    .map(|(path, inode)| (path.as_str(), read(entry(at(50), *inode), &format!("{path} {inode}"))))
                    .collect();
                table.keep(reads.iter().rev().filter_map(|(path, read)| row(path, read)).collect());
                model.extend(files);
            }
            let looks: Vec<Entry> = asked.iter().map(|(_, inode)| entry(at(50), *inode)).collect();
            let files = || asked.iter().zip(&looks).map(|((path, _), look)| (path.as_str(), look));
            let expected: Vec<_> = asked
                .iter()
                .map(|(path, inode)| {
                    let known = model.get(path) == Some(inode);
                    known.then(|| blake3::hash(format!("{path} {inode}").as_bytes()))
                })
                .collect();
            let mut again = Table::decode(&table.encode()).expect("it was written");
            prop_assert_eq!(table.find(files()), expected.clone());
            prop_assert_eq!(again.find(files()), expected);
            prop_assert_eq!(again.rows.len(), model.len());
        }

        #[test]
        fn what_is_no_table_is_refused_or_harmless(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0_usize..400, flip in 1_u8..
        ) {
            let _ = Table::decode(&bytes);
            let one = read(entry(at(50), 1), "x");
            let mut bytes = table(&[("a/b", &one), ("a/c", &one), ("b", &one)]).encode();
            let cut = cut % bytes.len();
            // A part is no table, but for a part of whole rows, which is a smaller one.
            let whole = Table::decode(&bytes[..cut]).map(|table| table.encode());
            prop_assert!(whole.is_none_or(|whole| whole == bytes[..cut]));
            bytes[cut] ^= flip;
            let _ = Table::decode(&bytes);
        }
    }
}
