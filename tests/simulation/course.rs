//! The course of one seed: a run, killed and gone on with until it ends.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use shipway::{
    Cancel, CancelReason, DiskJournal, Driver, Event, Journal, MemoryCache, Pipeline, Report, RunOutcome,
    Sink, Stage, World,
};
use shipway_testkit::RecordingDisk;
use tokio::{runtime::Builder, time::Instant};

use crate::{
    check,
    land::{Land, Paused, Shelf},
    pipeline::pipeline,
    plugins::Actor,
};

/// Keeps all events, and the run's id out of their text: it has the process's number.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<Event>>);

impl Sink for Log {
    fn emit(&self, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}

/// What became of a seed.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub(crate) log: String,
    kills: u64,
    cuts: u64,
    tasks: u64,
    outcomes: Vec<RunOutcome>,
}

/// How a process ends.
enum End {
    Ended(Box<Report>),
    Killed,
}

impl Course {
    /// Plays the seed, and panics where an invariant does not hold.
    pub(crate) fn play(seed: u64) -> Self {
        let runtime =
            Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(Self::act(seed))
    }

    async fn act(seed: u64) -> Self {
        let land = Land::new(seed);
        let pipeline = pipeline(&land);
        let slots = usize::try_from(1 + land.random.below(4)).unwrap_or(1);
        let keep_going = land.random.percent(50);
        let suspend = land.random.percent(20);
        let cache = Arc::new(MemoryCache::new());
        let (start, base) = (Instant::now(), 1_700_000_000_000 + land.random.below(1 << 40));
        let mut disk = RecordingDisk::new();
        let mut course = Self::default();
        let mut run: Option<String> = None;
        loop {
            let log = Arc::new(Log::default());
            let world = World::host("/")
                .clock(Paused(start, base))
                .images(Shelf(Arc::clone(&land)))
                .sink(Arc::<Log>::clone(&log))
                .in_place();
            let gates = Actor { land: Arc::clone(&land), resource: None, whole: true };
            let journal = DiskJournal::new(Arc::new(disk.clone()), "/runs").in_place();
            let driver = Driver::new(world)
                .cache(Arc::<MemoryCache>::clone(&cache))
                .journal(Arc::new(journal.clone()))
                .slots(slots)
                .keep_going(keep_going)
                .suspend(suspend)
                .gates(gates);
            let patience = if course.kills < 4 && land.random.percent(60) {
                land.random.below(120_000)
            } else {
                u64::MAX
            };
            let end = course.process(&driver, &pipeline, run.as_deref(), &land, patience).await;
            let runs = journal.runs().await.expect("the journal can be listed");
            course.take(&log, runs.last().map(String::as_str));
            run = runs.last().cloned();
            match end {
                End::Ended(report)
                    if report.outcome == RunOutcome::Waiting || report.outcome == RunOutcome::Cancelled =>
                {
                    check::ended(seed, &report, &log.0.lock().unwrap_or_else(PoisonError::into_inner));
                    course.outcomes.push(report.outcome);
                    if course.outcomes.len() > 8 {
                        return course;
                    }
                }
                End::Ended(report) => {
                    course.outcomes.push(report.outcome);
                    course.tasks = report.state.tasks.len() as u64;
                    check::ended(seed, &report, &log.0.lock().unwrap_or_else(PoisonError::into_inner));
                    check::land(seed, &land, &pipeline, &report, slots);
                    return course;
                }
                End::Killed => {
                    course.kills += 1;
                    if land.random.percent(50) {
                        disk = course.cut(&land, &disk);
                    }
                    // I1: whatever was lost, the journal can be read.
                    let read = DiskJournal::new(Arc::new(disk.clone()), "/runs").in_place();
                    run = None;
                    for known in read.runs().await.expect("the journal can be listed") {
                        let entries =
                            read.read(&known).await.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
                        // A run of which nothing lasted never began.
                        run = (!entries.is_empty()).then_some(known);
                    }
                }
            }
        }
    }

    /// Runs or goes on until the end, or for so many milliseconds; some runs are stopped by a person.
    async fn process(
        &mut self,
        driver: &Driver,
        pipeline: &Pipeline,
        run: Option<&str>,
        land: &Arc<Land>,
        patience: u64,
    ) -> End {
        let cancel = Cancel::new();
        let stop = land.random.percent(10).then(|| Duration::from_millis(land.random.below(60_000)));
        let forced = land.random.percent(50);
        let stopping = async {
            match stop {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
            cancel.escalate(Stage::Requested, CancelReason::Asked);
            if forced {
                tokio::time::sleep(Duration::from_secs(5)).await;
                cancel.escalate(Stage::Forced, CancelReason::Asked);
            }
            std::future::pending::<()>().await;
        };
        let going = async {
            match run {
                Some(run) => driver.resume(pipeline, run, &cancel).await,
                None => driver.run(pipeline, &cancel).await,
            }
        };
        let end = tokio::select! {
            biased;
            report = going => match report {
                Ok(report) => End::Ended(Box::new(report)),
                // Stopped before anything had begun.
                Err(error) if error.kind() == shipway::ErrorKind::Cancelled => End::Killed,
                Err(error) => panic!("{error:?}"),
            },
            () = stopping => End::Killed,
            () = tokio::time::sleep(Duration::from_millis(patience.min(1 << 40))) => End::Killed,
        };
        // What was dropped with the run is gone once the runtime has seen to it.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        end
    }

    /// Cuts the power: of what was not synced, some is lost.
    fn cut(&mut self, land: &Land, disk: &RecordingDisk) -> RecordingDisk {
        self.cuts += 1;
        disk.power_cut(land.random.below(u64::MAX))
    }

    fn take(&mut self, log: &Log, run: Option<&str>) {
        use std::fmt::Write as _;
        for event in log.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let line = serde_json::to_string(event).unwrap_or_default();
            let line = run.map_or(line.clone(), |run| line.replace(run, "RUN"));
            let _ = writeln!(self.log, "{line}");
        }
    }

    pub(crate) fn figures(&self) -> [(&'static str, u64); 5] {
        let failed = self.outcomes.iter().filter(|outcome| **outcome == RunOutcome::Failed).count() as u64;
        [
            ("kills", self.kills),
            ("power cuts", self.cuts),
            ("tasks", self.tasks),
            ("events", self.log.lines().count() as u64),
            ("failed runs", failed),
        ]
    }
}
