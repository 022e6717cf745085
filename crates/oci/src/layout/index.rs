//! The layout's `index.json`, edited in place: what others put there stays.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shipway_core::{Error, Result, Tag};

use crate::{Descriptor, manifest::DescriptorDocument};

/// The content of `oci-layout`.
pub(super) const VERSION: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// An index of nothing.
pub(super) const EMPTY: &[u8] =
    br#"{"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#;

/// The annotation that holds the tag (image-spec, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Returns the tags and what they point to. Entries without a tag, or with a name that is none, are
/// others'.
pub(super) fn tags(index: &Value) -> Result<BTreeMap<Tag, Descriptor>> {
    let mut found = BTreeMap::new();
    for entry in index.get("manifests").and_then(Value::as_array).ok_or_else(bad)? {
        if let Some(tag) = tag_of(entry) {
            let document: DescriptorDocument = serde_json::from_value(entry.clone()).map_err(|error| {
                Error::bad_output(format!("what the tag `{tag}` points to is not valid"))
                    .note("in the layout's `index.json`")
                    .source(error)
            })?;
            found.insert(tag, document.into());
        }
    }
    Ok(found)
}

/// Points the tag to a manifest; returns whether that changed anything.
pub(super) fn set_tag(index: &mut Value, tag: &Tag, descriptor: &Descriptor) -> Result<bool> {
    let mut entry = descriptor.clone();
    entry.annotations = BTreeMap::from([(REF_NAME.to_owned(), tag.to_string())]);
    let entry = serde_json::to_value(DescriptorDocument::from(&entry)).expect("plain data with text keys");
    let manifests = index
        .as_object_mut()
        .and_then(|fields: &mut Map<String, Value>| fields.get_mut("manifests"))
        .and_then(Value::as_array_mut)
        .ok_or_else(bad)?;
    let same = |other: &Value| tag_of(other).as_ref() == Some(tag);
    if manifests.iter().filter(|other| same(other)).eq([&entry]) {
        return Ok(false);
    }
    manifests.retain(|other| !same(other));
    manifests.push(entry);
    Ok(true)
}

fn tag_of(entry: &Value) -> Option<Tag> {
    let name = entry.get("annotations")?.get(REF_NAME)?.as_str()?;
    Tag::parse(name).ok()
}

fn bad() -> Error {
    Error::bad_output("the layout's `index.json` has no list of manifests")
}
