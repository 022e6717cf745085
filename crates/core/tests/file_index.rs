//! The file index: what was hashed by an earlier process is not read again, and is never believed of a file that may
//! hold something else by now.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests prepare real files, and may panic"
)]

mod counting;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use counting::Counting;
use proptest::prelude::*;
use shipway_core::{
    Cancel, Clock, Context, DiskCache, Entry, EntryKind, Error, Files, HostDisk, HostFiles, Inputs, OpenFile,
    Result, RunContext, Snapshot, SystemClock, Timestamp, Tree, World,
};

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 24 * 3600;

/// A clock that somebody sets: the machine's, so many seconds off.
#[derive(Clone, Debug, Default)]
struct Skewed(Arc<AtomicI64>);

#[async_trait]
impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        let now = i64::try_from(SystemClock::new().now().0).unwrap();
        Timestamp((now + self.0.load(Ordering::Relaxed) * 1000).try_into().unwrap())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration) {}
}

/// A folder of sources with a cache beside it, and processes that come one after another.
struct Bench {
    folder: tempfile::TempDir,
    clock: Skewed,
    opened: Counting,
}

fn bench() -> Bench {
    let bench =
        Bench { folder: tempfile::tempdir().unwrap(), clock: Skewed::default(), opened: Counting::default() };
    // As if every file had rested; the tests of that are those of files with made-up times.
    bench.clock.0.store(3600, Ordering::Relaxed);
    fs::create_dir(bench.folder.path().join("src")).unwrap();
    bench
}

impl Bench {
    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("src").join(path)
    }

    fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    fn cache(&self) -> DiskCache {
        DiskCache::new(Arc::new(HostDisk), self.folder.path().join("cache"))
    }

    fn process(&self, cached: bool) -> Context {
        let world = World::host(self.folder.path().join("src")).clock(self.clock.clone());
        let world = world.files(self.opened.clone());
        let world = if cached { world.cache(self.cache()) } else { world };
        RunContext::new(world, "run").context(None, None, Cancel::new())
    }

    /// Returns the snapshot that a new process takes, and how many files it opened; it is what one without a cache
    /// takes.
    async fn take(&self, inputs: &Inputs) -> usize {
        let before = self.opened.0.load(Ordering::Relaxed);
        let snapshot = Snapshot::take(&self.process(true), inputs).await.unwrap();
        let opened = self.opened.0.load(Ordering::Relaxed) - before;
        assert_eq!(snapshot, Snapshot::take(&self.process(false), inputs).await.unwrap(), "it is stale");
        opened
    }
}

fn tree(root: &str, ignore: &[&str]) -> Inputs {
    let ignore: Vec<String> = ignore.iter().map(|rule| (*rule).to_owned()).collect();
    Inputs::new().trees([Tree::new(root).ignore(ignore)])
}

#[tokio::test]
async fn what_an_earlier_process_hashed_is_not_opened() {
    let bench = bench();
    for at in 0..700 {
        bench.write(&format!("web/{}/{at}", at % 7), &at.to_string());
    }
    bench.write("version", "1");
    let inputs = tree("web", &["3"]).files(["version".into(), bench.path("web/3/3")]);
    assert_eq!(bench.take(&inputs).await, 602);
    assert_eq!(bench.take(&inputs).await, 0);
    bench.write("web/1/1", "one");
    assert_eq!(bench.take(&inputs).await, 1);
    // What was not visited this time is kept, and what is new is added.
    assert_eq!(bench.take(&tree("web", &["*", "!3"])).await, 100);
    assert_eq!(bench.take(&tree("web", &[])).await, 0);
    assert_eq!(bench.take(&inputs).await, 0);
    // Each folder has a table of its own.
    assert_eq!(bench.take(&tree("web/1", &[])).await, 100);
}

