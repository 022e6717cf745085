//! What a step makes of a profile's patches. A patch is upgraded as the part of a pipeline that it puts in:
//! what is found elsewhere after that becomes patches of its own.
//!
//! Skaffold leaves the paths of most steps as they were.

use std::collections::BTreeSet;

use shipway_core::Result;
use shipway_yaml::{Node, Style};

use super::{Op, Step, Upgrade, is_nothing, run, weight};
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
    let mut gone = BTreeSet::new();
    for patch in std::mem::take(items) {
        let touched =
            |field: &str| patch.get(field).and_then(Node::text).is_some_and(|path| touches(step, path));
        if !touched("path") && !touched("from") {
            rewritten.push(patch);
            continue;
        }
        let before = rewritten.len();
        let path = patch.get("path").cloned();
        Rewrite { step, profile, root, gone: &gone }.patch(patch, &mut rewritten, upgrade)?;
        for patch in &rewritten[before..] {
            let new = patch.get("path").and_then(Node::text).unwrap_or_default();
            if patch.get("op").and_then(Node::text) == Some("remove") {
                gone.insert(new.to_owned());
            } else {
                gone.remove(new);
            }
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
    /// What earlier patches removed.
    gone: &'a BTreeSet<String>,
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
    fn patch(&self, mut patch: Node, rewritten: &mut Vec<Node>, upgrade: &mut Upgrade<'_>) -> Result<()> {
        let path = |field: &str| patch.get(field).and_then(Node::text).and_then(read_path);
        let (Some(target), from) = (path("path"), path("from")) else {
            rewritten.push(patch);
            return Ok(());
        };
        let op = patch.get("op").and_then(Node::text).unwrap_or("replace").to_owned();
        if op == "move" || op == "copy" {
            rewritten.push(self.moved(patch, target, from, upgrade)?);
            return Ok(());
        }
        let place = path_node(&patch);
        let value = take(&mut patch, &["value"]).map(|(_, value)| value);
        let there = self.find(&target, &place, upgrade)?;
        let given = if op == "remove" { there } else { value.as_ref() };
        if let Some(given) = given.filter(|_| op == "remove") {
            upgrade.spend(weight(given), &place)?;
        }
        let part = self.part(&target, given.unwrap_or(&text("", &place)), op == "remove", &place, upgrade)?;
        // What the part had put elsewhere before, and does not any more, goes.
        if let Some(before) = there.filter(|_| matches!(op.as_str(), "add" | "replace") && !is_item(&target))
        {
            upgrade.spend(weight(before), &place)?;
            let before = self.quietly(&target, before, &place, upgrade);
            let before = before.map(|before| before.others).unwrap_or_default();
            for (path, _) in without(before, &part.others) {
                if self.is_gone(&path) {
                    continue;
                }
                rewritten.push(with(&patch, "remove", &path, None, upgrade)?);
            }
        }
        let valued = |value| Some(value).filter(|_| op != "remove");
        let stays = part.value.is_some();
        for (path, value) in part.others {
            // Beside what is replaced there need not be anything yet.
            let op = if stays && op == "replace" && !is_item(&path) { "add" } else { op.as_str() };
            if op == "remove" && self.is_gone(&path) {
                continue;
            }
            rewritten.push(with(&patch, op, &path, valued(value), upgrade)?);
        }
        if let Some(value) = part.value {
            rewritten.push(with(&patch, &op, &part.path, valued(value), upgrade)?);
        }
        Ok(())
    }

    /// Whether an earlier patch removed what is at a path, so that there is nothing to remove.
    fn is_gone(&self, path: &Path) -> bool {
        (1..=path.len()).any(|end| self.gone.contains(&written(&path[..end])))
    }

    /// Returns a patch that takes its value from another place.
    fn moved(&self, patch: Node, target: Path, from: Option<Path>, upgrade: &Upgrade<'_>) -> Result<Node> {
        let mut rewritten = patch;
        for (field, path) in [("path", Some(target)), ("from", from)] {
            let Some(path) = path else { continue };
            let mut new = path.clone();
            for op in self.step.ops {
                let whole = matches!(op, Op::Apply { .. } | Op::Drop { .. } | Op::Refuse { .. });
                if whole && leads(op.at(), &new) {
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
    fn quietly(&self, path: &Path, value: &Node, place: &Node, upgrade: &Upgrade<'_>) -> Option<Part> {
        let mut upgrade =
            Upgrade { shown: upgrade.shown, notices: &mut Vec::new(), whole: true, left: upgrade.left };
        self.part(path, value, true, place, &mut upgrade).ok()
    }

    /// Upgrades the part of a pipeline that is at a path.
    fn part(
        &self,
        path: &Path,
        value: &Node,
        removes: bool,
        place: &Node,
        upgrade: &mut Upgrade<'_>,
    ) -> Result<Part> {
        let mut tree = self.sparse(path, value, place);
        let given = self.give(path, &mut tree, place, upgrade)?;
        let mut new = path.clone();
        let mut dropped = false;
        for op in self.step.ops {
            if !related(op.at(), &new) {
                continue;
            }
            dropped |= matches!(op, Op::Drop { .. }) && leads(op.at(), &new);
            upgrade.whole = new.len() <= depth(op.at());
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
        let mut others =
            Others { rewrite: self, way: &new, depth: path.len(), removes, place, found: Vec::new() };
        others.collect(&tree, true, &mut Vec::new(), upgrade)?;
        let others = others.found;
        let path: Vec<&str> = new.iter().map(String::as_str).collect();
        let found = descend(&mut tree, &path).cloned();
        // Nothing moves where there is nothing, and still the patch is for the new place.
        let value = found.or_else(|| (is_nothing(value) && !dropped).then(|| value.clone()));
        Ok(Part { path: new, value, others })
    }

    /// Returns a pipeline with nothing but a value at a path; a list has one item, whichever is meant.
    fn sparse(&self, path: &Path, value: &Node, place: &Node) -> Node {
        let changes = self.step.ops.iter().map(Op::at).filter(|at| related(at, path));
        let changes: Vec<Vec<&str>> = changes.map(steps).collect();
        let listed = |index: usize| {
            let step = path[index].as_str();
            let item = step == "-" || step.parse::<usize>().is_ok();
            item || changes.iter().any(|at| at.get(index) == Some(&"*"))
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
    fn give(&self, path: &Path, tree: &mut Node, place: &Node, upgrade: &Upgrade<'_>) -> Result<Vec<Path>> {
        let mut all = Vec::new();
        let after = self.step.ops.iter().fold(path.clone(), |path, op| mapped(op, path));
        for op in self.step.ops {
            let Op::Apply { at, given, .. } = op else { continue };
            if !(leads(at, path) && path.len() > depth(at) || after != *path && leads(at, &after)) {
                continue;
            }
            for given in *given {
                let mut items = path.iter().filter(|step| is_item_step(step));
                let step = |step: &str| match step {
                    "*" => items.next().cloned().unwrap_or_default(),
                    step => step.to_owned(),
                };
                let given: Path = steps(given).into_iter().map(step).collect();
                let Some(value) = self.find(&given, place, upgrade)? else { continue };
                let parts: Vec<&str> = given.iter().map(String::as_str).collect();
                let (last, parents) = (parts[parts.len() - 1], &parts[..parts.len() - 1]);
                if descend(tree, &parts).is_none()
                    && let Some(parent) = made(tree, parents, place)
                    && parent.entries().is_some()
                {
                    put(parent, &[last], place, upgrade.copy(value)?);
                    all.push(given);
                }
            }
        }
        Ok(all)
    }

    /// Returns what is at a path before the step, by the profile or else by the file.
    fn find(&self, path: &Path, place: &Node, upgrade: &Upgrade<'_>) -> Result<Option<&Node>> {
        for root in [self.profile, self.root] {
            let mut node = Some(root);
            for step in path {
                let Some(parent) = node else { break };
                let all = parent.items().map_or_else(|| parent.entries().map_or(0, <[_]>::len), <[_]>::len);
                upgrade.spend(all / 64, place)?;
                node = match (parent.items(), step.split_once('=')) {
                    (Some(items), Some((key, value))) => {
                        items.iter().find(|item| item.get(key).and_then(Node::text) == Some(value))
                    }
                    (Some(items), None) => step.parse().ok().and_then(|index: usize| items.get(index)),
                    (None, _) => parent.get(step),
                };
            }
            if node.is_some() {
                return Ok(node);
            }
        }
        Ok(None)
    }
}

/// Collects what is not on the way to a path, as deep in the tree as the patch itself was, or deeper where
/// the file has something of its own.
struct Others<'a> {
    rewrite: &'a Rewrite<'a>,
    /// The way to what the patch is still about.
    way: &'a Path,
    depth: usize,
    /// Whether it is collected to be removed.
    removes: bool,
    place: &'a Node,
    found: Vec<(Path, Node)>,
}

impl Others<'_> {
    fn collect(&mut self, node: &Node, on_way: bool, at: &mut Path, upgrade: &Upgrade<'_>) -> Result<()> {
        if on_way && at.len() == self.way.len() {
            return Ok(());
        }
        let item = self.way.get(at.len()).filter(|step| is_item_step(step)).cloned();
        let own = self.rewrite.find(at, self.place, upgrade)?;
        let own = !on_way && own.is_some_and(|own| own.entries().is_some()) && !self.rewrite.is_gone(at);
        if own && self.removes && at.len() >= self.depth {
            // That it was there without the part says that it stays.
            return Ok(());
        }
        let inner: Vec<(String, &Node)> = match (node.items(), node.entries()) {
            (Some([node]), _) => item.map(|step| (step, node)).into_iter().collect(),
            (_, Some(entries)) => {
                entries.iter().filter_map(|(key, value)| Some((key.text()?.to_owned(), value))).collect()
            }
            _ => Vec::new(),
        };
        let short = on_way || at.len() < self.depth || own;
        if inner.is_empty() || !short {
            // A mapping that is only on the way to what was moved away says nothing.
            if !(short && node.entries().is_some_and(<[_]>::is_empty)) {
                self.found.push((at.clone(), node.clone()));
            }
            return Ok(());
        }
        for (step, value) in inner {
            let on_way = on_way && self.way.get(at.len()) == Some(&step);
            at.push(step);
            self.collect(value, on_way, at, upgrade)?;
            at.pop();
        }
        Ok(())
    }
}

/// Returns what is at none of the places of others, and neither above nor below.
fn without(all: Vec<(Path, Node)>, others: &[(Path, Node)]) -> Vec<(Path, Node)> {
    let places: BTreeSet<&[String]> = others.iter().map(|(path, _)| path.as_slice()).collect();
    let above: BTreeSet<&[String]> =
        others.iter().flat_map(|(path, _)| (1..path.len()).map(|end| &path[..end])).collect();
    let free =
        |path: &[String]| !above.contains(path) && (1..=path.len()).all(|end| !places.contains(&path[..end]));
    all.into_iter().filter(|(path, _)| free(path)).collect()
}

/// Returns a patch like another, which is without a value, for another path.
fn with(patch: &Node, op: &str, path: &Path, value: Option<Node>, upgrade: &Upgrade<'_>) -> Result<Node> {
    let place = path_node(patch);
    let path = written(path);
    upgrade.spend(path.len() / 32 + weight(patch), &place)?;
    let mut new = patch.clone();
    if new.get("op").and_then(Node::text).unwrap_or("replace") != op {
        put(&mut new, &["op"], &place, text(op, &place));
    }
    put(&mut new, &["path"], &place, text(&path, &place));
    if let Some(value) = value {
        put(&mut new, &["value"], &place, value);
    }
    Ok(new)
}

/// Returns where a patch's path is written.
fn path_node(patch: &Node) -> Node {
    placed(Node::mapping(Vec::new()), patch.get("path").unwrap_or(patch))
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

fn written(path: &[String]) -> String {
    path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

fn text(text: &str, place: &Node) -> Node {
    placed(Node::scalar(text, Style::Plain), place)
}

/// Whether a step changes something at, above or below a path. Most do not, which is to be known fast.
fn touches(step: &Step, path: &str) -> bool {
    step.ops.iter().any(|op| {
        let both = op.at().split('/').zip(path.split('/'));
        both.skip(1).all(|(step, part)| step == "*" || step == part)
    })
}

/// Whether one of two paths is at or above the other.
fn related(change: &str, path: &Path) -> bool {
    change.split('/').skip(1).zip(path).all(|(step, part)| step == "*" || step == part)
}

/// Whether a path is at or below what a step changes.
fn leads(change: &str, path: &Path) -> bool {
    path.len() >= depth(change) && related(change, path)
}

/// How many steps the path of a change has.
fn depth(change: &str) -> usize {
    change.matches('/').count()
}

/// Returns a path after a change.
fn mapped(op: &Op, path: Path) -> Path {
    match op {
        Op::Move { from, to } if leads(from, &path) => {
            let from = steps(from);
            let mut items = from.iter().zip(&path).filter(|(step, _)| **step == "*").map(|(_, item)| item);
            let to = steps(to).into_iter().map(|step| match step {
                "*" => items.next().cloned().unwrap_or_default(),
                step => step.to_owned(),
            });
            to.chain(path[from.len()..].iter().cloned()).collect()
        }
        Op::List { at } if leads(at, &path) && path.len() > depth(at) => {
            let (list, rest) = path.split_at(depth(at));
            list.iter().cloned().chain(["0".to_owned()]).chain(rest.iter().cloned()).collect()
        }
        _ => path,
    }
}
