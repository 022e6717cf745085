//! The file in the newest version, with all that a person wrote around what stays.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use shipway_core::{Error, Result};
use shipway_yaml::{Document, Node, Rules, Style, Value, parse, rewrite};

use super::{
    parse::{self, Source},
    upgrade,
    version::Version,
};
use crate::{Notice, path::placed};

/// A file in the newest version.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fixed {
    /// The file.
    pub text: String,
    /// What the old file said that has no effect any more, in its order.
    pub notices: Vec<Notice>,
}

/// Returns a `skaffold.yaml` in the version [`Version::NEWEST`]: with the fields' new names and places in it, in its
/// profiles and in their patches, and else as a person wrote it, comments, order and quotes included
/// ([`rewrite`] says what of them moves and goes). A file that is in that version is returned as it is.
///
/// An anchor stays where it is. A merge key (`<<`) stays where what it merges did not change, and is otherwise replaced
/// by that.
///
/// ```
/// let old = "apiVersion: skaffold/v2beta29\nkind: Config\n# What runs.\ndeploy:\n  kubectl:\n    manifests: [a.yaml] # all\n";
/// let fixed = shipway_config::fix_skaffold("skaffold.yaml", old)?;
/// assert_eq!(
///     fixed.text,
///     "apiVersion: skaffold/v4beta14\nkind: Config\n# What runs.\ndeploy:\n  kubectl: {}\nmanifests:\n  rawYaml: [a.yaml] # all\n"
/// );
/// # Ok::<(), shipway_core::Error>(())
/// ```
///
/// # Errors
/// `Config` and `Unsupported` as [`Skaffold::read`](crate::Skaffold::read), for what no newer version has a place for.
pub fn fix_skaffold(file: impl AsRef<Path>, text: &str) -> Result<Fixed> {
    let file = file.as_ref();
    let mut notices = Vec::new();
    let mut sources = parse::sources(file, text)?;
    let mut documents = parse(file, text)?;
    let configurations = documents.iter_mut().filter(|document| !document.root.is_null());
    for (document, source) in configurations.zip(&mut sources) {
        if source.version == Version::NEWEST {
            continue;
        }
        upgrade::upgrade(source, &mut notices)?;
        if let Some(version) = source.document.root.get_mut("apiVersion") {
            *version = placed(Node::scalar(Version::NEWEST.to_string(), Style::Plain), version);
        }
        document.root = with_anchors(document, &source.document.root)?;
    }
    let text = rewrite(file, text, &documents)?;
    let same = |(ours, read): (&Source, &Source)| {
        ours.document.to_json(Rules::Config).ok() == read.document.to_json(Rules::Config).ok()
    };
    let read = parse::sources(file, &text)?;
    if read.len() != sources.len() || !sources.iter().zip(&read).all(same) {
        return Err(Error::internal(format!(
            "`{}` would mean something else in the newest version",
            file.display()
        )));
    }
    notices.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(Fixed { text, notices })
}

/// Returns a changed tree with what reading took out of the document: merge keys, and keys that begin with `.`, which
/// hold anchors.
fn with_anchors(document: &Document, changed: &Node) -> Result<Node> {
    let mut root = changed.clone();
    let old = &document.root;
    let mut merging = HashMap::new();
    find_merging(old, &mut merging);
    if !merging.is_empty() {
        let mut kept = HashMap::new();
        find_kept(changed, &mut kept);
        for holder in old.entries().into_iter().flatten().filter(|(key, _)| holds_anchors(key)) {
            find_kept(&holder.1, &mut kept);
        }
        Merging { document, merging, kept }.restore(&mut root)?;
    }
    weave(&mut root, old, holds_anchors);
    Ok(root)
}

fn holds_anchors(key: &Node) -> bool {
    key.text().is_some_and(|key| key.starts_with('.'))
}

/// Puts some of an old mapping's entries there, each after what it came after.
fn weave(node: &mut Node, old: &Node, back: impl Fn(&Node) -> bool) {
    let Some(entries) = node.entries_mut() else { return };
    let there: HashSet<Place> = entries.iter().map(|(key, _)| place(key)).collect();
    let mut after: HashMap<Option<Place>, Vec<(Node, Node)>> = HashMap::new();
    let mut last = None;
    for entry in old.entries().into_iter().flatten() {
        if back(&entry.0) {
            after.entry(last).or_default().push(entry.clone());
        } else if there.contains(&place(&entry.0)) {
            last = Some(place(&entry.0));
        }
    }
    let own = std::mem::take(entries);
    entries.extend(after.remove(&None).unwrap_or_default());
    for entry in own {
        let next = after.remove(&Some(place(&entry.0))).unwrap_or_default();
        entries.push(entry);
        entries.extend(next);
    }
}

