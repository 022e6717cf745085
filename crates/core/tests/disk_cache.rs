//! The cache on a disk: never a wrong value, whatever happens to its files, and never much more than its limit.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests prepare real files and processes, print their figures, and may panic"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use shipway_core::{Disk, DiskCache, DiskEntry, DiskFile, DiskLock, HostDisk};

fn cache(folder: &Path) -> DiskCache {
    DiskCache::new(Arc::new(HostDisk), folder)
}

/// Every file in the folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for shelf in fs::read_dir(folder).into_iter().flatten() {
        for file in fs::read_dir(shelf.unwrap().path()).unwrap() {
            files.insert(file.unwrap().path());
        }
    }
    files
}

fn only_file(folder: &Path) -> PathBuf {
    let files = files(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

fn set_used(path: &Path, used: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(used).unwrap();
}

#[test]
fn a_file_tells_what_it_is_and_lies_where_its_key_says() {
    let folder = tempfile::tempdir().unwrap();
    cache(folder.path()).store("result 1\n of web", b"value").unwrap();
    let path = only_file(folder.path());
    let name = blake3::hash(b"result 1\n of web").to_hex();
    assert_eq!(path, folder.path().join(&name[..2]).join(name.as_str()));
    let expected = format!("shipway cache 1 {}\nresult 1\n of web\nvalue", blake3::hash(b"value"));
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn what_was_put_last_is_what_is_there(
        steps in proptest::collection::vec(
            ("[ab\n]{0,2}", proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)), any::<bool>()), 0..40)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (cache(folder.path()), cache(folder.path()));
        let mut model = BTreeMap::new();
        for (key, value, first) in steps {
            let cache = if first { &one } else { &other };
            match value {
                Some(value) => {
                    cache.store(&key, &value).unwrap();
                    model.insert(key, value);
                }
                None => prop_assert_eq!(cache.load(&key).unwrap(), model.get(&key).cloned()),
            }
        }
        prop_assert!(files(folder.path()).len() == model.len());
    }
}

#[test]
fn a_damaged_file_is_never_a_wrong_value() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    cache.store("the key", b"the value of it").unwrap();
    let path = only_file(folder.path());
    let whole = fs::read(&path).unwrap();
    let mut damaged = Vec::new();
    for at in 0..whole.len() {
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut content = whole.clone();
            content[at] ^= flip;
            damaged.push(content);
        }
        damaged.push(whole[..at].to_vec());
        damaged.push([&whole[..at], b"x", &whole[at..]].concat());
        let zeros = whole.len() - at;
        damaged.push([&whole[..at], &vec![0; zeros]].concat());
    }
    damaged.push([whole.as_slice(), b"\n"].concat());
    for content in &damaged {
        fs::write(&path, content).unwrap();
        assert_eq!(cache.load("the key").unwrap(), None, "{:?}", String::from_utf8_lossy(content));
        assert!(!path.exists(), "it was not removed");
    }
    println!("{} damaged files, 0 wrong values", damaged.len());
    // A whole file in the place of another key.
    fs::write(&path, &whole).unwrap();
    assert_eq!(cache.load("the key").unwrap().unwrap(), b"the value of it");
    let name = blake3::hash(b"another").to_hex();
    let other = folder.path().join(&name[..2]).join(name.as_str());
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::rename(&path, &other).unwrap();
    assert_eq!(cache.load("another").unwrap(), None);
    // What is no file at all is no entry, and must not block.
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(cache.load("the key").unwrap(), None);
    cache.store("the key", b"new").unwrap();
    assert_eq!(cache.load("the key").unwrap().unwrap(), b"new");
}

#[test]
fn what_is_too_large_is_not_kept_and_neither_is_what_was_there_before() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    let mut large = vec![7; 64 << 20];
    cache.store("a", &large).unwrap();
    assert_eq!(cache.load("a").unwrap().map(|value| value.len()), Some(64 << 20));
    large.push(7);
    cache.store("a", &large).unwrap();
    assert_eq!(cache.load("a").unwrap(), None);
    let small = cache.limit(1_000);
    small.store("b", &[1; 10]).unwrap();
    small.store("b", &[1; 1_000]).unwrap();
    assert_eq!(small.load("b").unwrap(), None);
}

/// Puts ten values of about 1,000 bytes, used one after another, an hour ago, and returns how many bytes a file has.
fn ten(folder: &Path, from: SystemTime) -> u64 {
    let mut size = 0;
    for at in 0..10 {
        let before = files(folder);
        cache(folder).store(&format!("key {at}"), &[at; 1_000]).unwrap();
        let path = files(folder).difference(&before).next().unwrap().clone();
        size = fs::metadata(&path).unwrap().len();
        set_used(&path, from + Duration::from_secs(u64::from(at)));
    }
    size
}

