//! The fuzz targets on what is kept in `fuzz/corpus`, and on a fixed number of changes of each: what `cargo xtask fuzz`
//! has found stays found, without libFuzzer.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the test reads the corpora of the checkout, no input may take long, and figures are printed"
)]

mod mutate;
#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use self::{
    mutate::{Random, mutate},
    targets::{TARGETS, Target},
};

/// How many changes of each input are tried.
const CHANGES: u64 = 200;

/// How long one input may take, on a machine that is busy with other tests and without optimization. What goes through
/// all combinations of something takes for ever.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(listed(&corpus()), names);
    for name in names {
        let inputs = listed(&corpus().join(name)).len();
        assert!((3..=40).contains(&inputs), "{name} has {inputs} inputs");
    }
}

#[test]
fn the_corpora_and_their_changes_are_handled() {
    // Two at a time, the next as soon as one is done: some take much longer than others.
    let next = AtomicUsize::new(0);
    let work = || {
        let mut faults = Vec::new();
        while let Some(target) = TARGETS.get(next.fetch_add(1, Ordering::Relaxed)) {
            faults.extend(replay(target));
        }
        faults
    };
    let faults: Vec<String> = thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n\n"));
}

/// Runs a target on its corpus and the changes of that, and returns what goes wrong first.
fn replay(target: &'static Target) -> Option<String> {
    let Target { name, .. } = target;
    let folder = corpus().join(name);
    let files = listed(&folder);
    let inputs: Vec<Vec<u8>> = files.iter().map(|file| fs::read(folder.join(file)).expect("read")).collect();
    let runner = Runner::of(target);
    let (start, mut count) = (Instant::now(), 0);
    for (file, input) in files.iter().zip(&inputs) {
        for seed in 0..=CHANGES {
            // The first is the input itself.
            let changed =
                if seed == 0 { input.clone() } else { mutate(input, &inputs, &mut Random::new(seed)) };
            if let Some(fault) = runner.fault(&changed) {
                let octal: String = changed.iter().map(|byte| format!("\\{byte:03o}")).collect();
                return Some(format!(
                    "target `{name}` on `fuzz/corpus/{name}/{file}` with change {seed}: {fault}\n  it is: {}\n  \
                     keep it: printf '{octal}' > fuzz/corpus/{name}/WHAT_IT_SHOWS",
                    changed.escape_ascii()
                ));
            }
            count += 1;
        }
    }
    runner.end();
    println!("{name:<14} {count:>6} inputs in {:?}", start.elapsed());
    None
}

/// A thread that runs a target, so that it can be given up.
struct Runner {
    inputs: mpsc::Sender<Vec<u8>>,
    outcomes: mpsc::Receiver<Result<(), String>>,
    thread: JoinHandle<()>,
}

impl Runner {
    fn of(target: &'static Target) -> Self {
        let (inputs, received) = mpsc::channel::<Vec<u8>>();
        let (send, outcomes) = mpsc::channel();
        let run = move || {
            for input in received {
                let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
                let outcome = outcome.map_err(|panic| {
                    let text = panic.downcast_ref::<String>().map(String::as_str);
                    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
                });
                if send.send(outcome).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name(target.name.to_owned()).spawn(run).expect("a thread");
        Self { inputs, outcomes, thread }
    }

    /// Returns what goes wrong with an input.
    fn fault(&self, input: &[u8]) -> Option<String> {
        self.inputs.send(input.to_owned()).expect("it runs");
        match self.outcomes.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome.err(),
            Err(_) => Some(format!("no end after {PATIENCE:?}")),
        }
    }

    /// Waits until the thread has put away what it had, such as folders.
    fn end(self) {
        drop(self.inputs);
        self.thread.join().expect("no panic");
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// Returns the names in a folder, sorted.
fn listed(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
