//! What a step makes of a profile's patches. A patch is upgraded as the part of a pipeline that it puts in:
//! what is found elsewhere after that becomes patches of its own.
//!
//! Skaffold leaves the paths of most steps as they were.

use shipway_core::Result;
use shipway_yaml::{Node, Style};

use super::{Op, Step, Upgrade, is_nothing, run};
use crate::path::{placed, put, steps, take};

/// Rewrites all patches of a profile, which with the file is as it was before the step.
pub(super) fn rewrite(
    step: &Step,
    profile: &mut Node,
    root: &mut Node,
    upgrade: &mut Upgrade<'_>,
) -> Result<()> {
    let Some(items) = profile.get_mut("patches").and_then(Node::items_mut) else { return Ok(()) };
    let mut rewritten = Vec::new();
    for patch in std::mem::take(items) {
        let before = rewritten.len();
        let path = patch.get("path").cloned();
        Rewrite { step, profile, root }.patch(patch, &mut rewritten, upgrade)?;
        for patch in &rewritten[before..] {
            let new = patch.get("path").and_then(Node::text).unwrap_or_default();
            let section = steps(new).first().copied().unwrap_or_default();
            if let Some(path) = path.as_ref().filter(|path| path.text() != Some(new))
                && root.get(section).is_none_or(Node::is_null)
            {
                // What is put into a section needs one, which the file had no use for until now.
                put(root, &[section], path, placed(Node::mapping(Vec::new()), path));
            }
        }
    }
    if let Some(items) = profile.get_mut("patches").and_then(Node::items_mut) {
        *items = rewritten;
    }
    Ok(())
}

/// A patch's path, step by step and unescaped.
type Path = Vec<String>;

struct Rewrite<'a> {
    step: &'a Step,
    profile: &'a Node,
    root: &'a Node,
}

/// What a part of a pipeline became.
struct Part {
    /// The path that it is at now.
    path: Path,
    /// What is there; nothing if all of it went elsewhere.
    value: Option<Node>,
    /// What is elsewhere.
    others: Vec<(Path, Node)>,
}

