//! Values that know where they are written.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, MapAccess, Visitor,
        value::{SeqDeserializer, StrDeserializer},
    },
};

use crate::{
    node::{Mark, Span},
    read::Wrong,
};

/// A value with its place, for a field of a type that [`Document::read`](crate::Document::read) returns.
///
/// Another deserializer, and serde's `flatten` and `untagged`, do not know the place and fail.
///
/// ```
/// use serde::Deserialize;
/// use shipway_yaml::{Spanned, parse};
///
/// #[derive(Deserialize)]
/// struct Artifact {
///     image: Spanned<String>,
/// }
///
/// let document = parse("shop.yaml", "image: Web\n")?.remove(0);
/// let Artifact { image } = document.read()?;
/// let error = document.error(image.span, format!("`{}` has upper-case letters", image.value));
/// assert_eq!(error.report().to_string(), "shop.yaml:1:8: `Web` has upper-case letters");
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

/// The name by which the deserializer knows that it is asked for a place as well.
pub(crate) const NAME: &str = "$shipway_yaml::Spanned";

const FIELDS: [&str; 2] = ["span", "value"];

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(NAME, &FIELDS, SpannedVisitor(PhantomData))
    }
}

struct SpannedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
    type Value = Spanned<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its place, which `Document::read` alone knows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Spanned<T>, A::Error> {
        let unplaced = || de::Error::custom("the place of a value is not known here");
        let Some("span") = map.next_key::<String>()?.as_deref() else { return Err(unplaced()) };
        let [a, b, c, d, e, f] = map.next_value::<[u32; 6]>()?;
        let mark = |line, column, offset| Mark { line, column, offset };
        let Some("value") = map.next_key::<String>()?.as_deref() else { return Err(unplaced()) };
        Ok(Spanned { value: map.next_value()?, span: Span::new(mark(a, b, c), mark(d, e, f)) })
    }
}

/// Gives the visitor the place and then the value.
pub(crate) struct SpanAccess<D> {
    span: Option<Span>,
    value: Option<D>,
}

impl<D> SpanAccess<D> {
    pub(crate) fn new(span: Span, value: D) -> Self {
        Self { span: Some(span), value: Some(value) }
    }
}

impl<'de, D: Deserializer<'de, Error = Wrong>> MapAccess<'de> for SpanAccess<D> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let name = match (&self.span, &self.value) {
            (Some(_), _) => FIELDS[0],
            (None, Some(_)) => FIELDS[1],
            (None, None) => return Ok(None),
        };
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Wrong> {
        if let Some(Span { start, end }) = self.span.take() {
            let numbers =
                [start.line, start.column, start.offset, end.line, end.column, end.offset].into_iter();
            return seed.deserialize(SeqDeserializer::new(numbers));
        }
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => Err(de::Error::custom("a value is asked for twice")),
        }
    }
}