#[tokio::test]
async fn a_copy_a_checkout_and_a_rename_are_read_again_whatever_times_they_show() {
    let bench = bench();
    let inputs = tree("", &[]);
    for path in ["a/file", "b/file", "c"] {
        bench.write(path, path);
    }
    let modified = |path: &str| fs::metadata(bench.path(path)).unwrap().modified().unwrap();
    let set_modified = |path: &str, time| {
        fs::File::options().write(true).open(bench.path(path)).unwrap().set_modified(time).unwrap();
    };
    let first = modified("c");
    assert_eq!(bench.take(&inputs).await, 3);
    assert_eq!(bench.take(&inputs).await, 0);
    // A copy, as long and with the time that the original has, as `cp -p` makes one, in its place.
    bench.write("copy", "C");
    set_modified("copy", first);
    fs::rename(bench.path("copy"), bench.path("c")).unwrap();
    assert_eq!((bench.take(&inputs).await, modified("c")), (1, first));
    // A checkout that writes other content and sets an older time, and one that comes back.
    for (content, time) in [("d", first - Duration::from_secs(3600)), ("c", first), ("e", first)] {
        bench.write("c", content);
        set_modified("c", time);
        assert_eq!(bench.take(&inputs).await, 1, "{content}");
    }
    // Two folders change places: no file of them changed in any way.
    for (from, to) in [("a", "x"), ("b", "a"), ("x", "b")] {
        fs::rename(bench.path(from), bench.path(to)).unwrap();
    }
    assert_eq!(bench.take(&inputs).await, 2);
    assert_eq!(bench.take(&inputs).await, 0);
    // The whole folder is another's, under a name that is known.
    let root = bench.folder.path().join("src");
    fs::rename(&root, bench.folder.path().join("old")).unwrap();
    for (path, content) in [("a/file", "A/file"), ("b/file", "B/file"), ("c", "E")] {
        bench.write(path, content);
        set_modified(path, first);
    }
    assert_eq!(bench.take(&inputs).await, 3);
}

#[tokio::test]
async fn a_change_of_mode_alone_counts() {
    let bench = bench();
    bench.write("run.sh", "true");
    let inputs = tree("", &[]);
    let before = Snapshot::take(&bench.process(true), &inputs).await.unwrap();
    let mode =
        |mode| fs::set_permissions(bench.path("run.sh"), std::os::unix::fs::PermissionsExt::from_mode(mode));
    mode(0o755).unwrap();
    let after = Snapshot::take(&bench.process(true), &inputs).await.unwrap();
    let reasons: Vec<String> = after.reasons(&before).iter().map(ToString::to_string).collect();
    assert_eq!(reasons, ["file run.sh changed"]);
}

#[tokio::test]
async fn a_damaged_table_is_as_if_there_were_none() {
    let bench = bench();
    for at in 0..5 {
        bench.write(&at.to_string(), &format!("{at}"));
    }
    let inputs = tree("", &[]);
    assert_eq!(bench.take(&inputs).await, 5);
    assert_eq!(bench.take(&inputs).await, 0);
    let key = format!("file index 1 {}", bench.folder.path().join("src").display());
    let table = bench.cache().load(&key).unwrap().expect("it has this key");
    // What the cache believes, but is no table.
    for content in
        [&b"no table"[..], &table[1..], &table[..table.len() - 1], &[table.as_slice(), &table].concat()]
    {
        bench.cache().store(&key, content).unwrap();
        assert_eq!(bench.take(&inputs).await, 5);
        assert_eq!(bench.take(&inputs).await, 0);
    }
    bench.cache().store(&key, b"").unwrap();
    assert_eq!(bench.take(&inputs).await, 5);
    // A cache that cannot be used at all.
    fs::remove_dir_all(bench.cache().folder()).unwrap();
    fs::write(bench.cache().folder(), "a file").unwrap();
    for _ in 0..2 {
        assert_eq!(bench.take(&inputs).await, 5);
    }
}

/// Files with made-up times, so that what happens within one tick of a clock happens.
#[derive(Clone, Debug, Default)]
struct Made(Arc<Mutex<BTreeMap<String, (Entry, String)>>>, Arc<AtomicUsize>);

