//! What a text holds besides its values: which lines are whose, where comments and anchors are.

use std::{collections::HashMap, ops::Range};

use granit_parser::{Event, Options, Parser};

use crate::node::{Node, Style, Value};

/// A text with its trees, and where each node of them is written.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    pub(super) nodes: Vec<Known<'a>>,
    /// The part that a key, an item or a value is of, by the node's number.
    pub(super) parts: HashMap<usize, (usize, usize)>,
    places: HashMap<Place, Vec<usize>>,
    comments: Vec<Range<usize>>,
    pub(super) anchors: Vec<Anchor>,
    pub(super) aliases: Vec<Alias>,
    /// Where blocks of text begin that keep the empty lines at their end.
    keeps: Vec<usize>,
}

/// A node that is written in the text; what an alias stands for is where its anchor is.
pub(super) struct Known<'a> {
    pub(super) node: &'a Node,
    /// Items, or keys and values in turn.
    pub(super) children: Vec<Child>,
    /// Whether it is written in `[…]` or `{…}`, its own or others'.
    pub(super) flow: bool,
    /// The anchor that names it.
    pub(super) anchor: Option<usize>,
    /// The end of its last line.
    pub(super) end: usize,
    /// The lines of a block list or mapping; none where it is written in a way that is not known here, such as
    /// with `?`.
    pub(super) layout: Option<Layout>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) id: usize,
    pub(super) alias: bool,
}

pub(super) struct Layout {
    pub(super) column: usize,
    pub(super) parts: Vec<Part>,
}

/// An entry or an item with its lines.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Where the comments and empty lines above it begin.
    pub(super) lead: usize,
    /// Its first character.
    pub(super) start: usize,
    /// What follows the `:` or the `-`.
    pub(super) after: usize,
    /// Where its value is written.
    pub(super) value: Range<usize>,
    /// The end of its last line.
    pub(super) end: usize,
    /// The end of the comments below it that are deeper than it.
    pub(super) full: usize,
}

pub(super) struct Anchor {
    pub(super) name: String,
    pub(super) at: usize,
    id: usize,
    node: Place,
}

pub(super) struct Alias {
    pub(super) at: Range<usize>,
    /// Which of the anchors it names.
    pub(super) anchor: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Scalar,
    Sequence,
    Mapping,
}

type Place = (usize, Kind, usize);

