//! A profile's patches: JSON patches as `krishicks/yaml-patch` applies them, one after the other.

use shipway_core::{Error, Result, did_you_mean};
use shipway_yaml::{Document, Node, Rules, Spanned};

use super::{
    model::Patch,
    parse::part,
    pointer::{MOST_LOOKS, Missing, Step, node, node_mut, parse, places},
};
use crate::path::{put, take};

/// The most nodes that the patches of a configuration may put in, so that copies of copies end.
const MOST: usize = 250_000;

/// The deepest that what a patch puts in may be.
const DEEPEST: usize = 128;

const OPERATIONS: [&str; 6] = ["add", "remove", "replace", "move", "copy", "test"];

/// All patches of one configuration.
pub(super) struct Patches {
    /// How many nodes may still be put in.
    left: usize,
    /// How many nodes may still be looked at.
    looks: usize,
}

/// Why a patch does not apply.
pub(super) enum Failed {
    /// Nothing is where it is for: something else may bring that.
    Nothing(Error),
    /// What a `test` looks at is something else.
    Unequal(Error),
    /// It can never apply.
    Wrong(Error),
}

impl Failed {
    pub(super) fn into_error(self) -> Error {
        let (Self::Nothing(error) | Self::Unequal(error) | Self::Wrong(error)) = self;
        error
    }
}

/// A path of a patch, with what it is good for in messages.
struct Path<'p> {
    text: &'p Spanned<String>,
    steps: Vec<Step>,
    shown: &'p Document,
    adds: bool,
}

impl Patches {
    pub(super) fn new() -> Self {
        Self { left: MOST, looks: MOST_LOOKS }
    }

    /// Applies a patch with its value to the configuration.
    pub(super) fn apply(
        &mut self,
        root: &mut Node,
        patch: &Patch,
        value: Option<&Node>,
        shown: &Document,
    ) -> Result<(), Failed> {
        // Skaffold's own default (schema/profiles.go).
        let op = patch.op.as_ref().map_or("replace", |op| &op.value);
        let path = Path::read(&patch.path, shown, op == "add")?;
        let wrong = |message: String| Failed::Wrong(shown.error(patch.path.span, message));
        let needed = || value.ok_or_else(|| wrong(format!("a patch that is to {op} needs a `value`")));
        match op {
            "add" => self.put(root, &path, needed()?, &|place, value| place.add(value)),
            "replace" => {
                self.put(root, &path, needed()?, &|place, value| place.get().is_some() && place.set(value))
            }
            "remove" => self.at(root, &path, &|place| place.remove()),
            "test" => {
                let value = needed()?;
                let same = |found: &Node| match (json(found, shown), json(value, shown)) {
                    (Ok(found), Ok(value)) => Ok(found == value),
                    (Err(error), _) | (_, Err(error)) => Err(Failed::Wrong(error)),
                };
                for place in self.places(root, &path)? {
                    let found = node(root, &place)
                        .ok_or_else(|| path.nothing(&Missing::last(&place, &path.steps), root))?;
                    if !same(found)? {
                        let message = format!("`{}` is not what the patch says", path.text.value);
                        return Err(Failed::Unequal(shown.error(path.text.span, message)));
                    }
                }
                Ok(())
            }
            "move" | "copy" => {
                let from = patch
                    .from
                    .as_ref()
                    .ok_or_else(|| wrong(format!("a patch that is to {op} needs `from`")))?;
                let from = Path::read(from, shown, false)?;
                let found = self.places(root, &from)?;
                let [place] = &found[..] else {
                    let message = format!("`{}` leads to {} places", from.text.value, found.len());
                    return Err(Failed::Wrong(shown.error(from.text.span, message)));
                };
                let taken = node(root, place).cloned();
                let taken = taken.ok_or_else(|| from.nothing(&Missing::last(place, &from.steps), root))?;
                if op == "move" {
                    self.at(root, &from, &|place| place.remove())?;
                }
                self.put(root, &path, &taken, &|place, value| place.set(value))
            }
            _ => {
                let span = patch.op.as_ref().map_or(path.text.span, |op| op.span);
                let error = shown.error(span, format!("there is no patch operation `{op}`"));
                Err(Failed::Wrong(match did_you_mean(op, OPERATIONS) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("these are known: {}", OPERATIONS.join(", "))),
                }))
            }
        }
    }

    /// Returns where a path leads to.
    fn places(&mut self, root: &Node, path: &Path<'_>) -> Result<Vec<Vec<String>>, Failed> {
        let found = places(root, &path.steps, &mut self.looks);
        if self.looks == 0 {
            let message = format!("patches look at more than {MOST_LOOKS} nodes");
            return Err(Failed::Wrong(path.shown.error(path.text.span, message)));
        }
        found.map_err(|missing| path.nothing(&missing, root))
    }

    /// Puts a value at each place that a path leads to, within what may be put in.
    fn put(
        &mut self,
        root: &mut Node,
        path: &Path<'_>,
        value: &Node,
        act: &dyn Fn(Place<'_>, &Node) -> bool,
    ) -> Result<(), Failed> {
        let (nodes, depth) = size(value);
        let all = self.places(root, path)?;
        match nodes.checked_mul(all.len()).and_then(|nodes| self.left.checked_sub(nodes)) {
            Some(left) if depth <= DEEPEST => self.left = left,
            _ => {
                let message = format!("patches put in more than {MOST} nodes, or {DEEPEST} in each other");
                return Err(Failed::Wrong(path.shown.error(path.text.span, message)));
            }
        }
        self.at(root, path, &|place| act(place, value))
    }

    /// Calls `act` with each place that a path leads to; it says whether it could.
    fn at(
        &mut self,
        root: &mut Node,
        path: &Path<'_>,
        act: &dyn Fn(Place<'_>) -> bool,
    ) -> Result<(), Failed> {
        // From the last on, so that removing one leaves the places of the others.
        for place in self.places(root, path)?.iter().rev() {
            let Some((step, above)) = place.split_last() else { continue };
            let could = node_mut(root, above).is_some_and(|parent| act(Place { parent, step }));
            if !could {
                return Err(path.nothing(&Missing::last(place, &path.steps), root));
            }
        }
        Ok(())
    }
}

impl<'p> Path<'p> {
    fn read(text: &'p Spanned<String>, shown: &'p Document, adds: bool) -> Result<Self, Failed> {
        let steps = parse(&text.value).ok_or_else(|| {
            let error = shown.error(text.span, format!("`{}` is no path", text.value));
            Failed::Wrong(error.hint("write it from the top, such as `/build/artifacts/0/context`"))
        })?;
        Ok(Self { text, steps, shown, adds })
    }

    fn nothing(&self, missing: &Missing, root: &Node) -> Failed {
        let error = self.shown.error(self.text.span, format!("there is nothing at `{}`", self.text.value));
        Failed::Nothing(match missing.hint(root, &self.steps, self.adds) {
            Some(hint) => error.hint(hint),
            None => error,
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
