//! What comes after a key's `:` or an item's `-`.

use shipway_core::Result;

use super::{
    claim::Own,
    emit::{Emitter, holds_nothing},
    means_the_same,
    source::is_block,
};
use crate::{
    Rules,
    node::{Node, Style, Value},
    quote,
    scalar::Resolved,
    write::{After, tag_text},
};

impl<'a> Emitter<'a, '_> {
    /// Returns the name by which an alias can stay.
    pub(super) fn alias(&self, node: &Node) -> Option<&'a str> {
        let id = self.source.find(node).filter(|_| node.alias && self.kept)?;
        let anchor = self.source.nodes[id].anchor?;
        let name = self.source.anchors[anchor].name.as_str();
        match self.bound.get(name)? {
            (bound, None) if *bound == anchor => self.claims.same(node).map(|_| name),
            (bound, Some(changed)) if *bound == anchor => means_the_same(changed, node).then_some(name),
            _ => None,
        }
    }

    /// Writes what comes after a key's `:` or an item's `-` that stands at a column.
    pub(super) fn value(
        &mut self,
        node: &'a Node,
        own: Option<Own>,
        column: usize,
        after: After,
    ) -> Result<()> {
        let source = self.source;
        let beside = own.and_then(|own| self.beside(own));
        let below = own.and_then(|own| self.below(own));
        if let Some(name) = self.alias(node) {
            self.writer.out.push_str(" *");
            self.writer.out.push_str(name);
            self.writer.out.push_str(beside.unwrap_or_default());
            return self.writer.end_line();
        }
        let known = source.find(node);
        let same = self.claims.same(node);
        match &node.value {
            Value::Scalar(scalar) => {
                let old = same
                    .filter(|&id| is_block(scalar.style) && self.can_copy(self.source.lines(id)))
                    .and_then(|id| Some((id, self.part(*source.parts.get(&id)?)?)));
                self.properties(node, known, own, same.is_some());
                if let Some((id, (_, from))) = old {
                    let header = source.block_header(&node.span.range());
                    let line = source.line_end(header);
                    self.writer.out.push(' ');
                    self.writer.out.push_str(source.text[header..line].trim_end());
                    self.writer.end_line()?;
                    return self.copy_lines(line..source.nodes[id].end.max(line), from, column, false);
                }
                // What is below would be a part of a block.
                let literal = self.writer.literal(&scalar.text).filter(|_| below.is_none() && self.kept);
                if let Some(header) = literal.filter(|_| same.is_none() || is_block(scalar.style)) {
                    self.writer.out.push(' ');
                    self.writer.out.push_str(&header);
                    self.writer.out.push_str(beside.unwrap_or_default());
                    self.writer.end_line()?;
                    self.writer.lines(&scalar.text, column + 2)?;
                } else {
                    self.writer.out.push_str(own.map_or(" ", |own| self.blank(own)));
                    match same.filter(|_| !is_block(scalar.style) && !node.span.range().is_empty()) {
                        Some(id) => self.copy_inline(id, column)?,
                        None => {
                            let text = self.scalar(node, own);
                            self.writer.out.push_str(&text);
                        }
                    }
                    self.writer.out.push_str(beside.unwrap_or_default());
                    self.writer.end_line()?;
                }
            }
            _ if holds_nothing(node)
                || known.is_some_and(|id| source.nodes[id].flow) && self.is_flow(node) =>
            {
                self.writer.out.push_str(own.map_or(" ", |own| self.blank(own)));
                let text = self.flow_with(node, own);
                self.writer.out.push_str(&text);
                self.writer.out.push_str(beside.unwrap_or_default());
                self.writer.end_line()?;
            }
            _ if let Some(id) = same
                && self.can_copy_inline(id) =>
            {
                self.properties(node, known, own, true);
                self.writer.out.push_str(own.map_or(" ", |own| self.blank(own)));
                self.copy_inline(id, column)?;
                self.writer.out.push_str(beside.unwrap_or_default());
                self.writer.end_line()?;
            }
            _ => self.block(node, known, own, column, after)?,
        }
        match below {
            Some((lines, from)) => self.copy_lines(lines, from, column, false),
            None => Ok(()),
        }
    }

    /// Writes a list or mapping in lines of its own.
    fn block(
        &mut self,
        node: &'a Node,
        known: Option<usize>,
        own: Option<Own>,
        column: usize,
        after: After,
    ) -> Result<()> {
        let source = self.source;
        let same = self.claims.same(node);
        let home = known.filter(|&id| source.nodes[id].layout.is_some());
        let beside = own.and_then(|own| self.beside(own));
        let before = self.writer.out.len();
        self.properties(node, known, own, same.is_some());
        let compact = after == After::Dash
            && self.writer.out.len() == before
            && beside.is_none()
            && !home.is_some_and(|home| self.is_below_dash(home));
        let step = home.and_then(|home| self.step(home, after)).unwrap_or_else(|| match after {
            After::Dash => 2,
            After::Key => self.steps[usize::from(node.items().is_some())],
        });
        let inner = column + step;
        self.writer.out.push_str(beside.unwrap_or_default());
        if compact {
            self.writer.indent(step - 1);
        } else {
            self.writer.end_line()?;
        }
        let flow_comments =
            known.filter(|&id| source.nodes[id].flow).map(|id| source.nodes[id].node.span.range());
        if let Some(range) = flow_comments {
            self.flow_comments(range, inner, compact)?;
        }
        let Some((home, layout)) = home.and_then(|home| Some((home, self.layout(home)?))) else {
            return self.children(node, None, inner, compact, 0);
        };
        let (Some(first), Some(last)) = (layout.parts.first(), layout.parts.last()) else { return Ok(()) };
        let tail =
            source.parts.get(&home).and_then(|own| self.part(*own)).map_or(last.full, |(part, _)| part.full);
        if same.is_some() && self.can_copy(first.start..tail) {
            if !compact {
                self.lead((home, 0), inner, Some(home))?;
                self.writer.indent(inner);
            }
            return self.copy_lines(first.start..tail.max(last.full), layout.column, inner, true);
        }
        self.children(node, Some(home), inner, compact, tail.max(last.full))
    }

    /// How much deeper than what it is in a list or mapping is, if that is of the same kind.
    fn step(&self, home: usize, after: After) -> Option<usize> {
        let own = *self.source.parts.get(&home)?;
        let (_, outer) = self.part(own)?;
        let mapping = self.source.nodes[own.0].node.entries().is_some();
        let step = self.layout(home)?.column.checked_sub(outer)?;
        let least = match after {
            After::Dash => 2,
            After::Key => usize::from(self.source.nodes[home].node.entries().is_some()),
        };
        (mapping == (after == After::Key) && step >= least).then_some(step)
    }

    /// Writes a node's anchor and tag.
    pub(super) fn properties(&mut self, node: &'a Node, known: Option<usize>, own: Option<Own>, same: bool) {
        let source = self.source;
        let old = own.and_then(|(id, at)| self.inner(id, at));
        let known = if node.alias { known } else { known.or(old) };
        let anchor = known.and_then(|id| source.nodes[id].anchor);
        // What an alias stands for has its anchor where that is gone.
        let is_bound = |anchor: &usize| {
            let name = source.anchors[*anchor].name.as_str();
            self.bound.get(name).is_some_and(|(bound, _)| bound == anchor)
        };
        let anchor = anchor.filter(|anchor| !node.alias || same && !is_bound(anchor));
        if let Some(anchor) = anchor.filter(|_| self.kept) {
            let name = source.anchors[anchor].name.as_str();
            self.writer.out.push_str(" &");
            self.writer.out.push_str(name);
            self.bound.insert(name, (anchor, if same { None } else { Some(node) }));
        }
        if let Some(tag) = &node.tag {
            self.writer.out.push(' ');
            self.writer.out.push_str(&tag_text(tag));
        }
    }

    /// Whether a part's value is in its line.
    pub(super) fn is_inline(&self, own: Own) -> bool {
        self.inner(own.0, own.1).is_none_or(|id| {
            let known = &self.source.nodes[id];
            match &known.node.value {
                Value::Scalar(scalar) => !is_block(scalar.style),
                _ => known.flow,
            }
        })
    }

    /// Returns the blanks between a part's key and its value.
    fn blank(&self, own: Own) -> &'a str {
        let blank = self.part(own).and_then(|(part, _)| self.source.text.get(part.after..part.value.start));
        blank.filter(|blank| !blank.is_empty() && blank.bytes().all(|byte| byte == b' ')).unwrap_or(" ")
    }

    fn can_copy_inline(&self, id: usize) -> bool {
        let known = &self.source.nodes[id];
        let range = known.node.span.range();
        known.flow && self.source.text[range.clone()].starts_with(['[', '{']) && self.can_copy(range)
    }

    fn copy_inline(&mut self, id: usize, column: usize) -> Result<()> {
        let range = self.source.nodes[id].node.span.range();
        let from = match self.source.parts.get(&id).and_then(|own| self.part(*own)) {
            Some((_, column)) => column,
            None => {
                let line = &self.source.text[self.source.line_start(range.start)..];
                line.len() - line.trim_start_matches(' ').len()
            }
        };
        self.bind(range.clone());
        self.copy(range, from, column, true)
    }

    /// Writes a single value, in the quotes that were there.
    pub(super) fn scalar(&self, node: &Node, own: Option<Own>) -> String {
        let Value::Scalar(scalar) = &node.value else { return String::new() };
        let old = own.and_then(|(id, at)| self.inner(id, at)).map(|id| self.source.nodes[id].node);
        let style = old.and_then(|old| match &old.value {
            Value::Scalar(scalar) => Some(scalar.style),
            _ => None,
        });
        let is_text = |rules| matches!(node.resolved(rules), Some(Resolved::Text(_)));
        match style {
            Some(style @ (Style::SingleQuoted | Style::DoubleQuoted))
                if node.tag.is_none() && is_text(Rules::Config) && is_text(Rules::Manifest) =>
            {
                quote::in_style(&scalar.text, style)
            }
            _ => quote::inline(scalar, node.tag.is_some(), false),
        }
    }
}