/// A look that can be made only through the door.
fn plain_entry() -> Entry {
    let cx = RunContext::new(World::host("/"), "any").context(None, None, Cancel::new());
    HostFiles.entry(&cx, Path::new("/"), "etc").unwrap().unwrap()
}

impl Made {
    fn write(&self, path: &str, content: &str, changed: i128, look: impl FnOnce(&mut Entry)) {
        let mut entry = plain_entry();
        (entry.path, entry.kind) = (path.to_owned(), EntryKind::File);
        (entry.mode, entry.size, entry.inode) = (0o644, content.len() as u64, 7);
        (entry.changed, entry.modified) = (changed, changed);
        look(&mut entry);
        self.0.lock().unwrap().insert(path.to_owned(), (entry, content.to_owned()));
    }
}

impl Files for Made {
    fn walk_each(&self, _cx: &Context, _root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        let entries = self.0.lock().expect("whole").values().map(|(entry, _)| entry.clone()).collect();
        Ok(vec![entries; ignore.len()])
    }

    fn entry(&self, _cx: &Context, _root: &Path, path: &str) -> Result<Option<Entry>> {
        Ok(self.0.lock().expect("whole").get(path).map(|(entry, _)| entry.clone()))
    }

    fn open(&self, _cx: &Context, _root: &Path, path: &str) -> Result<OpenFile> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let found = self.0.lock().expect("whole").get(path).cloned();
        let (entry, content) = found.ok_or_else(|| Error::not_found("it has gone"))?;
        Ok(OpenFile::new(entry, std::io::Cursor::new(content)))
    }
}

/// A clock that stands where it is set, in nanoseconds.
#[derive(Clone, Debug, Default)]
struct Set(Arc<Mutex<i128>>);

#[async_trait]
impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp((*self.0.lock().expect("whole") / 1_000_000).try_into().expect("after 1970"))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration) {}
}

/// Processes that come one after another, with made-up files and a clock that is set.
struct Desk {
    folder: tempfile::TempDir,
    files: Made,
    clock: Set,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), files: Made::default(), clock: Set::default() }
    }

    fn process(&self, cached: bool) -> Context {
        let world = World::host("/src").files(self.files.clone()).clock(self.clock.clone());
        let cache = DiskCache::new(Arc::new(HostDisk), self.folder.path());
        let world = if cached { world.cache(cache) } else { world };
        RunContext::new(world, "run").context(None, None, Cancel::new())
    }

    /// Returns how many files a process opens at this moment; what it finds is what one without a cache finds.
    fn take(&self, cx: &Context, now: i128) -> usize {
        *self.clock.0.lock().unwrap() = now;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let opened = || self.files.1.load(Ordering::Relaxed);
        let before = opened();
        let taken = runtime.block_on(Snapshot::take(cx, &tree("", &[]))).unwrap();
        let count = opened() - before;
        assert_eq!(
            taken,
            runtime.block_on(Snapshot::take(&self.process(false), &tree("", &[]))).unwrap(),
            "stale"
        );
        count
    }
}

const NOON: i128 = 20_000 * DAY as i128 * SECOND;

#[test]
fn a_file_that_changes_in_the_tick_in_which_it_was_hashed_is_read_again() {
    for (rested, opened) in [(0, 1), (1, 1), (2 * SECOND, 1), (3 * SECOND - 1_000_000, 1), (3 * SECOND, 0)] {
        let desk = Desk::new();
        desk.files.write("a", "one", NOON, |_| {});
        assert_eq!(desk.take(&desk.process(true), NOON + rested), 1);
        if opened == 1 {
            // Within the tick: nothing tells the two apart.
            desk.files.write("a", "two", NOON, |_| {});
        }
        assert_eq!(desk.take(&desk.process(true), NOON + DAY as i128 * SECOND), opened, "{rested}");
    }
}

