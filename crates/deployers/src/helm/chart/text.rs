//! Single values of a chart's files, as helm's reader of YAML makes texts of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Visitor};

/// A text as helm reads it: what YAML takes for a number or a truth value is that, written by Go (`1.10` is `1.1`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(super) struct Text(pub(super) String);

impl Text {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As helm's `sanitizeString`: blanks are spaces, and what is not seen is left out.
    pub(super) fn clean(&mut self) {
        let seen = |c: char| match c {
            c if c.is_whitespace() => Some(' '),
            c if c.is_control() => None,
            c => Some(c),
        };
        self.0 = self.0.chars().filter_map(seen).collect();
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Text, E> {
                // Go writes an exponent beyond these, which no version has.
                match value.abs() {
                    0.0 => Ok(Text("0".to_owned())),
                    1e-4..1e6 => Ok(Text(value.to_string())),
                    _ => Err(E::custom(format!("`{value}` is a number here; put it in quotes"))),
                }
            }
            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}
