//! The schedule's rules as properties over random graphs, limits and outcomes.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod model;
mod pace;
mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use shipway_core::{Action, Aim, Error, ErrorKind, Outcome, Policy, Schedule, Stop, Task, TaskId, When};

use self::model::{Model, waits};

fn id(index: usize) -> TaskId {
    TaskId::parse(format!("task:{index}")).unwrap()
}

fn task(index: usize, needs: impl IntoIterator<Item = usize>, when: When, limits: &[(&str, u32)]) -> Task {
    let limits: BTreeMap<String, u32> =
        limits.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect();
    Task::new(id(index), Action::Render, "part")
        .needs(needs.into_iter().map(id).collect::<Vec<_>>())
        .policy(Policy::default().when(when))
        .limits(limits)
}

fn failed() -> Outcome {
    Outcome::Failed { error: Error::internal("it failed").into_report() }
}

#[derive(Clone, Debug)]
struct Case {
    tasks: Vec<Task>,
    outcomes: Vec<u8>,
    picks: Vec<usize>,
    slots: usize,
    /// After which ends what is given up.
    stops: Vec<(usize, Stop)>,
    /// Whether nothing is skipped before something starts.
    late_skips: bool,
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Render),
        1 => Just(Action::Test { tester: "unit".to_owned() }),
        1 => Just(Action::Verify { tester: "smoke".to_owned() }),
        1 => Just(Action::Health),
        1 => Just(Action::Run),
        1 => Just(Action::Diff { aim: Aim::Restore }),
        1 => Just(Action::Gate { text: "now?".to_owned() }),
        1 => Just(Action::Wait { time: Duration::ZERO }),
        1 => Just(Action::Close),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let when = prop_oneof![
        6 => Just(When::Succeeded),
        1 => Just(When::Failed),
        1 => Just(When::Ended),
        1 => Just(When::Ran),
    ];
    let resources = prop::collection::btree_map("[abc]", 1_u32..3, 0..3);
    // Who needs something for two reasons names it twice.
    let needs = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let node = (needs, when, resources, actions());
    (prop::collection::vec(node, 1..24), any::<u64>()).prop_flat_map(|(nodes, shuffle)| {
        let count = nodes.len();
        let mut tasks: Vec<Task> = nodes
            .into_iter()
            .enumerate()
            .map(|(index, (needs, when, limits, action))| {
                let needs: Vec<usize> = match index {
                    0 => vec![],
                    _ => needs.iter().map(|need| need.index(index)).collect(),
                };
                let mut task = task(index, needs, when, &[]).limits(limits);
                task.action = action;
                task
            })
            .collect();
        // The plan's order says nothing about who needs whom.
        let rotate = usize::try_from(shuffle % count as u64).unwrap();
        tasks.rotate_left(rotate);
        let stop = (0..count, prop_oneof![Just(Stop::WayBack), Just(Stop::All)]);
        (
            Just(tasks),
            prop::collection::vec(0_u8..12, count),
            prop::collection::vec(any::<usize>(), count * 2),
            1_usize..5,
            prop_oneof![Just(vec![]), prop::collection::vec(stop, 0..3)],
            any::<bool>(),
        )
            .prop_map(|(tasks, outcomes, picks, slots, stops, late_skips)| Case {
                tasks,
                outcomes,
                picks,
                slots,
                stops,
                late_skips,
            })
    })
}

