//! F8 of the reliability standard: a wall clock that is wrong, jumps, or has run out of digits neither ends nor
//! prolongs anything; only the time that has passed counts.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Cancel, Capabilities, Clock, Command, Context, Decision, Driver, Error, ErrorKind, Exit, Gates,
    MemoryJournal, Outcome, Pipeline, Policy, Question, Result, RunOutcome, RunRequest, Runner, Step,
    Timestamp, Verify, Volume,
};

use crate::{
    failure,
    fakes::{FakeDeployer, Quirk, bench, build, deploy},
};

const YEAR: u64 = 365 * 86_400_000;
const TODAY: u64 = 1_767_225_600_000;
/// 2038-01-19T03:14:07Z, after which a time does not fit into 32 bits.
const LAST_OF_32_BITS: u64 = 2_147_483_647_000;

/// What a wall clock shows, from the time that has passed and how often somebody looked.
type Wall = fn(u64, u64) -> u64;

const WALLS: [(&str, Wall); 10] = [
    ("right", |passed, _| TODAY + passed),
    ("ten years behind", |passed, _| TODAY - 10 * YEAR + passed),
    ("ten years ahead", |passed, _| TODAY + 10 * YEAR + passed),
    ("jumps ten years to and fro", |passed, looks| TODAY + passed + 10 * YEAR * (looks % 3) - 10 * YEAR),
    ("is set back an hour at each look", |_, looks| TODAY - looks * 3_600_000),
    ("goes on a year at each look", |_, looks| TODAY + looks * YEAR),
    ("passes 2038", |passed, _| LAST_OF_32_BITS - 1000 + passed),
    ("passes 9999", |passed, _| 253_402_300_799_000 - 1000 + passed),
    ("stands at its beginning", |_, _| 0),
    ("stands at its end", |_, _| u64::MAX),
];

/// A clock whose pauses are over at once, and whose calendar is wrong.
#[derive(Clone, Debug)]
struct Skewed {
    wall: Wall,
    looks: Arc<AtomicU64>,
    passed: Arc<Mutex<Duration>>,
}

impl Skewed {
    fn new(wall: Wall) -> Self {
        Self { wall, looks: Arc::default(), passed: Arc::default() }
    }
}

#[async_trait]
impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.elapsed().as_millis()).unwrap();
        Timestamp((self.wall)(passed, self.looks.fetch_add(1, Ordering::SeqCst)))
    }

    fn elapsed(&self) -> Duration {
        *self.passed.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.elapsed().saturating_add(duration);
        // Others who wait for less come first: whoever sleeps moves on in small steps.
        while self.elapsed() < until {
            tokio::task::yield_now().await;
            let mut passed = self.passed.lock().unwrap();
            *passed = until.min(*passed + Duration::from_millis(50)).max(*passed);
        }
    }
}

/// Takes as long as its command's argument says, and is away so many times before.
#[derive(Debug, Default)]
struct Slow {
    away: AtomicUsize,
    tries: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Runner for Slow {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        self.tries.lock().unwrap().push(cx.clock().elapsed());
        if self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |away| away.checked_sub(1)).is_ok() {
            return Err(Error::new(ErrorKind::Unavailable, "it is away"));
        }
        cx.sleep(Duration::from_secs(request.command.program.parse().unwrap())).await?;
        Ok(Exit::new(0))
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

fn taking(seconds: u64, runner: &Arc<Slow>, policy: Policy) -> Pipeline {
    let request = RunRequest::new(Command::new(seconds.to_string()));
    let runner: Arc<Slow> = Arc::clone(runner);
    Pipeline::new("shop").step(Step::run("slow", runner, request).policy(policy))
}

/// Half a second is as exact as a clock is that moves in steps while several sleep.
fn about(found: Duration, seconds: f64) -> bool {
    (found.as_secs_f64() - seconds).abs() <= 0.5
}

/// Nobody answers.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Gates for Nobody {
    async fn decision(&self, _cx: &Context, _question: &Question) -> Result<Option<Decision>> {
        Ok(None)
    }

