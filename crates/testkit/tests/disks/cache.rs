//! The cache on a disk: it may lose, and never lies (the row I2 of the project's standard).

use std::sync::Arc;

use shipway_core::{Disk, DiskCache};
use shipway_testkit::{DiskFault, FailingDisk, RecordingDisk};

/// So small that every second value makes an old one go.
const LIMIT: u64 = 6000;

fn cache(disk: impl Disk) -> DiskCache {
    DiskCache::new(Arc::new(disk), "cache").limit(LIMIT)
}

fn value(n: u8) -> Vec<u8> {
    vec![n; 2000]
}

/// What is stored in turn: some keys twice.
const STORED: [(&str, u8); 5] = [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("d", 5)];

/// Loads every key, and stores one more value.
fn load_and_go_on(disk: &RecordingDisk, place: &str) -> Vec<Option<Vec<u8>>> {
    let cache = cache(disk.clone());
    let mut found = Vec::new();
    for key in ["a", "b", "c", "d"] {
        let loaded = cache.load(key).unwrap_or_else(|error| panic!("{place}: {key}: {error}"));
        let stored = STORED.iter().filter(|(other, _)| *other == key).map(|(_, n)| value(*n));
        if let Some(loaded) = &loaded {
            assert!(stored.into_iter().any(|stored| stored == *loaded), "{place}: {key} was never that");
        }
        found.push(loaded);
    }
    cache.store("b", &value(9)).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!(cache.load("b").expect("loaded"), Some(value(9)), "{place}");
    found
}

#[test]
fn f2_after_any_crash_a_value_is_what_was_stored_or_none() {
    let disk = RecordingDisk::new();
    let mut ends = Vec::new();
    for (key, n) in STORED {
        cache(disk.clone()).store(key, &value(n)).expect("stored");
        ends.push((disk.operations().len(), key, n));
    }
    let (mut states, mut lost) = (0, 0);
    for crash in disk.crashes(43, 10) {
        let place = crash.to_string();
        let found = load_and_go_on(crash.disk(), &place);
        lost += found.iter().filter(|found| found.is_none()).count();
        let last = ends.iter().rfind(|(done, ..)| *done <= crash.done());
        if let Some((done, key, n)) = last
            && !crash.power_cut()
            && *done == crash.done()
        {
            let at = ["a", "b", "c", "d"].iter().position(|other| other == key).expect("a key");
            assert_eq!(found[at], Some(value(*n)), "{place}: a kill loses nothing");
        }
        states += 1;
    }
    println!("F2: cache: {states} crash states, {lost} values lost, none wrong");
    assert!(states > 300, "only {states}");
}

#[test]
fn f3_after_any_failure_a_value_is_what_was_stored_or_none() {
    let mut failures = 0;
    for fault in DiskFault::ALL {
        for n in 0.. {
            let below = RecordingDisk::new();
            let failing = FailingDisk::new(Arc::new(below.clone()), n, fault);
            let (place, cache) = (format!("{fault:?} {n}"), cache(failing.clone()));
            for (key, n) in STORED {
                let stored = cache.store(key, &value(n));
                match cache.load(key) {
                    Ok(loaded) if stored.is_ok() => assert_eq!(loaded, Some(value(n)), "{place}: {key}"),
                    loaded => {
                        assert!(failing.failed() && fault != DiskFault::Short, "{place}: {loaded:?}");
                        failures += 1;
                    }
                }
            }
            let files = below.files();
            let left = files.keys().find(|path| path.to_string_lossy().ends_with(".new"));
            assert_eq!(left, None, "{place}");
            let size: usize = files.values().map(Vec::len).sum();
            assert!(size as u64 <= LIMIT + 2200, "{place}: {size} bytes");
            load_and_go_on(&below, &place);
            if !failing.failed() {
                break;
            }
        }
    }
    println!("F3: cache: {failures} failures told, no value wrong");
    assert!(failures > 50, "only {failures}");
}
