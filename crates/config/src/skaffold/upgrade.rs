//! Second stage: a tree of an old version becomes one of the newest. Nodes keep their places when they
//! move, so that what is found wrong later is shown where the user wrote it.

mod patches;
#[cfg(test)]
mod tests;

use shipway_core::{Error, Result};
use shipway_yaml::{Document, Node};

use super::{
    parse::Source,
    steps::{Op, STEPS, Step},
};
use crate::{
    Notice,
    path::{each, put, steps, take},
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
    let mut upgrade = Upgrade { shown: &shown, notices, whole: true };
    let root = &mut document.root;
    // Patches are for the pipeline as it still is.
    let held = root.get_mut("profiles");
    let mut profiles = held.map(|held| std::mem::replace(held, Node::sequence(Vec::new())));
    if let Some(profiles) = &mut profiles {
        each(profiles, &["*"], &mut |profile| patches::rewrite(step, profile, root, &mut upgrade))?;
    }
    run_all(step.ops, root, &mut upgrade)?;
    if let Some(profiles) = &mut profiles {
        each(profiles, &["*"], &mut |profile| run_all(step.ops, profile, &mut upgrade))?;
    }
    if let (Some(held), Some(profiles)) = (root.get_mut("profiles"), profiles) {
        *held = profiles;
    }
    Ok(())
}

/// What a change says while it changes a pipeline.
pub(super) struct Upgrade<'a> {
    shown: &'a Document,
    notices: &'a mut Vec<Notice>,
    /// Whether what changes is there with all that is in it. If not, it is what one patch puts in below.
    pub(super) whole: bool,
}

impl Upgrade<'_> {
    /// Tells a person something about a node.
    pub(super) fn note(&mut self, at: &Node, message: impl Into<String>) {
        self.notices.push(Notice::new(self.shown.location(at.span), message));
    }

    /// Returns the error that something is wrong with a node.
    pub(super) fn error(&self, at: &Node, message: impl Into<String>) -> Error {
        self.shown.error(at.span, message)
    }

    /// Returns the error that a node cannot be brought over.
    fn refused(&self, at: &Node, why: impl Into<String>) -> Error {
        Error::unsupported(why).at(self.shown.location(at.span))
    }

    /// Returns the error that a part is changed together with others, and so not by a patch of it alone.
    pub(super) fn not_a_patch(&self, at: &Node, what: &str) -> Error {
        self.refused(at, format!("a patch of {what} cannot be brought to the newest version by itself"))
            .hint("patch what is around it, or write the file in the newest version")
    }
}

fn run_all(ops: &[Op], pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    ops.iter().try_for_each(|op| run(op, pipeline, upgrade))
}

/// Does one change to a pipeline: the file's own, a profile's, or the part of one that a patch puts in.
fn run(op: &Op, pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    match op {
        Op::Move { from, to } => {
            let (from, to) = (steps(from), steps(to));
            let shared = shared(&from, &to);
            each(pipeline, &from[..shared], &mut |node| {
                relocate(node, &from[shared..], &to[shared..]);
                Ok(())
            })
        }
        Op::List { at } => each(pipeline, &steps(at), &mut |node| {
            *node = Node::sequence(vec![node.clone()]);
            Ok(())
        }),
        Op::Drop { at, note } => remove(pipeline, at, &mut |key, value| {
            if !is_nothing(value) {
                upgrade.note(key, *note);
            }
            Ok(())
        }),
        Op::Refuse { at, why } => remove(pipeline, at, &mut |key, value| {
            if value.is_null() {
                return Ok(());
            }
            Err(upgrade.refused(key, *why).hint("take it out, or write the file in the newest version"))
        }),
        Op::Apply { change, .. } => change(pipeline, upgrade),
    }
}

/// Moves an entry; one that only has another name stays where it is among the others.
fn relocate(node: &mut Node, from: &[&str], to: &[&str]) {
    let position = |node: &Node, key| {
        node.entries().and_then(|entries| entries.iter().position(|(name, _)| name.text() == Some(key)))
    };
    let place = position(node, from[0]);
    let Some((key, value)) = take(node, from) else { return };
    if is_nothing(&value) {
        return;
    }
    let renamed = from.len() == 1 && to.len() == 1 && position(node, to[0]).is_none();
    put(node, to, &key, value);
    if let (true, Some(place), Some(entries)) = (renamed, place, node.entries_mut()) {
        entries[place..].rotate_right(1);
    }
}

/// Whether Go cannot tell a field from one that is not written.
fn is_nothing(value: &Node) -> bool {
    value.is_null() || value.text() == Some("") || value.items().is_some_and(<[_]>::is_empty)
}

fn remove(pipeline: &mut Node, path: &str, found: &mut dyn FnMut(&Node, &Node) -> Result<()>) -> Result<()> {
    let path = steps(path);
    let Some((last, parents)) = path.split_last() else { return Ok(()) };
    each(pipeline, parents, &mut |node| match take(node, &[last]) {
        Some((key, value)) => found(&key, &value),
        None => Ok(()),
    })
}

/// How many steps two paths begin with.
fn shared(one: &[&str], other: &[&str]) -> usize {
    // The last step is the entry that moves.
    let most = one.len().min(other.len()).saturating_sub(1);
    one[..most].iter().zip(other).take_while(|(a, b)| a == b).count()
}
