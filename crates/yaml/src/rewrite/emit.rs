//! A new tree, written with what the text has of it.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use shipway_core::Result;

use super::{
    claim::{Claims, Own, item_part},
    source::{Child, Layout, Part, Source},
};
use crate::{
    node::{Node, Value},
    write::{After, Writer},
};

/// Writes one document.
pub(super) struct Emitter<'a, 's> {
    pub(super) source: &'a Source<'s>,
    pub(super) claims: &'a Claims,
    /// Whether aliases and texts in blocks may stay, which depend on what is around them.
    pub(super) kept: bool,
    pub(super) writer: Writer,
    /// Whether nothing is written yet of a list or mapping.
    pub(super) fresh: bool,
    /// Parts whose comments were written.
    pub(super) taken: HashSet<Own>,
    /// Comments of parts that are gone, by the first part in them that is not.
    pub(super) inherited: HashMap<Own, Vec<Range<usize>>>,
    /// What the names of anchors stand for where the writer is: the anchor, and what it names if that changed.
    pub(super) bound: HashMap<&'a str, (usize, Option<&'a Node>)>,
    /// How much deeper than its key a mapping and a list are.
    pub(super) steps: [usize; 2],
}

impl<'a, 's> Emitter<'a, 's> {
    pub(super) fn new(source: &'a Source<'s>, claims: &'a Claims, kept: bool) -> Self {
        Self {
            source,
            claims,
            kept,
            writer: Writer::inside(source.newline()),
            fresh: false,
            taken: HashSet::new(),
            inherited: HashMap::new(),
            bound: HashMap::new(),
            steps: source.steps(),
        }
    }

    /// Writes a document; returns which part of the text it stands for.
    pub(super) fn document(mut self, id: usize, root: &'a Node) -> Result<(Range<usize>, String)> {
        self.inherit(id);
        let source = self.source;
        let known = &source.nodes[id];
        let kind = std::mem::discriminant(&known.node.value) == std::mem::discriminant(&root.value);
        let Some(layout) = known.layout.as_ref().filter(|_| kind && !holds_nothing(root)) else {
            if known.flow && self.is_flow(root) {
                let text = self.flow(root);
                return Ok((known.node.span.range(), text));
            }
            return super::plain(source, id, root);
        };
        let (Some(first), Some(last)) = (layout.parts.first(), layout.parts.last()) else {
            return super::plain(source, id, root);
        };
        self.taken.insert((id, 0));
        let line = source.line_start(first.start);
        let compact = !source.text[line..first.start].trim().is_empty();
        self.children(root, Some(id), layout.column, compact, last.full)?;
        let start = if compact { first.start } else { line };
        Ok((start..last.full, self.writer.out))
    }

    /// Returns the value of a part.
    pub(super) fn inner(&self, id: usize, at: usize) -> Option<usize> {
        let known = &self.source.nodes[id];
        let at = if known.node.entries().is_some() { 2 * at + 1 } else { at };
        known.children.get(at).filter(|child| !child.alias).map(|child| child.id)
    }

