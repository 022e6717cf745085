//! JSON of images: bounded when it is read, and the same bytes for the same values when it is
//! written.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;
use shipway_core::{Error, Result};

/// The most bytes of a manifest, an index or a configuration: what registries take (OCI
/// distribution-spec, "Pushing Manifests").
pub(crate) const LIMIT: usize = 4 * 1024 * 1024;

/// Parses a document; `what` names it in the error.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    if bytes.len() > LIMIT {
        return Err(Error::bad_output(format!("{what} has more than {LIMIT} bytes")));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| Error::bad_output(format!("{what} is not valid")).source(error))
}

/// Returns the value as compact JSON with the keys of all objects sorted: the same bytes for the same values.
pub fn to_bytes(value: &impl Serialize) -> Bytes {
    let value = serde_json::to_value(value).expect("plain data with text keys");
    serde_json::to_vec(&Sorted(&value)).expect("plain data with text keys").into()
}

/// Sorts by itself: whether `serde_json` does depends on a feature that another crate may set.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let sorted: BTreeMap<&String, Sorted<'_>> =
                    fields.iter().map(|(key, value)| (key, Sorted(value))).collect();
                sorted.serialize(serializer)
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            other => other.serialize(serializer),
        }
    }
}

/// Reads `null` as the default: Go's encoder writes it for empty lists and maps.
pub(crate) fn or_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads what has another form as nothing: a field that most readers do not know keeps nobody from the rest.
pub(crate) fn or_none<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value: Value = parse(br#"{"b":[{"z":1,"a":null}],"a":{"y":"","x":1.5}}"#, "it").unwrap();
        assert_eq!(to_bytes(&value), &br#"{"a":{"x":1.5,"y":""},"b":[{"a":null,"z":1}]}"#[..]);
    }

    #[test]
    fn hostile_documents_are_refused() {
        for bad in [vec![b'['; 100_000], vec![b' '; LIMIT + 1], b"{".to_vec(), b"{} x".to_vec()] {
            assert!(parse::<Value>(&bad, "it").is_err());
        }
    }
}
