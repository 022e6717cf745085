//! F1: a process that is killed (`kill -9`) at every write of its journal, and another one that goes on. With real parts:
//! the native builder, a registry, an environment repository, commands. `SHIPWAY_KILLS` random kills come on top.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the test starts itself again, looks at what is left, and prints its figures"
)]

#[path = "../../examples/resume_after_kill/shop.rs"]
mod shop;

use std::{
    env, fs, io,
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::process::{Signal, getpid, kill_process};
use shipway::{
    Cancel, Disk, DiskEntry, DiskFile, DiskJournal, DiskLock, Driver, HostDisk, Journal, RunOutcome,
    oci::Registry,
};
use shop::Shop;

/// In it, the process is killed at this operation of the journal.
const KILL_AT: &str = "SHIPWAY_KILL_AT";

/// A disk whose process is killed at the n-th change.
#[derive(Debug)]
struct Deadly {
    left: Arc<AtomicU64>,
}

fn step(left: &AtomicU64) {
    if left.fetch_sub(1, Ordering::SeqCst) == 1 {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

struct DeadlyFile {
    file: Box<dyn DiskFile>,
    left: Arc<AtomicU64>,
}

impl Write for DeadlyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        step(&self.left);
        // Half of what is written is there, and then the rest.
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        self.file.write_all(half)?;
        step(&self.left);
        self.file.write_all(rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl DiskFile for DeadlyFile {
    fn sync(&mut self) -> io::Result<()> {
        step(&self.left);
        self.file.sync()
    }
}

impl Disk for Deadly {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        step(&self.left);
        Ok(Box::new(DeadlyFile { file: HostDisk.create(path)?, left: Arc::clone(&self.left) }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        HostDisk.open(path)
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DiskEntry>> {
        HostDisk.entry(path)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        HostDisk.touch(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        HostDisk.lock(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        step(&self.left);
        HostDisk.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        step(&self.left);
        HostDisk.sync_dir(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        step(&self.left);
        HostDisk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        step(&self.left);
        HostDisk.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        HostDisk.list(path)
    }
}

/// What the process does that is killed; without its variable it is no test.
#[tokio::test]
async fn the_process_that_is_killed() {
    let (Ok(at), Ok(folder), Ok(registry)) = (env::var(KILL_AT), env::var("SHOP"), env::var("SHOP_REGISTRY"))
    else {
        return;
    };
    let shop = Shop::new(folder, &registry);
    let disk = Deadly { left: Arc::new(AtomicU64::new(at.parse().unwrap())) };
    let journal = DiskJournal::new(Arc::new(disk), shop.folder.join("runs"));
    let driver = Driver::new(shop.world()).slots(1).journal(Arc::new(journal));
    driver.run(&shop.pipeline().unwrap(), &Cancel::new()).await.unwrap().into_result().unwrap();
}

/// Releases in a process of its own, which is killed at an operation or after a time; returns whether it came to its end.
fn process(shop: &Shop, registry: &str, at: u64, after: Option<Duration>) -> bool {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed"])
        .env(KILL_AT, at.to_string())
        .env("SHOP", &shop.folder)
        .env("SHOP_REGISTRY", registry)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if let Some(after) = after {
        std::thread::sleep(after);
        let _ = child.kill();
    }
    child.wait().unwrap().success()
}

/// What a shop has come to.
#[derive(Debug, PartialEq)]
struct End {
    candidate: usize,
    production: usize,
    digest: String,
    target: Vec<String>,
}

fn end(shop: &Shop, digest: String) -> End {
    let target = ["Deployment web", "Service web"]
        .map(|object| fs::read_to_string(shop.folder.join("target").join(object)).unwrap());
    let commits = |branch| shop.commits(branch).unwrap().len();
    End { candidate: commits("candidate"), production: commits("production"), digest, target: target.into() }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Goes on with what was killed, or begins anew where nothing was written down; returns how it ended and what was done
/// more than once.
async fn go_on(shop: &Shop) -> (End, usize) {
    let journal = DiskJournal::new(Arc::new(HostDisk), shop.folder.join("runs"));
    let driver = Driver::new(shop.world()).journal(Arc::new(journal.clone()));
    let pipeline = shop.pipeline().unwrap();
    let mut run = None;
    for known in journal.runs().await.unwrap() {
        // I1: whatever was torn, it can be read.
        if !journal.read(&known).await.unwrap().is_empty() {
            run = Some(known);
        }
    }
    let report = match run {
        Some(run) => driver.resume(&pipeline, &run, &Cancel::new()).await,
        None => driver.run(&pipeline, &Cancel::new()).await,
    };
    let report = report.unwrap();
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    let repeated = [
        lines(&shop.folder.join("unit")) - 1,
        lines(&shop.folder.join("told")) - 1,
        shop.applied().unwrap() - 2,
    ];
    (end(shop, report.image("web").unwrap().digest.to_string()), repeated.into_iter().sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_any_write_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
    let host = registry.host();
    let mut expected: Option<End> = None;
    let (mut count, mut most_repeated) = (0, 0);
    let mut once = async |at: u64, after: Option<Duration>| {
        count += 1;
        let shop = Shop::new(folder.path().join(count.to_string()), &host);
        fs::create_dir(&shop.folder).unwrap();
        shop.make().unwrap();
        let came_to_its_end = tokio::task::block_in_place(|| process(&shop, &host, at, after));
        let (end, repeated) = go_on(&shop).await;
        let place = format!("killed at {at} after {after:?}");
        assert!(repeated <= 1, "{place}: {repeated} things were done twice");
        assert_eq!((end.candidate, end.production), (1, 1), "{place}: one commit for each branch");
        match &expected {
            None => expected = Some(end),
            Some(expected) => assert_eq!(expected, &end, "{place}"),
        }
        fs::remove_dir_all(&shop.folder).unwrap();
        most_repeated = most_repeated.max(repeated);
        came_to_its_end
    };
    let mut at = 1;
    while !once(at, None).await {
        at += 1;
    }
    assert!(at > 40, "{at}");
    let random: u64 = env::var("SHIPWAY_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(10);
    for kill in 0..random {
        // At the same moments each time, as far as a clock has moments.
        once(u64::MAX, Some(Duration::from_micros(kill.wrapping_mul(2_654_435_761) % 500_000))).await;
    }
    println!(
        "F1: killed at each of {} operations of the journal and {random} times between, at most {most_repeated} thing done twice",
        at - 1
    );
    registry.shutdown().await;
}
