//! What the sink leaves on a terminal, and that nobody waits for it.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Cancel, Context, Decision, Driver, EventKind, Gates, Level, Pipeline, Question, Result, RunOutcome,
    Sink as _, Step, World,
};
use shipway_report::{Live, TerminalSize};

use crate::{
    events::{Events, id},
    terminal::Terminal,
};

/// Hands on what is written, whole writes at a time.
struct Wire(Sender<Vec<u8>>);

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal at the end of a wire.
struct Bench {
    wire: Receiver<Vec<u8>>,
    terminal: Terminal,
    writes: usize,
}

fn bench(columns: usize, rows: usize) -> (Live, Bench) {
    let (sender, wire) = channel();
    let live = Live::new(Wire(sender), move || TerminalSize::new(columns, rows));
    (live, Bench { wire, terminal: Terminal::new(columns, rows), writes: 0 })
}

impl Bench {
    fn take(&mut self, write: &[u8]) {
        self.writes += 1;
        self.terminal.take(write);
    }

    /// Waits until this is to be seen.
    fn until(&mut self, wanted: &str) {
        while !self.terminal.text().contains(wanted) {
            let write = self.wire.recv_timeout(Duration::from_secs(30));
            self.take(&write.unwrap_or_else(|_| panic!("no `{wanted}` in:\n{}", self.terminal.text())));
            assert!(self.writes < 60, "no `{wanted}` in:\n{}", self.terminal.text());
        }
    }

    /// Returns what there is once nobody writes any more.
    fn end(mut self) -> String {
        while let Ok(write) = self.wire.recv() {
            self.take(&write);
        }
        assert!(self.terminal.cursor, "the cursor is shown");
        self.terminal.text()
    }
}

#[test]
fn the_log_alone_is_left_of_a_run() {
    let (live, mut bench) = bench(60, 10);
    let mut events = Events::default();
    let say = |events: &mut Events, text: &str| {
        events.make(None, EventKind::Message { level: Level::Info, text: text.into() })
    };
    live.emit(&say(&mut events, "before"));
    live.emit(&events.run("shop", &["build:web", "build:api"]));
    live.emit(&events.start("build:web", &[]));
    live.emit(&events.start("build:api", &[]));
    live.emit(&events.print("build:web", "compiles"));
    bench.until("│ compiles");
    assert!(!bench.terminal.cursor, "it would jump about");
    assert!(bench.terminal.text().starts_with("before\nshop  "), "{}", bench.terminal.text());
    for n in 0..30 {
        live.emit(&say(&mut events, &format!("message {n}")));
    }
    bench.until("message 29\nshop  ");
    live.emit(&events.done("build:web", "an image"));
    bench.until("1 of 2 done, 1 running");
    live.emit(&events.done("build:api", "another image"));
    live.emit(&events.finish());
    live.emit(&say(&mut events, "after"));
    drop(live);
    let messages: Vec<String> = (0..30).map(|n| format!("message {n}")).collect();
    let took = "0.0s";
    assert_eq!(
        bench.end(),
        format!(
            "before\n{}\ndone      build:web    {took}  an image\ndone      build:api    {took}  another image\nafter",
            messages.join("\n")
        )
    );
}

#[test]
fn it_goes_and_comes_back() {
    let (live, mut bench) = bench(60, 10);
    let mut events = Events::default();
    live.emit(&events.run("shop", &["build:web"]));
    live.emit(&events.start("build:web", &[]));
    bench.until("running   build:web");
    live.pause();
    live.pause();
    while let Ok(write) = bench.wire.try_recv() {
        bench.take(&write);
    }
    assert_eq!((bench.terminal.text().as_str(), bench.terminal.cursor), ("", true));
    live.resume();
    live.resume();
    bench.until("running   build:web");
    // Who goes away in the middle of a run leaves the terminal in order.
    drop(live);
    assert_eq!(bench.end(), "");
}

#[test]
fn what_the_terminal_says_to_a_key_is_taken_off() {
    let (live, mut bench) = bench(60, 10);
    let mut events = Events::default();
    live.emit(&events.run("shop", &["build:web"]));
    bench.until("0 of 1 done");
    live.emit(&events.start("build:web", &[]));
    bench.until("running   build:web");
    bench.terminal.take(b"^C");
    live.emit(&events.finish());
    drop(live);
    assert_eq!(bench.end(), "");
}