    async fn withdraw(&self, _cx: &Context, _question: &Question) {}
}

#[tokio::test]
async fn deadlines_pauses_and_questions_last_as_long_whatever_the_calendar_says() {
    let minute = Duration::from_secs(60);
    let late = || Policy::default().timeout(minute);
    let mut right = 0;
    for (name, wall) in WALLS {
        let bench = bench();
        let clock = Skewed::new(wall);
        let driver = || Driver::new(bench.world().clock(clock.clone())).gates(Nobody).grace(Duration::ZERO);
        let run = async |pipeline: Pipeline| {
            let start = clock.elapsed();
            let report = driver().run(&pipeline, &bench.cancel).await.unwrap();
            (report, clock.elapsed() - start)
        };
        // What ends in time does, and what does not is stopped then.
        let runner = Arc::new(Slow::default());
        let (report, took) = run(taking(50, &runner, late())).await;
        assert!(report.outcome == RunOutcome::Succeeded && about(took, 50.0), "{name}: {took:?} {report}");
        let (report, took) = run(taking(80, &runner, late())).await;
        assert_eq!(failure(&report, "run:slow").kind, ErrorKind::Timeout, "{name}");
        assert!(about(took, 60.0), "{name}: {took:?}");
        // Pauses between tries double: half a second, one, two, four.
        let runner = Arc::new(Slow { away: AtomicUsize::new(4), ..Slow::default() });
        let (report, took) = run(taking(0, &runner, Policy::default().retries(4_u32))).await;
        assert!(report.outcome == RunOutcome::Succeeded && about(took, 7.5), "{name}: {took:?} {report}");
        assert_eq!(runner.tries.lock().unwrap().len(), 5);
        // A pause.
        let (report, took) = run(Pipeline::new("shop").step(Step::wait("pause", minute))).await;
        assert!(report.outcome == RunOutcome::Succeeded && about(took, 60.0), "{name}: {took:?} {report}");
        // A question that nobody answers.
        let (report, took) =
            run(Pipeline::new("shop").step(Step::gate("ready", "ready?").policy(late()))).await;
        assert_eq!(failure(&report, "gate:ready").kind, ErrorKind::Timeout, "{name}");
        assert!(about(took, 60.0), "{name}: {took:?}");
        // A release that does not become healthy.
        let deployer = FakeDeployer { never_healthy: true, plain: true, ..FakeDeployer::default() };
        let (report, took) = run(Pipeline::new("shop").deploy(deploy(&deployer))).await;
        assert_eq!(failure(&report, "health:shop").kind, ErrorKind::Timeout, "{name}");
        assert!(about(took, 5.0), "{name}: {took:?}");
        right += 6;
    }
    println!(
        "F8: {right} of {} deadlines, pauses, retries and watches as long as they should be",
        6 * WALLS.len()
    );
}

#[tokio::test]
async fn what_is_recorded_is_found_again_and_never_believed_for_longer_than_was_asked_for() {
    let (mut reused, mut pairs) = (0, 0);
    for verify in [Verify::Always, Verify::Within(Duration::from_secs(60)), Verify::Never] {
        for (first_name, first) in WALLS {
            for (second_name, second) in WALLS {
                let bench = bench();
                let cache = Arc::new(shipway_core::MemoryCache::new());
                let web = build("web", bench.builder(Quirk::None));
                let pipeline = Pipeline::new("shop").build(web);
                let run = async |wall| {
                    let driver = Driver::new(bench.world().clock(Skewed::new(wall))).verify(verify);
                    let cache: Arc<shipway_core::MemoryCache> = Arc::clone(&cache);
                    driver.cache(cache).run(&pipeline, &Cancel::new()).await.unwrap().into_result().unwrap()
                };
                let built = run(first).await.image("web").unwrap().clone();
                // While its store has it, it is reused, whatever the clocks say.
                let report = run(second).await;
                assert_eq!(report.task("build:web"), Some(&Outcome::Reused), "{first_name}, {second_name}");
                assert_eq!(report.image("web").unwrap().digest, built.digest);
                reused += 1;
                pairs += 1;
                // Once its store does not, it is believed only while a clock says that it was looked at just now.
                bench.shelf.0.lock().unwrap().clear();
                let report = run(second).await;
                let again = report.task("build:web") == Some(&Outcome::Succeeded);
                match verify {
                    Verify::Always => assert!(again, "{first_name}, {second_name}"),
                    Verify::Never => assert!(!again, "{first_name}, {second_name}"),
                    _ => {}
                }
            }
        }
    }
    println!(
        "F8: {reused} of {pairs} recorded results found with another clock than they were recorded with"
    );
}