/// Plays a case to its end beside the model, and returns the outcomes and the order of starts.
fn play(case: &Case) -> (BTreeMap<TaskId, Outcome>, Vec<TaskId>) {
    let by_id: BTreeMap<TaskId, &Task> = case.tasks.iter().map(|task| (task.id.clone(), task)).collect();
    let mut limits: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, limit) in case.tasks.iter().flat_map(|task| &task.limits) {
        let smallest = limits.entry(name).or_insert(*limit);
        *smallest = (*smallest).min(*limit);
    }
    let mut schedule = Schedule::new(&case.tasks, case.slots).expect("no circle");
    let mut model = Model::new(&case.tasks, schedule.order(), case.slots);
    let (mut ended, mut started, mut running) = (BTreeMap::new(), Vec::new(), Vec::new());
    let end = |ended: &mut BTreeMap<TaskId, Outcome>, id: TaskId, outcome: Outcome| {
        assert!(ended.insert(id.clone(), outcome).is_none(), "{id} ended twice");
    };
    for step in 0.. {
        for first in [true, false] {
            if !(first && case.late_skips) {
                let skipped = schedule.skip();
                assert_eq!(skipped, model.skip());
                for (id, outcome) in skipped {
                    assert!(!started.contains(&id), "{id} was skipped after it started");
                    end(&mut ended, id, outcome);
                }
            }
            while let Some(id) = schedule.start_next() {
                assert_eq!(model.may_start().first(), Some(&id), "another should start first");
                model.start(&id);
                assert!(!started.contains(&id), "{id} started twice");
                for need in &by_id[&id].needs {
                    assert!(ended.contains_key(need), "{id} started before {need} ended");
                }
                started.push(id.clone());
                running.push(id);
                let working = running.iter().filter(|id| !waits(by_id[*id])).count();
                assert!(working <= case.slots, "more tasks than slots");
                for (name, limit) in &limits {
                    let used = running.iter().filter(|id| by_id[*id].limits.contains_key(*name)).count();
                    assert!(used <= *limit as usize, "{name} is used {used} times, but {limit} are allowed");
                }
            }
            assert_eq!(model.may_start(), [], "something more should start");
        }
        if running.is_empty() && schedule.is_done() {
            break;
        }
        assert_eq!(schedule.is_done(), ended.len() == case.tasks.len());
        assert!(!running.is_empty(), "nothing runs and nothing may start, but the run is not done");
        let id = running.remove(case.picks[step % case.picks.len()] % running.len());
        let outcome = match case.outcomes[step % case.outcomes.len()] {
            0 | 1 => failed(),
            2 => Outcome::Reused,
            3 => Outcome::Cancelled,
            4 => Outcome::FailureAllowed { error: Error::internal("it failed").into_report() },
            _ => Outcome::Succeeded,
        };
        end(&mut ended, id.clone(), outcome.clone());
        schedule.finish(&id, outcome.clone());
        model.finish(&id, outcome);
        for (_, stop) in case.stops.iter().filter(|(at, _)| *at == step) {
            schedule.stop(*stop);
            model.stop(*stop);
            let in_vain: BTreeSet<TaskId> = schedule.waiting_in_vain().cloned().collect();
            assert_eq!(in_vain, model.waiting_in_vain());
        }
    }
    (ended, started)
}