#[test]
fn whoever_ends_it_before_the_run_ends_it_for_good() {
    let (live, mut bench) = bench(60, 10);
    let mut events = Events::default();
    live.emit(&events.run("shop", &["build:web"]));
    bench.until("0 of 1 done");
    live.end();
    live.resume();
    let text = "and still goes on".to_owned();
    live.emit(&events.make(None, EventKind::Message { level: Level::Info, text }));
    drop(live);
    assert_eq!(bench.end(), "and still goes on");
}

#[test]
fn a_run_after_another_is_shown_as_well() {
    let (live, mut bench) = bench(60, 10);
    let mut events = Events::default();
    for name in ["first", "second"] {
        live.emit(&events.run(name, &["build:web"]));
        live.emit(&events.start("build:web", &[]));
        bench.until(name);
        live.emit(&events.done("build:web", name));
        live.emit(&events.finish());
    }
    drop(live);
    insta::assert_snapshot!(bench.end(), @r"
    done      build:web    0.0s  first
    done      build:web    0.0s  second
    ");
}

/// A plug-in with a defect.
#[derive(Debug)]
struct Panics;

#[async_trait]
impl Gates for Panics {
    async fn decision(&self, _: &Context, _: &Question) -> Result<Option<Decision>> {
        panic!("nobody to ask")
    }

    async fn withdraw(&self, _: &Context, _: &Question) {}
}

#[test]
fn a_plug_in_that_panics_leaves_the_terminal_in_order() {
    let (live, bench) = bench(60, 10);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let driver = Driver::new(World::host("/src").sink(Arc::new(live))).gates(Panics);
    let pipeline = Pipeline::new("shop").step(Step::gate("ask", "ship it?"));
    let report = runtime.block_on(driver.run(&pipeline, &Cancel::new())).unwrap();
    assert_eq!(report.outcome, RunOutcome::Failed);
    drop(driver);
    let left = bench.end();
    assert!(left.ends_with("\n            hint: this is a defect of the plug-in; report it"), "{left}");
    assert!(left.contains("the plug-in panicked: nobody to ask\n") && !left.contains("asking "), "{left}");
}

/// Lets nobody write until it is told to.
struct Shut(Arc<Mutex<()>>);

impl Write for Shut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(self.0.lock().unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nobody_waits_for_a_terminal_that_takes_nothing() {
    let held = Arc::new(Mutex::new(()));
    let guard = held.lock().unwrap();
    let live = Live::new(Shut(Arc::clone(&held)), || TerminalSize::new(80, 24));
    let mut events = Events::default();
    live.emit(&events.run("shop", &["build:web"]));
    live.emit(&events.start("build:web", &[]));
    // All of these are taken while not one byte is.
    for n in 0..100_000 {
        live.emit(&events.print("build:web", &format!("line {n}")));
    }
    drop(guard);
    live.emit(&events.finish());
}

/// A terminal that has gone, and tells who still tries.
struct Gone(Sender<()>);

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.0.send(()).unwrap();
        // EIO, as of a terminal that was closed.
        Err(io::Error::from_raw_os_error(5))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_terminal_that_has_gone_is_left_alone() {
    let (sender, tries) = channel();
    let live = Live::new(Gone(sender), || TerminalSize::new(80, 24));
    let mut events = Events::default();
    live.emit(&events.run("shop", &["build:web"]));
    tries.recv().unwrap();
    for _ in 0..1000 {
        live.emit(&events.print("build:web", "line"));
    }
    live.emit(&events.finish());
    drop(live);
    assert_eq!(tries.iter().count(), 0);
}

/// A terminal that takes three bytes at a time, and first says that it cannot just now.
struct Slow(Sender<Vec<u8>>, bool);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let some = &bytes[..bytes.len().min(3)];
        self.0.send(some.to_vec()).unwrap();
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_terminal_that_does_not_wait_gets_all() {
    let (sender, wire) = channel();
    let live = Live::new(Slow(sender, false), || TerminalSize::new(40, 5)).colour(false);
    let mut events = Events::default();
    let text = "a message\nof two lines".to_owned();
    live.emit(&events.make(Some(id("build:web")), EventKind::Message { level: Level::Warning, text }));
    drop(live);
    let bytes: Vec<u8> = wire.iter().flatten().collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), "build:web: warning: a message\r\n    of two lines\r\n");
}
