//! Second stage: a tree of an old version becomes one of the newest. Nodes keep their places when they
//! move, so that what is found wrong later is shown where the user wrote it.

use shipway_core::{Error, Result};
use shipway_yaml::{Document, Node, Style};

use super::{
    parse::Source,
    steps::{Op, STEPS, Step},
};
use crate::{
    Notice,
    path::{each, placed, put, steps, take},
};

/// Brings a configuration to the newest version, with all its profiles and their patches.
pub(super) fn upgrade(source: &mut Source, notices: &mut Vec<Notice>) -> Result<()> {
    for step in STEPS.iter().filter(|step| source.version < step.into) {
        apply(step, &mut source.document, notices)?;
    }
    Ok(())
}

fn apply(step: &Step, document: &mut Document, notices: &mut Vec<Notice>) -> Result<()> {
    let shown = Document::new(document.file.as_path(), Node::mapping(Vec::new()));
    for op in step.ops {
        run(op, &mut document.root, &shown, notices)?;
        each(&mut document.root, &["profiles", "*"], &mut |profile| {
            run(op, profile, &shown, notices)?;
            each(profile, &["patches", "*"], &mut |patch| rewrite(op, patch, &shown))
        })?;
    }
    Ok(())
}

/// Does one change to a pipeline: the file's own or a profile's.
fn run(op: &Op, pipeline: &mut Node, shown: &Document, notices: &mut Vec<Notice>) -> Result<()> {
    match op {
        Op::Move { from, to } => {
            let (from, to) = (steps(from), steps(to));
            let shared = shared(&from, &to);
            each(pipeline, &from[..shared], &mut |node| {
                if let Some((key, value)) = take(node, &from[shared..]) {
                    put(node, &to[shared..], &key, value);
                }
                Ok(())
            })
        }
        Op::List { at } => each(pipeline, &steps(at), &mut |node| {
            *node = Node::sequence(vec![node.clone()]);
            Ok(())
        }),
        Op::Drop { at, note } => remove(pipeline, at, &mut |key| {
            notices.push(Notice::new(shown.location(key.span), *note));
            Ok(())
        }),
        Op::Refuse { at, why } => remove(pipeline, at, &mut |key| Err(refused(key, why, shown))),
        Op::Apply(change) => change(pipeline, shown),
    }
}

fn remove(pipeline: &mut Node, path: &str, found: &mut dyn FnMut(&Node) -> Result<()>) -> Result<()> {
    let path = steps(path);
    let Some((last, parents)) = path.split_last() else { return Ok(()) };
    each(pipeline, parents, &mut |node| match take(node, &[last]) {
        Some((key, _)) => found(&key),
        None => Ok(()),
    })
}

fn refused(node: &Node, why: &str, shown: &Document) -> Error {
    Error::unsupported(why)
        .at(shown.location(node.span))
        .hint("`skaffold fix` writes the file in the newest version")
}

/// Changes a patch's paths, and its value, as the pipeline that it is for was changed.
///
/// Skaffold leaves the paths of most steps stale.
fn rewrite(op: &Op, patch: &mut Node, shown: &Document) -> Result<()> {
    for field in ["path", "from"] {
        let Some(path) = patch.get(field).and_then(Node::text) else { continue };
        let given = steps(path);
        match op {
            Op::Move { from, to } => {
                let (from, to) = (steps(from), steps(to));
                if leads(&from, &given) {
                    let new = moved(&from, &to, &given);
                    set_text(patch, field, new);
                }
            }
            Op::List { at } => {
                let at = steps(at);
                if !leads(&at, &given) {
                    continue;
                }
                if given.len() > at.len() {
                    let (list, rest) = given.split_at(at.len());
                    let item = list.iter().chain(&["0"]).chain(rest);
                    let new = item.map(|step| format!("/{step}")).collect();
                    set_text(patch, field, new);
                } else if field == "path"
                    && let Some(value) = patch.get_mut("value")
                {
                    *value = Node::sequence(vec![value.clone()]);
                }
            }
            Op::Refuse { at, why } if leads(&steps(at), &given) => {
                return Err(refused(patch.get(field).unwrap_or(patch), why, shown));
            }
            Op::Drop { .. } | Op::Refuse { .. } | Op::Apply(_) => {}
        }
    }
    Ok(())
}

fn set_text(patch: &mut Node, field: &str, text: String) {
    if let Some(node) = patch.get_mut(field) {
        *node = placed(Node::scalar(text, Style::Plain), node);
    }
}

/// How many steps two paths begin with.
fn shared(one: &[&str], other: &[&str]) -> usize {
    // The last step is the entry that moves.
    let most = one.len().min(other.len()).saturating_sub(1);
    one[..most].iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// Whether a patch's path is at or below a step's, where `*` is any item.
fn leads(step: &[&str], path: &[&str]) -> bool {
    path.len() >= step.len() && step.iter().zip(path).all(|(step, part)| *step == "*" || step == part)
}

/// Returns a patch's path at the place where a step moved it.
fn moved(from: &[&str], to: &[&str], path: &[&str]) -> String {
    let mut items = from.iter().zip(path).filter(|(step, _)| **step == "*").map(|(_, item)| *item);
    let to = to.iter().map(|step| if *step == "*" { items.next().unwrap_or("*") } else { step });
    let rest = path[from.len()..].iter().copied();
    to.chain(rest).map(|step| format!("/{step}")).collect()
}
