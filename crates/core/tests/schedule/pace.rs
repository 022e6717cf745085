//! Large schedules are gone through in a time that grows as they do. The bound is far from what it takes (some hundred
//! milliseconds without optimization) and far from what looking through all tasks for each takes (minutes).
//! `--release -- --nocapture` prints the figures.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "this measures and says what")]

use std::time::{Duration, Instant};

use shipway_core::{Outcome, Schedule, Stop, Task, When};

use super::{failed, task};

const TASKS: usize = 10_000;
const BOUND: Duration = Duration::from_secs(10);

/// Goes through the tasks as a driver does with so many slots, and checks the bound.
fn check(shape: &str, tasks: &[Task], slots: usize) {
    let start = Instant::now();
    let mut schedule = Schedule::new(tasks, slots).unwrap();
    let made = start.elapsed();
    let mut running = Vec::new();
    let mut count = 0;
    loop {
        assert!(schedule.skip().is_empty());
        while let Some(id) = schedule.start_next() {
            running.push(id);
        }
        let Some(id) = running.pop() else { break };
        schedule.finish(&id, Outcome::Succeeded);
        count += 1;
    }
    let took = start.elapsed();
    assert!(schedule.is_done());
    assert_eq!(count, tasks.len());
    println!("{shape}: {:?} a task, of which {:?} to begin with", took / TASKS as u32, made / TASKS as u32);
    assert!(took < BOUND, "{shape}: {took:?} for {TASKS} tasks");
}

#[test]
fn ten_thousand_tasks_are_scheduled_in_no_time() {
    let simple = |index, needs: Vec<usize>| task(index, needs, When::Succeeded, &[]);
    let chain: Vec<Task> =
        (0..TASKS).map(|index| simple(index, index.checked_sub(1).into_iter().collect())).collect();
    check("a chain", &chain, 2);

    let last = TASKS - 1;
    let fan: Vec<Task> = (0..TASKS)
        .map(|index| match index {
            0 => simple(index, vec![]),
            _ if index == last => simple(index, (1..last).collect()),
            _ => simple(index, vec![0]),
        })
        .collect();
    check("a fan out and in", &fan, 2);
    check("a fan, all slots", &fan, TASKS);

    // A fixed sequence that looks random, so that each run measures the same.
    let mut state = 1_usize;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let graph: Vec<Task> =
        (0..TASKS).map(|index| simple(index, (0..index.min(4)).map(|_| random(index)).collect())).collect();
    check("a random graph", &graph, 8);

    let contended: Vec<Task> =
        (0..TASKS).map(|index| task(index, [], When::Succeeded, &[("cluster", 1)])).collect();
    check("all for one resource", &contended, 8);

    let own: Vec<Task> =
        (0..TASKS).map(|index| task(index, [], When::Succeeded, &[(&format!("lock-{index}"), 1)])).collect();
    check("a resource for each", &own, 8);
}

#[test]
fn ten_thousand_tasks_are_given_up_in_no_time() {
    let chain: Vec<Task> =
        (0..TASKS).map(|index| task(index, index.checked_sub(1), When::Succeeded, &[])).collect();
    for stop in [None, Some(Stop::All)] {
        let start = Instant::now();
        let mut schedule = Schedule::new(&chain, 1).unwrap();
        let first = schedule.start_next().unwrap();
        schedule.finish(&first, failed());
        if let Some(stop) = stop {
            schedule.stop(stop);
        }
        assert_eq!(schedule.skip().len(), TASKS - 1);
        assert!(schedule.is_done());
        let took = start.elapsed();
        assert!(took < BOUND, "{took:?} for {TASKS} tasks");
    }
}