    pub(super) fn layout(&self, id: usize) -> Option<&'a Layout> {
        self.source.nodes[id].layout.as_ref()
    }

    pub(super) fn part(&self, (id, at): Own) -> Option<(&'a Part, usize)> {
        let layout = self.layout(id)?;
        Some((layout.parts.get(at)?, layout.column))
    }

    /// Copies a part of the text from one column to another; its first line is indented already if it is begun.
    pub(super) fn copy(&mut self, range: Range<usize>, from: usize, to: usize, begun: bool) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            let end = self.source.line_end(at).min(range.end);
            let line = &self.source.text[at..end];
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let mut rest = line;
            let begun = begun && at == range.start;
            if !begun && !line.trim_end_matches(['\r', '\n']).is_empty() {
                let outside = matches!(self.source.gap_line(at), Ok(Some(_))) || line.trim().is_empty();
                let column = match spaces {
                    _ if spaces >= from => spaces - from + to,
                    _ if outside => spaces.min(to),
                    // A line that goes on with what is before it must be deeper than what that is in.
                    _ => to + 2,
                };
                self.writer.indent(column);
                rest = &line[spaces..];
            }
            match rest.strip_suffix('\n') {
                Some(line) => {
                    self.writer.out.push_str(line.strip_suffix('\r').unwrap_or(line));
                    self.writer.end_line()?;
                }
                None => self.writer.out.push_str(rest),
            }
            at = end;
        }
        Ok(())
    }

    /// Copies whole lines; the last one of the text may have no end.
    pub(super) fn copy_lines(
        &mut self,
        range: Range<usize>,
        from: usize,
        to: usize,
        begun: bool,
    ) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let open = !self.source.text[range.clone()].ends_with('\n');
        self.bind(range.clone());
        self.copy(range, from, to, begun)?;
        if open { self.writer.end_line() } else { Ok(()) }
    }

    /// Whether a part of the text means what it did: its aliases, and its texts that end with empty lines, which
    /// others may come after.
    pub(super) fn can_copy(&self, range: Range<usize>) -> bool {
        if !self.kept && self.source.keeps(range.clone()) {
            return false;
        }
        let own = self.source.anchors(range.clone());
        self.source.aliases(range).iter().all(|alias| {
            let name = self.source.anchors[alias.anchor].name.as_str();
            let bound = matches!(self.bound.get(name), Some(&(anchor, None)) if anchor == alias.anchor);
            self.kept && (own.contains(&alias.anchor) || bound)
        })
    }

    pub(super) fn bind(&mut self, range: Range<usize>) {
        let source = self.source;
        for at in source.anchors(range) {
            self.bound.insert(&source.anchors[at].name, (at, None));
        }
    }

    /// Writes the entries or items of a node; the first of them goes on with a line if it is compact. `tail` is the end
    /// of the comments that are below the last one.
    pub(super) fn children(
        &mut self,
        node: &'a Node,
        home: Option<usize>,
        column: usize,
        compact: bool,
        tail: usize,
    ) -> Result<()> {
        let owns = self.owns(node, home);
        let kept: HashSet<usize> =
            owns.iter().flatten().filter(|own| Some(own.0) == home).map(|own| own.1).collect();
        let mut next = 0;
        self.fresh = !compact;
        for at in 0..owns.len() {
            let own = owns[at];
            let compact = compact && at == 0;
            if let (Some(home), Some((container, part))) = (home, own)
                && container == home
                && part >= next
                && !compact
            {
                self.detached(home, next..part, &kept, column)?;
                next = part + 1;
            }
            match &node.value {
                Value::Mapping(entries) => {
                    let (key, value) = &entries[at];
                    self.entry(key, value, own, column, compact, home)?;
                }
                Value::Sequence(items) => self.item(&items[at], own, column, compact, home)?,
                Value::Scalar(_) => {}
            }
        }
        let Some((home, layout)) = home.and_then(|home| Some((home, self.layout(home)?))) else {
            return Ok(());
        };
        self.detached(home, next..layout.parts.len(), &kept, column)?;
        let last = layout.parts.last().map_or(tail, |part| part.full);
        self.copy_lines(last..tail.max(last), layout.column, column, false)
    }

    /// Returns the parts that entries or items are.
    fn owns(&mut self, node: &Node, home: Option<usize>) -> Vec<Option<Own>> {
        match &node.value {
            Value::Mapping(entries) => {
                entries.iter().map(|(key, value)| self.claims.entry(self.source, key, value)).collect()
            }
            Value::Sequence(items) => {
                let mut next = 0;
                let own = |item: &Node| {
                    let own = item_part(self.source, item).or_else(|| {
                        // An alias and nothing have no place of their own: it is the next one.
                        let known = &self.source.nodes[home?];
                        let layout = known.layout.as_ref()?;
                        let child = known.children.get(next).filter(|_| next < layout.parts.len())?;
                        let old = self.source.nodes[child.id].node;
                        let same = item.alias && child.alias && self.source.find(item) == Some(child.id)
                            || item.is_null() && old.is_null();
                        same.then_some((home?, next))
                    });
                    if let Some((container, at)) = own
                        && Some(container) == home
                    {
                        next = at + 1;
                    }
                    own
                };
                items.iter().map(own).collect()
            }
            Value::Scalar(_) => Vec::new(),
        }
    }

    pub(super) fn entry(
        &mut self,
        key: &'a Node,
        value: &'a Node,
        own: Option<Own>,
        column: usize,
        compact: bool,
        home: Option<usize>,
    ) -> Result<()> {
        let start = self.begin(own, column, compact, home)?;
        let Some((part, from)) = start else {
            let after = self.writer.key(key, column)?;
            return self.value(value, None, column, after);
        };
        let same_key = self.claims.same(key).is_some();
        let old = own.map(|(id, at)| self.source.nodes[id].children[2 * at + 1]);
        let same = old.is_some_and(|old| self.holds(old, value));
        if same_key && same && self.can_copy(part.start..part.full) {
            return self.copy_lines(part.start..part.full, from, column, true);
        }
        let after = if same_key {
            let end = key.span.range().end;
            self.bind(part.start..end);
            self.writer.out.push_str(&self.source.text[part.start..end]);
            self.writer.out.push(':');
            After::Key
        } else {
            self.writer.key(key, column)?
        };
        self.value(value, own, column, after)
    }

    fn item(
        &mut self,
        item: &'a Node,
        own: Option<Own>,
        column: usize,
        compact: bool,
        home: Option<usize>,
    ) -> Result<()> {
        let copied = own.and_then(|own| {
            let (part, from) = self.part(own)?;
            let old = self.source.nodes[own.0].children[own.1];
            (self.holds(old, item) && self.can_copy(part.start..part.full)).then_some((part, from))
        });
        if !compact {
            if let Some(own) = own {
                self.lead(own, column, home)?;
            }
            if copied.is_none() {
                self.first_lead(item, column)?;
            }
            self.fresh = false;
            self.writer.indent(column);
        }
        if let Some((part, from)) = copied {
            return self.copy_lines(part.start..part.full, from, column, true);
        }
        self.writer.out.push('-');
        self.value(item, own, column, After::Dash)
    }

    /// Whether a node is what stands at a place of the text.
    fn holds(&self, old: Child, node: &Node) -> bool {
        let nothing = |node: &Node| node.is_null() && node.tag.is_none();
        old.alias == node.alias && self.claims.same(node) == Some(old.id)
            || nothing(node) && nothing(self.source.nodes[old.id].node)
    }

    /// Begins a part's line; returns the part of the text that it is.
    fn begin(
        &mut self,
        own: Option<Own>,
        column: usize,
        compact: bool,
        home: Option<usize>,
    ) -> Result<Option<(&'a Part, usize)>> {
        if !compact {
            if let Some(own) = own {
                self.lead(own, column, home)?;
            }
            self.fresh = false;
            self.writer.indent(column);
        }
        Ok(own.and_then(|own| self.part(own)))
    }
}

pub(super) fn holds_nothing(node: &Node) -> bool {
    node.items().is_some_and(<[Node]>::is_empty) || node.entries().is_some_and(<[(Node, Node)]>::is_empty)
}
