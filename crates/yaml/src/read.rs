//! Trees as values of the reader's own types, through serde, as yaml.v3 fills Go's: what is wrong is
//! shown at its place.

use std::{cell::Cell, fmt};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor, value::StrDeserializer,
    },
};
use shipway_core::{Result, did_you_mean};

use crate::{
    Resolved, Rules,
    document::{Document, Problem},
    node::{Mark, Node, Scalar, Value},
    scalar::resolve,
    spanned::{self, SpanAccess},
};

impl Document {
    /// Returns the document as a value of a type, by [`Rules::Config`], merge keys included.
    ///
    /// As in Go a text takes any single value as it is written (`1.10` stays `1.10`), a truth value
    /// takes `yes` and `on` as well, and nothing (`key:`) is an `Option`'s `None`, an empty text, list or
    /// mapping, `false` or 0. Unlike there a number with a fraction is no integer. Fields that a type does not have are errors where it
    /// says `#[serde(deny_unknown_fields)]`. [`Spanned`](crate::Spanned) keeps the place of a value.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use shipway_yaml::parse;
    ///
    /// #[derive(Debug, Deserialize)]
    /// #[serde(deny_unknown_fields)]
    /// struct Artifact {
    ///     image: String,
    /// }
    ///
    /// let document = parse("shop.yaml", "imge: web\n")?.remove(0);
    /// assert_eq!(
    ///     document.read::<Artifact>().unwrap_err().report().to_string(),
    ///     "shop.yaml:1:1: there is no field `imge` here\n  hint: did you mean `image`?"
    /// );
    /// # Ok::<(), shipway_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config` with file, line and column for what does not have the type's form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let merged = self.merged(Rules::Config)?;
        let value = at(&merged.root, T::deserialize(Reader(&merged.root)));
        value.map_err(|Wrong { problem, .. }| problem.in_file(&self.file))
    }
}

/// What is wrong, and whether its place is known.
#[derive(Debug)]
pub(crate) struct Wrong {
    problem: Problem,
    placed: bool,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self { problem: Problem::new(Mark::default(), message), placed: false }
    }

    fn of(problem: Problem) -> Self {
        Self { problem, placed: true }
    }
}

/// Gives an error the node's place, if it has none of its own.
fn at<T>(node: &Node, result: Result<T, Wrong>) -> Result<T, Wrong> {
    result.map_err(|wrong| match wrong {
        Wrong { placed: true, .. } => wrong,
        Wrong { problem, .. } => Wrong::of(problem.at(node.span.start)),
    })
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem.message())
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", wanted(expected), shown(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        unknown(format!("there is no field `{field}` here"), field, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        unknown(format!("`{variant}` is not known here"), variant, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"))
    }
}

fn unknown(message: String, name: &str, expected: &[&str]) -> Wrong {
    let mut wrong = Wrong::new(message);
    let hint = match (did_you_mean(name, expected.iter().copied()), expected) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "take it out; nothing is said here".to_owned(),
        (None, expected) => format!("these are known: {}", expected.join(", ")),
    };
    wrong.problem = wrong.problem.hint(hint);
    wrong
}

/// Says what a type expects without the names of Rust.
fn wanted(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" => {
            "an integer in range".to_owned()
        }
        other => other.to_owned(),
    }
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        Unexpected::Str(text) => format!("`{text}`"),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        other => other.to_string(),
    }
}

/// A node for serde.
struct Reader<'n>(&'n Node);

impl<'n> Reader<'n> {
    /// Returns what the node means, if it is a single value.
    fn resolved(&self) -> Result<Option<Resolved>, Wrong> {
        match &self.0.value {
            Value::Scalar(scalar) => resolve(self.0, scalar, Rules::Config).map(Some).map_err(Wrong::of),
            _ => Ok(None),
        }
    }

    fn is_null(&self) -> Result<bool, Wrong> {
        Ok(self.resolved()? == Some(Resolved::Null))
    }

    fn expected<T>(&self, what: &str) -> Result<T, Wrong> {
        let found = match &self.0.value {
            _ if self.0.is_null() => "nothing".to_owned(),
            Value::Scalar(Scalar { text, .. }) => format!("`{text}`"),
            _ => self.0.kind().to_owned(),
        };
        let problem = Problem::new(self.0.span.start, format!("expected {what}, found {found}"));
        Err(Wrong::of(problem))
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let resolved = self.resolved()?;
        let result = match resolved.as_ref().and_then(Resolved::integer) {
            Some(value) => match i64::try_from(value) {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => visitor.visit_u64(u64::try_from(value).unwrap_or(u64::MAX)),
            },
            None if resolved == Some(Resolved::Null) => visitor.visit_i64(0),
            None => return self.expected("an integer"),
        };
        at(self.0, result)
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let result = match (&self.0.value, self.resolved()?) {
            (_, Some(Resolved::Null)) => visitor.visit_str(""),
            // Also `!!binary`, which is not what is written.
            (_, Some(Resolved::Text(text))) => visitor.visit_string(text),
            (Value::Scalar(scalar), _) => visitor.visit_str(&scalar.text),
            _ => return self.expected("a text"),
        };
        at(self.0, result)
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let items = match &self.0.value {
            Value::Sequence(items) => items.as_slice(),
            _ if self.is_null()? => &[],
            _ => return self.expected("a list"),
        };
        at(self.0, visitor.visit_seq(Items(items.iter())))
    }

