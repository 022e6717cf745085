//! The harness: runs the clauses of one role against one plug-in, each with a fresh plug-in, a fresh
//! folder, a runtime of its own and a deadline.

use std::{
    any::Any,
    fmt,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use libtest_mimic::{Arguments, Completion, Conclusion};
use shipway_core::{Capabilities, World};
use tempfile::TempDir;

use crate::{
    clause::{Check, Clause, Outcome, Trouble, Verdict},
    room::Room,
};

/// A role whose plug-ins can be checked.
pub trait Role: Clone + Send + Sync + 'static {
    /// Returns every clause of the role, in the order of their numbers.
    fn clauses() -> &'static [Clause<Self>];

    /// Returns what a plug-in that the author's factory makes says of itself.
    fn capabilities(&self) -> Capabilities;
}

/// The checks of one plug-in, as its author sets them up; see [`attester`](crate::attester), [`builder`](crate::builder),
/// [`tagger`](crate::tagger), [`tester`](crate::tester), [`deployer`](crate::deployer),
/// [`log_reader`](crate::log_reader) and [`runner`](crate::runner).
pub struct Suite<R: Role> {
    pub(crate) role: R,
    fixture: Option<PathBuf>,
    world: Arc<dyn Fn(World) -> World + Send + Sync>,
    deadline: Duration,
}

impl<R: Role> fmt::Debug for Suite<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("fixture", &self.fixture)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl<R: Role> Suite<R> {
    pub(crate) fn new(role: R) -> Self {
        Self { role, fixture: None, world: Arc::new(|world| world), deadline: Duration::from_secs(30) }
    }

    /// Sets the folder of sources, which every check gets a copy of as the root of its world; an empty
    /// folder when it is not set.
    #[must_use]
    pub fn fixture(mut self, folder: impl Into<PathBuf>) -> Self {
        self.fixture = Some(folder.into());
        self
    }

    /// Changes the world of every check before it is used: to hand over an environment, credentials or
    /// another door, or to prepare the copied fixture, which is the world's `root`.
    #[must_use]
    pub fn world(mut self, change: impl Fn(World) -> World + Send + Sync + 'static) -> Self {
        self.world = Arc::new(change);
        self
    }

    /// Sets how long one check may take; 30 s by default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs every check, prints a line for each, and returns what `main` should: the whole body of a
    /// test with `harness = false`. Takes the arguments of `cargo test`, such as `B7` and `--list`.
    #[must_use]
    pub fn main(self) -> ExitCode {
        self.conclude(&Arguments::from_args()).exit_code()
    }

    fn conclude(self, arguments: &Arguments) -> Conclusion {
        let trials = self.trials().into_iter().map(|trial| {
            libtest_mimic::Trial::ignorable_test(trial.name(), move || completion(trial.run().result))
        });
        libtest_mimic::run(arguments, trials.collect())
    }

    /// Returns the checks one by one, for people who have a harness of their own.
    #[must_use]
    pub fn trials(self) -> Vec<Trial> {
        let suite = Arc::new(self);
        let trial = |clause: &'static Clause<R>| {
            let suite = Arc::clone(&suite);
            Trial { clause: clause.id, sentence: clause.sentence, run: Box::new(move || suite.check(clause)) }
        };
        R::clauses().iter().map(trial).collect()
    }

    /// Runs every check and returns what came of each, in the order of the clauses.
    #[must_use]
    pub fn check_all(&self) -> Vec<Outcome> {
        R::clauses().iter().map(|clause| self.check(clause)).collect()
    }

    /// Runs one check.
    #[must_use]
    pub fn check(&self, clause: &Clause<R>) -> Outcome {
        let claimed = (clause.applies)(&self.role.capabilities());
        let result = match (claimed, clause.unclaimed) {
            (true, _) => self.run(clause.run).map(|()| Verdict::Holds),
            (false, None) => Ok(Verdict::NotClaimed),
            (false, Some(unclaimed)) => self.run(unclaimed).map(|()| Verdict::NotClaimed),
        };
        let result = result.unwrap_or_else(|trouble| match trouble {
            Trouble::Broken(why) if clause.new => Verdict::BrokenButNew(why),
            Trouble::Broken(why) => Verdict::Broken(why),
            Trouble::Unchecked(why) => Verdict::Unchecked(why),
        });
        Outcome { clause: clause.id, sentence: clause.sentence, result }
    }

    fn run(&self, check: Check<R>) -> Result<(), Trouble> {
        let failed =
            |error: std::io::Error| Trouble::Broken(format!("the kit cannot set up the check: {error}"));
        let folder = TempDir::new().map_err(failed)?;
        let bench = Bench {
            role: self.role.clone(),
            fixture: self.fixture.clone(),
            world: Arc::clone(&self.world),
            folder: folder.path().to_owned(),
            rooms: Arc::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(failed)?;
        // On a task of its own, so that a panic of the plug-in is one broken clause.
        let ended =
            runtime.block_on(async { tokio::time::timeout(self.deadline, tokio::spawn(check(bench))).await });
        // A plug-in that blocks its thread for ever must not keep the others from being checked.
        runtime.shutdown_timeout(Duration::from_secs(1));
        match ended {
            Ok(Ok(result)) => result,
            Ok(Err(panicked)) => {
                Err(Trouble::Broken(format!("the plug-in panicked: {}", panic_text(panicked))))
            }
            Err(_) => Err(Trouble::Broken(format!("the check did not end within {:?}", self.deadline))),
        }
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "its task was dropped".to_owned() };
    let panic: &(dyn Any + Send) = panic.as_ref();
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}

