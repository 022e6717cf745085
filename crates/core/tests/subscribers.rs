//! L4 of the reliability standard: readers of events that are slow, stuck or many neither hold a run up nor lose what
//! tells its course.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests measure real time and their own memory, print their figures, and may panic"
)]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use proptest::prelude::*;
use shipway_core::{
    Cancel, Capabilities, Command, Context, Discard, Driver, Event, EventKind, Exit, Level, Pipeline,
    Received, Result, RunRequest, Runner, Sink, Step, Stream, Subscribers, Subscription, Timestamp, Volume,
    World,
};

fn event(seq: u64, may_drop: bool) -> Event {
    let kind = if may_drop {
        EventKind::Output { stream: Stream::Stdout, line: format!("line {seq}") }
    } else {
        EventKind::Message { level: Level::Info, text: format!("message {seq}") }
    };
    Event::new(seq, Timestamp(0), None, kind)
}

/// What a test does to subscribers.
#[derive(Clone, Debug)]
enum Deed {
    Emit { may_drop: bool },
    Subscribe,
    Read { reader: usize, most: usize },
    Leave { reader: usize },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => any::<bool>().prop_map(|may_drop| Deed::Emit { may_drop }),
        1 => Just(Deed::Subscribe),
        3 => (0..8usize, 1..6usize).prop_map(|(reader, most)| Deed::Read { reader, most }),
        1 => (0..8usize).prop_map(|reader| Deed::Leave { reader }),
    ];
    proptest::collection::vec(deed, 0..400)
}

/// A reader, and what it must get yet.
struct Reader {
    events: Subscription,
    /// The number of the event that comes next, unless it was dropped.
    next: u64,
    dropped: u64,
}

impl Reader {
    /// Reads what there is, and checks that nothing is missing but what may be.
    fn read(&mut self, may_drop: &[bool], most: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for _ in 0..most {
            let received = runtime.block_on(async {
                tokio::select! {
                    biased;
                    received = self.events.receive() => received,
                    () = std::future::ready(()) => None,
                }
            });
            let Some(received) = received else { return };
            self.check(&received, may_drop);
        }
    }

    fn check(&mut self, received: &Received, may_drop: &[bool]) {
        match received {
            Received::Event(event) => {
                assert_eq!(event.seq, self.next);
                self.next += 1;
            }
            Received::Dropped(count) => {
                let gap = usize::try_from(self.next).unwrap()..usize::try_from(self.next + count).unwrap();
                assert!(*count > 0 && may_drop[gap].iter().all(|may_drop| *may_drop));
                self.next += count;
                self.dropped += count;
            }
        }
    }
}

proptest! {
    #[test]
    fn readers_get_all_in_order_but_for_what_may_be_dropped_and_that_is_counted(deeds in deeds(), limit in 0..6000usize) {
        let subscribers = Subscribers::new().limit(limit);
        let mut readers: Vec<Reader> = Vec::new();
        // The events since somebody has read; without anybody they go by.
        let mut may_drop: Vec<bool> = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Emit { may_drop: this } => {
                    subscribers.emit(&event(may_drop.len() as u64, this));
                    may_drop.push(this);
                }
                Deed::Subscribe => {
                    let next = may_drop.len() as u64;
                    readers.push(Reader { events: subscribers.subscribe(), next, dropped: 0 });
                }
                Deed::Read { reader, most } => {
                    if let Some(reader) = readers.get_mut(reader) {
                        reader.read(&may_drop, most);
                    }
                }
                Deed::Leave { reader } => {
                    if reader < readers.len() {
                        readers.swap_remove(reader);
                    }
                }
            }
        }
        drop(subscribers);
        for mut reader in readers {
            let (mut kept, begun) = (0, reader.next);
            while let Some(received) = reader.events.next() {
                if let Received::Event(event) = &received {
                    kept += usize::from(event.may_drop());
                }
                reader.check(&received, &may_drop);
            }
            prop_assert_eq!(reader.next, may_drop.len() as u64, "all are accounted for");
            prop_assert!(kept * 256 <= limit, "no more is kept than may be");
            // Who has room for all misses nothing.
            let droppable = may_drop.iter().filter(|may_drop| **may_drop).count();
            prop_assert!(reader.dropped == 0 || droppable * 300 > limit, "{} {}", begun, reader.dropped);
        }
    }
}

