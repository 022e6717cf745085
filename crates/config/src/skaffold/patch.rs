//! A profile's patches: JSON patches as `krishicks/yaml-patch` applies them, one after the other.

use shipway_core::{Error, Result, did_you_mean};
use shipway_yaml::{Document, Node, Rules, Spanned};

use super::{model::Patch, parse::part};
use crate::path::{put, take};

/// Applies a patch with its value to a configuration.
pub(super) fn apply(root: &mut Node, patch: &Patch, value: Option<&Node>, shown: &Document) -> Result<()> {
    let path = &patch.path;
    // Skaffold's own default (schema/profiles.go).
    let op = patch.op.as_ref().map_or("replace", |op| &op.value);
    let needed = || {
        let error = shown.error(path.span, format!("a patch that is to {op} needs a `value`"));
        value.cloned().ok_or(error)
    };
    let from = || {
        let error = shown.error(path.span, format!("a patch that is to {op} needs `from`"));
        patch.from.as_ref().ok_or(error)
    };
    match op {
        "add" => {
            let value = needed()?;
            at(root, path, shown, &mut |place| place.add(&value))
        }
        "replace" => {
            let value = needed()?;
            at(root, path, shown, &mut |place| place.get().is_some() && place.set(&value))
        }
        "remove" => at(root, path, shown, &mut |place| place.remove()),
        "test" => {
            let value = value.map(|value| json(value, shown)).transpose()?.unwrap_or_default();
            let mut found = Vec::new();
            at(root, path, shown, &mut |place| {
                found.push(place.get().map(|node| json(node, shown)));
                true
            })?;
            for found in found {
                if found.transpose()?.unwrap_or_default() != value {
                    return Err(
                        shown.error(path.span, format!("`{}` is not what the patch says", path.value))
                    );
                }
            }
            Ok(())
        }
        "move" | "copy" => {
            let from = from()?;
            let mut taken = None;
            at(root, from, shown, &mut |place| {
                taken = place.get().cloned();
                taken.is_some() && (op == "copy" || place.remove())
            })?;
            let Some(taken) = taken else { return Err(nothing(from, shown)) };
            at(root, path, shown, &mut |place| place.set(&taken))
        }
        _ => {
            let span = patch.op.as_ref().map_or(path.span, |op| op.span);
            let known = ["add", "remove", "replace", "move", "copy", "test"];
            let error = shown.error(span, format!("there is no patch operation `{op}`"));
            Err(match did_you_mean(op, known) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("these are known: {}", known.join(", "))),
            })
        }
    }
}

fn json(node: &Node, shown: &Document) -> Result<serde_json::Value> {
    part(shown, node).to_json(Rules::Config)
}

fn nothing(path: &Spanned<String>, shown: &Document) -> Error {
    shown
        .error(path.span, format!("there is nothing at `{}`", path.value))
        .note("a profile's patches apply to the file with what the profile itself says laid over it")
}

/// Calls `act` with each place that a path leads to; it says whether it could.
fn at(
    root: &mut Node,
    path: &Spanned<String>,
    shown: &Document,
    act: &mut dyn FnMut(Place<'_>) -> bool,
) -> Result<()> {
    let steps: Option<Vec<String>> = path
        .value
        .strip_prefix('/')
        .map(|path| path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect());
    let Some(steps) = steps else {
        let error = shown.error(path.span, format!("`{}` is no path", path.value));
        return Err(error.hint("write it from the top, such as `/build/artifacts/0/context`"));
    };
    if walk(root, &steps, act) == Some(true) { Ok(()) } else { Err(nothing(path, shown)) }
}

/// Returns `None` when a path leads nowhere, and otherwise whether `act` could everywhere.
fn walk(node: &mut Node, steps: &[String], act: &mut dyn FnMut(Place<'_>) -> bool) -> Option<bool> {
    let (step, rest) = steps.split_first()?;
    let Some(matching) = matching(node, step) else {
        return walk_step(node, step, rest, act);
    };
    // From the last on, so that removing one leaves the places of the others.
    let each = matching.into_iter().rev().map(|index| walk_step(node, &index.to_string(), rest, act));
    each.reduce(|one, other| Some(one? && other?)).flatten()
}

fn walk_step(
    node: &mut Node,
    step: &str,
    rest: &[String],
    act: &mut dyn FnMut(Place<'_>) -> bool,
) -> Option<bool> {
    if rest.is_empty() {
        return Some(act(Place { parent: node, step }));
    }
    let inner = match node.items_mut() {
        Some(items) => items.get_mut(step.parse::<usize>().ok()?)?,
        None => node.get_mut(step)?,
    };
    walk(inner, rest, act)
}

/// Returns the items of a list that a step such as `image=web` names by what they have.
fn matching(node: &Node, step: &str) -> Option<Vec<usize>> {
    let ((key, value), items) = (step.split_once('=')?, node.items()?);
    let has = |item: &Node| item.get(key).and_then(Node::text) == Some(value);
    Some(items.iter().enumerate().filter(|(_, item)| has(item)).map(|(index, _)| index).collect())
}

/// An entry or item, which need not be there.
struct Place<'n> {
    parent: &'n mut Node,
    step: &'n str,
}

impl Place<'_> {
    fn index(&self) -> Option<usize> {
        self.step.parse().ok()
    }

    fn get(&self) -> Option<&Node> {
        match self.parent.items() {
            Some(items) => items.get(self.index()?),
            None => self.parent.get(self.step),
        }
    }

    /// Puts a value in; into a list before the item that is there, and with `-` after the last.
    fn add(self, value: &Node) -> bool {
        let index = self.index();
        match self.parent.items_mut() {
            Some(items) => match index {
                _ if self.step == "-" => items.push(value.clone()),
                Some(index) if index <= items.len() => items.insert(index, value.clone()),
                _ => return false,
            },
            None => return self.set(value),
        }
        true
    }

    /// Puts a value in the place of what is there.
    fn set(self, value: &Node) -> bool {
        if self.parent.entries().is_some() {
            put(self.parent, &[self.step], value, value.clone());
            return true;
        }
        let index = self.index();
        match self.parent.items_mut() {
            Some(items) => match index {
                _ if self.step == "-" => items.push(value.clone()),
                Some(index) if index == items.len() => items.push(value.clone()),
                Some(index) if index < items.len() => items[index] = value.clone(),
                _ => return false,
            },
            None => return false,
        }
        true
    }

    fn remove(self) -> bool {
        let index = self.index();
        match self.parent.items_mut() {
            Some(items) => match index.filter(|index| *index < items.len()) {
                Some(index) => {
                    items.remove(index);
                    true
                }
                None => false,
            },
            None => take(self.parent, &[self.step]).is_some(),
        }
    }
}