fn completion(verdict: Verdict) -> Result<Completion, libtest_mimic::Failed> {
    match verdict {
        Verdict::Holds => Ok(Completion::Completed),
        Verdict::Broken(why) => Err(why.into()),
        Verdict::BrokenButNew(why) => {
            Ok(Completion::ignored_with(format!("new, and it will fail from the next release on: {why}")))
        }
        Verdict::NotClaimed => Ok(Completion::ignored_with("not claimed")),
        Verdict::Unchecked(why) => Ok(Completion::ignored_with(why)),
    }
}

/// Runs groups of checks at once, each group's one after the other, and returns what came of each, in the order of the
/// clauses' numbers: for parts that take long to answer. Checks of one group may share what others must not touch.
#[must_use]
pub fn at_once(groups: impl IntoIterator<Item = Vec<Trial>>) -> Vec<Outcome> {
    let work = |group: Vec<Trial>| group.into_iter().map(Trial::run).collect::<Vec<_>>();
    let mut outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let running: Vec<_> = groups.into_iter().map(|group| scope.spawn(move || work(group))).collect();
        // A check that panics panics here.
        let joined = |one: std::thread::ScopedJoinHandle<'_, Vec<Outcome>>| {
            one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        running.into_iter().flat_map(joined).collect()
    });
    // `D10` comes after `D9`.
    outcomes.sort_by_key(|outcome| (outcome.clause.len(), outcome.clause));
    outcomes
}

/// One check, ready to run.
pub struct Trial {
    /// The clause's number.
    pub clause: &'static str,
    /// The clause's sentence.
    pub sentence: &'static str,
    run: Box<dyn FnOnce() -> Outcome + Send>,
}

impl Trial {
    /// Returns the number and the sentence, as a name for people.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.clause, self.sentence)
    }

    /// Runs the check.
    #[must_use]
    pub fn run(self) -> Outcome {
        (self.run)()
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trial").field(&self.name()).finish()
    }
}

/// What one check works on: the author's factory, and rooms below a folder that goes after the check.
#[derive(Clone)]
pub(crate) struct Bench<R> {
    pub(crate) role: R,
    fixture: Option<PathBuf>,
    world: Arc<dyn Fn(World) -> World + Send + Sync>,
    folder: PathBuf,
    rooms: Arc<AtomicUsize>,
}

impl<R> Bench<R> {
    /// Returns a new room, with a fresh copy of the fixture.
    pub(crate) fn room(&self) -> Result<Room, Trouble> {
        self.room_with(|world| world)
    }

    /// Returns a new room, with a fresh copy of the fixture, and with doors that the author may change.
    pub(crate) fn room_with(&self, doors: impl Fn(World) -> World) -> Result<Room, Trouble> {
        let number = self.rooms.fetch_add(1, Ordering::Relaxed);
        let change = |world| (self.world)(doors(world));
        Room::new(&self.folder.join(number.to_string()), self.fixture.as_deref(), &change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_run_at_once_and_what_came_of_them_is_in_order() {
        let both = Arc::new(std::sync::Barrier::new(2));
        let trial = |clause: &'static str, both: Option<Arc<std::sync::Barrier>>| Trial {
            clause,
            sentence: "",
            run: Box::new(move || {
                both.map(|both| both.wait());
                Outcome { clause, sentence: "", result: Verdict::Holds }
            }),
        };
        let groups = [
            vec![trial("A10", Some(Arc::clone(&both)))],
            vec![trial("A2", Some(Arc::clone(&both))), trial("A1", None)],
        ];
        let clauses: Vec<_> = at_once(groups).into_iter().map(|outcome| outcome.clause).collect();
        assert_eq!(clauses, ["A1", "A2", "A10"]);
    }

    use crate::clause::{broken, unchecked};

    /// A role whose clauses are every way in which a check can end.
    #[derive(Clone)]
    struct Endings;

    const ENDINGS: &[Clause<Endings>] = &[
        Clause::always("X1", "it holds", |_| Box::pin(async { Ok(()) })),
        Clause::always("X2", "it is broken", |_| Box::pin(async { broken("seen") })),
        Clause { new: true, ..Clause::always("X3", "it is new", |_| Box::pin(async { broken("seen") })) },
        Clause::always("X4", "it panics", |_| Box::pin(async { panic!("at the disco") })),
        Clause::always("X5", "it hangs", |_| Box::pin(std::future::pending())),
        Clause::always("X6", "it has no occasion", |_| Box::pin(async { unchecked("no occasion") })),
        Clause::claimed(
            "X7",
            "it is not claimed, and says so",
            |_| false,
            |_| Box::pin(async { broken("never run") }),
            |_| Box::pin(async { Ok(()) }),
        ),
        Clause::claimed(
            "X8",
            "it is not claimed, and does it",
            |_| false,
            |_| Box::pin(async { Ok(()) }),
            |_| Box::pin(async { broken("done all the same") }),
        ),
        Clause {
            new: true,
            ..Clause::claimed(
                "X9",
                "it is not claimed, new, and does it",
                |_| false,
                |_| Box::pin(async { Ok(()) }),
                |_| Box::pin(async { broken("done all the same") }),
            )
        },
    ];

    impl Role for Endings {
        fn clauses() -> &'static [Clause<Self>] {
            ENDINGS
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::new()
        }
    }

