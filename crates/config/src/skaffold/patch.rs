//! A profile's patches: JSON patches as `krishicks/yaml-patch` applies them, one after the other.

use shipway_core::{Error, Result, did_you_mean};
use shipway_yaml::{Document, Node, Rules, Spanned};

use super::{model::Patch, parse::part};
use crate::path::{put, take};

/// The most nodes that the patches of a configuration may put in, so that copies of copies end.
const MOST: usize = 250_000;

/// The deepest that what a patch puts in may be, and the longest path.
const DEEPEST: usize = 128;

/// All patches of one configuration.
pub(super) struct Patches {
    /// How many nodes may still be put in.
    left: usize,
}

impl Patches {
    pub(super) fn new() -> Self {
        Self { left: MOST }
    }

    /// Applies a patch with its value to the configuration.
    pub(super) fn apply(
        &mut self,
        root: &mut Node,
        patch: &Patch,
        value: Option<&Node>,
        shown: &Document,
    ) -> Result<()> {
        let path = &patch.path;
        // Skaffold's own default (schema/profiles.go).
        let op = patch.op.as_ref().map_or("replace", |op| &op.value);
        let needed = || {
            let error = shown.error(path.span, format!("a patch that is to {op} needs a `value`"));
            value.ok_or(error)
        };
        match op {
            "add" => self.put(root, path, needed()?, shown, &mut |place, value| place.add(value)),
            "replace" => self.put(root, path, needed()?, shown, &mut |place, value| {
                place.get().is_some() && place.set(value)
            }),
            "remove" => at(root, path, shown, &mut |place| Ok(place.remove())),
            "test" => {
                let value = value.map(|value| json(value, shown)).transpose()?.unwrap_or_default();
                at(root, path, shown, &mut |place| {
                    let found = place.get().map(|node| json(node, shown)).transpose()?.unwrap_or_default();
                    if found == value {
                        return Ok(true);
                    }
                    Err(shown.error(path.span, format!("`{}` is not what the patch says", path.value)))
                })
            }
            "move" | "copy" => {
                let error = shown.error(path.span, format!("a patch that is to {op} needs `from`"));
                let from = patch.from.as_ref().ok_or(error)?;
                let mut taken = None;
                at(root, from, shown, &mut |place| {
                    taken = place.get().cloned();
                    Ok(taken.is_some() && (op == "copy" || place.remove()))
                })?;
                let taken = taken.ok_or_else(|| nothing(from, shown))?;
                self.put(root, path, &taken, shown, &mut |place, value| place.set(value))
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

    /// Puts a value at each place that a path leads to, within what may be put in.
    fn put(
        &mut self,
        root: &mut Node,
        path: &Spanned<String>,
        value: &Node,
        shown: &Document,
        act: &mut dyn FnMut(Place<'_>, &Node) -> bool,
    ) -> Result<()> {
        let (nodes, depth) = size(value);
        let left = &mut self.left;
        at(root, path, shown, &mut |place| {
            match left.checked_sub(nodes) {
                Some(less) if depth <= DEEPEST => *left = less,
                _ => {
                    let message =
                        format!("patches put in more than {MOST} nodes, or {DEEPEST} in each other");
                    return Err(shown.error(path.span, message));
                }
            }
            Ok(act(place, value))
        })
    }
}

/// Returns how many nodes a value has, and how deep they lie in each other.
fn size(node: &Node) -> (usize, usize) {
    let join = |(nodes, depth): (usize, usize), inner: &Node| {
        let (more, deeper) = size(inner);
        (nodes + more, depth.max(deeper + 1))
    };
    match (node.items(), node.entries()) {
        (Some(items), _) => items.iter().fold((1, 1), join),
        (_, Some(entries)) => entries.iter().flat_map(|(key, value)| [key, value]).fold((1, 1), join),
        _ => (1, 0),
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
    act: &mut dyn FnMut(Place<'_>) -> Result<bool>,
) -> Result<()> {
    let steps: Option<Vec<String>> = path
        .value
        .strip_prefix('/')
        .map(|path| path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect());
    let Some(steps) = steps else {
        let error = shown.error(path.span, format!("`{}` is no path", path.value));
        return Err(error.hint("write it from the top, such as `/build/artifacts/0/context`"));
    };
    let could = steps.len() <= DEEPEST && walk(root, &steps, act)? == Some(true);
    if could { Ok(()) } else { Err(nothing(path, shown)) }
}

/// Returns `None` when a path leads nowhere, and otherwise whether `act` could everywhere.
fn walk(
    node: &mut Node,
    steps: &[String],
    act: &mut dyn FnMut(Place<'_>) -> Result<bool>,
) -> Result<Option<bool>> {
    let Some((step, rest)) = steps.split_first() else { return Ok(None) };
    let Some(matching) = matching(node, step) else {
        return walk_step(node, step, rest, act);
    };
    // From the last on, so that removing one leaves the places of the others.
    let mut all = None;
    for index in matching.into_iter().rev() {
        let Some(could) = walk_step(node, &index.to_string(), rest, act)? else { return Ok(None) };
        all = Some(could && all.unwrap_or(true));
    }
    Ok(all)
}

fn walk_step(
    node: &mut Node,
    step: &str,
    rest: &[String],
    act: &mut dyn FnMut(Place<'_>) -> Result<bool>,
) -> Result<Option<bool>> {
    if rest.is_empty() {
        return act(Place { parent: node, step }).map(Some);
    }
    let index = step.parse::<usize>().ok();
    let inner = match node.items_mut() {
        Some(items) => index.and_then(|index| items.get_mut(index)),
        None => node.get_mut(step),
    };
    inner.map_or(Ok(None), |inner| walk(inner, rest, act))
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
