//! The functions of kpt that Skaffold lets people name in `manifests.transform`, done here, without containers; what
//! each does is that of its version there (krm-functions-catalog).

mod comments;
mod enforcement;
mod fields;
mod labels;
mod names;
mod namespace;
mod references;
mod search;
mod setters;
mod setters_made;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shipway_core::{Error, Result, did_you_mean};
use shipway_yaml::{Node, Resolved, Rules, Style};

use self::{
    enforcement::Enforcement, labels::Labels, names::Substring, namespace::SetNamespace, search::Search,
    setters::Setters, setters_made::MadeSetters,
};
use super::piece::Piece;

/// A function over manifests with its settings: an item of `manifests.transform` or `manifests.validate` of a
/// `skaffold.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ManifestFunction {
    /// The name, such as `set-labels`.
    pub name: String,
    /// The settings, each `key:value`, as in Skaffold, or `key=value`.
    pub config_map: Vec<String>,
}

impl ManifestFunction {
    /// Returns the function of this name with its settings.
    pub fn new<S: Into<String>>(name: impl Into<String>, settings: impl IntoIterator<Item = S>) -> Self {
        Self { name: name.into(), config_map: settings.into_iter().map(Into::into).collect() }
    }

    /// Returns the settings by key, in their order.
    pub(super) fn settings(&self) -> Result<Vec<(&str, &str)>> {
        let part = |entry: &'_ String| entry.find([':', '=']);
        let mut settings: Vec<(&str, &str)> = Vec::new();
        for entry in &self.config_map {
            let Some(at) = part(entry).filter(|at| *at > 0) else {
                return Err(Error::config(format!("the setting `{entry}` of `{}` has no key", self.name))
                    .hint("write `key:value` or `key=value`"));
            };
            let (key, value) = (&entry[..at], entry[at + 1..].trim_start());
            if settings.iter().any(|(known, _)| *known == key) {
                return Err(Error::config(format!("`{}` has `{key}` twice", self.name)));
            }
            settings.push((key, value));
        }
        Ok(settings)
    }
}

/// A function that was read.
#[derive(Clone, Debug)]
pub(super) enum Function {
    Namespace(SetNamespace),
    Labels(Labels),
    Annotations(Labels),
    CreateSetters(MadeSetters),
    ApplySetters(Setters),
    Substring(Substring),
    Search(Search),
    Enforcement(Enforcement),
}

/// What may be named (skaffold: render/transform, `transformerAllowlist`).
const NAMES: [&str; 8] = [
    "apply-setters",
    "create-setters",
    "ensure-name-substring",
    "search-replace",
    "set-annotations",
    "set-enforcement-action",
    "set-labels",
    "set-namespace",
];

impl Function {
    /// Reads a function.
    ///
    /// # Errors
    /// `Config` for a name or a setting that there is not.
    pub(super) fn new(function: &ManifestFunction) -> Result<Self> {
        let settings = function.settings()?;
        Ok(match function.name.as_str() {
            "set-namespace" => Self::Namespace(SetNamespace::new(&settings)?),
            "set-labels" => Self::Labels(Labels::new(&settings)),
            "set-annotations" => Self::Annotations(Labels::new(&settings)),
            "create-setters" => Self::CreateSetters(MadeSetters::new(&settings)?),
            "apply-setters" => Self::ApplySetters(Setters::new(&settings)),
            "ensure-name-substring" => Self::Substring(Substring::new(&settings)?),
            "search-replace" => Self::Search(Search::new(&settings)?),
            "set-enforcement-action" => Self::Enforcement(Enforcement::new(&settings)?),
            other => {
                let error =
                    Error::config(format!("there is no function `{other}` for `manifests.transform`"));
                return Err(match did_you_mean(other, NAMES) {
                    Some(name) => error.hint(format!("did you mean `{name}`?")),
                    None => error.hint(format!("the functions are `{}`", NAMES.join("`, `"))),
                });
            }
        })
    }

    /// Changes manifests.
    ///
    /// # Errors
    /// `Config`, with the place of the manifest, where a function cannot do what its settings say.
    pub(super) fn apply(&self, pieces: &mut [Piece]) -> Result<()> {
        match self {
            Self::Namespace(namespace) => namespace.apply(pieces),
            Self::Labels(labels) => labels.apply(&labels::LABELS, pieces),
            Self::Annotations(annotations) => annotations.apply(&labels::ANNOTATIONS, pieces),
            Self::CreateSetters(setters) => setters.apply(pieces),
            Self::ApplySetters(setters) => setters.apply(pieces),
            Self::Substring(substring) => substring.apply(pieces),
            Self::Search(search) => search.apply(pieces),
            Self::Enforcement(enforcement) => enforcement.apply(pieces),
        }
    }
}

/// Returns settings of which each key is one of these.
fn known<'a>(
    function: &str,
    settings: &[(&'a str, &'a str)],
    keys: &[&str],
) -> Result<BTreeMap<&'a str, &'a str>> {
    for (key, _) in settings {
        if !keys.contains(key) {
            let error = Error::config(format!("`{function}` has no setting `{key}`"));
            return Err(match did_you_mean(key, keys.iter().copied()) {
                Some(key) => error.hint(format!("did you mean `{key}`?")),
                None => error.hint(format!("its settings are `{}`", keys.join("`, `"))),
            });
        }
    }
    Ok(settings.iter().copied().collect())
}

/// Returns a text as a node, which every reader takes for a text.
fn text_node(text: &str) -> Node {
    let plain = Node::scalar(text, Style::Plain);
    let is_text = |rules| plain.resolved(rules) == Some(Resolved::Text(text.to_owned()));
    if !text.is_empty() && is_text(Rules::Config) && is_text(Rules::Manifest) {
        plain
    } else {
        Node::scalar(text, Style::DoubleQuoted)
    }
}

/// Sets a field of a mapping to a text, and returns whether that is new.
fn set_text(node: &mut Node, field: &str, text: &str) -> bool {
    match node.get_mut(field) {
        Some(value) if value.resolved(Rules::Manifest) == Some(Resolved::Text(text.to_owned())) => false,
        Some(value) => {
            *value = restyled(value, text);
            true
        }
        None => match node.entries_mut() {
            Some(entries) => {
                entries.push((text_node(field), text_node(text)));
                true
            }
            None => false,
        },
    }
}

/// Returns a text in the quotes that a node has.
fn restyled(node: &Node, text: &str) -> Node {
    match &node.value {
        shipway_yaml::Value::Scalar(scalar) if scalar.style != Style::Plain => {
            Node::scalar(text, scalar.style)
        }
        _ => text_node(text),
    }
}