fn kept(folder: &Path) -> Vec<u64> {
    (0..20).filter(|at| cache(folder).load(&format!("key {at}")).unwrap().is_some()).collect()
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    // A limit of nine files is passed with the eleventh; nine tenths of it are eight.
    for (limit, loaded, expected) in [
        (11, vec![], vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (9, vec![], vec![3, 4, 5, 6, 7, 8, 9, 10]),
        (9, vec![0], vec![0, 4, 5, 6, 7, 8, 9, 10]),
        (9, vec![1, 5, 0], vec![0, 1, 5, 6, 7, 8, 9, 10]),
        (3, vec![2], vec![2, 10]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let size = ten(folder.path(), hour_ago);
        let cache = cache(folder.path()).limit(limit * size + 200);
        for at in &loaded {
            assert!(cache.load(&format!("key {at}")).unwrap().is_some());
        }
        // The first one that a process stores sweeps.
        cache.store("key 10", &[10; 1_000]).unwrap();
        assert_eq!(kept(folder.path()), expected, "{limit} {loaded:?}");
    }
}

#[test]
fn what_was_used_in_the_future_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let size = ten(folder.path(), SystemTime::now() - Duration::from_secs(3600));
    let name = blake3::hash(b"key 7").to_hex();
    let future = SystemTime::now() + Duration::from_secs(30 * 24 * 3600);
    set_used(&folder.path().join(&name[..2]).join(name.as_str()), future);
    cache(folder.path()).limit(10 * size + 200).store("key 10", &[10; 1_000]).unwrap();
    assert_eq!(kept(folder.path()), [1, 2, 3, 4, 5, 6, 8, 9, 10]);
}

#[test]
fn a_process_sweeps_again_after_a_thirty_second_part_of_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 100_000;
    let cache = cache(folder.path()).limit(limit);
    for at in 0..200 {
        cache.store(&format!("key {at}"), &[0; 1_000]).unwrap();
        let sum: u64 = files(folder.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(sum <= limit + limit / 32 + 1_200, "{at}: {sum}");
    }
    let count = files(folder.path()).len();
    assert!(count > 70, "only {count} are left");
}

#[test]
fn what_dead_writers_left_goes_after_a_day_and_what_is_not_ours_stays() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path()).limit(2_000);
    let name = blake3::hash(b"a").to_hex().to_string();
    let shelf = folder.path().join("ab");
    fs::create_dir(&shelf).unwrap();
    let old = SystemTime::now() - Duration::from_secs(25 * 3600);
    let young = SystemTime::now() - Duration::from_secs(23 * 3600);
    let foreign = format!("{}{}", "cd", "0".repeat(62));
    for (file, used) in [
        (format!(".{name}.1-1.new"), old),
        (format!(".{name}.1-2.new"), young),
        ("readme".to_owned(), old),
        (foreign.clone(), old),
    ] {
        fs::write(shelf.join(&file), [0; 3_000]).unwrap();
        set_used(&shelf.join(&file), used);
    }
    cache.store("a", b"value").unwrap();
    assert_eq!(cache.load("a").unwrap().unwrap(), b"value", "what is not ours does not count");
    let left: Vec<String> = HostDisk.list(&shelf).unwrap();
    assert_eq!(left, [format!(".{name}.1-2.new"), foreign, "readme".to_owned()]);
}

/// A disk that fails at one call, or at every one from there on.
#[derive(Debug)]
struct Failing {
    calls: Arc<AtomicU64>,
    at: u64,
    forever: bool,
}

fn fail(calls: &AtomicU64, at: u64, forever: bool) -> io::Result<()> {
    let call = calls.fetch_add(1, Ordering::Relaxed);
    if call == at || (forever && call > at) {
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()));
    }
    Ok(())
}

impl Failing {
    fn call(&self) -> io::Result<()> {
        fail(&self.calls, self.at, self.forever)
    }
}

struct FailingFile<T>(T, Arc<AtomicU64>, u64, bool);

impl<T: Write> Write for FailingFile<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full disk takes a part.
        let part = bytes.len().div_ceil(2);
        fail(&self.1, self.2, self.3)?;
        self.0.write(&bytes[..part])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl DiskFile for FailingFile<Box<dyn DiskFile>> {
    fn sync(&mut self) -> io::Result<()> {
        Err(io::Error::other("a cache does not sync"))
    }
}

impl<T: Read> Read for FailingFile<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        fail(&self.1, self.2, self.3)?;
        self.0.read(bytes)
    }
}

impl Disk for Failing {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.call()?;
        Ok(Box::new(FailingFile(HostDisk.create(path)?, Arc::clone(&self.calls), self.at, self.forever)))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.call()?;
        Ok(Box::new(FailingFile(HostDisk.open(path)?, Arc::clone(&self.calls), self.at, self.forever)))
    }
    fn entry(&self, path: &Path) -> io::Result<Option<DiskEntry>> {
        self.call()?;
        HostDisk.entry(path)
    }
    fn touch(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        HostDisk.touch(path)
    }
    fn lock(&self, _path: &Path) -> io::Result<Option<DiskLock>> {
        Err(io::Error::other("a cache does not lock"))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        HostDisk.rename(from, to)
    }
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Err(io::Error::other("a cache does not sync"))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        HostDisk.remove(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        HostDisk.create_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.call()?;
        HostDisk.list(path)
    }
}

