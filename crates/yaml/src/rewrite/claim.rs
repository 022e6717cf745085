//! Which parts of the text the nodes of a new tree are made of.

use std::collections::{HashMap, HashSet};

use super::source::Source;
use crate::node::{Node, Value};

/// An entry or item of the text: the number of the list or mapping, and which of its parts.
pub(super) type Own = (usize, usize);

/// What a new tree has of the text.
#[derive(Default)]
pub(super) struct Claims {
    /// Nodes that hold what a node of the text does, by where they are in memory.
    same: HashMap<*const Node, usize>,
    /// Parts whose key or item is in the tree.
    any: HashSet<Own>,
    /// Entries whose key and value are together in the tree.
    whole: HashSet<Own>,
    /// The keys that stand for the others; of several that were made of one, the innermost.
    half: HashMap<Own, *const Node>,
}

impl Claims {
    pub(super) fn new(source: &Source<'_>, root: &Node) -> Self {
        let mut claims = Self::default();
        claims.add(source, root);
        claims
    }

    fn add(&mut self, source: &Source<'_>, node: &Node) -> Option<usize> {
        let id = match &node.value {
            Value::Scalar(_) => source.find(node).filter(|&id| {
                let known = source.nodes[id].node;
                known.value == node.value && known.tag == node.tag
            }),
            Value::Sequence(items) => {
                let found: Vec<_> = items.iter().map(|item| (item, self.add(source, item))).collect();
                for item in items {
                    self.any.extend(item_part(source, item));
                }
                alike(source, node, &found)
            }
            Value::Mapping(entries) => {
                let nodes = entries.iter().flat_map(|(key, value)| [key, value]);
                let found: Vec<_> = nodes.map(|node| (node, self.add(source, node))).collect();
                for (key, value) in entries {
                    if let Some((own, whole)) = entry_part(source, key, value) {
                        self.any.insert(own);
                        if whole {
                            self.whole.insert(own);
                        } else {
                            self.half.entry(own).or_insert(key);
                        }
                    }
                }
                alike(source, node, &found)
            }
        };
        if let Some(id) = id {
            self.same.insert(node, id);
        }
        id
    }

    /// Returns the node of the text that holds the same.
    pub(super) fn same(&self, node: &Node) -> Option<usize> {
        self.same.get(&std::ptr::from_ref(node)).copied()
    }

    /// Whether a part's key or item is in the tree.
    pub(super) fn has(&self, own: Own) -> bool {
        self.any.contains(&own)
    }

    /// Returns the entry of the text that an entry stands for.
    pub(super) fn entry(&self, source: &Source<'_>, key: &Node, value: &Node) -> Option<Own> {
        let (own, whole) = entry_part(source, key, value)?;
        let half = || !self.whole.contains(&own) && self.half.get(&own) == Some(&std::ptr::from_ref(key));
        (whole || half()).then_some(own)
    }
}

/// Returns the list or mapping of the text whose place a node has, if it has the same in it.
fn alike(source: &Source<'_>, node: &Node, found: &[(&Node, Option<usize>)]) -> Option<usize> {
    let id = source.find(node)?;
    let known = &source.nodes[id];
    let same = known.children.len() == found.len()
        && known.node.tag == node.tag
        && known.children.iter().zip(found).all(|(child, (node, found))| {
            child.alias == node.alias && *found == Some(child.id) || {
                let empty = source.nodes[child.id].node;
                node.is_null() && empty.is_null() && node.tag == empty.tag
            }
        });
    same.then_some(id)
}

/// Returns the entry of the text that an entry was made of, by its key or else by its value, and whether it has both.
fn entry_part(source: &Source<'_>, key: &Node, value: &Node) -> Option<(Own, bool)> {
    let by = |node: &Node, side: usize| {
        let id = source.find(node).filter(|_| !node.alias)?;
        let own = *source.parts.get(&id)?;
        let known = &source.nodes[own.0];
        let child = known.children.get(2 * own.1 + side).filter(|_| known.node.entries().is_some())?;
        (child.id == id).then_some(own)
    };
    let Some(own) = by(key, 0) else { return Some((by(value, 1)?, false)) };
    let old = source.nodes[own.0].children[2 * own.1 + 1];
    let whole = source.find(value) == Some(old.id) && old.alias == value.alias
        || value.is_null() && source.nodes[old.id].node.is_null();
    Some((own, whole))
}

/// Returns the item of the text that a node is.
pub(super) fn item_part(source: &Source<'_>, item: &Node) -> Option<Own> {
    if item.alias {
        return None;
    }
    let own = *source.parts.get(&source.find(item)?)?;
    source.nodes[own.0].node.items().map(|_| own)
}
