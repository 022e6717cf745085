//! What holds after every run, whatever happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use shipway::{Event, EventKind, Feature, Outcome, Pipeline, Report, RunOutcome, TaskId, TaskStatus};

use crate::land::Land;

/// Checks the events of the last process, in which the run ended.
pub(crate) fn ended(seed: u64, report: &Report, events: &[Event]) {
    let at = |event: &Event| format!("seed {seed}, event {}", event.seq);
    let run: Vec<&Event> =
        events.iter().skip_while(|event| !matches!(event.kind, EventKind::RunStarted { .. })).collect();
    let Some(EventKind::RunStarted { tasks, .. }) = run.first().map(|event| &event.kind) else {
        panic!("seed {seed}: no run began")
    };
    let (mut started, mut finished): (BTreeSet<&TaskId>, BTreeMap<&TaskId, &Outcome>) = Default::default();
    let (mut seq, mut when) = (run[0].seq, run[0].at);
    for event in &run {
        assert_eq!(event.seq, seq, "seed {seed}: the sequence has no gaps");
        assert!(event.at >= when, "{}: time goes on", at(event));
        (seq, when) = (seq + 1, event.at);
        match (&event.kind, &event.task) {
            (EventKind::TaskStarted { .. }, Some(task)) => {
                assert!(tasks.contains_key(task), "{}: `{task}` was planned", at(event));
                assert!(started.insert(task), "{}: `{task}` starts once", at(event));
                assert!(!finished.contains_key(task), "{}: `{task}` had ended", at(event));
                let open = tasks[task].iter().find(|need| !finished.contains_key(need));
                assert_eq!(open, None, "{}: `{task}` starts after what it needs", at(event));
            }
            (EventKind::TaskFinished { outcome, .. }, Some(task)) => {
                assert!(finished.insert(task, outcome).is_none(), "{}: `{task}` ends once", at(event));
            }
            _ => {}
        }
    }
    let last = run.last().map(|event| &event.kind);
    assert!(matches!(last, Some(EventKind::RunFinished { .. })), "seed {seed}: the run's end is told last");
    if report.outcome != RunOutcome::Waiting {
        let open: Vec<_> = tasks.keys().filter(|task| !finished.contains_key(task)).collect();
        assert!(open.is_empty(), "seed {seed}: {open:?} never ended");
    }
    let any = |wanted: fn(&Outcome) -> bool| finished.values().any(|outcome| wanted(outcome));
    let failed = any(|outcome| matches!(outcome, Outcome::Failed { .. }));
    if report.outcome != RunOutcome::Waiting {
        assert_eq!(report.outcome == RunOutcome::Failed, failed, "seed {seed}: {report}");
    }
    if report.outcome == RunOutcome::Succeeded {
        assert!(
            !any(|outcome| matches!(outcome, Outcome::Cancelled | Outcome::Waiting)),
            "seed {seed}: {report}"
        );
    }
    // I6: what was opened is closed, unless the run is yet to be gone on with.
    if report.outcome != RunOutcome::Waiting {
        for (task, outcome) in &finished {
            if let Some(volume) = task.as_str().strip_prefix("open:")
                && matches!(outcome, Outcome::Succeeded)
            {
                let close = finished.iter().find(|(task, _)| task.as_str() == format!("close:{volume}"));
                assert!(
                    close.is_some_and(|(_, outcome)| !matches!(outcome, Outcome::Skipped { .. })),
                    "seed {seed}: volume `{volume}` stays open\n{report}"
                );
            }
        }
    }
}

/// Checks what is outside of the processes, once the run has ended for good.
pub(crate) fn land(seed: u64, land: &Arc<Land>, pipeline: &Pipeline, report: &Report, slots: usize) {
    let state = land.state();
    assert_eq!(state.at_work, 0, "seed {seed}: nobody is at work after the end");
    assert!(state.most_at_work <= slots, "seed {seed}: {} at work on {slots} slots", state.most_at_work);
    assert!(state.most_in_use.values().all(|most| *most <= 2), "seed {seed}: {:?}", state.most_in_use);
    for (what, count) in &state.done {
        // I5, and no side effect that is known to have happened happens again.
        if what.contains(" settle ") || what.contains(" apply ") {
            assert_eq!(*count, 1, "seed {seed}: {what}");
        }
    }
    for deploy in &pipeline.deploys {
        let release = deploy.release.name.as_str();
        let good = |id: String| {
            let status =
                id.parse::<TaskId>().ok().and_then(|id| report.state.tasks.get(&id)).map(|task| &task.status);
            matches!(status, Some(TaskStatus::Ended(Outcome::Succeeded | Outcome::Reused)))
        };
        let live = |report: &Report| {
            let manifests = &report.deployment(release)?.manifests;
            Some(manifests.objects.iter().all(|manifest| {
                state.objects.get(&manifest.object).is_some_and(|text| **text == *manifest.text)
            }))
        };
        // I4: what the run says is there is there, as a whole.
        if good(format!("apply:{release}")) && !good(format!("apply:{release}/undo")) {
            assert_ne!(live(report), Some(false), "seed {seed}: `{release}` is half there\n{report}");
        }
        if deploy.deployer.capabilities().claims(Feature::Settle) {
            let settled = state.settled.get(release).map_or(0, Vec::len);
            let healthy = good(format!("health:{release}"));
            assert!(settled == 0 || healthy, "seed {seed}: `{release}` settled without being healthy");
            assert!(settled > 0 || !good(format!("apply:{release}/settle")), "seed {seed}: `{release}`");
        }
    }
    // I3: every tag points to an image that is there.
    for (reference, digest) in &state.images {
        if !reference.contains('@') {
            let repository =
                reference.rsplit_once(':').map_or(reference.as_str(), |(repository, _)| repository);
            let there = state.images.contains_key(&format!("{repository}@{digest}"));
            assert!(there, "seed {seed}: `{reference}` points to nothing");
        }
    }
}
