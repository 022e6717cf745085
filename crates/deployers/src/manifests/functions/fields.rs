//! Fields of objects by kustomize's specifications of fields (`types.FieldSpec`): steps that go through lists by themselves.

use shipway_core::ObjectId;
use shipway_yaml::{Node, Style};

/// Kubernetes' first group, which has no name: a `Service` of Knative has no selector.
pub(super) const CORE: &str = "core";

/// A field of some kinds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// The group, or [`CORE`]; any where it is empty.
    pub(super) group: &'static str,
    /// The kind; any where it is empty.
    pub(super) kind: &'static str,
    /// The steps to it, with `/` between them.
    pub(super) path: &'static str,
    /// Whether it is made where it is missing.
    pub(super) make: bool,
}

impl Field {
    pub(super) const fn new(group: &'static str, kind: &'static str, path: &'static str, make: bool) -> Self {
        Self { group, kind, path, make }
    }

    /// Whether objects of this kind have it.
    pub(super) fn is_of(&self, id: &ObjectId) -> bool {
        let group = group(id);
        let group = if group.is_empty() { CORE } else { group };
        (self.group.is_empty() || self.group == group) && (self.kind.is_empty() || self.kind == id.kind)
    }

    /// Calls `change` with each node at the path, and each item of a list there, and returns whether any of them changed.
    pub(super) fn each(&self, root: &mut Node, change: &mut dyn FnMut(&mut Node) -> bool) -> bool {
        let steps: Vec<&str> = self.path.split('/').collect();
        each(root, &steps, self.make, change)
    }
}

/// Returns the group of an object; that of Kubernetes' first kinds is empty.
pub(super) fn group(id: &ObjectId) -> &str {
    id.api_version.split_once('/').map_or("", |(group, _)| group)
}

fn each(node: &mut Node, steps: &[&str], make: bool, change: &mut dyn FnMut(&mut Node) -> bool) -> bool {
    if let Some(items) = node.items_mut() {
        return items.iter_mut().fold(false, |changed, item| each(item, steps, make, change) | changed);
    }
    let [step, rest @ ..] = steps else { return change(node) };
    if make && node.entries().is_some() {
        match node.get_mut(step) {
            Some(value) if value.is_null() => *value = Node::mapping(Vec::new()),
            Some(_) => {}
            None => {
                let entry = (Node::scalar(*step, Style::Plain), Node::mapping(Vec::new()));
                node.entries_mut().into_iter().for_each(|entries| entries.push(entry.clone()));
            }
        }
    }
    node.get_mut(step).is_some_and(|value| each(value, rest, make, change))
}
