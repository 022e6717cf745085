//! Which rules may match a path, so that of ten thousand only a few are tried. Whatever a pattern matches
//! has its literal texts in it; each rule is filed under the one that the fewest rules have.

use std::collections::HashMap;

/// A literal text of a pattern, and where it is in all that the pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) text: String,
    pub(super) at_start: bool,
    pub(super) at_end: bool,
}

/// A part of a literal text, at most [`LONGEST`] bytes, so that what is looked up for a path grows with
/// the path alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key<'a> {
    End(&'a [u8]),
    Start(&'a [u8]),
    /// Somewhere; its length is a power of two, so that there are few lengths.
    Inside(&'a [u8]),
}

const LONGEST: usize = 32;

/// Rules by their keys. Rules without a literal text may match anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    start: Shelf,
    end: Shelf,
    inside: Shelf,
    boxes: Vec<Vec<usize>>,
    others: Vec<usize>,
}

/// Numbers of boxes by key, and the lengths of these keys.
#[derive(Clone, Debug, Default)]
struct Shelf {
    boxes: HashMap<Box<[u8]>, usize>,
    lengths: Vec<usize>,
}

impl Index {
    /// Files the rules, given by the literal texts of each.
    pub(super) fn new(rules: &[Vec<Literal>]) -> Self {
        let mut counts: HashMap<Key<'_>, usize> = HashMap::new();
        for key in rules.iter().flat_map(|literals| keys(literals)) {
            *counts.entry(key).or_default() += 1;
        }
        let mut index = Self::default();
        for (rule, literals) in rules.iter().enumerate() {
            let rarest = keys(literals).min_by_key(|key| (counts.get(key).copied(), *key));
            match rarest {
                Some(key) => index.file(key, rule),
                None => index.others.push(rule),
            }
        }
        index
    }

    fn file(&mut self, key: Key<'_>, rule: usize) {
        let (shelf, text) = match key {
            Key::Start(text) => (&mut self.start, text),
            Key::End(text) => (&mut self.end, text),
            Key::Inside(text) => (&mut self.inside, text),
        };
        if !shelf.lengths.contains(&text.len()) {
            shelf.lengths.push(text.len());
        }
        let number = *shelf.boxes.entry(text.into()).or_insert_with(|| {
            self.boxes.push(Vec::new());
            self.boxes.len() - 1
        });
        self.boxes[number].push(rule);
    }

    /// Returns the lists of rules, each from the first to the last, of which some may match the path; no
    /// other rule does.
    pub(super) fn candidates(&self, path: &str) -> impl Iterator<Item = &[usize]> {
        let path = path.as_bytes();
        let starts =
            self.start.lengths.iter().filter_map(|length| self.start.boxes.get(path.get(..*length)?));
        let ends = self
            .end
            .lengths
            .iter()
            .filter_map(|length| self.end.boxes.get(path.get(path.len().checked_sub(*length)?..)?));
        let inside = self
            .inside
            .lengths
            .iter()
            .flat_map(|length| path.windows(*length).filter_map(|window| self.inside.boxes.get(window)));
        let mut numbers: Vec<usize> = starts.chain(ends).chain(inside).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().map(|number| self.boxes[number].as_slice()).chain([self.others.as_slice()])
    }
}

fn keys(literals: &[Literal]) -> impl Iterator<Item = Key<'_>> {
    literals.iter().filter(|literal| !literal.text.is_empty()).flat_map(|literal| {
        let text = literal.text.as_bytes();
        let longest = text.len().min(LONGEST);
        let power = 1 << longest.ilog2();
        let start = literal.at_start.then(|| Key::Start(&text[..longest]));
        let end = literal.at_end.then(|| Key::End(&text[text.len() - longest..]));
        let inside = [Key::Inside(&text[..power]), Key::Inside(&text[text.len() - power..])];
        end.into_iter().chain(start).chain(inside)
    })
}
