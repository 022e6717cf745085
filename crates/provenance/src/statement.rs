//! What is said about images: in-toto statements, version 1 (in-toto/attestation, spec/v1/statement.md).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipway_core::{Digest, Error, Result};
use shipway_oci::sorted_json;

const TYPE: &str = "https://in-toto.io/Statement/v1";
/// What cosign still writes; its fields are the same.
const OLD_TYPE: &str = "https://in-toto.io/Statement/v0.1";

/// The media type of a statement, and the type of the payload that signs it.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.in-toto+json";

/// Something said about one or more subjects.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Statement {
    /// What it is about: images by their digests.
    pub subjects: Vec<Resource>,
    /// What kind of thing is said, as a URI.
    pub predicate_type: String,
    /// What is said.
    pub predicate: Value,
}

/// Something that is known by its content (in-toto/attestation, spec/v1/resource_descriptor.md).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resource {
    /// A name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is, or what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests, by algorithm.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

impl Resource {
    /// Returns the resource with this digest.
    pub fn new(algorithm: impl Into<String>, digest: impl Into<String>) -> Self {
        Self { digest: [(algorithm.into(), digest.into())].into(), ..Self::default() }
    }

    /// Returns the resource of an image.
    #[must_use]
    pub fn of(digest: &Digest) -> Self {
        Self::new(digest.algorithm(), digest.hex())
    }

    /// Sets the name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets where it is.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.uri = Some(uri.into());
        self
    }

    /// Adds something about it.
    #[must_use]
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Returns whether it is the image with this digest.
    #[must_use]
    pub fn is(&self, digest: &Digest) -> bool {
        self.digest.get(digest.algorithm()).is_some_and(|own| own == digest.hex())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Resource>,
    predicate_type: String,
    #[serde(default)]
    predicate: Value,
}

impl Statement {
    /// Returns the statement.
    pub fn new(subjects: Vec<Resource>, predicate_type: impl Into<String>, predicate: Value) -> Self {
        Self { subjects, predicate_type: predicate_type.into(), predicate }
    }

    /// Returns whether it is about the image with this digest.
    #[must_use]
    pub fn is_about(&self, digest: &Digest) -> bool {
        self.subjects.iter().any(|subject| subject.is(digest))
    }

    /// Returns the statement as JSON, the same bytes for the same values.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        sorted_json(&Document {
            kind: TYPE.to_owned(),
            subject: self.subjects.clone(),
            predicate_type: self.predicate_type.clone(),
            predicate: self.predicate.clone(),
        })
    }

    /// Reads a statement.
    ///
    /// # Errors
    /// `BadOutput` when it is malformed or of another version.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| Error::bad_output("the statement is not valid").source(error))?;
        if document.kind != TYPE && document.kind != OLD_TYPE {
            return Err(Error::bad_output("the statement is of another version than 1"));
        }
        Ok(Self {
            subjects: document.subject,
            predicate_type: document.predicate_type,
            predicate: document.predicate,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_is_read_as_it_was_written() {
        let digest = shipway_oci::digest_of(b"an image");
        let subject = Resource::of(&digest).name("web").annotation("a", 1);
        let statement = Statement::new(vec![subject], "https://example/x", json!({"b": 1, "a": [2]}));
        let bytes = statement.to_json();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            text.starts_with(r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{"a":[2],"b":1}"#)
        );
        assert_eq!(Statement::from_json(&bytes).unwrap(), statement);
        assert!(statement.is_about(&digest));
        assert!(!statement.is_about(&shipway_oci::digest_of(b"another")));
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        let other = r#"{"_type":"https://in-toto.io/Link/v1","subject":[],"predicateType":""}"#;
        for bad in ["", "[]", "{}", other, &"[".repeat(100_000)] {
            assert!(Statement::from_json(bad.as_bytes()).is_err(), "{bad:.40}");
        }
    }
}