    fn mapping<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let entries = match &self.0.value {
            Value::Mapping(entries) => entries.as_slice(),
            _ if self.is_null()? => &[],
            _ => return self.expected("a mapping"),
        };
        at(self.0, visitor.visit_map(Entries { entries: entries.iter(), value: Cell::new(None) }))
    }
}

macro_rules! forward {
    ($($method:ident)* => $to:ident) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.$to(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Wrong;

    forward!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
             deserialize_u16 deserialize_u32 deserialize_u64 => number);
    forward!(deserialize_str deserialize_string deserialize_char deserialize_identifier
             deserialize_bytes deserialize_byte_buf => text);
    forward!(deserialize_seq => list);
    forward!(deserialize_map => mapping);
    forward!(deserialize_i128 deserialize_u128 => deserialize_any);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.resolved()? {
            None if self.0.items().is_some() => self.list(visitor),
            None => self.mapping(visitor),
            Some(Resolved::Null) => at(self.0, visitor.visit_unit()),
            Some(Resolved::Bool(value)) => at(self.0, visitor.visit_bool(value)),
            Some(Resolved::Integer(_)) => self.number(visitor),
            Some(Resolved::Float(value)) => at(self.0, visitor.visit_f64(value)),
            Some(Resolved::Text(text) | Resolved::Timestamp(text)) => at(self.0, visitor.visit_string(text)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let value = match self.resolved()? {
            Some(Resolved::Null) => Some(false),
            resolved => resolved.as_ref().and_then(Resolved::truth),
        };
        match value {
            Some(value) => at(self.0, visitor.visit_bool(value)),
            None => self.expected("`true` or `false`"),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let value = match self.resolved()? {
            Some(Resolved::Float(value)) => value,
            Some(Resolved::Integer(value)) => value as f64,
            Some(Resolved::Null) => 0.0,
            _ => return self.expected("a number"),
        };
        at(self.0, visitor.visit_f64(value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let node = self.0;
        let result = if self.is_null()? { visitor.visit_none() } else { visitor.visit_some(self) };
        at(node, result)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.is_null()? {
            true => visitor.visit_unit(),
            false => self.expected("nothing"),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let node = self.0;
        at(node, visitor.visit_newtype_struct(self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.list(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if name == spanned::NAME {
            let node = self.0;
            return at(node, visitor.visit_map(SpanAccess::new(node.span, self)));
        }
        self.mapping(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let variant = match &self.0.value {
            Value::Scalar(_) if !self.is_null()? => Variant { name: self.0, value: None },
            Value::Mapping(entries) if entries.len() == 1 => {
                Variant { name: &entries[0].0, value: Some(&entries[0].1) }
            }
            _ => return self.expected("a text, or a mapping with one key"),
        };
        at(self.0, visitor.visit_enum(variant))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }
}

struct Items<'n>(std::slice::Iter<'n, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        self.0.next().map(|item| at(item, seed.deserialize(Reader(item)))).transpose()
    }
}

struct Entries<'n> {
    entries: std::slice::Iter<'n, (Node, Node)>,
    value: Cell<Option<&'n Node>>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value.set(Some(value));
        at(key, seed.deserialize(Reader(key))).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Wrong> {
        let Some(value) = self.value.take() else { return Err(Wrong::new("a value is asked for twice")) };
        at(value, seed.deserialize(Reader(value)))
    }
}

/// One of an enumeration's forms.
struct Variant<'n> {
    name: &'n Node,
    value: Option<&'n Node>,
}

impl<'de, 'n> EnumAccess<'de> for Variant<'n> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Wrong> {
        let name = self.name.text().unwrap_or_default();
        let value = at(self.name, seed.deserialize(StrDeserializer::<Wrong>::new(name)))?;
        Ok((value, self))
    }
}

impl<'n> Variant<'n> {
    fn value(&self) -> Result<Reader<'n>, Wrong> {
        self.value.map(Reader).ok_or_else(|| Wrong::new("a value is missing after this word"))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        self.value.map_or(Ok(()), |value| Reader(value).deserialize_unit(de::IgnoredAny).map(|_| ()))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        let reader = self.value()?;
        at(reader.0, seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.value()?.list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.value()?.mapping(visitor)
    }
}
