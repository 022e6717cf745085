//! A plan as lines for a terminal: each task stands below the one of its needs that comes last, and a chain goes
//! straight down.

use std::{borrow::Cow, fmt::Write as _};

use shipway_core::Plan;

use crate::{
    graph::Graph,
    markup::{self, cut},
    plan_graph::Prospect,
};

/// The least columns that a terminal is taken to have.
const LEAST: usize = 20;
/// The least columns that are worth a second text beside the first.
const BESIDE: usize = 24;

/// A task that is still to be written: its place, what stands before it, and what before those below it.
struct Next {
    place: usize,
    sign: String,
    below: String,
}

/// Returns the plan as lines of at most so many columns.
pub(crate) fn write(plan: &Plan, prospects: &[(Prospect, String)], columns: usize) -> String {
    let columns = columns.max(LEAST);
    let graph = Graph::of(plan.tasks.iter()).thinned();
    let levels = graph.levels();
    let parent = |place: usize| graph.needs[place].iter().copied().max_by_key(|&need| (levels[need], need));
    let mut children = vec![Vec::new(); plan.tasks.len()];
    let mut roots = Vec::new();
    for place in 0..plan.tasks.len() {
        match parent(place) {
            Some(parent) => children[parent].push(place),
            None => roots.push(place),
        }
    }
    let mut lines = Vec::new();
    let mut next: Vec<Next> = roots
        .into_iter()
        .rev()
        .map(|place| Next { place, sign: "○ ".into(), below: String::new() })
        .collect();
    while let Some(Next { place, sign, below }) = next.pop() {
        // What only hangs on it comes before what goes on from it.
        let own = &children[place];
        if let [child] = own[..] {
            next.push(Next { place: child, sign: format!("{below}↓ "), below });
        } else {
            for (number, &child) in own.iter().enumerate().rev() {
                let (branch, rest) =
                    if number + 1 == own.len() { ("╰─ ", "   ") } else { ("├─ ", "│  ") };
                next.push(Next {
                    place: child,
                    sign: format!("{below}{branch}"),
                    below: format!("{below}{rest}"),
                });
            }
        }
        let others: Vec<&str> = graph.needs[place]
            .iter()
            .filter(|&&need| Some(need) != parent(place))
            .map(|&need| plan.tasks[need].id.as_str())
            .collect();
        let mut said = prospects[place].1.clone();
        if !others.is_empty() {
            let _ = write!(said, " (also after {})", others.join(", "));
        }
        lines.push((
            tail(&sign, columns / 2).into_owned(),
            plain(plan.tasks[place].id.as_str()),
            plain(&said),
        ));
    }
    let mut out = String::new();
    lay(&lines, columns, &mut out);
    wrap(&count(prospects), 2, 0, columns, &mut out);
    out
}

/// Writes the lines, what is said of each beside it where there is room.
fn lay(lines: &[(String, String, String)], columns: usize, out: &mut String) {
    let length = |text: &str| text.chars().count();
    let longest = lines.iter().map(|(sign, id, _)| length(sign) + length(id)).max().unwrap_or(0);
    let column = longest.min(columns * 3 / 5) + 2;
    let beside = column + BESIDE <= columns;
    for (sign, id, said) in lines {
        let name = format!("{sign}{}", cut(id, columns.saturating_sub(length(sign) + 1)));
        out.push_str(&name);
        let mut used = length(&name);
        let left = if beside { column } else { length(sign) + 2 };
        if beside && used + 2 <= column {
            out.extend(std::iter::repeat_n(' ', column - used));
            used = column;
        } else if !beside && used + 2 + length(said) <= columns {
            out.push_str("  ");
            used += 2;
        } else if !said.is_empty() {
            indent(left, out);
            used = left;
        }
        wrap(said, left, used, columns, out);
    }
}

/// Writes words from a column on, and below that from another one, and ends the line.
fn wrap(text: &str, left: usize, mut used: usize, columns: usize, out: &mut String) {
    let mut first = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word = cut(word, columns.saturating_sub(left + 1).max(1));
        let length = word.chars().count();
        if !first && used + 1 + length > columns {
            indent(left, out);
            used = left;
            first = true;
        }
        if !first {
            out.push(' ');
            used += 1;
        }
        out.push_str(&word);
        used += length;
        first = false;
    }
    out.push('\n');
}

fn indent(left: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', left));
}

fn count(prospects: &[(Prospect, String)]) -> String {
    let words = [
        (Prospect::Runs, "run"),
        (Prospect::Reuses, "reuse"),
        (Prospect::Open, "open"),
        (Prospect::Asks, "ask"),
        (Prospect::AfterFailure, "only after a failure"),
    ];
    let counts = words.iter().filter_map(|(wanted, word)| {
        let count = prospects.iter().filter(|(prospect, _)| prospect == wanted).count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    let counts: Vec<String> = counts.collect();
    let all = if prospects.len() == 1 { "1 task".to_owned() } else { format!("{} tasks", prospects.len()) };
    if counts.is_empty() { all } else { format!("{all}: {}", counts.join(", ")) }
}

/// Returns the end of what stands before a task, where a terminal has no room for all.
fn tail(sign: &str, most: usize) -> Cow<'_, str> {
    let count = sign.chars().count();
    if count <= most { sign.into() } else { sign.chars().skip(count - most).collect::<String>().into() }
}

/// Returns a text that cannot steer a terminal.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        markup::push_visible(if c == '\n' || c == '\t' { ' ' } else { c }, &mut out);
    }
    out
}