impl Rewrite<'_> {
    fn patch(&self, patch: Node, rewritten: &mut Vec<Node>, upgrade: &mut Upgrade<'_>) -> Result<()> {
        let path = |field: &str| patch.get(field).and_then(Node::text).and_then(read_path);
        let (Some(target), from) = (path("path"), path("from")) else {
            rewritten.push(patch);
            return Ok(());
        };
        let concerned = |path: &Path| self.step.ops.iter().any(|op| related(&steps(op.at()), path));
        if !concerned(&target) && !from.as_ref().is_some_and(concerned) {
            rewritten.push(patch);
            return Ok(());
        }
        let op = patch.get("op").and_then(Node::text).unwrap_or("replace").to_owned();
        if op == "move" || op == "copy" {
            rewritten.push(self.moved(patch, target, from, upgrade)?);
            return Ok(());
        }
        let there = self.find(&target);
        let given = if op == "remove" { there } else { patch.get("value") };
        let placeholder = text("", patch.get("path").unwrap_or(&patch));
        let part = self.part(&target, given.unwrap_or(&placeholder), &patch, upgrade)?;
        let stays = part.value.is_some();
        let before = there.filter(|_| matches!(op.as_str(), "add" | "replace") && !is_item(&target));
        // What the part had put elsewhere before, and does not any more, goes.
        let gone = before.and_then(|before| self.quietly(&target, before, &patch, upgrade));
        let gone = gone.into_iter().flat_map(|part| part.others).filter(|(path, _)| {
            part.others.iter().all(|(other, _)| !path.starts_with(other) && !other.starts_with(path))
        });
        rewritten.extend(gone.map(|(path, _)| with(&patch, "remove", &path, None)));
        if stays {
            rewritten.push(with(&patch, &op, &part.path, part.value.filter(|_| op != "remove")));
        }
        let of_others = if stays && op == "replace" { "add" } else { op.as_str() };
        for (path, value) in part.others {
            rewritten.push(with(&patch, of_others, &path, Some(value).filter(|_| op != "remove")));
        }
        Ok(())
    }

    /// Returns a patch that takes its value from another place.
    fn moved(&self, patch: Node, target: Path, from: Option<Path>, upgrade: &Upgrade<'_>) -> Result<Node> {
        let mut rewritten = patch;
        for (field, path) in [("path", Some(target)), ("from", from)] {
            let Some(path) = path else { continue };
            let mut new = path.clone();
            for op in self.step.ops {
                let whole = matches!(op, Op::Apply { .. } | Op::Drop { .. } | Op::Refuse { .. });
                if whole && leads(&steps(op.at()), &new) {
                    let at = rewritten.get(field).unwrap_or(&rewritten);
                    return Err(upgrade.not_a_patch(at, &format!("`{}`", written(&path))));
                }
                new = mapped(op, new);
            }
            if new != path
                && let Some(node) = rewritten.get_mut(field)
            {
                *node = text(&written(&new), node);
            }
        }
        Ok(rewritten)
    }

    /// Upgrades a part, of which nobody is told.
    fn quietly(&self, path: &Path, value: &Node, patch: &Node, upgrade: &Upgrade<'_>) -> Option<Part> {
        let mut upgrade = Upgrade { shown: upgrade.shown, notices: &mut Vec::new(), whole: true };
        self.part(path, value, patch, &mut upgrade).ok()
    }

    /// Upgrades the part of a pipeline that is at a path.
    fn part(&self, path: &Path, value: &Node, patch: &Node, upgrade: &mut Upgrade<'_>) -> Result<Part> {
        let place = patch.get("path").unwrap_or(patch);
        let mut tree = self.sparse(path, value, place);
        let given = self.give(path, &mut tree, place);
        let mut new = path.clone();
        let mut dropped = false;
        for op in self.step.ops {
            let at = steps(op.at());
            if !related(&at, &new) {
                continue;
            }
            dropped |= matches!(op, Op::Drop { .. }) && leads(&at, &new);
            upgrade.whole = new.len() <= at.len();
            run(op, &mut tree, upgrade)?;
            new = mapped(op, new);
        }
        upgrade.whole = true;
        for path in given {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            if let Some(node) = descend(&mut tree, &path[..path.len() - 1]) {
                take(node, &path[path.len() - 1..]);
            }
        }
        let mut others = Vec::new();
        self.collect(&tree, true, &mut Vec::new(), &new, path.len(), &mut others);
        let path: Vec<&str> = new.iter().map(String::as_str).collect();
        let found = descend(&mut tree, &path).cloned();
        // Nothing moves where there is nothing, and still the patch is for the new place.
        let value = found.or_else(|| (is_nothing(value) && !dropped).then(|| value.clone()));
        Ok(Part { path: new, value, others })
    }

    /// Returns a pipeline with nothing but a value at a path; a list has one item, whichever is meant.
    fn sparse(&self, path: &Path, value: &Node, place: &Node) -> Node {
        let listed = |index: usize| {
            let step = path[index].as_str();
            step == "-"
                || step.parse::<usize>().is_ok()
                || self
                    .step
                    .ops
                    .iter()
                    .map(|op| steps(op.at()))
                    .any(|at| at.get(index) == Some(&"*") && related(&at, path))
        };
        (0..path.len()).rev().fold(value.clone(), |node, index| {
            let node = if listed(index) {
                Node::sequence(vec![node])
            } else {
                Node::mapping(vec![(text(&path[index], place), node)])
            };
            placed(node, place)
        })
    }

    /// Puts in what else the changes look at, as the file has it, and returns where that is.
    fn give(&self, path: &Path, tree: &mut Node, place: &Node) -> Vec<Path> {
        let mut all = Vec::new();
        for op in self.step.ops {
            let Op::Apply { at, given, .. } = op else { continue };
            let below = self.step.ops.iter().fold(path.clone(), |path, op| mapped(op, path));
            let at = steps(at);
            if !(leads(&at, path) && path.len() > at.len() || leads(&at, &below)) {
                continue;
            }
            for given in *given {
                let mut items = path.iter().filter(|step| is_item_step(step));
                let given: Path = steps(given)
                    .into_iter()
                    .map(|step| {
                        if step == "*" { items.next().cloned().unwrap_or_default() } else { step.to_owned() }
                    })
                    .collect();
                let Some(value) = self.find(&given) else { continue };
                let parts: Vec<&str> = given.iter().map(String::as_str).collect();
                let (last, parents) = (parts[parts.len() - 1], &parts[..parts.len() - 1]);
                if descend(tree, &parts).is_none()
                    && let Some(parent) = made(tree, parents, place)
                    && parent.entries().is_some()
                {
                    put(parent, &[last], place, value.clone());
                    all.push(given);
                }
            }
        }
        all
    }

    /// Collects what is not on the way to a path, as deep in the tree as the patch itself was.
    fn collect(
        &self,
        node: &Node,
        on_way: bool,
        at: &mut Path,
        way: &Path,
        depth: usize,
        others: &mut Vec<(Path, Node)>,
    ) {
        if on_way && at.len() == way.len() {
            return;
        }
        let inner: Vec<(&str, &Node)> = match (node.items(), node.entries()) {
            (Some([item]), _) => way
                .get(at.len())
                .filter(|step| is_item_step(step))
                .map(|step| (step.as_str(), item))
                .into_iter()
                .collect(),
            (_, Some(entries)) => {
                entries.iter().filter_map(|(key, value)| Some((key.text()?, value))).collect()
            }
            _ => Vec::new(),
        };
        let empty = node.entries().is_some_and(<[_]>::is_empty);
        // What the file has there of its own stays.
        let more = at.len() < depth || self.find(at).is_some_and(|there| there.entries().is_some());
        if inner.is_empty() || !(on_way || more) {
            let counts = if on_way { node.items().is_some() } else { !empty || at.len() >= depth };
            if counts {
                others.push((at.clone(), node.clone()));
            }
            return;
        }
        for (step, value) in inner {
            let on_way = on_way && way.get(at.len()).is_some_and(|next| next == step);
            at.push(step.to_owned());
            self.collect(value, on_way, at, way, depth, others);
            at.pop();
        }
    }

    /// Returns what is at a path before the step, by the profile or else by the file.
    fn find(&self, path: &Path) -> Option<&Node> {
        let find = |root| {
            path.iter().try_fold(root, |node: &Node, step| match node.items() {
                Some(items) => match step.split_once('=') {
                    Some((key, value)) => {
                        items.iter().find(|item| item.get(key).and_then(Node::text) == Some(value))
                    }
                    None => items.get(step.parse::<usize>().ok()?),
                },
                None => node.get(step),
            })
        };
        find(self.profile).or_else(|| find(self.root))
    }
}