/// Stores and loads, and returns how many calls the disk had and how many errors were told.
fn faulty(at: u64, forever: bool) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let disk = Failing { calls: Arc::clone(&calls), at, forever };
    let cache = DiskCache::new(Arc::new(disk), folder.path()).limit(1_300);
    let mut errors = 0;
    // A file that is damaged is to be removed.
    self::cache(folder.path()).store("key 3", b"old").unwrap();
    fs::write(only_file(folder.path()), "torn").unwrap();
    for round in 0..2 {
        for key in 0..4_u8 {
            let name = format!("key {key}");
            let value = vec![round * 4 + key; 300];
            match cache.store(&name, &value) {
                Ok(()) => {
                    let found = self::cache(folder.path()).load(&name).unwrap();
                    assert!(
                        found.is_none_or(|found| found == value),
                        "what is there is not what was put last"
                    );
                }
                Err(_) => errors += 1,
            }
            for key in [key, (key + 3) % 4] {
                match cache.load(&format!("key {key}")) {
                    Ok(Some(value)) => {
                        assert!(value.len() == 300 && value.iter().all(|byte| *byte % 4 == key));
                    }
                    Ok(None) => {}
                    Err(_) => errors += 1,
                }
            }
        }
    }
    if !forever {
        let left = files(folder.path());
        let left = left.iter().filter(|path| path.extension().is_some()).count();
        assert_eq!(left, 0, "call {at} failed, and something is left beside its place");
    }
    (calls.load(Ordering::Relaxed), errors)
}

#[test]
fn every_call_of_the_disk_may_fail_once() {
    let (calls, errors) = faulty(u64::MAX, false);
    assert_eq!(errors, 0);
    let mut told = 0;
    for at in 0..calls {
        let (_, errors) = faulty(at, false);
        assert!(errors <= 1, "call {at}: {errors}");
        told += errors;
    }
    println!("F3: each of {calls} calls failed once: {told} errors told, 0 wrong values, 0 files left");
    assert!(told > calls / 2 && told < calls);
    // A disk that is full and stays so.
    let (_, errors) = faulty(0, true);
    assert_eq!(errors, 24);
}

const PROCESSES: u64 = 8;
const OBJECTS: u64 = 200;
const LIMIT: u64 = 400_000;
const CHILD: &str = "SHIPWAY_TEST_CACHE";

/// What is put under a key is told by the key, and by who put it.
fn value(key: u64, process: u64) -> Vec<u8> {
    let mut value = vec![0; 500 + (key as usize * 97) % 9_000];
    blake3::Hasher::new().update(format!("{key} {process}").as_bytes()).finalize_xof().fill(&mut value);
    value[..8].copy_from_slice(&process.to_le_bytes());
    value
}

fn child(folder: &Path, process: u64) -> (u64, u64, u64) {
    let cache = cache(folder).limit(LIMIT);
    let (mut corrupt, mut errors, mut hits) = (0, 0, 0);
    for step in 0..OBJECTS {
        errors += u64::from(cache.store(&format!("object {step}"), &value(step, process)).is_err());
        for back in [0, 1, 7, 50, 150] {
            let key = (step + OBJECTS - back) % OBJECTS;
            match cache.load(&format!("object {key}")) {
                Ok(Some(found)) => {
                    let by = found.get(..8).map(|by| u64::from_le_bytes(by.try_into().unwrap()));
                    corrupt += u64::from(by.is_none_or(|by| found != value(key, by)));
                    hits += 1;
                }
                Ok(None) => {}
                Err(_) => errors += 1,
            }
        }
    }
    (corrupt, errors, hits)
}

#[test]
fn eight_processes_use_one_folder() {
    if let Ok(folder) = std::env::var(CHILD) {
        let (folder, process) = folder.rsplit_once(':').unwrap();
        let (corrupt, errors, hits) = child(Path::new(folder), process.parse().unwrap());
        println!("\ncounted {corrupt} {errors} {hits}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = |process: u64| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "eight_processes_use_one_folder", "--nocapture"])
            .env(CHILD, format!("{}:{process}", folder.path().display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..PROCESSES).map(start).collect();
    let (mut corrupt, mut errors, mut hits) = (0, 0, 0);
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let counts = text.lines().find_map(|line| line.strip_prefix("counted ")).unwrap();
        let counts: Vec<u64> = counts.split(' ').map(|count| count.parse().unwrap()).collect();
        corrupt += counts[0];
        errors += counts[1];
        hits += counts[2];
    }
    let files = files(folder.path());
    let size: u64 = files.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    println!(
        "F7: {PROCESSES} processes put {OBJECTS} objects each into one folder of at most {LIMIT} bytes: {hits} found, \
         {corrupt} corrupt, {errors} errors, {size} bytes in {} files at the end",
        files.len()
    );
    assert_eq!((corrupt, errors), (0, 0));
    assert!(hits > PROCESSES * OBJECTS, "each finds what it has just put, mostly");
    assert!(size <= LIMIT + PROCESSES * (LIMIT / 32 + 10_000), "{size}");
    assert!(files.iter().all(|path| path.extension().is_none()), "{files:?}");
}
