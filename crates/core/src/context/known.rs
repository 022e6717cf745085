//! What was hashed already by a driver, or in a run without one, so that later snapshots read only what has
//! changed since.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::Entry;
use crate::Timestamp;

/// How long a file must have rested before it was read to be known afterwards: a change right after the reading
/// may have the same time as one right before it, as far as a file system can tell. FAT counts in 2 s, ext3 in 1 s;
/// git calls such files "racily clean".
const REST: i128 = 3_000_000_000;

/// The most files that are remembered, of about 150 bytes each; what is beyond is read again.
const MOST: usize = 1 << 18;

/// The hashes of contents, of each place with what a look at the file showed when it was read.
#[derive(Debug, Default)]
pub(crate) struct KnownHashes(Mutex<HashMap<[u8; 32], (Look, blake3::Hash)>>);

/// All that a look shows of a file's content: when content and metadata changed, of which nobody can set the
/// last, size and inode.
type Look = (i128, i128, u64, u64);

impl KnownHashes {
    /// Returns the hash of what the file at this place holds, if it looks as it did when it was read.
    pub(crate) fn get(&self, place: &Path, entry: &Entry) -> Option<blake3::Hash> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&key(place)).filter(|(seen, _)| *seen == look(entry)).map(|(_, hash)| *hash)
    }

    /// Remembers the hash of a file that looked like this before it was read, which was not before `now`.
    pub(crate) fn keep(&self, place: &Path, entry: &Entry, now: Timestamp, hash: blake3::Hash) {
        let changed = entry.changed.max(entry.modified);
        // Files that come from elsewhere than a file system may not tell.
        let told = entry.changed > 0 && entry.inode != 0;
        if !told || changed + REST > i128::from(now.0) * 1_000_000 {
            return;
        }
        let (key, mut known) = (key(place), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if known.len() < MOST || known.contains_key(&key) {
            known.insert(key, (look(entry), hash));
        }
    }
}

fn look(entry: &Entry) -> Look {
    (entry.changed, entry.modified, entry.size, entry.inode)
}

/// A hash is shorter than most paths.
fn key(place: &Path) -> [u8; 32] {
    *blake3::hash(place.as_os_str().as_encoded_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntryKind;

    #[test]
    fn only_a_file_that_rested_and_looks_the_same_is_known() {
        let at = |seconds: i128| seconds * 1_000_000_000;
        let entry = |changed: i128, inode| Entry {
            path: "a".to_owned(),
            kind: EntryKind::File,
            mode: 0o644,
            size: 1,
            modified: at(5),
            changed,
            inode,
        };
        let (place, now, hash) = (Path::new("/src/a"), Timestamp(100_000), blake3::hash(b"x"));
        for (changed, inode, kept) in [
            (at(97), 1, true),
            (at(97) + 1, 1, false),
            (at(200), 1, false),
            (at(97), 0, false),
            (0, 1, false),
        ] {
            let known = KnownHashes::default();
            known.keep(place, &entry(changed, inode), now, hash);
            assert_eq!(known.get(place, &entry(changed, inode)).is_some(), kept, "{changed} {inode}");
        }
        let known = KnownHashes::default();
        let one = entry(at(50), 1);
        known.keep(place, &one, now, hash);
        assert_eq!(known.get(place, &one), Some(hash));
        assert_eq!(known.get(Path::new("/src/b"), &one), None);
        for other in [
            entry(at(50) + 1, 1),
            entry(at(50), 2),
            Entry { size: 2, ..one.clone() },
            Entry { modified: at(6), ..one.clone() },
        ] {
            assert_eq!(known.get(place, &other), None, "{other:?}");
        }
        let edited = Entry { size: 2, ..one.clone() };
        known.keep(place, &edited, now, blake3::hash(b"xy"));
        assert_eq!(known.get(place, &edited), Some(blake3::hash(b"xy")));
        assert_eq!(known.get(place, &one), None, "a place is remembered once");
    }
}
