//! Mappings with fields that plug-ins may claim.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use shipway_core::Result;
use shipway_yaml::{Document, Node, Rules, Span};

use crate::skaffold::parse::part;

/// A mapping with some fields of a known form, and others whose names are for plug-ins to claim.
#[derive(Debug)]
pub(in crate::skaffold) struct Open<T> {
    pub(in crate::skaffold) known: T,
    pub(in crate::skaffold) choices: Vec<Choice>,
    pub(in crate::skaffold) span: Span,
}

/// A field that may be a plug-in's.
#[derive(Debug)]
pub(in crate::skaffold) struct Choice {
    pub(in crate::skaffold) name: String,
    /// Where the name is written.
    pub(in crate::skaffold) span: Span,
    pub(in crate::skaffold) value: Node,
}

impl<T: DeserializeOwned> Open<T> {
    pub(super) fn read(document: &Document, fields: &[&str]) -> Result<Self> {
        let span = document.root.span;
        let mut known = document.root.clone();
        let mut choices = Vec::new();
        if let Some(entries) = known.entries_mut() {
            for (key, value) in std::mem::take(entries) {
                match key.text() {
                    Some(name) if !fields.contains(&name) => {
                        choices.push(Choice { name: name.to_owned(), span: key.span, value });
                    }
                    _ => entries.push((key, value)),
                }
            }
        }
        Ok(Self { known: part(document, &known).read()?, choices, span })
    }

    /// Returns the one choice, where only one can do something.
    pub(in crate::skaffold) fn only(&self, document: &Document, what: &str) -> Result<Option<&Choice>> {
        let mut choices: Vec<&Choice> = self.choices.iter().collect();
        choices.sort_by_key(|choice| choice.span.start.offset);
        match *choices.as_slice() {
            [] => Ok(None),
            [choice] => Ok(Some(choice)),
            [first, second, ..] => {
                let message = format!("`{}` and `{}` are both to {what}", first.name, second.name);
                Err(document.error(second.span, message).hint("keep one of them"))
            }
        }
    }
}

impl Choice {
    /// Returns the field's value as one of the types that Skaffold says.
    pub(in crate::skaffold) fn read<T: DeserializeOwned>(&self, document: &Document) -> Result<T> {
        self.said(document)?;
        part(document, &self.value).read()
    }

    /// Returns the field's value as a plug-in's own options.
    pub(in crate::skaffold) fn options(&self, document: &Document) -> Result<Map<String, Json>> {
        self.said(document)?;
        match part(document, &self.value).to_json(Rules::Config)? {
            Json::Object(options) => Ok(options),
            _ => {
                let message = format!("expected a mapping, found {}", self.value.kind());
                Err(document.error(self.value.span, message))
            }
        }
    }

    /// Skaffold drops a key of its own without a value; what a plug-in would make of one is not known.
    fn said(&self, document: &Document) -> Result<()> {
        if !self.value.is_null() {
            return Ok(());
        }
        let error = document.error(self.span, format!("`{}` says nothing", self.name));
        Err(error.hint(format!("write `{}: {{}}`, or take it out", self.name)))
    }
}