/// Returns a patch like another, for another path.
fn with(patch: &Node, op: &str, path: &Path, value: Option<Node>) -> Node {
    let mut new = patch.clone();
    let place = patch.get("path").unwrap_or(patch);
    if new.get("op").and_then(Node::text).unwrap_or("replace") != op {
        put(&mut new, &["op"], place, text(op, place));
    }
    put(&mut new, &["path"], place, text(&written(path), place));
    take(&mut new, &["value"]);
    if let Some(value) = value {
        put(&mut new, &["value"], place, value);
    }
    new
}

/// Returns the node at a path of a tree where every list on the way has one item.
fn descend<'n>(node: &'n mut Node, path: &[&str]) -> Option<&'n mut Node> {
    let Some((step, rest)) = path.split_first() else { return Some(node) };
    let inner = if node.items().is_some() {
        let items = node.items_mut().filter(|items| items.len() == 1 && is_item_step(step))?;
        items.first_mut()
    } else {
        node.get_mut(step)
    };
    descend(inner?, rest)
}

/// Returns the mapping at a path of such a tree, and makes those that are missing.
fn made<'n>(node: &'n mut Node, path: &[&str], place: &Node) -> Option<&'n mut Node> {
    for end in 1..=path.len() {
        let (last, parents) = (path[end - 1], &path[..end - 1]);
        if descend(node, &path[..end]).is_none() {
            put(descend(node, parents)?, &[last], place, placed(Node::mapping(Vec::new()), place));
        }
    }
    descend(node, path)
}

/// Whether the last step of a path is an item of a list.
fn is_item(path: &Path) -> bool {
    path.last().is_some_and(|step| is_item_step(step))
}

fn is_item_step(step: &str) -> bool {
    step == "-" || step.contains('=') || step.parse::<usize>().is_ok()
}

fn read_path(text: &str) -> Option<Path> {
    let path = text.strip_prefix('/')?;
    Some(path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

fn written(path: &Path) -> String {
    path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

fn text(text: &str, place: &Node) -> Node {
    placed(Node::scalar(text, Style::Plain), place)
}

/// Whether one of two paths is at or above the other.
fn related(change: &[&str], path: &Path) -> bool {
    change.iter().zip(path).all(|(step, part)| *step == "*" || step == part)
}

/// Whether a path is at or below what a step changes.
fn leads(change: &[&str], path: &Path) -> bool {
    path.len() >= change.len() && related(change, path)
}

/// Returns a path after a change.
fn mapped(op: &Op, path: Path) -> Path {
    match op {
        Op::Move { from, to } if leads(&steps(from), &path) => {
            let from = steps(from);
            let mut items = from.iter().zip(&path).filter(|(step, _)| **step == "*").map(|(_, item)| item);
            let to = steps(to).into_iter().map(|step| match step {
                "*" => items.next().cloned().unwrap_or_default(),
                step => step.to_owned(),
            });
            to.chain(path[from.len()..].iter().cloned()).collect()
        }
        Op::List { at } if leads(&steps(at), &path) && path.len() > steps(at).len() => {
            let (list, rest) = path.split_at(steps(at).len());
            list.iter().cloned().chain(["0".to_owned()]).chain(rest.iter().cloned()).collect()
        }
        _ => path,
    }
}
