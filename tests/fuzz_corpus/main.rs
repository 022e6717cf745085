//! The fuzz targets on what is kept in `fuzz/corpus`, and on a fixed number of changes of each: what `cargo xtask fuzz`
//! has found stays found, without libFuzzer.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the corpora of the checkout, and no input may take long"
)]

mod mutate;
#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
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
    let (wanted, targets) = mpsc::sync_channel(0);
    let targets = std::sync::Mutex::new(targets);
    let faults: Vec<String> = thread::scope(|scope| {
        let work = || {
            let mut faults = Vec::new();
            while let Ok(target) = { targets.lock().expect("one at a time").recv() } {
                faults.extend(replay(target));
            }
            faults
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        TARGETS.iter().for_each(|target| wanted.send(target).expect("somebody works"));
        drop(wanted);
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n\n"));
}

/// Runs a target on its corpus and the changes of that, and returns what went wrong.
fn replay(target: &'static Target) -> Vec<String> {
    let folder = corpus().join(target.name);
    let names = listed(&folder);
    let inputs: Vec<Vec<u8>> = names.iter().map(|name| fs::read(folder.join(name)).expect("read")).collect();
    let only = Only::of(target);
    let mut faults = Vec::new();
    let (start, mut count) = (Instant::now(), 0);
    for (name, input) in names.iter().zip(&inputs) {
        for seed in 0..=CHANGES {
            // The first is the input itself.
            let changed =
                if seed == 0 { input.clone() } else { mutate(input, &inputs, &mut Random::new(seed)) };
            let Some(what) = only.fault(&changed) else {
                count += 1;
                continue;
            };
            let shown = changed.escape_ascii();
            faults.push(format!(
                "target `{}` on `fuzz/corpus/{}/{name}` with change {seed}: {what}\n  it is: {shown}\n  keep it: printf '{}' \
                 > fuzz/corpus/{}/NAME",
                target.name,
                target.name,
                changed.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>(),
                target.name
            ));
            // One fault mostly comes many times.
            return faults;
        }
    }
    println!("{:<14} {count:>6} inputs in {:?}", target.name, start.elapsed());
    faults
}

/// One thread that runs a target, so that it can be given up.
struct Only {
    inputs: mpsc::Sender<Vec<u8>>,
    outcomes: mpsc::Receiver<Result<(), String>>,
}

impl Only {
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
        thread::Builder::new().name(target.name.to_owned()).spawn(run).expect("a thread");
        Self { inputs, outcomes }
    }

    /// Returns what goes wrong with an input.
    fn fault(&self, input: &[u8]) -> Option<String> {
        self.inputs.send(input.to_owned()).expect("it runs");
        match self.outcomes.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome.err(),
            Err(_) => Some(format!("no end after {PATIENCE:?}")),
        }
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