    /// Only what hangs gets a short deadline: a loaded machine must not change the others' endings.
    fn check(clause: &'static Clause<Endings>) -> Outcome {
        let deadline = Duration::from_millis(if clause.id == "X5" { 100 } else { 30_000 });
        Suite::new(Endings).deadline(deadline).check(clause)
    }

    #[test]
    fn every_ending_is_told() {
        assert_eq!(
            ENDINGS.iter().map(|clause| check(clause).to_string()).collect::<Vec<_>>(),
            [
                "X1 it holds: holds",
                "X2 it is broken: broken: seen",
                "X3 it is new: broken, and new: seen",
                "X4 it panics: broken: the plug-in panicked: at the disco",
                "X5 it hangs: broken: the check did not end within 100ms",
                "X6 it has no occasion: not checked: no occasion",
                "X7 it is not claimed, and says so: not claimed",
                "X8 it is not claimed, and does it: broken: done all the same",
                "X9 it is not claimed, new, and does it: broken, and new: done all the same",
            ]
        );
    }

    #[test]
    fn a_harness_sees_names_and_gets_one_result_each() {
        let trials = Suite::new(Endings).deadline(Duration::from_secs(3)).trials();
        let names: Vec<String> = trials.iter().map(Trial::name).collect();
        assert_eq!(names[1], "X2 it is broken");
        let failed: Vec<&str> = trials
            .into_iter()
            .map(Trial::run)
            .filter(|outcome| outcome.result.is_failure())
            .map(|outcome| outcome.clause)
            .collect();
        assert_eq!(failed, ["X2", "X4", "X5", "X8"]);
    }

    #[test]
    fn each_is_run_alone_by_its_number() {
        let run = |words: &[&str]| {
            // What it prints is not this test's to print: who reads it would count what failed.
            let printed = tempfile::NamedTempFile::new().expect("a file");
            let mut arguments = Arguments::from_iter([&["conformance"], words].concat());
            arguments.logfile = Some(printed.path().to_str().expect("text").to_owned());
            let concluded = Suite::new(Endings).deadline(Duration::from_secs(30)).conclude(&arguments);
            let filtered = concluded.num_filtered_out;
            (concluded.num_passed, concluded.num_failed, concluded.num_ignored, filtered)
        };
        let others = ENDINGS.len() as u64 - 1;
        assert_eq!(run(&["X1"]), (1, 0, 0, others));
        assert_eq!(run(&["X2"]), (0, 1, 0, others));
        for ignored in ["X3", "X6", "X7", "X9"] {
            assert_eq!(run(&[ignored]), (0, 0, 1, others), "{ignored}");
        }
        assert_eq!(run(&["--list"]).0, 0);
    }

    #[test]
    fn what_is_new_not_claimed_or_not_checked_is_ignored_with_a_reason() {
        for (verdict, reason) in [
            (
                Verdict::BrokenButNew("seen".to_owned()),
                "new, and it will fail from the next release on: seen",
            ),
            (Verdict::NotClaimed, "not claimed"),
            (Verdict::Unchecked("no occasion".to_owned()), "no occasion"),
        ] {
            let Ok(Completion::Ignored { reason: Some(shown) }) = completion(verdict) else {
                panic!("not ignored: {reason}");
            };
            assert_eq!(shown, reason);
        }
        assert!(matches!(completion(Verdict::Holds), Ok(Completion::Completed)));
        assert!(completion(Verdict::Broken(String::new())).is_err());
    }

    #[test]
    fn every_check_has_a_copy_of_the_fixture_of_its_own() {
        #[derive(Clone)]
        struct Rooms;
        const ROOMS: &[Clause<Rooms>] = &[Clause::always("X1", "rooms are apart", |bench| {
            Box::pin(async move {
                let (one, other) = (bench.room()?, bench.room()?);
                crate::folder::touch(&one.root.join("a.txt"))?;
                crate::clause::ensure(one.root.join("a.txt").is_file(), || "not made".to_owned())?;
                crate::clause::ensure(!other.root.join("a.txt").exists(), || "not apart".to_owned())
            })
        })];
        impl Role for Rooms {
            fn clauses() -> &'static [Clause<Self>] {
                ROOMS
            }
            fn capabilities(&self) -> Capabilities {
                Capabilities::new()
            }
        }
        assert_eq!(Suite::new(Rooms).check_all()[0].result, Verdict::Holds);
    }
}