#[test]
fn a_thread_that_waits_is_woken_by_what_comes_and_by_the_end() {
    let subscribers = Subscribers::new();
    let events = subscribers.subscribe();
    let reading = std::thread::spawn(move || events.count());
    for seq in 0..100 {
        subscribers.emit(&event(seq, seq % 2 == 0));
        if seq % 10 == 0 {
            std::thread::yield_now();
        }
    }
    drop(subscribers);
    assert_eq!(reading.join().unwrap(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_waits_is_woken_by_what_comes_and_by_the_end() {
    let subscribers = Subscribers::new();
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let mut events = subscribers.subscribe();
            tokio::spawn(async move {
                let mut count = 0;
                while events.receive().await.is_some() {
                    count += 1;
                }
                count
            })
        })
        .collect();
    for seq in 0..100 {
        subscribers.emit(&event(seq, seq % 2 == 0));
        tokio::task::yield_now().await;
    }
    drop(subscribers);
    for reader in readers {
        let count = tokio::time::timeout(Duration::from_secs(60), reader).await.expect("woken").unwrap();
        assert_eq!(count, 100);
    }
}

/// Prints as many lines as its command's program says.
#[derive(Debug)]
struct Chatty;

#[async_trait]
impl Runner for Chatty {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        for line in 0..request.command.program.parse().unwrap() {
            cx.output(Stream::Stdout, &format!("line {line} of what a compiler has to say about this file"));
        }
        Ok(Exit::new(0))
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

const LINES: u64 = 10_000;

fn chatty(lines: u64) -> Pipeline {
    let request = RunRequest::new(Command::new(lines.to_string()));
    Pipeline::new("shop").step(Step::run("chat", Arc::new(Chatty), request))
}

/// Runs once with this sink, and returns how long that took.
async fn timed(sink: Arc<dyn Sink>) -> f64 {
    let driver = Driver::new(World::host("/nowhere").sink(sink));
    let start = Instant::now();
    driver.run(&chatty(LINES), &Cancel::new()).await.unwrap().into_result().unwrap();
    start.elapsed().as_secs_f64()
}

/// Returns the lasting events that were received, and how many may-be-dropped ones were and were not.
fn sorted(received: impl Iterator<Item = Received>) -> (Vec<String>, u64, u64) {
    let (mut lasting, mut output, mut dropped) = (Vec::new(), 0, 0);
    for received in received {
        match received {
            Received::Event(event) if event.may_drop() => output += 1,
            Received::Event(event) => {
                let json = serde_json::to_value(&event.kind).unwrap();
                lasting.push(json["event"].as_str().unwrap().to_owned());
            }
            Received::Dropped(count) => dropped += count,
        }
    }
    (lasting, output, dropped)
}

#[tokio::test]
async fn a_reader_that_never_reads_holds_no_run_up_and_loses_no_lifecycle_event() {
    const RUNS: usize = 9;
    // The least of several: what else the machine does only makes a run longer.
    let (mut without, mut with, mut stuck) = (f64::MAX, f64::MAX, Vec::new());
    for _ in 0..RUNS {
        without = without.min(timed(Arc::new(Discard)).await);
        let subscribers = Arc::new(Subscribers::new().limit(32 << 10));
        stuck = (0..1000).map(|_| subscribers.subscribe()).collect();
        with = with.min(timed(subscribers).await);
    }
    let each = (with - without) * 1e9 / LINES as f64;
    println!(
        "L4: {LINES} lines in {:.1} ms without a reader, {:.1} ms with 1000 that never read: {each:.0} ns more a line, \
         {:.2} of the time",
        without * 1e3,
        with * 1e3,
        with / without
    );
    let expected = ["run_started", "task_started", "task_finished", "run_finished"];
    let (mut output, mut dropped) = (0, 0);
    for reader in stuck {
        let (lasting, this_output, this_dropped) = sorted(reader);
        assert_eq!(lasting, expected);
        assert_eq!(this_output + this_dropped, LINES);
        assert!(this_output > 0 && this_dropped > 0);
        (output, dropped) = (output + this_output, dropped + this_dropped);
    }
    println!("L4: of 4000 lifecycle events 0 lost; {output} lines kept, {dropped} dropped and counted");
    // In a debug build a line that nobody keeps costs some microseconds, and much else happens on the machine.
    assert!(with < without * 2.0 + 0.1, "{with} {without}");
}

#[tokio::test]
async fn a_thousand_readers_that_never_read_take_the_memory_of_one() {
    const LINE: usize = 10_000;
    let subscribers = Subscribers::new();
    let readers: Vec<_> = (0..1000).map(|_| subscribers.subscribe()).collect();
    let mut by_kind = BTreeMap::new();
    let before = memory();
    let line = "x".repeat(LINE);
    for seq in 0..20_000 {
        let kind = EventKind::Output { stream: Stream::Stderr, line: line.clone() };
        subscribers.emit(&Event::new(seq, Timestamp(0), None, kind));
        subscribers.emit(&event(seq, false));
    }
    let grown = memory().saturating_sub(before);
    println!("L4: 1000 readers that never read, 190 MiB of output: {} MiB of memory more", grown >> 10);
    assert!(grown < 32 << 10, "{grown} KiB");
    drop(subscribers);
    let first = readers.into_iter().next().unwrap();
    for received in first {
        let (kind, count) = match received {
            Received::Event(event) if event.may_drop() => ("output", 1),
            Received::Event(_) => ("lasting", 1),
            Received::Dropped(count) => ("dropped", count),
        };
        *by_kind.entry(kind).or_insert(0) += count;
    }
    assert_eq!((by_kind["lasting"], by_kind["output"] + by_kind["dropped"]), (20_000, 20_000));
    assert!(by_kind["output"] as usize <= Subscribers::LIMIT / LINE);
}

/// Returns how many KiB this process has in memory.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn what_all_have_read_is_forgotten() {
    // A long-lived sink: what was read by all does not stay for those who come later.
    let subscribers = Subscribers::new();
    let mut reader = subscribers.subscribe();
    let weak: Vec<_> = {
        let mut held = Vec::new();
        for seq in 0..2000 {
            subscribers.emit(&event(seq, seq % 2 == 0));
            let Some(Received::Event(event)) = reader.receive().await else { panic!("there is one") };
            held.push(Arc::downgrade(&event));
        }
        held
    };
    let kept = weak.iter().filter(|event| event.strong_count() > 0).count();
    assert!(kept <= 1024, "{kept}");
    drop(reader);
    assert_eq!(weak.iter().filter(|event| event.strong_count() > 0).count(), 0);
}
