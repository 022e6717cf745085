//! Text to trees: granit-parser's events, with aliases put in their places and limits on what comes out.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle};
use shipway_core::{Error, Result};

use crate::{
    document::{Document, Problem},
    node::{Mark, Node, Scalar, Span, Style, Value},
};

/// The most that a text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes of text; 64 MiB by default.
    pub bytes: usize,
    /// The most nodes of one text, aliases counted as often as they stand; 8 million by default.
    pub nodes: usize,
    /// The deepest that lists and mappings lie in each other; 128 by default.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, nodes: 8_000_000, depth: 128 }
    }
}

/// Returns the documents of a text, within the usual [`Limits`]. A text without any holds none.
///
/// # Errors
/// `Config` with file, line and column for what is no YAML and for what is over a limit.
pub fn parse(file: impl Into<PathBuf>, text: &str) -> Result<Vec<Document>> {
    parse_within(file, text, &Limits::default())
}

/// Returns the documents of a text.
///
/// # Errors
/// As [`parse`].
pub fn parse_within(file: impl Into<PathBuf>, text: &str, limits: &Limits) -> Result<Vec<Document>> {
    let file = file.into();
    if text.len() > limits.bytes {
        return Err(Error::config(format!("`{}` has more than {} bytes", file.display(), limits.bytes)));
    }
    let roots = Reader::new(text, limits).roots().map_err(|problem| problem.in_file(&file))?;
    Ok(roots.into_iter().map(|root| Document::new(file.as_path() as &Path, root)).collect())
}

struct Reader<'a> {
    text: &'a str,
    limits: &'a Limits,
    nodes: usize,
    /// Each with its number of nodes.
    anchors: BTreeMap<usize, (Node, usize)>,
}

/// A list or mapping that has not ended.
struct Open {
    node: Node,
    /// The key whose value comes next.
    key: Option<Node>,
    anchor: usize,
    /// How many nodes there were before it.
    before: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, limits: &'a Limits) -> Self {
        Self { text, limits, nodes: 0, anchors: BTreeMap::new() }
    }

    fn roots(mut self) -> Result<Vec<Node>, Problem> {
        let mut options = Options::default();
        options.emit_comments = false;
        let mut roots = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        // A byte order mark is no part of the text (YAML 1.1, 5.2).
        let text = self.text;
        for next in Parser::new_from_str_with_options(text, options) {
            let (event, span) = next.map_err(|error| {
                Problem::new(mark(error.marker()), format!("this is no YAML: {}", error.info()))
            })?;
            let span = Span::new(mark(&span.start), mark(&span.end));
            let done = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(span.start, 1)?;
                    let style = match style {
                        ScalarStyle::SingleQuoted => Style::SingleQuoted,
                        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                        ScalarStyle::Literal => Style::Literal,
                        ScalarStyle::Folded => Style::Folded,
                        ScalarStyle::Plain => Style::Plain,
                    };
                    let mut node = Node::of(Value::Scalar(Scalar { text: text.into_owned(), style }), span);
                    node.tag = tag.map(|tag| tag_text(&tag));
                    self.anchor(anchor, &node, 1);
                    Some(node)
                }
                Event::SequenceStart(_, anchor, tag) => {
                    let node = Node::of(Value::Sequence(Vec::new()), span);
                    self.open(&mut open, node, anchor, tag.map(|tag| tag_text(&tag)))?;
                    None
                }
                Event::MappingStart(_, anchor, tag) => {
                    let node = Node::of(Value::Mapping(Vec::new()), span);
                    self.open(&mut open, node, anchor, tag.map(|tag| tag_text(&tag)))?;
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop().map(|Open { mut node, anchor, before, .. }| {
                        node.span.end = span.end;
                        self.anchor(anchor, &node, self.nodes - before);
                        node
                    })
                }
                Event::Alias(anchor) => Some(self.alias(anchor, span)?),
                Event::DocumentStart(..) => {
                    self.anchors.clear();
                    None
                }
                _ => None,
            };
            if let Some(node) = done {
                put(&mut open, &mut roots, node);
            }
        }
        Ok(roots)
    }

    fn open(
        &mut self,
        open: &mut Vec<Open>,
        mut node: Node,
        anchor: usize,
        tag: Option<String>,
    ) -> Result<(), Problem> {
        let before = self.nodes;
        self.count(node.span.start, 1)?;
        if open.len() >= self.limits.depth {
            let most = self.limits.depth;
            return Err(Problem::new(
                node.span.start,
                format!("lists and mappings lie more than {most} deep"),
            ));
        }
        node.tag = tag;
        open.push(Open { node, key: None, anchor, before });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Problem> {
        // An alias inside of what it names is not there yet.
        let Some((node, count)) = self.anchors.get(&anchor) else {
            return Err(Problem::new(span.start, "an alias stands inside of what it names"));
        };
        let (mut node, count) = (node.clone(), *count);
        self.count(span.start, count)?;
        node.alias = true;
        Ok(node)
    }

    fn anchor(&mut self, anchor: usize, node: &Node, count: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), count));
        }
    }

    fn count(&mut self, at: Mark, nodes: usize) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes > self.limits.nodes {
            let most = self.limits.nodes;
            return Err(Problem::new(
                at,
                format!("there are more than {most} nodes, with what aliases stand for"),
            ));
        }
        Ok(())
    }
}

fn put(open: &mut [Open], roots: &mut Vec<Node>, node: Node) {
    let Some(Open { node: parent, key, .. }) = open.last_mut() else {
        roots.push(node);
        return;
    };
    match &mut parent.value {
        Value::Mapping(entries) => match key.take() {
            Some(name) => entries.push((name, node)),
            None => *key = Some(node),
        },
        Value::Sequence(items) => items.push(node),
        Value::Scalar(_) => {}
    }
}

fn tag_text(tag: &granit_parser::Tag) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
}

fn mark(marker: &Marker) -> Mark {
    Mark { line: marker.line(), column: marker.col() + 1, offset: marker.byte_offset().unwrap_or_default() }
}
