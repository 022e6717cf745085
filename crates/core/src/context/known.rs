//! What was hashed in a run already, so that its later snapshots read only what has changed since.

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

/// The most files that are remembered, of about 100 bytes each; what is beyond is read again.
const MOST: usize = 1 << 18;

/// The hashes of contents, by all that a look at the file shows: path, size, inode, and when content and
/// metadata changed, of which nobody can set the last.
#[derive(Debug, Default)]
pub(crate) struct KnownHashes(Mutex<HashMap<[u8; 32], blake3::Hash>>);

impl KnownHashes {
    /// Returns the hash of what the file at this place holds, if it looks as it did when it was read.
    pub(crate) fn get(&self, place: &Path, entry: &Entry) -> Option<blake3::Hash> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key(place, entry)).copied()
    }

    /// Remembers the hash of a file that looked like this before it was read, which was not before `now`.
    pub(crate) fn keep(&self, place: &Path, entry: &Entry, now: Timestamp, hash: blake3::Hash) {
        let changed = entry.changed.max(entry.modified);
        // Files that come from elsewhere than a file system may not tell.
        let told = entry.changed > 0 && entry.inode != 0;
        if !told || changed + REST > i128::from(now.0) * 1_000_000 {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST {
            known.insert(key(place, entry), hash);
        }
    }
}

fn key(place: &Path, entry: &Entry) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("shipway 2026-11 look at a file");
    for number in [entry.changed, entry.modified, i128::from(entry.size), i128::from(entry.inode)] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(place.as_os_str().as_encoded_bytes());
    *hasher.finalize().as_bytes()
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
    }
}
