//! Comments at the end of lines, by which kpt's setters know their fields.

use std::ops::Range;

use shipway_core::{Error, Result};
use shipway_yaml::{Node, Value};

use super::super::piece::Piece;

/// Where the comment of a scalar, or of a list between brackets, may stand: behind it, if nothing else is there.
pub(super) fn behind(text: &str, node: &Node) -> Option<Range<usize>> {
    let end = node.span.range().end;
    if node.span.range().is_empty() || node.alias {
        return None;
    }
    rest(text, end)
}

/// Where the comment of a list in lines of its own may stand: behind its key.
pub(super) fn behind_key(text: &str, key: &Node) -> Option<Range<usize>> {
    let end = key.span.range().end;
    let colon = text.get(end..)?.find(':')?;
    let between = &text[end..end + colon];
    rest(text, end + colon + 1).filter(|_| between.chars().all(|c| c == ' '))
}

/// Returns the rest of a line if it is a comment or nothing.
fn rest(text: &str, at: usize) -> Option<Range<usize>> {
    let line = text.get(at..)?.split('\n').next()?.trim_end_matches('\r');
    let content = line.trim_start();
    let is_comment = content.starts_with('#') && content.len() < line.len();
    (content.is_empty() || is_comment).then_some(at..at + line.len())
}

/// Returns the comment that stands at a place, without its `#`.
pub(super) fn comment<'a>(text: &'a str, place: &Range<usize>) -> Option<&'a str> {
    Some(text.get(place.clone())?.trim().strip_prefix('#')?.trim())
}

/// Whether a list is written between brackets.
pub(super) fn is_flow(text: &str, list: &Node) -> bool {
    text.get(list.span.range().start..).is_some_and(|rest| rest.starts_with('['))
}

/// Writes comments at places of a piece's text, which must say the same after that.
pub(super) fn write(piece: &mut Piece, mut comments: Vec<(Range<usize>, String)>) -> Result<()> {
    if comments.is_empty() {
        return Ok(());
    }
    let before = piece.object()?;
    let mut text = piece.manifest.text.to_string();
    comments.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    for (place, comment) in comments {
        text.replace_range(place, &format!(" # {comment}"));
    }
    piece.manifest.text = text.into();
    if piece.object()? != before {
        return Err(Error::internal(format!("a comment changed what {} is", piece.id())));
    }
    Ok(())
}

/// What is done at a node: its key, where it has one, the node, and its path as kpt writes it.
type Visit<'v> = dyn FnMut(Option<&Node>, &mut Node, &str) -> Result<()> + 'v;

/// Visits each scalar, and each list that has a key before what is in it.
pub(super) fn visit(node: &mut Node, visitor: &mut Visit<'_>) -> Result<()> {
    visit_below(None, node, "", visitor)
}

fn visit_below(key: Option<&Node>, node: &mut Node, path: &str, visitor: &mut Visit<'_>) -> Result<()> {
    // What an alias stands for is visited at its anchor.
    if node.alias {
        return Ok(());
    }
    if matches!(node.value, Value::Scalar(_)) || node.items().is_some() && key.is_some() {
        visitor(key, node, path)?;
    }
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                visit_below(None, item, &format!("{path}[{index}]"), visitor)?;
            }
        }
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let Some(name) = key.text() else { continue };
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                visit_below(Some(key), value, &path, visitor)?;
            }
        }
    }
    Ok(())
}
