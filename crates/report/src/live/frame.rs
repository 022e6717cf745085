//! The lines of what is under way: a header, the tasks that run, and the last lines that they printed.

use std::time::Duration;

use shipway_core::{Phase, Stage, TaskId, TaskState, TaskStatus, Timestamp};

use super::{
    LiveView, TerminalSize,
    line::{Line, Look, Writing, middle},
    printed::printed,
    quantity::{amount, going},
    view::{Counts, Going},
};

/// The columns below which nothing is aligned.
pub(super) const NARROW: usize = 60;
/// The column of words such as `running`.
pub(super) const WORD: usize = 10;
/// The most lines of output below a task.
const PRINTED: usize = 3;

/// Returns the most cells that ids take.
pub(super) fn names(longest: usize, columns: usize) -> usize {
    let most = if columns < 100 { columns / 3 } else { columns * 2 / 5 };
    longest.min(most.max(10))
}

/// Returns the lines, from the top.
pub(super) fn rows(view: &LiveView, size: TerminalSize, now: Timestamp) -> Vec<Line> {
    // One row is the cursor's.
    let Some(room) = size.rows.checked_sub(2) else { return Vec::new() };
    let mut tasks: Vec<Shown<'_>> =
        view.going.iter().filter_map(|(id, going)| shown(view, id, going)).collect();
    // Who waits for a person first, then who has waited longest.
    tasks.sort_by_key(|shown| (shown.task.asking.is_none(), shown.task.started, shown.id));
    // The last row tells how many there is no room for; where it is the only one, the header does.
    let kept = if tasks.len() <= room { tasks.len() } else { room.min(1.max(room.saturating_sub(1))) };
    let hidden = if kept < room { tasks.len() - kept } else { 0 };
    tasks.truncate(kept);
    let mut rows = vec![header(view, size.columns, now)];
    let spare = room.saturating_sub(kept + usize::from(hidden > 0));
    let names = names(view.names, size.columns);
    for (shown, lines) in tasks.iter().zip(shares(&tasks, spare)) {
        rows.push(task(shown, names, size.columns, now));
        for line in shown.going.lines.iter().skip(shown.going.lines.len() - lines) {
            let indented = Writing::new(size.columns).gap(if size.columns < NARROW { 1 } else { WORD });
            rows.push(indented.say(Look::Faint, "│ ").say(Look::Faint, &printed(line)).end());
        }
    }
    if hidden > 0 {
        rows.push(Writing::new(size.columns).say(Look::Faint, &format!("… {hidden} more running")).end());
    }
    rows
}

/// A task that is under way.
struct Shown<'a> {
    id: &'a TaskId,
    task: &'a TaskState,
    going: &'a Going,
}

fn shown<'a>(view: &'a LiveView, id: &'a TaskId, going: &'a Going) -> Option<Shown<'a>> {
    let task = view.state.tasks.get(id)?;
    (task.status == TaskStatus::Running).then_some(Shown { id, task, going })
}

/// Returns how many lines of output each task gets of those that are to spare: all get one, who printed last before
/// the others, then a second and a third.
fn shares(tasks: &[Shown<'_>], mut spare: usize) -> Vec<usize> {
    let mut shares = vec![0; tasks.len()];
    let mut newest_first: Vec<usize> = (0..tasks.len()).collect();
    newest_first.sort_by_key(|&place| std::cmp::Reverse(tasks[place].going.newest));
    for share in 0..PRINTED {
        for &place in &newest_first {
            if spare > 0 && tasks[place].going.lines.len() > share {
                shares[place] += 1;
                spare -= 1;
            }
        }
    }
    shares
}

fn header(view: &LiveView, columns: usize, now: Timestamp) -> Line {
    let Counts { done, running, failed, all } = view.counts();
    let elapsed = going(since(view.state.started, now));
    let line = Writing::new(columns);
    let mut line = if columns < NARROW {
        let line = line.say(Look::Strong, &middle(&view.state.pipeline, columns / 3)).gap(1);
        line.say(Look::Plain, &format!("{done}/{all} done"))
    } else {
        let line = line.say(Look::Strong, &middle(&view.state.pipeline, columns / 3)).gap(2);
        line.say(Look::Plain, &elapsed).gap(2).say(Look::Plain, &format!("{done} of {all} done"))
    };
    if failed > 0 {
        line = line.say(Look::Plain, ", ").say(Look::Bad, &format!("{failed} failed"));
    }
    if columns < NARROW {
        line = line.gap(1).say(Look::Plain, &elapsed);
    }
    if running > 0 {
        line = line.say(Look::Plain, &format!(", {running} running"));
    }
    match view.stopping {
        Some((Stage::Requested, _)) => line.say(Look::Notable, ", stopping").end(),
        Some((Stage::Forced, _)) => line.say(Look::Notable, ", stopping at once").end(),
        None => line.end(),
    }
}

fn task(shown: &Shown<'_>, names: usize, columns: usize, now: Timestamp) -> Line {
    let Shown { id, task, going: also } = shown;
    let (word, look) =
        if task.asking.is_some() { ("asking", Look::Notable) } else { ("running", Look::Plain) };
    let elapsed = going(since(task.started.unwrap_or(now), now));
    let name = middle(id.as_str(), names);
    let mut line = Writing::new(columns);
    if columns < NARROW {
        line = line.say(Look::Strong, &name).gap(1).say(Look::Plain, &elapsed);
        if task.asking.is_some() {
            line = line.gap(1).say(look, word);
        }
    } else {
        line =
            line.column(look, word, WORD).column(Look::Strong, &name, names).right(Look::Plain, &elapsed, 8);
    }
    for (look, detail) in details(task, also) {
        line = line.gap(if columns < NARROW { 1 } else { 2 }).say(look, &detail);
    }
    line.end()
}

/// Returns what else is to be said of a task, what is newest first.
fn details(task: &TaskState, going: &Going) -> Vec<(Look, String)> {
    let mut details = Vec::new();
    if let Some(text) = &task.asking {
        details.push((Look::Strong, text.clone()));
    }
    if let Some(progress) = progress(going) {
        details.push((Look::Plain, progress));
    }
    match &task.health {
        Some((Phase::Failed, why)) if !why.is_empty() => details.push((Look::Bad, why.join(", "))),
        Some((Phase::Progressing, what)) if !what.is_empty() => {
            details.push((Look::Plain, format!("waits for {}", what.join(", "))));
        }
        _ => {}
    }
    if let Some(first) = task.reasons.first() {
        details.push((Look::Faint, format!("because {first}")));
    }
    details
}

/// Returns how far a task has come: what it counts, or, where that are several things, all together.
fn progress(going: &Going) -> Option<String> {
    let newest = going.progress.last()?;
    let alike: Vec<_> = going.progress.iter().filter(|row| row.unit == newest.unit).collect();
    if alike.len() == 1 {
        return Some(format!("{} {}", newest.what, amount(newest.done, newest.total, newest.unit)));
    }
    let sum = |total: u64, more: u64| total.saturating_add(more);
    let done = alike.iter().map(|row| row.done).fold(0, sum);
    let total = alike.iter().map(|row| row.total).try_fold(0, |total, more| Some(sum(total, more?)));
    Some(amount(done, total, newest.unit))
}

fn since(from: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(now.0.saturating_sub(from.0))
}
