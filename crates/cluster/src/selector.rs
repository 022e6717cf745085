//! Which objects a list or a watch is about.

use std::collections::BTreeMap;

use serde_json::Value;
use shipway_core::ObjectId;

/// Selects objects; by default all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selector {
    pub(crate) kind: Option<(String, String)>,
    pub(crate) namespace: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Selector {
    /// Returns the selector of all objects.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects only objects of this version and kind, such as `apps/v1` and `Deployment`.
    #[must_use]
    pub fn kind(mut self, api_version: impl Into<String>, kind: impl Into<String>) -> Self {
        self.kind = Some((api_version.into(), kind.into()));
        self
    }

    /// Selects only objects in this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Selects only objects that have this label with this value.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Returns the version and kind that it selects, if it selects by them.
    #[must_use]
    pub fn of_kind(&self) -> Option<(&str, &str)> {
        self.kind.as_ref().map(|(version, kind)| (version.as_str(), kind.as_str()))
    }

    pub(crate) fn takes(&self, id: &ObjectId, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let has = |(name, value): (&String, &String)| {
            labels.and_then(|labels| labels.get(name)).and_then(Value::as_str) == Some(value)
        };
        self.kind.as_ref().is_none_or(|(version, kind)| *version == id.api_version && *kind == id.kind)
            && self.namespace.as_ref().is_none_or(|namespace| id.namespace.as_ref() == Some(namespace))
            && self.labels.iter().all(has)
    }
}