/// Returns whether a task failed, or one further up did, for which it was skipped.
fn failed_above(tasks: &[Task], ended: &BTreeMap<TaskId, Outcome>, id: &TaskId) -> bool {
    match &ended[id] {
        Outcome::Failed { .. } => true,
        Outcome::Skipped { because: Some(_) } => {
            let task = tasks.iter().find(|task| task.id == *id).unwrap();
            task.needs.iter().any(|need| failed_above(tasks, ended, need))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn every_task_ends_once_in_order_and_within_limits(case in cases()) {
        let (ended, started) = play(&case);
        prop_assert_eq!(ended.len(), case.tasks.len());
        for task in &case.tasks {
            let good = |need: &TaskId| ended[need].is_good();
            let bad = |need: &TaskId| failed_above(&case.tasks, &ended, need);
            if started.contains(&task.id) {
                match task.policy.when {
                    When::Succeeded | When::Ran => prop_assert!(task.needs.iter().all(good)),
                    When::Failed => prop_assert!(task.needs.iter().any(bad)),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn the_same_case_is_played_the_same(case in cases()) {
        prop_assert_eq!(play(&case), play(&case));
    }
}

#[test]
fn only_the_cone_of_a_failure_is_skipped() {
    let mut tasks = [
        task(0, [], When::Succeeded, &[]),
        task(1, [0], When::Succeeded, &[]),
        task(2, [1], When::Succeeded, &[]),
        task(3, [], When::Succeeded, &[]),
        task(4, [1], When::Failed, &[]),
        task(5, [4], When::Succeeded, &[]),
        task(6, [3], When::Failed, &[]),
    ];
    // What was to be taken back never began.
    tasks[4].action = Action::Diff { aim: Aim::Restore };
    let mut schedule = Schedule::new(&tasks, 1).unwrap();
    assert_eq!(schedule.start_next(), Some(id(0)));
    assert_eq!(schedule.start_next(), None, "one slot");
    schedule.finish(&id(0), failed());
    assert_eq!(
        schedule.skip(),
        [
            (id(1), Outcome::Skipped { because: Some(id(0)) }),
            (id(2), Outcome::Skipped { because: Some(id(1)) }),
            (id(4), Outcome::Skipped { because: None }),
            (id(5), Outcome::Skipped { because: None }),
        ]
    );
    assert_eq!(schedule.start_next(), Some(id(3)));
    schedule.finish(&id(3), Outcome::Succeeded);
    assert_eq!(schedule.skip(), [(id(6), Outcome::Skipped { because: None })]);
    assert!(schedule.is_done());
}

#[test]
fn who_waits_for_a_failure_hears_of_one_further_up_and_what_never_began_is_not_taken_back() {
    let with = |index, needs: &[usize], action, when| {
        let mut task = task(index, needs.iter().copied(), when, &[]);
        task.action = action;
        task
    };
    for (outcome, heard) in [
        (failed(), true),
        (Outcome::FailureAllowed { error: Error::internal("it failed").into_report() }, false),
        (Outcome::Cancelled, false),
    ] {
        let tasks = [
            with(0, &[], Action::Render, When::Succeeded),
            with(1, &[0], Action::Apply, When::Succeeded),
            with(2, &[1], Action::Health, When::Succeeded),
            with(3, &[2], Action::Run, When::Failed),
            with(4, &[1, 2], Action::Diff { aim: Aim::Restore }, When::Failed),
        ];
        let mut schedule = Schedule::new(&tasks, 1).unwrap();
        assert_eq!(schedule.start_next(), Some(id(0)));
        schedule.finish(&id(0), outcome.clone());
        let skipped: Vec<TaskId> = schedule.skip().into_iter().map(|(id, _)| id).collect();
        assert!(skipped.contains(&id(4)), "nothing was applied: {skipped:?}");
        assert_eq!(schedule.start_next(), heard.then(|| id(3)), "{outcome:?}");
    }
}

#[test]
fn after_a_failure_only_the_way_back_starts() {
    let tasks = [
        task(0, [], When::Succeeded, &[]),
        task(1, [0], When::Failed, &[]),
        task(2, [1], When::Succeeded, &[]),
        task(3, [], When::Succeeded, &[]),
    ];
    let mut schedule = Schedule::new(&tasks, 1).unwrap();
    assert_eq!(schedule.start_next(), Some(id(0)));
    schedule.finish(&id(0), failed());
    schedule.stop(Stop::WayBack);
    assert_eq!(schedule.skip(), [(id(3), Outcome::Skipped { because: None })]);
    assert_eq!(schedule.start_next(), Some(id(1)));
    schedule.finish(&id(1), Outcome::Succeeded);
    assert!(schedule.skip().is_empty());
    assert_eq!(schedule.start_next(), Some(id(2)));
}

#[test]
fn what_is_applied_is_proved_although_something_else_failed() {
    let of = |index, needs: &[usize], action, when| {
        let mut task = task(index, needs.iter().copied(), when, &[]);
        task.action = action;
        task
    };
    let verify = || Action::Verify { tester: "smoke".to_owned() };
    let tasks = [
        of(0, &[], Action::Apply, When::Succeeded),
        of(1, &[0], Action::Health, When::Succeeded),
        of(2, &[1], verify(), When::Succeeded),
        of(3, &[2], Action::Diff { aim: Aim::Settle }, When::Succeeded),
        of(4, &[0, 1, 2], Action::Diff { aim: Aim::Restore }, When::Failed),
        of(5, &[], Action::Tag, When::Succeeded),
        of(6, &[5], Action::Apply, When::Succeeded),
        of(7, &[6], Action::Health, When::Succeeded),
    ];
    let mut schedule = Schedule::new(&tasks, 2).unwrap();
    assert_eq!((schedule.start_next(), schedule.start_next()), (Some(id(0)), Some(id(5))));
    schedule.finish(&id(5), failed());
    schedule.stop(Stop::WayBack);
    let skipped: Vec<TaskId> = schedule.skip().into_iter().map(|(id, _)| id).collect();
    assert_eq!(skipped, [id(3), id(6), id(7)], "what is not applied needs no proof");
    schedule.finish(&id(0), Outcome::Succeeded);
    assert_eq!(schedule.start_next(), Some(id(1)));
    schedule.finish(&id(1), Outcome::Succeeded);
    assert_eq!(schedule.start_next(), Some(id(2)));
    schedule.finish(&id(2), failed());
    assert_eq!(schedule.start_next(), Some(id(4)), "the way back");
}

#[test]
fn a_circle_is_refused_and_shown() {
    let tasks = [
        task(0, [2], When::Succeeded, &[]),
        task(1, [0], When::Succeeded, &[]),
        task(2, [1], When::Succeeded, &[]),
    ];
    let error = Schedule::new(&tasks, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.to_string(), "tasks need each other: task:0 -> task:2 -> task:1 -> task:0");
}

#[test]
fn a_long_chain_needs_no_deep_stack() {
    let tasks: Vec<Task> = (0..20_000_usize)
        .rev()
        .map(|index| task(index, index.checked_sub(1), When::Succeeded, &[]))
        .collect();
    assert_eq!(Schedule::new(&tasks, 1).unwrap().order()[0], id(0));
}
