//! What lies in a cache's folder, where anything may have been written.

use std::{path::Path, sync::Arc};

use shipway::{Disk, DiskCache, Inputs, Snapshot, Tree, World};
use shipway_testkit::{RecordingDisk, shut_world};

use super::{
    sources::Sources,
    world::{block_on, context},
};

/// A value is read as it was put there or not at all, however its file was changed.
///
/// The first two bytes say where the file is cut, the third how much of it is left out there, and the rest is put in.
pub(crate) fn entry(data: &[u8]) {
    const VALUE: &[u8] = b"a value of some length, so that there is something to change";
    let [high, low, gone, put @ ..] = data else { return };
    let disk = RecordingDisk::new();
    let cache = DiskCache::new(Arc::new(disk.clone()), "/cache");
    cache.store("key", VALUE).expect("stored");
    let (path, mut bytes) = disk.files().into_iter().next().expect("a file");
    let start = usize::from(u16::from_be_bytes([*high, *low])) % (bytes.len() + 1);
    let end = (start + usize::from(*gone)).min(bytes.len());
    bytes.splice(start..end, put.iter().copied());
    rewrite(&disk, &path, &bytes);
    let found = cache.load("key").expect("read");
    assert!(found.is_none() || found.as_deref() == Some(VALUE), "a value that was not put there: {found:?}");
    if found.is_none() {
        assert_eq!(disk.read(&path), None, "what is no entry is left in the folder");
        cache.store("key", VALUE).expect("stored");
        assert_eq!(cache.load("key").expect("read").as_deref(), Some(VALUE));
    }
}

/// A table of the file index is believed or not, and the file is hashed either way.
pub(crate) fn file_index(data: &[u8]) {
    let disk = RecordingDisk::new();
    let cache = DiskCache::new(Arc::new(disk.clone()), "/cache");
    cache.store("file index 1 /src", data).expect("stored");
    let world: World =
        shut_world().files(Sources::new([("a/b", &b"1"[..]), ("a/c", b"22"), ("d", b"")])).disk(disk);
    let inputs = Inputs::new().trees([Tree::new("/src")]);
    let take = |world: World| block_on(Snapshot::take(&context(world), &inputs)).expect("taken");
    let snapshot = take(world.clone().cache(cache.clone()));
    // What the first has written over it, the second reads.
    assert_eq!(take(world.clone().cache(cache)), snapshot);
    // Of a table that knows these very files, what it says is believed: a cache is not for those whom one mistrusts.
    if data.windows(8).all(|bytes| bytes != 1_000_000_000_i64.to_le_bytes()) {
        assert_eq!(take(world), snapshot);
    }
}

fn rewrite(disk: &RecordingDisk, path: &Path, bytes: &[u8]) {
    disk.remove(path).expect("removed");
    disk.create(path).expect("made").write_all(bytes).expect("written");
}
