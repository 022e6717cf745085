//! Edits of an object where they stand in its text.

use serde_json::Value;
use shipway_yaml::{Node, Resolved, Rules, Style};

use super::change::Edit;

/// The way to a value.
pub(super) type Path = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

/// Returns the value at a path.
pub(super) fn at<'a>(object: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(object, |value, step| match step {
        Step::Key(name) => value.get_mut(name),
        Step::Item(index) => value.get_mut(index),
    })
}

/// Whether a text is this object and nothing else.
pub(super) fn reads_as(text: &str, object: &Value) -> bool {
    let read = shipway_yaml::parse("", text).ok();
    let json = read.as_deref().and_then(|documents| match documents {
        [document] => document.to_json(Rules::Manifest).ok(),
        _ => None,
    });
    json.as_ref() == Some(object)
}

/// Returns the text with the edits made where they stand; `None` where one of them cannot be.
pub(super) fn in_place(text: &str, root: &Node, edits: &[Edit]) -> Option<String> {
    let mut changes: Vec<Patch> = Vec::new();
    for edit in edits {
        let change = match edit {
            Edit::Replace(path, new) => replaced(text, node(root, path)?, new)?,
            Edit::Add(path, name, value) => added(text, node(root, path)?, name, value)?,
        };
        // What an alias stands for is edited at its anchor, once. Whether that is right everywhere is seen when the
        // text is read again.
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    // Several entries may go to one place; they stay in order.
    changes.sort_by_key(|(range, _)| range.start);
    let (mut edited, mut at) = (String::with_capacity(text.len() + 256), 0);
    for (range, new) in changes {
        edited.push_str(text.get(at..range.start)?);
        edited.push_str(&new);
        at = range.end;
    }
    edited.push_str(text.get(at..)?);
    Some(edited)
}

/// A range of bytes of a text, and what is written there.
type Patch = (std::ops::Range<usize>, String);

/// Returns the node at a path.
fn node<'a>(root: &'a Node, path: &[Step]) -> Option<&'a Node> {
    path.iter().try_fold(root, |node, step| match step {
        Step::Key(name) => node.get(name),
        Step::Item(index) => node.items()?.get(*index),
    })
}

fn replaced(text: &str, node: &Node, new: &str) -> Option<Patch> {
    let range = node.span.range();
    let style = match text.get(range.clone())?.chars().next()? {
        '"' => Style::DoubleQuoted,
        '\'' => Style::SingleQuoted,
        '|' | '>' => return None,
        _ => Style::Plain,
    };
    Some((range, written(new, style)))
}

/// Returns the patch that adds an entry before the others of a mapping.
fn added(text: &str, node: &Node, name: &str, value: &Value) -> Option<Patch> {
    let entries = node.entries()?;
    let start = node.span.range().start;
    if text[start..].starts_with('{') {
        // JSON is a form of YAML, and may be what the whole text is.
        let mut entry = format!("{}: {value}", Value::from(name));
        entry.push_str(if entries.is_empty() { "" } else { ", " });
        return Some((start + 1..start + 1, entry));
    }
    let first = entries.first()?.0.span;
    let column = first.start.column as usize;
    let at = first.range().start;
    // The new lines begin where the first key does, which may stand after the `-` of an item.
    let mut line = text[..at].rsplit('\n').next()?.chars();
    let indent = " ".repeat(column - 1);
    if !line.all(|c| c == ' ' || c == '-') {
        return None;
    }
    let mut entry = format!("{}:", written(name, Style::Plain));
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let (name, value) = (written(name, Style::Plain), written(value.as_str()?, Style::Plain));
                entry.extend(["\n", &indent, "  ", &name, ": ", &value]);
            }
        }
        value => entry.extend([" ", &written(value.as_str()?, Style::Plain)]),
    }
    entry.extend(["\n", &indent]);
    Some((at..at, entry))
}

/// Writes a text in a style, if that can hold it.
fn written(text: &str, style: Style) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@".contains(c);
    let is_text = |rules| matches!(Node::scalar(text, Style::Plain).resolved(rules), Some(Resolved::Text(_)));
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(plain)
        && !text.ends_with(':')
        && is_text(Rules::Config)
        && is_text(Rules::Manifest);
    match style {
        Style::Plain if fits => text.to_owned(),
        Style::SingleQuoted if text.chars().all(plain) => format!("'{text}'"),
        _ => Value::from(text).to_string(),
    }
}