fn place(node: &Node) -> Option<Place> {
    let kind = match node.value {
        Value::Scalar(_) => Kind::Scalar,
        Value::Sequence(_) => Kind::Sequence,
        Value::Mapping(_) => Kind::Mapping,
    };
    let range = node.span.range();
    (node.span.start.line > 0).then_some((range.start, kind, range.end))
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut source = Self {
            text,
            nodes: Vec::new(),
            parts: HashMap::new(),
            places: HashMap::new(),
            comments: Vec::new(),
            anchors: Vec::new(),
            aliases: Vec::new(),
            keeps: Vec::new(),
        };
        source.scan();
        source
    }

    /// Finds comments, anchors and aliases.
    fn scan(&mut self) {
        let mut options = Options::default();
        options.emit_comments = true;
        options.emit_anchor_events = true;
        let mut start = (0, Kind::Scalar);
        for (event, span) in Parser::new_from_str_with_options(self.text, options).flatten() {
            let offset = |marker: &granit_parser::Marker| marker.byte_offset().unwrap_or_default();
            let at = offset(&span.start)..offset(&span.end);
            match event {
                Event::Comment(..) => self.comments.push(at),
                Event::Scalar(..) => start = (at.start, Kind::Scalar),
                Event::SequenceStart(..) => start = (at.start, Kind::Sequence),
                Event::MappingStart(..) => start = (at.start, Kind::Mapping),
                Event::Anchor(id, name) => {
                    let node = (start.0, start.1, 0);
                    self.anchors.push(Anchor { name: name.into_owned(), at: at.start, id, node });
                }
                Event::Alias(id) => {
                    let anchor = self.anchors.iter().rposition(|anchor| anchor.id == id);
                    self.aliases.extend(anchor.map(|anchor| Alias { at, anchor }));
                }
                _ => {}
            }
        }
        self.comments.sort_by_key(|comment| comment.start);
    }

    /// Adds a tree that was read from the text.
    pub(super) fn add(&mut self, root: &'a Node) -> usize {
        self.add_in(root, false)
    }

    fn add_in(&mut self, node: &'a Node, flow: bool) -> usize {
        let id = self.nodes.len();
        let flow = flow || self.is_flow(node);
        let anchor = place(node).and_then(|place| self.anchor_of(place));
        self.nodes.push(Known { node, children: Vec::new(), flow, anchor, end: 0, layout: None });
        if let Some(place) = place(node) {
            self.places.entry(place).or_default().push(id);
        }
        let mut children = Vec::new();
        let mut add = |source: &mut Self, child: &'a Node| {
            let known = if child.alias { source.find(child) } else { None };
            let id = known.unwrap_or_else(|| source.add_in(child, flow));
            children.push(Child { id, alias: child.alias });
        };
        match &node.value {
            Value::Scalar(_) => {}
            Value::Sequence(items) => items.iter().for_each(|item| add(self, item)),
            Value::Mapping(entries) => entries.iter().for_each(|(key, value)| {
                add(self, key);
                add(self, value);
            }),
        }
        self.nodes[id].children = children;
        if !flow && node.text().is_none() {
            self.nodes[id].layout = self.layout(id);
        }
        self.nodes[id].end = self.content_end(id);
        self.leads(id);
        if let Some(layout) = &self.nodes[id].layout {
            let mapping = node.entries().is_some();
            for at in 0..layout.parts.len() {
                let children = &self.nodes[id].children;
                let own = if mapping { &children[2 * at..2 * at + 2] } else { &children[at..=at] };
                for child in own.iter().filter(|child| !child.alias) {
                    self.parts.insert(child.id, (id, at));
                }
            }
        }
        id
    }

    fn anchor_of(&self, (start, kind, _): Place) -> Option<usize> {
        let after = self.anchors.partition_point(|anchor| anchor.at <= start);
        // An anchor is before what it names, and others of the same place are few.
        (0..after).rev().take(4).find(|&at| self.anchors[at].node == (start, kind, 0))
    }

    fn is_flow(&self, node: &Node) -> bool {
        let start = node.span.range().start;
        let first = match &node.value {
            Value::Scalar(_) => return false,
            Value::Sequence(items) => items.first(),
            Value::Mapping(entries) => entries.first().map(|(key, _)| key),
        };
        self.text[start..].starts_with(['[', '{'])
            && first.is_none_or(|first| first.alias || first.span.range().start != start)
    }

    /// Returns the node of the text that has a node's place and kind.
    pub(super) fn find(&self, node: &Node) -> Option<usize> {
        let known = self.places.get(&place(node)?)?;
        let first = |node: &Node| match &node.value {
            Value::Scalar(_) => None,
            Value::Sequence(items) => items.first().and_then(place),
            Value::Mapping(entries) => entries.first().and_then(|(key, _)| place(key)),
        };
        // A list in a list may have the place of the outer one.
        let same = known.iter().find(|&&id| first(self.nodes[id].node) == first(node));
        same.or(known.first()).copied()
    }

    /// Returns where a tree begins, with its anchor and its tag.
    pub(super) fn start(&self, id: usize) -> usize {
        let node = self.nodes[id].node;
        let range = node.span.range();
        let mut start = match &node.value {
            Value::Scalar(scalar) if is_block(scalar.style) => self.block_header(&range),
            _ => self.first_dash(id).unwrap_or(range.start),
        };
        if node.tag.is_some() {
            let line = self.line_start(start);
            start = self.text[line..start].find('!').map_or(start, |at| line + at);
        }
        self.nodes[id].anchor.map_or(start, |anchor| self.anchors[anchor].at.min(start))
    }

    /// Returns how lines end.
    pub(super) fn newline(&self) -> &'static str {
        let first = self.text.find('\n').unwrap_or_default();
        if self.text[..first].ends_with('\r') { "\r\n" } else { "\n" }
    }

    /// Returns how much deeper than its key the first mapping and the first list in a mapping are.
    pub(super) fn steps(&self) -> [usize; 2] {
        let mut steps = [None; 2];
        for (id, known) in self.nodes.iter().enumerate() {
            let column = |known: &Known<'_>| known.layout.as_ref().map(|layout| layout.column);
            let outer = self.parts.get(&id).map(|(outer, _)| &self.nodes[*outer]);
            let outer = outer.filter(|outer| outer.node.entries().is_some()).and_then(column);
            if let (Some(outer), Some(inner)) = (outer, column(known)) {
                let step = &mut steps[usize::from(known.node.items().is_some())];
                *step = step.or(inner.checked_sub(outer));
            }
        }
        let [mapping, list] = steps;
        let mapping = mapping.or(list).filter(|step| *step > 0).unwrap_or(2);
        [mapping, list.unwrap_or(mapping)]
    }

    pub(super) fn line_start(&self, at: usize) -> usize {
        // A byte order mark is before the first line.
        let first = || self.text.len() - self.text.trim_start_matches('\u{feff}').len();
        self.text[..at].rfind('\n').map_or_else(|| first().min(at), |newline| newline + 1)
    }

    pub(super) fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline + 1)
    }

    /// Returns the comments that begin in a range.
    pub(super) fn comments(&self, range: Range<usize>) -> &[Range<usize>] {
        let place = |at| self.comments.partition_point(|comment| comment.start < at);
        let from = place(range.start);
        &self.comments[from..place(range.end).max(from)]
    }

    pub(super) fn aliases(&self, range: Range<usize>) -> &[Alias] {
        let place = |at| self.aliases.partition_point(|alias| alias.at.start < at);
        let from = place(range.start);
        &self.aliases[from..place(range.end).max(from)]
    }

    /// Whether a block of text in a range keeps the empty lines at its end.
    pub(super) fn keeps(&self, range: Range<usize>) -> bool {
        let next = self.keeps.partition_point(|&at| at < range.start);
        self.keeps.get(next).is_some_and(|&at| at < range.end)
    }

    /// Returns a node's lines.
    pub(super) fn lines(&self, id: usize) -> Range<usize> {
        let start = self.line_start(self.start(id));
        start..self.nodes[id].end.max(start)
    }

    pub(super) fn anchors(&self, range: Range<usize>) -> Range<usize> {
        let place = |at| self.anchors.partition_point(|anchor| anchor.at < at);
        place(range.start)..place(range.end)
    }

    /// Returns the column of a line that is a comment, or none for an empty line; the error is any other line.
    pub(super) fn gap_line(&self, line: usize) -> Result<Option<usize>, ()> {
        let text = &self.text[line..self.line_end(line)];
        let blank = text.len() - text.trim_start().len();
        match text.trim_start() {
            "" => Ok(None),
            _ if self.comments.binary_search_by_key(&(line + blank), |comment| comment.start).is_ok() => {
                Ok(Some(blank))
            }
            _ => Err(()),
        }
    }

    /// Returns the end of the comments and empty lines that begin at a line, and of those of them that are deeper
    /// than a column.
    pub(super) fn gap(&self, from: usize, column: usize) -> (usize, usize) {
        let (mut at, mut deep, mut own) = (from, from, true);
        while at < self.text.len() {
            let Ok(comment) = self.gap_line(at) else { break };
            at = self.line_end(at);
            match comment {
                Some(found) if found <= column => own = false,
                Some(_) if own => deep = at,
                _ => {}
            }
        }
        (at, deep)
    }

    fn layout(&self, id: usize) -> Option<Layout> {
        let known = &self.nodes[id];
        let mapping = known.node.entries().is_some();
        let start = if mapping { known.node.span.range().start } else { self.first_dash(id)? };
        let column = start - self.line_start(start);
        let mut parts: Vec<Part> = Vec::new();
        let mut next = (start, start);
        for at in 0..if mapping { known.children.len() / 2 } else { known.children.len() } {
            let (lead, start) = next;
            let after = if mapping { self.after_key(start, known.children[2 * at])? } else { start + 1 };
            if !mapping && !self.text[start..].starts_with('-') {
                return None;
            }
            let child = known.children[if mapping { 2 * at + 1 } else { at }];
            let (value, end) = self.value(after, child)?;
            let (stop, full) = self.gap(end, column);
            parts.push(Part { lead, start, after, value, end, full });
            next = (full, stop + column);
            let last = at + 1 == if mapping { known.children.len() / 2 } else { known.children.len() };
            let indented =
                || self.text.get(stop..stop + column)?.bytes().all(|byte| byte == b' ').then_some(());
            if !last {
                indented()?;
            }
        }
        Some(Layout { column, parts })
    }

    /// Finds what is above the first parts of the lists and mappings in a list or mapping.
    fn leads(&mut self, id: usize) {
        let Some(layout) = &self.nodes[id].layout else { return };
        let step = if self.nodes[id].node.entries().is_some() { 2 } else { 1 };
        let values = self.nodes[id].children.iter().skip(step - 1).step_by(step);
        let values: Vec<(Child, usize)> =
            values.copied().zip(layout.parts.iter().map(|part| part.after)).collect();
        for (child, after) in values {
            let Some(first) = self.nodes[child.id].layout.as_ref().and_then(|layout| layout.parts.first())
            else {
                continue;
            };
            let (lead, line) = (self.line_end(after), self.line_start(first.start));
            // With its anchor in a line of its own, what is above it is not comments alone.
            if child.alias || lead >= line || self.gap(lead, 0).0 != line {
                continue;
            }
            if let Some(layout) = &mut self.nodes[child.id].layout {
                layout.parts[0].lead = lead;
            }
        }
    }

    /// Returns what follows a key's `:`, if it is a plain or quoted scalar in one line.
    fn after_key(&self, start: usize, key: Child) -> Option<usize> {
        let node = self.nodes[key.id].node;
        let text = node.text().filter(|_| !key.alias);
        let range = node.span.range();
        let written = self.text.get(start..range.end)?;
        let properties = self.text.get(start..range.start)?;
        let fine = properties.is_empty() || properties.starts_with(['&', '!']);
        text.filter(|_| fine && !written.contains('\n'))?;
        let rest = &self.text[range.end..];
        let colon = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        rest[colon..].starts_with(':').then_some(range.end + colon + 1)
    }

    /// Returns where a value is written, and the end of its last line.
    fn value(&self, after: usize, child: Child) -> Option<(Range<usize>, usize)> {
        if child.alias {
            let alias = self.aliases.get(self.aliases.partition_point(|alias| alias.at.start < after))?;
            return Some((alias.at.clone(), self.line_end(alias.at.end)));
        }
        let known = &self.nodes[child.id];
        let range = known.node.span.range();
        if range.is_empty() && known.node.is_null() {
            // For the parser it may be before the `:`, or where what follows begins.
            let end = self.line_end(after);
            let at = if (after..end).contains(&range.start) { range.start } else { after };
            return Some((at..at, end));
        }
        (range.start >= after).then(|| (range.clone(), known.end.max(self.line_end(after))))
    }

    fn first_dash(&self, id: usize) -> Option<usize> {
        let known = &self.nodes[id];
        let start = known.node.span.range().start;
        let inner = known.node.items()?.first()?;
        let inner_dash = !inner.alias && inner.items().is_some() && inner.span.range().start == start;
        let dash = |at: usize| {
            self.text[at..].strip_prefix('-').is_some_and(|rest| rest.starts_with(char::is_whitespace))
        };
        if !inner_dash && dash(start) {
            return Some(start);
        }
        // A list that is no deeper than its key begins, for the parser, with its first item.
        let line = self.line_start(start);
        let indent = self.text[line..].len() - self.text[line..].trim_start_matches(' ').len();
        (line + indent < start && dash(line + indent)).then_some(line + indent)
    }

    fn content_end(&mut self, id: usize) -> usize {
        let known = &self.nodes[id];
        let range = known.node.span.range();
        match &known.node.value {
            Value::Scalar(scalar) if is_block(scalar.style) => self.block_end(range),
            Value::Scalar(_) => self.line_end(range.end),
            _ if known.flow => self.line_end(range.end),
            _ => match &known.layout {
                Some(layout) => layout.parts.last().map_or(range.end, |part| part.end),
                None => {
                    let ends = known.children.iter().filter(|child| !child.alias);
                    ends.map(|child| self.nodes[child.id].end).max().unwrap_or(range.end)
                }
            },
        }
    }

    /// Returns the end of a block's last line that counts.
    fn block_end(&mut self, range: Range<usize>) -> usize {
        let mut end = self.line_start(range.end);
        if range.end == self.text.len() {
            end = range.end;
        }
        let start = self.block_header(&range);
        let header_end = self.line_end(start);
        let keeps = self.text[start..header_end].split('#').next().is_some_and(|header| header.contains('+'));
        if keeps {
            self.keeps.push(start);
        }
        while !keeps && end > header_end {
            let last = self.line_start(end - 1);
            if !self.text[last..end].trim().is_empty() {
                break;
            }
            end = last;
        }
        end.max(header_end)
    }

    /// Returns where a block's `|` or `>` is, which is before its place.
    pub(super) fn block_header(&self, range: &Range<usize>) -> usize {
        let mut line = self.line_start(range.start);
        // One without any line has, at the end of a text, the place of its header.
        let before = self.text[line..range.start].trim();
        if self.text[range.start..].starts_with(['|', '>']) && !before.is_empty() {
            return range.start;
        }
        while line > 0 {
            line = self.line_start(line - 1);
            let text = &self.text[line..self.line_end(line)];
            if !text.trim().is_empty() {
                let comment = self.comments(line..line + text.len()).first();
                let end = comment.map_or(text.len(), |comment| comment.start - line);
                return line + text[..end].rfind(['|', '>']).unwrap_or(0);
            }
        }
        range.start
    }

    /// Returns the comment that stands in a line after a place, with the blanks before it.
    pub(super) fn beside(&self, after: usize) -> Option<&'a str> {
        let comment = self.comments(after..self.line_end(after)).first()?;
        let blank = self.text[..comment.start].trim_end_matches([' ', '\t']).len();
        Some(&self.text[blank.max(after)..comment.end])
    }
}

pub(super) fn is_block(style: Style) -> bool {
    matches!(style, Style::Literal | Style::Folded)
}
