//! Paths to fields of an object, as field ownership names them.
//!
//! The elements are those of Kubernetes' `FieldsV1` ("Server-Side Apply", and the doc comment of
//! `metav1.FieldsV1`): `f:<name>` a field, `k:<keys>` the item of a list with these keys, `v:<value>`
//! the item of a set.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;
use shipway_core::{Error, Result};

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Element {
    /// A field of a map.
    Field(String),
    /// The item of an associative list: its key fields as a JSON object, in the order of their names.
    Key(String),
    /// The item of a set: the value as JSON.
    Value(String),
}

impl Element {
    /// Returns the element for the item with these key fields.
    pub(crate) fn key(keys: &BTreeMap<&str, &Value>) -> Self {
        let pairs: Vec<String> =
            keys.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
        Self::Key(format!("{{{}}}", pairs.join(",")))
    }

    /// Returns the element as a key of `FieldsV1`.
    pub(crate) fn to_v1(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Value(value) => format!("v:{value}"),
        }
    }

    pub(crate) fn from_v1(text: &str) -> Result<Self> {
        let wrong = || Error::bad_output(format!("`{text}` is not a key of `fieldsV1`"));
        match text.split_at_checked(2) {
            Some(("f:", name)) => Ok(Self::Field(name.to_owned())),
            Some(("k:", keys)) => {
                let keys: BTreeMap<&str, Value> = serde_json::from_str(keys).map_err(|_| wrong())?;
                Ok(Self::key(&keys.iter().map(|(name, value)| (*name, value)).collect()))
            }
            Some(("v:", value)) => {
                let value: Value = serde_json::from_str(value).map_err(|_| wrong())?;
                Ok(Self::Value(value.to_string()))
            }
            _ => Err(wrong()),
        }
    }
}

/// The way from an object to one of its fields; shown as `.spec.containers[name="web"].image`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Element>);

impl FieldPath {
    /// Returns the path made of these elements.
    pub fn new(elements: impl IntoIterator<Item = Element>) -> Self {
        Self(elements.into_iter().collect())
    }

    /// Returns the path of plain fields, such as `["metadata", "name"]`.
    pub fn of_fields<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(names.into_iter().map(|name| Element::Field(name.to_owned())))
    }

    /// Returns the elements, the outermost first.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        &self.0
    }

    /// Returns whether this path leads to `other` or to something that holds it.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Returns whether the path begins with these plain fields.
    #[must_use]
    pub fn is_below(&self, names: &[&str]) -> bool {
        self.0.len() >= names.len()
            && self
                .0
                .iter()
                .zip(names)
                .all(|(element, name)| matches!(element, Element::Field(f) if f == name))
    }

    pub(crate) fn push(&mut self, element: Element) {
        self.0.push(element);
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name such as `app.kubernetes.io/name` is quoted, so that two paths never look alike.
        let plain = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        for element in &self.0 {
            match element {
                Element::Field(name) if plain(name) => write!(f, ".{name}")?,
                Element::Field(name) => write!(f, "[{}]", Value::from(name.as_str()))?,
                Element::Key(keys) => {
                    let keys: BTreeMap<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                    let pairs: Vec<String> =
                        keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    write!(f, "[{}]", pairs.join(","))?;
                }
                Element::Value(value) => write!(f, "[={value}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_so_that_no_two_look_alike() {
        let keys = BTreeMap::from([("protocol", Value::from("TCP")), ("containerPort", Value::from(80))]);
        let keys = keys.iter().map(|(name, value)| (*name, value)).collect();
        let path = FieldPath::new([
            Element::Field("spec".into()),
            Element::Field("a.b/c".into()),
            Element::key(&keys),
            Element::Value("\"x\"".into()),
        ]);
        assert_eq!(path.to_string(), r#".spec["a.b/c"][containerPort=80,protocol="TCP"][="x"]"#);
    }

    #[test]
    fn elements_come_back_from_fields_v1_and_garbage_is_refused() {
        for text in ["f:spec", "f:", "f:a.b/c", r#"k:{"name":"web"}"#, "v:80", r#"v:"x""#] {
            assert_eq!(Element::from_v1(text).expect("valid").to_v1(), text);
        }
        assert_eq!(Element::from_v1(r#"k:{"b": 1, "a": 2}"#).expect("valid").to_v1(), r#"k:{"a":2,"b":1}"#);
        for text in ["", "f", "x:y", "k:[]", "k:{", "v:", "é:"] {
            assert!(Element::from_v1(text).is_err(), "{text}");
        }
    }
}