#[tokio::test]
async fn a_store_is_asked_again_where_the_clock_was_set_back_or_far_ahead() {
    let within = Verify::Within(Duration::from_secs(60));
    for (first, second, believed) in [
        (TODAY, TODAY, true),
        (TODAY, TODAY + 59_000, true),
        (TODAY, TODAY + 61_000, false),
        (TODAY, TODAY + 10 * YEAR, false),
        (TODAY + 10 * YEAR, TODAY, false),
        (TODAY, TODAY - 1, false),
        (u64::MAX, 0, false),
        (0, u64::MAX, false),
        (LAST_OF_32_BITS - 1, LAST_OF_32_BITS + 1, true),
    ] {
        let bench = bench();
        let pipeline = Pipeline::new("shop").build(build("web", bench.builder(Quirk::None)));
        let clock = Stands(Arc::new(AtomicU64::new(first)));
        let driver = Driver::new(bench.world().clock(clock.clone())).verify(within);
        driver.run(&pipeline, &bench.cancel).await.unwrap().into_result().unwrap();
        bench.shelf.0.lock().unwrap().clear();
        clock.0.store(second, Ordering::SeqCst);
        let report = driver.run(&pipeline, &bench.cancel).await.unwrap();
        let reused = report.task("build:web") == Some(&Outcome::Reused);
        assert_eq!(reused, believed, "recorded at {first}, looked up at {second}");
    }
}

/// A calendar that stands where it is put, beside real time.
#[derive(Clone, Debug)]
struct Stands(Arc<AtomicU64>);

#[async_trait]
impl Clock for Stands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn what_waits_over_a_resume_waits_no_longer_than_it_was_meant_to() {
    let hour = Duration::from_secs(3600);
    let mut right = 0;
    for (name, second) in WALLS {
        let bench = bench();
        let journal: Arc<MemoryJournal> = Arc::new(MemoryJournal::new());
        let pipeline =
            Pipeline::new("shop").step(Step::gate("ready", "ready?").policy(Policy::default().timeout(hour)));
        let driver = |clock: Skewed| {
            let journal: Arc<MemoryJournal> = Arc::clone(&journal);
            Driver::new(bench.world().clock(clock)).gates(Nobody).grace(Duration::ZERO).journal(journal)
        };
        let first = driver(Skewed::new(WALLS[0].1)).suspend(true);
        let report = first.run(&pipeline, &Cancel::new()).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Waiting, "{report}");
        // Only the calendar goes from one process to the next; where it is wrong, an hour is the most all the same.
        let clock = Skewed::new(second);
        let resumed =
            driver(clock.clone()).resume(&pipeline, &report.state.run, &Cancel::new()).await.unwrap();
        assert_eq!(failure(&resumed, "gate:ready").kind, ErrorKind::Timeout, "{name}");
        assert!(clock.elapsed() <= hour + Duration::from_secs(2), "{name}: {:?}", clock.elapsed());
        right += 1;
    }
    println!(
        "F8: {right} of {} questions open no longer than they were meant to, over a resume",
        WALLS.len()
    );
}
