//! Texts rewritten: a text that holds other trees, with all that a person wrote around what is the same.

mod claim;
mod comments;
mod emit;
mod flow;
mod source;
mod value;

use std::{ops::Range, path::Path};

use shipway_core::{Error, Result};

use self::{claim::Claims, emit::Emitter, source::Source};
use crate::{
    Limits, Rules,
    document::Document,
    node::{Node, Value},
    parse::parse,
    write::Writer,
};

/// Returns a text with its trees replaced by others, which were made from them: one for each document.
///
/// A node that still has its place in the text ([`Node::span`]) and still holds the same is copied as it is
/// written, only moved to its column. An entry or item that changed is written anew with the comments above and
/// beside it; what is new has the style that [`Node::to_yaml`] writes. The comments directly above a key that is
/// gone, beside it and in it go with it, unless something that was in it stays. Aliases stay where what they stand
/// for is the same as what their anchor names, and are written out elsewhere. Lists and mappings that are written with
/// `?` are written anew when they change, without the comments in them.
///
/// ```
/// use shipway_yaml::{Node, Style, parse, rewrite};
///
/// let text = "# the shop\nname: 'web' # short\nport: 80\n";
/// let mut documents = parse("shop.yaml", text)?;
/// if let Some(port) = documents[0].root.get_mut("port") {
///     *port = Node::sequence(vec![port.clone(), Node::scalar("443", Style::Plain)]);
/// }
/// let text = rewrite("shop.yaml", text, &documents)?;
/// assert_eq!(text, "# the shop\nname: 'web' # short\nport:\n  - 80\n  - 443\n");
/// # Ok::<(), shipway_core::Error>(())
/// ```
///
/// # Errors
/// `Config` for a text that is no YAML, a tree that is too large to be read again, and where there is not one tree
/// for each document. What is returned was read again and holds these trees.
pub fn rewrite(file: impl AsRef<Path>, text: &str, documents: &[Document]) -> Result<String> {
    let file = file.as_ref();
    let old = parse(file, text)?;
    if old.len() != documents.len() {
        let message = format!("`{}` has {} documents, not {}", file.display(), old.len(), documents.len());
        return Err(Error::config(message));
    }
    for document in documents {
        depth(&document.root, Limits::default().depth)?;
    }
    let mut source = Source::new(text);
    let roots: Vec<usize> = old.iter().map(|document| source.add(&document.root)).collect();
    let mut forms = vec![Form::Kept; documents.len()];
    for worse in [Form::Expanded, Form::Plain, Form::Plain] {
        let written = write(&source, &roots, documents, &forms)?;
        let read = if written == text { old.clone() } else { parse(file, &written).unwrap_or_default() };
        let known = read.len() == documents.len();
        let mut wrong = false;
        for (at, document) in documents.iter().enumerate() {
            if !known || !means_the_same(&read[at].root, &document.root) {
                forms[at] = worse;
                wrong = true;
            }
        }
        if !wrong {
            return Ok(written);
        }
    }
    Err(Error::internal(format!("`{}` cannot be written so that it holds what it should", file.display())))
}

/// How what changed is written, from the best to the surest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// With anchors, aliases and texts in blocks.
    Kept,
    /// With all that aliases stand for, and what is new in quotes.
    Expanded,
    /// Without regard to the text.
    Plain,
}

fn write(source: &Source<'_>, roots: &[usize], documents: &[Document], forms: &[Form]) -> Result<String> {
    let mut written = String::new();
    let mut at = 0;
    for ((&id, document), &form) in roots.iter().zip(documents).zip(forms) {
        let claims = Claims::new(source, &document.root);
        if claims.same(&document.root) == Some(id) && !document.root.alias {
            continue;
        }
        let (range, text) = match form {
            Form::Plain => plain(source, id, &document.root)?,
            _ => Emitter::new(source, &claims, form == Form::Kept).document(id, &document.root)?,
        };
        written.push_str(source.text.get(at..range.start).unwrap_or_default());
        written.push_str(&text);
        at = range.end;
    }
    written.push_str(source.text.get(at..).unwrap_or_default());
    Ok(written)
}

/// Writes a document anew: what is above its first line and below its last one stays.
fn plain(source: &Source<'_>, id: usize, root: &Node) -> Result<(Range<usize>, String)> {
    let (mut start, end) = (source.start(id), source.nodes[id].end);
    let mut writer = Writer::inside(source.newline());
    let mark = source.text[source.line_start(start)..start].trim_end();
    if !mark.is_empty() {
        start = source.line_start(start) + mark.len();
        writer.end_line()?;
    }
    writer.root(root)?;
    // Comments that are deeper would be a part of a block of text.
    let (_, deep) = source.gap(end, 0);
    for comment in source.comments(end..deep) {
        writer.out.push_str(&source.text[comment.clone()]);
        writer.end_line()?;
    }
    Ok((start..deep.max(start), writer.out))
}

fn depth(node: &Node, left: usize) -> Result<()> {
    let inner = || left.checked_sub(1).ok_or_else(|| Error::config("the tree is too deep to be written"));
    match &node.value {
        Value::Scalar(_) => Ok(()),
        Value::Sequence(items) => items.iter().try_for_each(|item| depth(item, inner()?)),
        Value::Mapping(entries) => entries.iter().try_for_each(|(key, value)| {
            depth(key, inner()?)?;
            depth(value, inner()?)
        }),
    }
}

/// Whether two trees are the same for every reader: wherever they are written, and however.
pub(crate) fn means_the_same(one: &Node, other: &Node) -> bool {
    let tags = one.tag == other.tag;
    tags && match (&one.value, &other.value) {
        (Value::Scalar(a), Value::Scalar(b)) => {
            let null = one.is_null();
            let same = |rules| match (one.resolved(rules), other.resolved(rules)) {
                (Some(a), Some(b)) => format!("{a:?}") == format!("{b:?}"),
                (a, b) => a.is_none() && b.is_none(),
            };
            (null || a.text == b.text) && same(Rules::Config) && same(Rules::Manifest)
        }
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| means_the_same(a, b))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| means_the_same(&a.0, &b.0) && means_the_same(&a.1, &b.1))
        }
        _ => false,
    }
}
