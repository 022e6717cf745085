//! Work in the order of what needs what, as much as possible at the same time.

use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::Result;

/// A piece of work.
pub(super) struct Step<'a> {
    name: &'a str,
    /// The steps that must have been done before.
    after: Vec<&'a str>,
    work: Box<dyn Fn() -> Result<()> + Send + Sync + 'a>,
}

impl<'a> Step<'a> {
    pub(super) fn new(
        name: &'a str,
        after: &[&'a str],
        work: impl Fn() -> Result<()> + Send + Sync + 'a,
    ) -> Self {
        Self { name, after: after.to_vec(), work: Box::new(work) }
    }
}

/// Which steps were done, told to those that wait.
#[derive(Default)]
struct Progress<'a> {
    state: Mutex<(BTreeSet<&'a str>, bool)>,
    changed: Condvar,
}

impl<'a> Progress<'a> {
    /// Waits until all these steps were done; returns whether they were, and nothing failed.
    fn wait(&self, after: &[&str]) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |(done, failed): &mut (BTreeSet<&str>, bool)| {
            !*failed && !after.iter().all(|name| done.contains(name))
        };
        let state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        !state.1
    }

    fn tell(&self, name: &'a str, well: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if well {
            state.0.insert(name);
        } else {
            state.1 = true;
        }
        self.changed.notify_all();
    }
}

/// Does each step once those that it comes after were done, and returns when each was done, from the first
/// to the last. After a failure no other step begins.
pub(super) fn run<'a>(steps: &[Step<'a>]) -> Result<Vec<(&'a str, Duration)>> {
    let mut known = BTreeSet::new();
    for step in steps {
        // What could wait for itself is found here.
        if let Some(missing) = step.after.iter().find(|name| !known.contains(*name)) {
            return Err(format!("step `{}` is after `{missing}`, which is not before it", step.name));
        }
        known.insert(step.name);
    }
    let (progress, begin) = (Progress::default(), Instant::now());
    let one = |step: &Step<'a>| {
        if !progress.wait(&step.after) {
            return Ok(None);
        }
        // A panic must not leave the others waiting.
        let work = std::panic::AssertUnwindSafe(&step.work);
        let ended = std::panic::catch_unwind(work).unwrap_or_else(|_| Err("it panicked".to_owned()));
        // Read before others are told: one that waited for this one ends later.
        let at = begin.elapsed();
        progress.tell(step.name, ended.is_ok());
        ended.map(|()| Some((step.name, at)))
    };
    let ended: Vec<Result<Option<_>>> = thread::scope(|scope| {
        let running: Vec<_> = steps.iter().map(|step| scope.spawn(|| one(step))).collect();
        let joined = |one: thread::ScopedJoinHandle<'_, _>| {
            one.join().unwrap_or_else(|_| Err("a step panicked".to_owned()))
        };
        running.into_iter().map(joined).collect()
    });
    let mut done = Vec::new();
    for step in ended {
        done.extend(step?);
    }
    done.sort_by_key(|(_, at)| *at);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_comes_after_those_that_it_names() {
        let told = Mutex::new(Vec::new());
        let tell = |name: &'static str| {
            told.lock().unwrap().push(name);
            Ok(())
        };
        let steps = [
            Step::new("etcd", &[], || {
                thread::sleep(Duration::from_millis(20));
                tell("etcd")
            }),
            Step::new("api", &["etcd"], || tell("api")),
            Step::new("node", &["etcd", "api"], || tell("node")),
        ];
        let done = run(&steps).unwrap();
        assert_eq!(*told.lock().unwrap(), ["etcd", "api", "node"]);
        assert_eq!(done.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["etcd", "api", "node"]);
    }

    #[test]
    fn steps_that_need_nothing_of_each_other_are_done_at_once() {
        let both = std::sync::Barrier::new(2);
        let meet = || {
            both.wait();
            Ok(())
        };
        run(&[Step::new("one", &[], meet), Step::new("two", &[], meet)]).unwrap();
    }

    #[test]
    fn after_a_failure_what_waits_is_not_begun_and_the_reason_is_told() {
        for fails in [|| Err("no space".to_owned()), || -> Result<()> { panic!("no space") }] {
            let steps = [
                Step::new("one", &[], fails),
                Step::new("two", &["one"], || -> Result<()> { unreachable!("one failed") }),
            ];
            let message = run(&steps).unwrap_err();
            assert!(message == "no space" || message == "it panicked", "{message}");
        }
    }

    #[test]
    fn a_step_after_one_that_is_not_before_it_is_refused() {
        let steps = [Step::new("one", &["two"], || Ok(())), Step::new("two", &["one"], || Ok(()))];
        assert!(run(&steps).unwrap_err().contains("`two`"));
    }
}
