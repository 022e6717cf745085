//! What a process does: it edits sources, builds, deploys, stops in between and goes on.

use std::{
    fs,
    io::Read,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use shipway::{
    Artifact, Build, Cancel, CancelReason, Deploy, DiskCache, DiskJournal, Driver, HostDisk, Journal,
    JournalEntry, Pipeline, Release, RunOutcome, Stage, World,
    builders::{Native, NativeConfig},
    cluster::MemoryCluster,
    deployers::Memory,
};

/// So many journals are kept, so that folders do not grow either.
const JOURNALS: usize = 20;
/// More than a few results, so that the cache is swept now and then.
const CACHE: u64 = 256 * 1024;
/// A cluster in memory remembers releases, and is to be forgotten itself.
const ROUNDS_OF_A_CLUSTER: u64 = 20;

/// Works until the input ends.
pub(crate) async fn work(home: &Path, cache: &Path, registry: &str) {
    let stop = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&stop);
    thread::spawn(move || {
        // Whoever started this has ended too, or wants it to.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ended.store(true, Ordering::Relaxed);
    });
    let mut random = Random::new(u64::from(std::process::id()));
    for folder in ["web", "api", "scratch"] {
        fs::create_dir_all(home.join(folder)).expect("made");
    }
    let journal = Arc::new(DiskJournal::new(Arc::new(HostDisk), home.join("journals")).keep(JOURNALS));
    let world: World = shipway::host(home)
        .scratch(home.join("scratch"))
        .cache(DiskCache::new(Arc::new(HostDisk), cache).limit(CACHE));
    let driver = Driver::new(world).journal(Arc::<DiskJournal>::clone(&journal));
    let mut pipeline = pipeline(registry);
    resume_killed(&driver, &journal, &pipeline).await;
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        if rounds % ROUNDS_OF_A_CLUSTER == ROUNDS_OF_A_CLUSTER - 1 {
            pipeline = self::pipeline(registry);
        }
        // Not before: what a killed run has planned is of the sources as they are.
        edit(home, &mut random);
        if rounds % 3 == 2 {
            stop_and_go_on(&driver, &pipeline, &mut random).await;
        }
        let report = driver.run(&pipeline, &Cancel::new()).await.expect("a run");
        assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
        println!("soak: round");
        rounds += 1;
    }
}

fn pipeline(registry: &str) -> Pipeline {
    let build = |name: &str| {
        let native = Native::new(NativeConfig::default().dockerfile("Dockerfile")).expect("options");
        Build::new(Artifact::new(name, name), format!("{registry}/{name}"), Arc::new(native))
    };
    let shop = Deploy::new(Release::new("shop"), Arc::new(Memory::new(MemoryCluster::new())));
    Pipeline::new("shop").build(build("web")).build(build("api")).deploy(shop)
}

/// Writes some of the files anew; there are not many variants, so that the registry does not fill up.
fn edit(home: &Path, random: &mut Random) {
    for folder in ["web", "api"] {
        fs::write(
            home.join(folder).join("Dockerfile"),
            "FROM scratch\nCOPY --chmod=755 . /app/\nENTRYPOINT [\"/app/0\"]\n",
        )
        .expect("written");
        for file in 0..4 {
            let path = home.join(folder).join(file.to_string());
            if !path.exists() || random.below(3) == 0 {
                let content = [b'a' + u8::try_from(random.below(3)).unwrap_or(0)].repeat(20_000);
                fs::write(path, content).expect("written");
            }
        }
    }
}

/// Goes on with the runs that a process was killed in.
async fn resume_killed(driver: &Driver, journal: &DiskJournal, pipeline: &Pipeline) {
    for run in journal.runs().await.expect("listed") {
        let entries = journal.read(&run).await.expect("read");
        let ended = matches!(entries.last(), None | Some(JournalEntry::Ended { .. }));
        if !ended {
            // Its cluster died with the process, so a release may be found to be gone; a build may not.
            let report = driver.resume(pipeline, &run, &Cancel::new()).await.expect("resumed");
            for name in ["web", "api"] {
                assert!(report.image(name).is_some(), "`{name}` is not built:\n{report}");
            }
            println!("soak: resumed");
        }
    }
}

/// Stops a run at any moment, and goes on with it.
async fn stop_and_go_on(driver: &Driver, pipeline: &Pipeline, random: &mut Random) {
    let cancel = Cancel::new();
    let pause = Duration::from_millis(random.below(60) as u64);
    let stopping = async {
        tokio::time::sleep(pause).await;
        cancel.escalate(Stage::Forced, CancelReason::Asked);
    };
    let (report, ()) = tokio::join!(driver.run(pipeline, &cancel), stopping);
    // While it looks around there is no run yet.
    let Ok(report) = report else { return };
    if report.outcome == RunOutcome::Cancelled {
        let resumed = driver.resume(pipeline, &report.state.run, &Cancel::new()).await.expect("resumed");
        assert_eq!(resumed.outcome, RunOutcome::Succeeded, "{resumed}");
    }
}

/// Sebastiano Vigna's SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}
