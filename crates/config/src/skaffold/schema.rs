//! The fields of every version, read from a table that is made from the published schemas.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use super::version::Version;

/// The table, which never changes while a program runs.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::read(include_str!("history.tsv")));

/// The definition that a whole file is.
pub(super) const TOP: Kind = Kind::Fields("SkaffoldConfig");

/// What a field holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Boolean,
    Integer,
    /// An integer or a name.
    Port,
    /// Whatever another product defines.
    Any,
    List(Box<Self>),
    /// A mapping of names that are the user's.
    Map(Box<Self>),
    /// A mapping of the fields of a definition.
    Fields(&'static str),
}

/// A field of a definition, through some versions in a row.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) since: Version,
    pub(super) until: Version,
    /// The words that are documented for a text.
    pub(super) words: Vec<&'static str>,
    /// Whether the schema asks for it.
    pub(super) required: bool,
    /// Whether at most one of those in the definition is there.
    pub(super) one_of: bool,
}

impl Kind {
    /// Returns the definition that this is, or holds.
    fn definition(&self) -> Option<&'static str> {
        match self {
            Self::Fields(definition) => Some(definition),
            Self::List(of) | Self::Map(of) => of.definition(),
            _ => None,
        }
    }
}

impl Field {
    pub(super) fn is_in(&self, version: Version) -> bool {
        (self.since..=self.until).contains(&version)
    }
}

#[derive(Debug)]
struct Schema {
    definitions: BTreeMap<&'static str, Vec<Field>>,
}

/// Returns the fields that a definition ever had, in the order in which the newest version writes them; a field
/// that held something else once is there once for each.
pub(super) fn fields(definition: &str) -> &'static [Field] {
    SCHEMA.definitions.get(definition).map_or(&[], Vec::as_slice)
}

/// Returns the names of all definitions.
pub(super) fn definitions() -> impl Iterator<Item = &'static str> {
    // One without fields is only referred to.
    let referred = SCHEMA.definitions.values().flatten().filter_map(|field| field.kind.definition());
    let all: BTreeSet<&str> = SCHEMA.definitions.keys().copied().chain(referred).collect();
    all.into_iter()
}

/// Returns a field as a version has it.
pub(super) fn field(definition: &str, name: &str, version: Version) -> Option<&'static Field> {
    fields(definition).iter().find(|field| field.name == name && field.is_in(version))
}

/// Whether a field of a definition is one of several of which the newest version takes one.
pub(super) fn is_one_of(definition: &str, name: &str) -> bool {
    field(definition, name, Version::NEWEST).is_some_and(|field| field.one_of)
}

impl Schema {
    /// Reads the table. It is part of the program, so that what is wrong in it is found by the tests.
    fn read(table: &'static str) -> Self {
        let mut definitions: BTreeMap<&'static str, Vec<Field>> = BTreeMap::new();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&'static str> = line.split('\t').collect();
            let &[definition, name, text, since, until, mark] = columns.as_slice() else { continue };
            let (Some(since), Some(until)) = (Version::short(since), Version::short(until)) else { continue };
            let (kind, words) = match text.contains('|') {
                true => (Kind::Text, text.split('|').collect()),
                false => (kind(text), Vec::new()),
            };
            let (required, one_of) = (mark == "required", mark == "one-of");
            let field = Field { name, kind, since, until, words, required, one_of };
            definitions.entry(definition).or_default().push(field);
        }
        Self { definitions }
    }
}

fn kind(text: &'static str) -> Kind {
    match text {
        "string" => Kind::Text,
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer,
        "port" => Kind::Port,
        "any" => Kind::Any,
        _ => match (text.strip_prefix("[]"), text.strip_prefix("{}")) {
            (Some(item), _) => Kind::List(Box::new(kind(item))),
            (_, Some(value)) => Kind::Map(Box::new(kind(value))),
            _ => Kind::Fields(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read() {
        let rows = include_str!("history.tsv").lines().filter(|line| !line.starts_with('#')).count();
        let read: usize = SCHEMA.definitions.values().map(Vec::len).sum();
        assert_eq!(read, rows);
        assert!(rows > 500);
    }

    #[test]
    fn a_field_is_what_its_version_says() {
        let version = |text: &str| text.parse::<Version>().expect(text);
        let kind = |at: &str| field("Artifact", "sync", version(at)).map(|field| &field.kind);
        assert_eq!(kind("skaffold/v1beta9"), Some(&Kind::Map(Box::new(Kind::Text))));
        assert_eq!(kind("skaffold/v1beta10"), Some(&Kind::Fields("Sync")));
        assert_eq!(kind("skaffold/v1alpha2"), None);
    }
}
