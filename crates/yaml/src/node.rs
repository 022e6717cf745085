//! The tree: what the text says, where it says it, and nothing interpreted.

use std::ops::Range;

use crate::scalar::{Resolved, Rules};

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Mark {
    /// The line, from 1; 0 for what is in no text.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The offset in bytes.
    pub offset: u32,
}

/// Where something begins and ends in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// Its first character.
    pub start: Mark,
    /// What follows its last character.
    pub end: Mark,
}

impl Span {
    pub(crate) fn new(start: Mark, end: Mark) -> Self {
        Self { start, end }
    }

    /// Returns the offsets in bytes.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start.offset as usize..self.end.offset as usize
    }
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: the only style in which `true` is no text.
    Plain,
    /// In `'`.
    SingleQuoted,
    /// In `"`.
    DoubleQuoted,
    /// A block after `|`.
    Literal,
    /// A block after `>`.
    Folded,
}

/// A scalar, as it is written: what it means depends on the reader ([`Scalar::resolve`]).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scalar {
    /// The text, without quotes, folded and unescaped.
    pub text: Box<str>,
    /// How it is written.
    pub style: Style,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// One value.
    Scalar(Scalar),
    /// Items.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the text; with duplicates and merge keys (`<<`), which are the
    /// reader's matter.
    Mapping(Vec<(Node, Node)>),
}

/// Something in a document. What an alias (`*name`) stands for is there in its place, with the spans of
/// where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// What it holds.
    pub value: Value,
    /// The tag, if one is written, with `!!x` as `tag:yaml.org,2002:x`.
    pub tag: Option<Box<str>>,
    /// Where it is written: a scalar with its quotes, without tag and anchor.
    pub span: Span,
    /// Whether it stands where an alias is written.
    pub alias: bool,
}

impl Node {
    /// Returns a plain or quoted scalar that is nowhere in a text, as a step that rewrites a tree makes it.
    pub fn scalar(text: impl Into<Box<str>>, style: Style) -> Self {
        Self::of(Value::Scalar(Scalar { text: text.into(), style }), Span::default())
    }

    /// Returns a list of items; its place is that of the first.
    #[must_use]
    pub fn sequence(items: Vec<Self>) -> Self {
        let span = items.first().map_or_else(Span::default, |item| item.span);
        Self::of(Value::Sequence(items), span)
    }

    /// Returns a mapping of keys to values; its place is that of the first key.
    #[must_use]
    pub fn mapping(entries: Vec<(Self, Self)>) -> Self {
        let span = entries.first().map_or_else(Span::default, |(key, _)| key.span);
        Self::of(Value::Mapping(entries), span)
    }

    pub(crate) fn of(value: Value, span: Span) -> Self {
        Self { value, tag: None, span, alias: false }
    }

    /// Returns the text of a scalar, whatever it means.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Returns the items of a sequence.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the items of a sequence.
    #[must_use]
    pub fn items_mut(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the entries of a mapping.
    #[must_use]
    pub fn entries_mut(&mut self) -> Option<&mut Vec<(Self, Self)>> {
        match &mut self.value {
            Value::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// Returns the entries of a mapping.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Self, Self)]> {
        match &self.value {
            Value::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// Returns the value of the first entry whose key is written so.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// Returns the value of the first entry whose key is written so.
    #[must_use]
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.entries_mut()?.iter_mut().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// Whether it says nothing, as in `key:`, for every reader.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.resolved(Rules::Config) == Some(Resolved::Null)
    }

    /// Returns what it is, for messages: `a text`, `a list`, `a mapping` …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}
