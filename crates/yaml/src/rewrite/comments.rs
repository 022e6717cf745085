//! Whose comments are whose, and where they go.

use std::{collections::HashSet, ops::Range};

use shipway_core::Result;

use super::{
    claim::{Own, item_part},
    emit::Emitter,
    source::Part,
};
use crate::node::{Node, Value};

impl<'a> Emitter<'a, '_> {
    /// Finds whose the comments of what is gone are, if something in it stays.
    pub(super) fn inherit(&mut self, id: usize) {
        let Some(layout) = &self.source.nodes[id].layout else { return };
        for (at, part) in layout.parts.iter().enumerate() {
            let gone = !self.claims.has((id, at)) && self.has_comments(part);
            let inner = self.inner(id, at).filter(|_| gone);
            if let Some(heir) = inner.and_then(|inner| self.heir(inner)) {
                let lines = self.attached(part);
                let line = part.after..self.source.line_end(part.after).min(part.value.start);
                self.inherited.entry(heir).or_default().extend([lines, line]);
            }
            if let Some(inner) = self.inner(id, at) {
                self.inherit(inner);
            }
        }
    }

    fn has_comments(&self, part: &Part) -> bool {
        !self.source.comments(part.lead..self.source.line_end(part.after)).is_empty()
    }

    fn heir(&self, id: usize) -> Option<Own> {
        let parts = 0..self.source.nodes[id].layout.as_ref()?.parts.len();
        parts
            .clone()
            .map(|at| (id, at))
            .find(|own| self.claims.has(*own))
            .or_else(|| parts.filter_map(|at| self.inner(id, at)).find_map(|inner| self.heir(inner)))
    }

    /// Returns the lines above a part that belong to it alone: those after the last empty one.
    fn attached(&self, part: &Part) -> Range<usize> {
        let end = self.source.line_start(part.start);
        let mut start = end;
        while start > part.lead {
            let line = self.source.line_start(start - 1);
            if self.source.gap_line(line) == Ok(None) || line < part.lead {
                break;
            }
            start = line;
        }
        start.min(end)..end
    }

    /// Writes what is above a part.
    pub(super) fn lead(&mut self, own: Own, column: usize, home: Option<usize>) -> Result<()> {
        let Some((part, from)) = self.part(own).filter(|_| self.taken.insert(own)) else { return Ok(()) };
        for range in self.inherited.remove(&own).unwrap_or_default() {
            for comment in self.source.comments(range) {
                self.writer.indent(column);
                self.writer.out.push_str(&self.source.text[comment.clone()]);
                self.writer.end_line()?;
            }
        }
        let mut lines = self.attached(part);
        if home == Some(own.0) {
            lines.start = part.lead.min(lines.end);
        }
        while self.fresh
            && own.1 > 0
            && lines.start < lines.end
            && self.source.gap_line(lines.start) == Ok(None)
        {
            lines.start = self.source.line_end(lines.start);
        }
        self.fresh &= lines.is_empty();
        self.copy(lines, from, column, false)
    }

    /// Writes the comments that are above parts which are gone, but apart from them.
    pub(super) fn detached(
        &mut self,
        home: usize,
        gone: Range<usize>,
        kept: &HashSet<usize>,
        column: usize,
    ) -> Result<()> {
        for at in gone.filter(|at| !kept.contains(at)) {
            let Some((part, from)) = self.part((home, at)) else { continue };
            let lines = part.lead..self.attached(part).start;
            if lines.start < lines.end && !self.source.comments(lines.clone()).is_empty() {
                self.copy(lines, from, column, false)?;
            }
        }
        Ok(())
    }

    /// Writes what is above the first part of an item, which may have no lines of its own there.
    pub(super) fn first_lead(&mut self, item: &'a Node, column: usize) -> Result<()> {
        let home = self.source.find(item);
        if home.is_some_and(|home| self.is_below_dash(home)) {
            return Ok(());
        }
        let own = match &item.value {
            Value::Mapping(entries) => {
                entries.first().and_then(|(key, value)| self.claims.entry(self.source, key, value))
            }
            Value::Sequence(items) => items.first().and_then(|item| item_part(self.source, item)),
            Value::Scalar(_) => None,
        };
        own.map_or(Ok(()), |own| self.lead(own, column, home))
    }

    /// Whether a list or mapping begins in the line below its dash.
    pub(super) fn is_below_dash(&self, home: usize) -> bool {
        let Some(own) = self.source.parts.get(&home) else { return false };
        let first = self.layout(home).and_then(|layout| layout.parts.first());
        let (Some((part, _)), Some(first)) = (self.part(*own), first) else { return false };
        self.source.nodes[own.0].node.items().is_some() && first.start >= self.source.line_end(part.after)
    }

    /// Writes the comments that were in brackets above what was in them.
    pub(super) fn flow_comments(&mut self, range: Range<usize>, column: usize, compact: bool) -> Result<()> {
        let source = self.source;
        let comments = source.comments(range);
        if comments.is_empty() {
            return Ok(());
        }
        if compact {
            self.writer.end_line()?;
        }
        for comment in comments {
            self.writer.indent(column);
            self.writer.out.push_str(&source.text[comment.clone()]);
            self.writer.end_line()?;
        }
        if compact {
            self.writer.indent(column);
        }
        Ok(())
    }

    /// Returns the comment beside a part, with the blanks before it.
    pub(super) fn beside(&self, own: Own) -> Option<&'a str> {
        let (part, _) = self.part(own)?;
        if self.is_inline(own) {
            return self.source.beside(part.value.end);
        }
        let range = part.after..self.source.line_end(part.after).min(part.value.start);
        self.source.comments(range).first().and_then(|_| self.source.beside(part.after))
    }

    /// Returns the comments below a part whose value is in its line.
    pub(super) fn below(&self, own: Own) -> Option<(Range<usize>, usize)> {
        let (part, from) = self.part(own).filter(|_| self.is_inline(own))?;
        (part.end < part.full).then_some((part.end..part.full, from))
    }
}
