//! Edits in place: a scalar's text is replaced where it stands, and every other byte stays.

use std::path::Path;

use granit_parser::Event;
use shipway_core::{Error, Result};

use crate::{
    Rules,
    document::Document,
    node::{Node, Scalar, Style, Value},
    parse::{events, style},
    parts::parts,
    quote::in_style,
    scalar::Resolved,
};

/// Scalars of one text to be replaced by texts.
///
/// ```
/// use shipway_yaml::{Edit, parse};
///
/// let text = "images:\n- name: web # the shop\n  newTag: '1.9'\n";
/// let document = parse("kustomization.yaml", text)?.remove(0);
/// let tag = document.root.get("images").and_then(|images| images.items()?[0].get("newTag")).unwrap();
/// let edited = Edit::new("kustomization.yaml", text).replace(tag, "1.10").apply()?;
/// assert_eq!(edited, "images:\n- name: web # the shop\n  newTag: '1.10'\n");
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Edit<'a> {
    file: &'a str,
    text: &'a str,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    node: Node,
    text: String,
}

impl<'a> Edit<'a> {
    /// Returns the edit of a text that changes nothing yet.
    #[must_use]
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, changes: Vec::new() }
    }

    /// Replaces a scalar of this very text by a text. It is written in the style that the scalar has
    /// where that can hold it, and otherwise in quotes.
    #[must_use]
    pub fn replace(mut self, node: &Node, text: impl Into<String>) -> Self {
        self.changes.push(Change { node: node.clone(), text: text.into() });
        self
    }

    /// Returns the edited text, which was read again: these scalars differ and nothing else.
    ///
    /// # Errors
    /// `Config` with the place of a node that cannot be replaced: what is no scalar, what stands for an
    /// alias, a block (`|`, `>`), one that is written with nothing, or one that two changes name.
    pub fn apply(mut self) -> Result<String> {
        self.changes.sort_by_key(|change| change.node.span.start);
        let mut edited = String::with_capacity(self.text.len() + 64);
        let mut at = 0;
        for Change { node, text } in &self.changes {
            let range = node.span.range();
            let written = self.check(node, at)?;
            edited.push_str(&self.text[at..range.start]);
            edited.push_str(&in_style(text, written.style));
            at = range.end;
        }
        edited.push_str(&self.text[at..]);
        self.compare(&edited)?;
        Ok(edited)
    }

    fn check<'n>(&self, node: &'n Node, at: usize) -> Result<&'n Scalar> {
        let wrong = |why: &str| Err(self.error(node, why));
        let range = node.span.range();
        match &node.value {
            _ if node.alias => wrong("what stands for an alias cannot be edited here"),
            Value::Scalar(scalar) if matches!(scalar.style, Style::Literal | Style::Folded) => {
                wrong("a block of text cannot be edited in place")
            }
            // Several may be at one place, such as a key and its value that are both nothing.
            Value::Scalar(_) if range.is_empty() => wrong("an empty value cannot be edited in place"),
            Value::Scalar(scalar) => {
                if range.start < at || self.text.get(range).is_none() {
                    return wrong("two changes name one place, or it is of another text");
                }
                Ok(scalar)
            }
            _ => wrong("only a single value can be edited in place"),
        }
    }

    fn error(&self, node: &Node, why: &str) -> Error {
        Document::new(self.file, node.clone()).error(node.span, why)
    }

    /// Reads the documents that changed as they were and as they are, and compares what they hold; the others
    /// are the same bytes.
    fn compare(&self, edited: &str) -> Result<()> {
        let (before, after) = (parts(self.text), parts(edited));
        if before.len() != after.len() {
            return Err(self.more());
        }
        let mut changes = self.changes.as_slice();
        for (before, after) in before.into_iter().zip(after) {
            let own = changes.partition_point(|change| change.node.span.range().start < before.end);
            let (own, later) = changes.split_at(own);
            changes = later;
            let (old, new) = (&self.text[before.clone()], &edited[after]);
            if !own.is_empty() {
                self.compare_part(old, new, own, before.start)?;
            } else if old != new {
                return Err(self.more());
            }
        }
        Ok(())
    }

    /// Compares a part, which begins at an offset of the text; what an alias stands for follows its anchor.
    fn compare_part(&self, old: &str, new: &str, changes: &[Change], offset: usize) -> Result<()> {
        let mut changes = changes.iter().peekable();
        let mut after = events(new);
        for before in events(old) {
            let (before, span) = before.map_err(|problem| problem.in_file(Path::new(self.file)))?;
            let (after, _) = after.next().and_then(Result::ok).ok_or_else(|| self.more())?;
            let range = span.range();
            let range = range.start + offset..range.end + offset;
            let same = match (&before, &after, changes.peek()) {
                (
                    Event::Scalar(_, _, anchor, tag),
                    Event::Scalar(text, kind, anchor_after, tag_after),
                    Some(change),
                ) if change.node.span.range() == range => {
                    let scalar = Scalar { text: text.as_ref().into(), style: style(*kind) };
                    let meant = scalar.resolve(Rules::Config) == Resolved::Text(change.text.clone());
                    changes.next();
                    meant && anchor == anchor_after && tag == tag_after
                }
                _ => before == after,
            };
            if !same {
                return Err(self.more());
            }
        }
        if after.next().is_some() || changes.next().is_some() {
            return Err(self.more());
        }
        Ok(())
    }

    fn more(&self) -> Error {
        Error::internal(format!("an edit of `{}` would change more than it should", self.file))
    }
}
