//! Who waited for whom, and which chain of tasks the run took as long as.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use shipway_core::{TaskId, Timestamp};

use crate::PastRun;

/// What a task had to wait for before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Which of those that it needs ended last, by its place among the tasks; none where it needs nothing.
    pub(crate) blocker: Option<usize>,
    /// When all that it needs had ended.
    pub(crate) ready: Timestamp,
}

/// Returns for each task what it waited for; none where moments are not known.
pub(crate) fn waits(run: &PastRun) -> Vec<Option<Wait>> {
    let places: BTreeMap<&TaskId, usize> =
        run.tasks.iter().zip(0..).map(|(past, place)| (&past.task.id, place)).collect();
    let wait = |place: usize| {
        let began = run.tasks[place].began?;
        // A process that goes on with a run begins with what is ready then.
        let session = run.sessions.iter().rev().find(|(first, _)| *first <= began)?.0;
        let ended = |need: &TaskId| {
            let place = *places.get(need)?;
            Some((run.tasks[place].trace.at?, place))
        };
        let last = run.tasks[place].task.needs.iter().filter_map(ended).max();
        Some(Wait {
            blocker: last.map(|(_, place)| place),
            ready: last.map_or(session, |(at, _)| at.max(session)).min(began),
        })
    };
    (0..run.tasks.len()).map(wait).collect()
}

/// Returns the chain of tasks that ends with the one that ended last, each the one that the next waited for.
pub(crate) fn critical_path(run: &PastRun, waits: &[Option<Wait>]) -> Vec<usize> {
    let ran = |place: &usize| run.tasks[*place].began.is_some();
    let last = run.ended.iter().copied().filter(ran).max_by_key(|&place| (run.tasks[place].trace.at, place));
    let mut path: Vec<usize> = Vec::new();
    let mut seen = vec![false; run.tasks.len()];
    let mut next = last;
    // A plan has no circles, but what is read may have.
    while let Some(place) = next.filter(|&place| !seen[place]) {
        seen[place] = true;
        path.push(place);
        next = waits[place].and_then(|wait| wait.blocker);
    }
    path.reverse();
    path
}

/// Returns a time as people read it.
pub(crate) fn spoken(time: Duration) -> String {
    let millis = time.as_millis();
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = match millis {
        0..1000 => write!(text, "{millis} ms"),
        1000..60_000 => write!(text, "{}.{} s", millis / 1000, millis % 1000 / 100),
        60_000..3_600_000 => write!(text, "{} min {:02} s", millis / 60_000, millis / 1000 % 60),
        _ => write!(text, "{} h {:02} min", millis / 3_600_000, millis / 60_000 % 60),
    };
    text
}

/// Returns a moment as people read it, to the second, in UTC.
pub(crate) fn day_and_time(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('T') {
        Some((day, time)) => format!("{day} {} UTC", time.get(..8).unwrap_or(time)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_fitting_units() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1050, "1.0 s"),
            (59_999, "59.9 s"),
            (61_000, "1 min 01 s"),
            (3_725_000, "1 h 02 min"),
        ] {
            assert_eq!(spoken(Duration::from_millis(millis)), text);
        }
        assert_eq!(day_and_time(Timestamp(1_795_229_036_120)), "2026-11-21 02:43:56 UTC");
    }
}
