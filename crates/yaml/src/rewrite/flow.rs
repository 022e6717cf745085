//! Lists and mappings in brackets, in one line.

use super::{claim::Own, emit::Emitter};
use crate::{
    node::{Node, Value},
    quote,
};

impl<'a> Emitter<'a, '_> {
    /// Whether a node can be written in one line in brackets, with nothing lost.
    pub(super) fn is_flow(&self, node: &Node) -> bool {
        let simple = self.source.find(node).is_none_or(|id| {
            let known = &self.source.nodes[id];
            let text = self.source.text.get(node.span.range()).unwrap_or_default();
            known.node.text().is_some() || known.flow && !text.contains('\n')
        });
        simple
            && match &node.value {
                Value::Scalar(_) => true,
                Value::Sequence(items) => items.iter().all(|item| self.is_flow(item)),
                Value::Mapping(entries) => {
                    entries.iter().all(|(key, value)| key.text().is_some() && self.is_flow(value))
                }
            }
    }

    pub(super) fn flow_with(&mut self, node: &'a Node, own: Option<Own>) -> String {
        let before = self.writer.out.len();
        self.properties(node, self.source.find(node), own, self.claims.same(node).is_some());
        let properties = self.writer.out.split_off(before);
        let text = self.brackets(node);
        format!("{properties} {text}").trim_start().to_owned()
    }

    /// Writes a node in one line in brackets.
    pub(super) fn flow(&mut self, node: &'a Node) -> String {
        match self.alias(node) {
            Some(name) => format!("*{name}"),
            None => self.flow_with(node, None),
        }
    }

    fn brackets(&mut self, node: &'a Node) -> String {
        let source = self.source;
        let same = self.claims.same(node);
        let text = source.text.get(node.span.range()).unwrap_or_default();
        if let Some(id) = same
            && source.nodes[id].flow
            && !text.is_empty()
            && !text.contains('\n')
            && (node.text().is_some() || text.starts_with(['[', '{']))
            && self.can_copy(node.span.range())
        {
            self.bind(node.span.range());
            return text.to_owned();
        }
        let (open, close, parts): (_, _, Vec<String>) = match &node.value {
            Value::Scalar(scalar) => return quote::inline(scalar, node.tag.is_some(), true),
            Value::Sequence(items) => ('[', ']', items.iter().map(|item| self.flow(item)).collect()),
            Value::Mapping(entries) => {
                let entry = |(key, value): &'a (Node, Node)| {
                    let mut key_text = self.flow(key);
                    if key_text.starts_with('*') {
                        // A colon can be a part of a name.
                        key_text.push(' ');
                    }
                    format!("{key_text}: {}", self.flow(value))
                };
                ('{', '}', entries.iter().map(entry).collect())
            }
        };
        let known = source.find(node).is_some_and(|id| source.nodes[id].flow);
        let padded = known && text.get(1..).is_some_and(|text| text.starts_with(' ')) && !parts.is_empty();
        let pad = if padded { " " } else { "" };
        format!("{open}{pad}{}{pad}{close}", parts.join(", "))
    }
}