/// Where a list or mapping is written; its end tells it from those that begin with it.
type Place = (usize, usize);

fn place(node: &Node) -> Place {
    let range = node.span.range();
    (range.start, range.end)
}

/// Finds the mappings with a merge key.
fn find_merging<'n>(node: &'n Node, merging: &mut HashMap<Place, (&'n Node, usize)>) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| find_merging(item, merging)),
        Value::Mapping(entries) => {
            if let Some(at) = entries.iter().position(|(key, _)| is_merge(key)) {
                merging.insert(place(node), (node, at));
            }
            entries.iter().for_each(|(_, value)| find_merging(value, merging));
        }
    }
}

fn is_merge(key: &Node) -> bool {
    let plain = matches!(&key.value, Value::Scalar(scalar) if scalar.style == Style::Plain);
    key.text() == Some("<<") && key.tag.is_none() && plain
}

/// Finds the mappings that anchors may name.
fn find_kept<'n>(node: &'n Node, kept: &mut HashMap<Place, &'n Node>) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| find_kept(item, kept)),
        Value::Mapping(entries) => {
            if !node.alias {
                kept.insert(place(node), node);
            }
            entries.iter().for_each(|(_, value)| find_kept(value, kept));
        }
    }
}

/// Merge keys of a document.
struct Merging<'n> {
    document: &'n Document,
    /// Mappings with a merge key, and where in them it is.
    merging: HashMap<Place, (&'n Node, usize)>,
    /// The mappings that will be in the text.
    kept: HashMap<Place, &'n Node>,
}

impl Merging<'_> {
    /// Puts merge keys back in the place of what they merge.
    fn restore(&self, node: &mut Node) -> Result<()> {
        match &mut node.value {
            Value::Scalar(_) => return Ok(()),
            Value::Sequence(items) => return items.iter_mut().try_for_each(|item| self.restore(item)),
            Value::Mapping(_) => {}
        }
        if let Some(&(old, at)) = self.merging.get(&place(node)) {
            self.restore_in(node, old, at)?;
        }
        let entries = node.entries_mut().into_iter().flatten();
        entries.filter(|(key, _)| !is_merge(key)).try_for_each(|(_, value)| self.restore(value))
    }

    fn restore_in(&self, node: &mut Node, old: &Node, at: usize) -> Result<()> {
        let entry = &old.entries().unwrap_or_default()[at];
        let merged = self.merged(&Node::mapping(vec![entry.clone()]))?;
        let own = old.entries().into_iter().flatten().filter(|(key, _)| !is_merge(key));
        let own: HashSet<&str> = own.filter_map(|(key, _)| key.text()).collect();
        let merged: HashMap<&str, &(Node, Node)> = merged
            .entries()
            .into_iter()
            .flatten()
            .filter_map(|entry| Some((entry.0.text()?, entry)))
            .filter(|(key, _)| !own.contains(key))
            .collect();
        let is_merged = |entry: &(Node, Node)| {
            entry.0.text().and_then(|key| merged.get(key)).is_some_and(|own| *own == entry)
        };
        let there = node.entries().into_iter().flatten().filter(|entry| is_merged(entry)).count();
        if there != merged.len() || !self.is_kept(&entry.1)? {
            return Ok(());
        }
        if let Some(entries) = node.entries_mut() {
            entries.retain(|entry| !is_merged(entry));
        }
        weave(node, old, is_merge);
        Ok(())
    }

    /// Whether what an alias stands for is in the text as it was.
    fn is_kept(&self, value: &Node) -> Result<bool> {
        if let Some(items) = value.items().filter(|_| !value.alias) {
            return items.iter().try_fold(true, |kept, item| Ok(kept && self.is_kept(item)?));
        }
        let merged = self.merged(value)?;
        Ok(!value.alias
            || self
                .kept
                .get(&place(value))
                .is_some_and(|kept| kept.value == merged.value || kept.value == value.value))
    }

    fn merged(&self, node: &Node) -> Result<Node> {
        Ok(Document::new(self.document.file.as_path(), node.clone()).merged(Rules::Config)?.root)
    }
}