#[test]
fn whatever_a_look_shows_that_is_another_is_read_again() {
    type Change = fn(&mut Entry);
    let changes: [(&str, Change); 6] = [
        ("written again", |entry| entry.changed += 1),
        ("on another machine, with the same number by accident", |entry| entry.changed -= 7 * SECOND),
        ("copied", |entry| entry.inode += 1),
        ("longer", |entry| entry.size += 1),
        ("modified", |entry| entry.modified -= 1),
        ("made executable", |entry| entry.mode = 0o755),
    ];
    for (name, change) in changes {
        let desk = Desk::new();
        desk.files.write("a", "one", NOON, |_| {});
        let process = desk.process(true);
        assert_eq!(desk.take(&process, NOON + 60 * SECOND), 1);
        assert_eq!(desk.take(&process, NOON + 60 * SECOND), 0);
        assert_eq!(desk.take(&desk.process(true), NOON + 60 * SECOND), 0);
        desk.files.write("a", "two", NOON, change);
        assert_eq!(desk.take(&desk.process(true), NOON + 120 * SECOND), 1, "{name}");
        assert_eq!(desk.take(&process, NOON + 120 * SECOND), 1, "{name}");
    }
}

#[test]
fn a_clock_that_is_wrong_by_a_day_makes_nothing_stale() {
    let day = i128::from(DAY) * SECOND;
    for (wrong, again) in [(-day, 1), (day, 0)] {
        let desk = Desk::new();
        // Written long before the clock went wrong, and after.
        desk.files.write("a", "one", NOON, |_| {});
        assert_eq!(desk.take(&desk.process(true), NOON + wrong), 1);
        // One that goes after the file system's takes every file for fresh, and reads it; one that goes before takes it
        // for rested, and the file's own times tell what changed.
        assert_eq!(desk.take(&desk.process(true), NOON + wrong), again);
        desk.files.write("a", "two", NOON + 1, |_| {});
        assert_eq!(desk.take(&desk.process(true), NOON + wrong), 1);
        // It is set right.
        desk.take(&desk.process(true), NOON + 10 * SECOND);
        assert_eq!(desk.take(&desk.process(true), NOON + 10 * SECOND), 0);
        desk.files.write("a", "six", NOON + 11 * SECOND, |_| {});
        assert_eq!(desk.take(&desk.process(true), NOON + 60 * SECOND), 1);
        // The file system's clock went wrong and came back: what it wrote meanwhile is of another day.
        for (content, changed) in [("ten", NOON - day), ("end", NOON + day), ("now", NOON + 70 * SECOND)] {
            desk.files.write("a", content, changed, |_| {});
            assert_eq!(desk.take(&desk.process(true), NOON + 80 * SECOND), 1, "{content}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn whatever_happens_to_files_no_process_is_wrong_about_them(
        steps in proptest::collection::vec((0..4_u8, "[ab]{1}", "[xyz]{2}", 0..5_000_i64, any::<bool>()), 1..30)
    ) {
        let desk = Desk::new();
        let (mut now, mut last) = (NOON, NOON);
        let long_lived = desk.process(true);
        for (kind, path, content, milliseconds, fresh) in steps {
            now += i128::from(milliseconds) * 1_000_000;
            // A file system that counts in seconds.
            let tick = now / SECOND * SECOND;
            match kind {
                0 => desk.files.write(&path, &content, tick, |_| {}),
                // The time of modification is set back.
                1 => desk.files.write(&path, &content, tick, |entry| entry.modified = last),
                2 => {
                    let mut files = desk.files.0.lock().unwrap();
                    files.remove(&path);
                }
                _ => desk.files.write(&path, &content, tick, |entry| entry.inode += 1),
            }
            last = tick;
            let process = desk.process(true);
            desk.take(if fresh { &process } else { &long_lived }, now);
        }
        // At the end everything is known once it has rested.
        desk.take(&desk.process(true), now + 10 * SECOND);
        prop_assert_eq!(desk.take(&desk.process(true), now + 10 * SECOND), 0);
    }
}
