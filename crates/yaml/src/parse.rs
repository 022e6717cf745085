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
    /// The most bytes of text; 64 MiB by default, and never more than 4 GiB.
    pub bytes: usize,
    /// The most nodes that are written in one text; 8 million by default.
    pub nodes: usize,
    /// The most that anchors (`&name`) and aliases (`*name`) may add, in nodes, a long scalar counting
    /// once more for every 32 bytes; 250,000 by default. yaml.v3 stops at about 400,000.
    pub aliased: usize,
    /// The deepest that lists and mappings lie in each other, what aliases stand for included; 128 by
    /// default.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, nodes: 8_000_000, aliased: 250_000, depth: 128 }
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
    let most = limits.bytes.min(u32::MAX as usize);
    if text.len() > most {
        return Err(Error::config(format!("`{}` has more than {most} bytes", file.display())));
    }
    let roots = Reader::new(text, limits).roots().map_err(|problem| problem.in_file(&file))?;
    Ok(roots.into_iter().map(|root| Document::new(file.as_path() as &Path, root)).collect())
}

/// Returns what a text holds, one after the other, without a tree.
pub(crate) fn events(text: &str) -> impl Iterator<Item = Result<(Event<'_>, Span), Problem>> {
    let mut options = Options::default();
    options.emit_comments = false;
    Parser::new_from_str_with_options(text, options).map(|next| match next {
        Ok((event, span)) => Ok((event, Span::new(mark(&span.start), mark(&span.end)))),
        Err(error) => {
            let problem = Problem::new(mark(error.marker()), format!("this is no YAML: {}", error.info()));
            // YAML 1.2.2, 6.1: what it is indented by are blanks.
            let by_tab = error.info().starts_with("tabs disallowed");
            Err(if by_tab { problem.hint("indent with blanks, not with tabs") } else { problem })
        }
    })
}

struct Reader<'a> {
    text: &'a str,
    limits: &'a Limits,
    nodes: usize,
    aliased: usize,
    anchors: BTreeMap<usize, Anchored>,
}

/// What an anchor names.
struct Anchored {
    node: Node,
    size: Size,
}

/// How large a node is with all that is in it.
#[derive(Clone, Copy, Default)]
struct Size {
    /// In nodes, long scalars counting more than once.
    nodes: usize,
    depth: usize,
}

/// A list or mapping that has not ended.
struct Open {
    node: Node,
    /// The key whose value comes next.
    key: Option<Node>,
    anchor: usize,
    size: Size,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, limits: &'a Limits) -> Self {
        Self { text, limits, nodes: 0, aliased: 0, anchors: BTreeMap::new() }
    }

    fn roots(mut self) -> Result<Vec<Node>, Problem> {
        let mut roots = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        for next in events(self.text) {
            let (event, span) = next?;
            let (node, anchor, size) = match event {
                Event::Scalar(text, kind, anchor, tag) => {
                    let node =
                        Node::of(Value::Scalar(Scalar { text: text.into(), style: style(kind) }), span);
                    let node = self.written(node, tag.as_deref())?;
                    let size = Size { nodes: weight(&node), depth: 0 };
                    (node, anchor, size)
                }
                Event::SequenceStart(_, anchor, tag) => {
                    let node = self.written(Node::of(Value::Sequence(Vec::new()), span), tag.as_deref())?;
                    self.open(&mut open, node, anchor)?;
                    continue;
                }
                Event::MappingStart(_, anchor, tag) => {
                    let node = self.written(Node::of(Value::Mapping(Vec::new()), span), tag.as_deref())?;
                    self.open(&mut open, node, anchor)?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(Open { mut node, anchor, mut size, .. }) = open.pop() else { continue };
                    node.span.end = span.end;
                    // A text of a megabyte may have a hundred thousand of one item each.
                    match &mut node.value {
                        Value::Sequence(items) => items.shrink_to_fit(),
                        Value::Mapping(entries) => entries.shrink_to_fit(),
                        Value::Scalar(_) => {}
                    }
                    size.nodes += weight(&node);
                    size.depth += 1;
                    (node, anchor, size)
                }
                Event::Alias(anchor) => {
                    let (node, size) = self.alias(anchor, span, open.len())?;
                    (node, 0, size)
                }
                Event::DocumentStart(..) => {
                    self.anchors.clear();
                    continue;
                }
                _ => continue,
            };
            if anchor > 0 {
                self.add(node.span.start, size.nodes)?;
                self.anchors.insert(anchor, Anchored { node: node.clone(), size });
            }
            put(&mut open, &mut roots, node, size);
        }
        Ok(roots)
    }

    /// Counts a node of the text itself.
    fn written(&mut self, mut node: Node, tag: Option<&granit_parser::Tag>) -> Result<Node, Problem> {
        node.tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()).into());
        self.nodes += 1;
        let most = self.limits.nodes;
        if self.nodes > most {
            return Err(Problem::new(node.span.start, format!("there are more than {most} nodes")));
        }
        Ok(node)
    }

    fn open(&self, open: &mut Vec<Open>, node: Node, anchor: usize) -> Result<(), Problem> {
        self.deep(node.span.start, open.len() + 1)?;
        open.push(Open { node, key: None, anchor, size: Size::default() });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<(Node, Size), Problem> {
        // An alias inside of what it names is not there yet.
        let Some(&Anchored { size, .. }) = self.anchors.get(&anchor) else {
            return Err(Problem::new(span.start, "an alias stands inside of what it names"));
        };
        // Before it is made: a few aliases can be larger than all else.
        self.deep(span.start, depth + size.depth)?;
        self.add(span.start, size.nodes)?;
        let mut node = self.anchors[&anchor].node.clone();
        node.alias = true;
        Ok((node, size))
    }

    /// Counts what an anchor or alias copies.
    fn add(&mut self, at: Mark, nodes: usize) -> Result<(), Problem> {
        self.aliased = self.aliased.saturating_add(nodes);
        let most = self.limits.aliased;
        if self.aliased > most {
            return Err(Problem::new(at, format!("anchors and aliases stand for more than {most} nodes")));
        }
        Ok(())
    }

    fn deep(&self, at: Mark, depth: usize) -> Result<(), Problem> {
        let most = self.limits.depth;
        if depth > most {
            return Err(Problem::new(at, format!("lists and mappings lie more than {most} deep")));
        }
        Ok(())
    }
}

/// What a copy of the node alone costs, in nodes.
fn weight(node: &Node) -> usize {
    let texts = node.text().map_or(0, str::len) + node.tag.as_deref().map_or(0, str::len);
    1 + texts / 32
}

pub(crate) fn style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
        ScalarStyle::Plain => Style::Plain,
    }
}

/// Puts a node that has ended where it belongs.
fn put(open: &mut [Open], roots: &mut Vec<Node>, node: Node, size: Size) {
    let Some(Open { node: parent, key, size: around, .. }) = open.last_mut() else {
        roots.push(node);
        return;
    };
    around.nodes = around.nodes.saturating_add(size.nodes);
    around.depth = around.depth.max(size.depth);
    match &mut parent.value {
        Value::Mapping(entries) => match key.take() {
            Some(name) => entries.push((name, node)),
            None => *key = Some(node),
        },
        Value::Sequence(items) => items.push(node),
        Value::Scalar(_) => {}
    }
}

/// Returns the place; every text is shorter than 4 GiB.
fn mark(marker: &Marker) -> Mark {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Mark {
        line: number(marker.line()),
        column: number(marker.col() + 1),
        offset: number(marker.byte_offset().unwrap_or_default()),
    }
}
