//! Pieces of layers that are kept from build to build: the bytes are those of a build that has none, and what did
//! not change is not compressed again.

#![expect(clippy::disallowed_methods, reason = "the tests look at the cache's folder")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use proptest::prelude::*;
use shipway_core::{Cancel, Context, DiskCache, HostDisk, RunContext, World};
use shipway_oci::{Compression, LayerEntry, LayerSummary, Layout, write_layer};

/// Files by path, each with a seed and a size.
type Tree = BTreeMap<String, (u64, usize)>;

fn context(cache: Option<&Path>) -> Context {
    let world = World::host("/");
    let world = match cache {
        Some(folder) => world.cache(DiskCache::new(Arc::new(HostDisk), folder)),
        None => world,
    };
    RunContext::new(world, "test").context(None, None, Cancel::new())
}

/// Bytes of which half compresses, the same for the same seed.
fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&next());
    }
    bytes.truncate(size);
    bytes
}

async fn make(cx: &Context, tree: &Tree, how: Compression) -> LayerSummary {
    let entries = tree
        .iter()
        .map(|(path, (seed, size))| LayerEntry::bytes(path.as_str(), content(*seed, *size)))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let layout = Layout::new(Arc::clone(cx.disk()), folder.path());
    let layer = write_layer(cx, entries, how).expect("begun");
    layer.write_to(&layout).await.expect("made")
}

/// The files of a cache: by place, with an inode that is another one once the file was written again.
fn kept(folder: &Path) -> BTreeSet<(PathBuf, u64)> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    for entry in entries.map(|entry| entry.expect("an entry")) {
        let metadata = entry.metadata().expect("there");
        if metadata.is_dir() {
            found.extend(kept(&entry.path()));
        } else if metadata.len() > 1000 {
            found.insert((entry.path(), metadata.ino()));
        }
    }
    found
}

fn tree() -> impl Strategy<Value = Tree> {
    let file = (any::<u64>(), prop_oneof![6 => 0..200_000_usize, 1 => 0..2_600_000_usize]);
    prop::collection::btree_map("[a-f]{1,2}", file, 1..24)
}

/// A change of some file: of its content, its size, its being there, or its name.
fn edited(mut tree: Tree, (at, kind, seed): (prop::sample::Index, u8, u64)) -> Tree {
    let path = tree.keys().nth(at.index(tree.len())).expect("a file").clone();
    let (before, size) = tree[&path];
    let size_now = usize::try_from(seed % 300_000).expect("small");
    match kind {
        0 => tree.insert(path, (seed, size)),
        1 => tree.insert(path, (before, size_now)),
        2 if tree.len() > 1 => tree.remove(&path),
        3 => tree.insert(format!("{path}-new"), (seed, size_now)),
        _ => tree.insert(format!("{path}-copy"), (before, size)),
    };
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_is_the_same_bytes_with_and_without_what_was_kept(
        tree in tree(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..5_u8, any::<u64>()), 1..3),
        threads in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (with, without) = (context(Some(folder.path())), context(None));
        let mut trees = vec![tree];
        for edit in edits {
            trees.push(edited(trees.last().cloned().unwrap_or_default(), edit));
        }
        for how in [Compression::gzip(1), Compression::gzip(6), Compression::zstd(1), Compression::zstd(3)] {
            for tree in &trees {
                let cold = runtime.block_on(make(&without, tree, how));
                let warm = runtime.block_on(make(&with, tree, how.threads(threads)));
                prop_assert_eq!(cold, warm, "{:?}", how);
            }
        }
    }
}

#[tokio::test]
async fn what_did_not_change_is_not_compressed_again() {
    for how in [Compression::gzip(1), Compression::zstd(1)] {
        let folder = tempfile::tempdir().unwrap();
        let cx = context(Some(folder.path()));
        let mut tree: Tree = (0..400).map(|at| (format!("f{at:03}"), (at, 20_000))).collect();
        tree.insert("large".to_owned(), (7, 3 << 20));
        let first = make(&cx, &tree, how).await;
        let before = kept(folder.path());
        assert!(before.len() > 10, "{} pieces", before.len());
        assert_eq!(make(&cx, &tree, how).await, first);
        assert_eq!(kept(folder.path()), before, "nothing is made again");

        tree.insert("f200".to_owned(), (1000, 20_000));
        assert_ne!(make(&cx, &tree, how).await.digest, first.digest);
        let after = kept(folder.path());
        assert!(before.is_subset(&after));
        assert_eq!(after.len(), before.len() + 1, "the one piece that the file is in");

        // Another level makes other bytes, for which none of these will do.
        make(&cx, &tree, how.level(2)).await;
        assert_eq!(kept(folder.path()).len(), after.len() + before.len());
    }
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_is_as_if_there_were_none() {
    let tree: Tree = [("a".to_owned(), (1, 2_000_000))].into();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let how = Compression::gzip(1);
    let cold = make(&context(None), &tree, how).await;
    assert_eq!(make(&context(Some(&file)), &tree, how).await, cold);
    assert_eq!(fs::read(&file).unwrap(), b"no folder");
    // And one that others take away meanwhile.
    let cache = folder.path().join("cache");
    let cx = context(Some(&cache));
    make(&cx, &tree, how).await;
    assert!(!kept(&cache).is_empty());
    fs::remove_dir_all(&cache).unwrap();
    assert_eq!(make(&cx, &tree, how).await, cold);
}

#[tokio::test]
async fn small_layers_are_not_worth_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let tree: Tree = [("a".to_owned(), (1, 20_000))].into();
    make(&context(Some(folder.path())), &tree, Compression::gzip(6)).await;
    assert_eq!(kept(folder.path()).len(), 0);
}
