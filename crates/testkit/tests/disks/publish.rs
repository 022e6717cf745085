//! `publish`: the old or the new, whole, and nothing beside it.

use std::{path::Path, sync::Arc};

use shipway_core::{Disk, publish};
use shipway_testkit::{DiskFault, FailingDisk, RecordingDisk};

const PATH: &str = "folder/file";

fn put(disk: &dyn Disk, text: &str) -> std::io::Result<()> {
    publish(disk, Path::new(PATH), |file| {
        let (one, other) = text.split_at(2);
        file.write_all(one.as_bytes())?;
        file.write_all(other.as_bytes())
    })
}

/// A disk with a folder that is there for good.
fn disk() -> RecordingDisk {
    let disk = RecordingDisk::new();
    disk.create_dir(Path::new("folder")).expect("made");
    disk.sync_dir(Path::new(".")).expect("synced");
    disk
}

#[test]
fn f2_a_crash_leaves_the_old_or_the_new() {
    let disk = disk();
    let begin = disk.operations().len();
    let mut ends = Vec::new();
    for text in ["first", "second"] {
        put(&disk, text).expect("published");
        ends.push(disk.operations().len());
    }
    let mut states = 0;
    for crash in disk.crashes(11, 8).filter(|crash| crash.done() >= begin) {
        let found = crash.disk().read(Path::new(PATH));
        let found = found.as_deref().map(|bytes| std::str::from_utf8(bytes).expect("text"));
        let published = ends.iter().filter(|end| **end <= crash.done()).count();
        let may_be: &[_] = match published {
            0 => &[None, Some("first")],
            1 => &[Some("first"), Some("second")],
            _ => &[Some("second")],
        };
        assert!(may_be.contains(&found), "{crash}: {found:?}");
        put(crash.disk(), "third").expect("goes on");
        states += 1;
    }
    println!("F2: publish: {states} crash states, each with the old or the new");
    assert!(states > 100, "only {states}");
}

#[test]
fn f3_a_failure_leaves_the_old_or_the_new_and_nothing_beside() {
    let mut failures = 0;
    for fault in DiskFault::ALL {
        for n in 0.. {
            let below = disk();
            put(&below, "first").expect("published");
            let failing = FailingDisk::new(Arc::new(below.clone()), n, fault);
            let published = put(&failing, "second");
            let found = below.read(Path::new(PATH)).expect("there");
            if !failing.failed() || fault == DiskFault::Short {
                published.expect("nothing failed");
                assert_eq!(found, b"second");
            } else {
                published.expect_err("it failed");
                assert!([&b"first"[..], b"second"].contains(&&*found), "{fault:?} {n}");
                failures += 1;
            }
            assert_eq!(below.files().len(), 1, "{fault:?} {n}: {:?}", below.files());
            if !failing.failed() {
                break;
            }
        }
    }
    println!("F3: publish: {failures} failures told, nothing left beside");
    assert!(failures >= 4 * 6, "only {failures}");
}
