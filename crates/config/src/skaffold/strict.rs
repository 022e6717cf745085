//! What a version allows: unknown fields and values of another form are refused where they are written.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Error, Result, did_you_mean};
use shipway_yaml::{Document, Node, Rules, Value};

use super::{
    schema::{self, Kind},
    version::Version,
};

/// The kinds that plug-ins have, for each role.
pub(super) type Kinds = BTreeMap<&'static str, Vec<&'static str>>;

/// Mappings in which a plug-in's kind may stand beside Skaffold's own fields, with its role.
pub(super) const OPEN: [(&str, &str); 4] = [
    ("Artifact", "builder"),
    ("TagPolicy", "tagger"),
    ("TaggerComponent", "tagger"),
    ("DeployConfig", "deployer"),
];

/// The longest text that an error shows, in bytes.
const SHOWN: usize = 40;

/// Checks a configuration against its version, to which the kinds of plug-ins are added.
///
/// # Errors
/// `Config` at the first field that the version does not have, and at the first value of another form.
pub(super) fn check(document: &Document, version: Version, kinds: &Kinds) -> Result<()> {
    Check { document, version, kinds }.node(&document.root, &schema::TOP)
}

struct Check<'a> {
    document: &'a Document,
    version: Version,
    kinds: &'a Kinds,
}

impl Check<'_> {
    fn node(&self, node: &Node, kind: &Kind) -> Result<()> {
        if node.is_null() {
            return Ok(());
        }
        match (kind, &node.value) {
            (Kind::Any, _) => Ok(()),
            (Kind::Fields(definition), Value::Mapping(entries)) => {
                entries.iter().try_for_each(|(key, value)| self.entry(key, value, definition))
            }
            (Kind::Map(of), Value::Mapping(entries)) => {
                entries.iter().try_for_each(|(_, value)| self.node(value, of))
            }
            (Kind::List(of), Value::Sequence(items)) => items.iter().try_for_each(|item| self.node(item, of)),
            (Kind::Text | Kind::Port, Value::Scalar(_)) => Ok(()),
            (Kind::Boolean, Value::Scalar(_)) if truth(node).is_some() => Ok(()),
            (Kind::Integer, Value::Scalar(_)) if integer(node).is_some() => Ok(()),
            _ => {
                let expected = match kind {
                    Kind::Fields(_) | Kind::Map(_) => "a mapping",
                    Kind::List(_) => "a list",
                    Kind::Boolean => "`true` or `false`",
                    Kind::Integer => "an integer",
                    Kind::Text | Kind::Port | Kind::Any => "a text",
                };
                let found = match node.text() {
                    Some(text) if text.len() <= SHOWN => format!("`{text}`"),
                    _ => node.kind().to_owned(),
                };
                let message = format!("expected {expected}, found {found}");
                Err(self.document.error(node.span, message))
            }
        }
    }

    fn entry(&self, key: &Node, value: &Node, definition: &str) -> Result<()> {
        let name = key.text().unwrap_or_default();
        match schema::field(definition, name, self.version) {
            Some(field) => self.node(value, &field.kind),
            None if self.plug_ins(definition).any(|kind| kind == name) => Ok(()),
            None => Err(self.unknown(key, definition)),
        }
    }

    /// Returns the kinds that may stand beside a definition's fields.
    fn plug_ins(&self, definition: &str) -> impl Iterator<Item = &'static str> {
        let roles = OPEN.iter().filter(move |(of, _)| *of == definition);
        roles.filter_map(|(_, role)| self.kinds.get(role)).flatten().copied()
    }

    /// Returns the error that there is no such field: with the version that has it, or the name that was meant.
    fn unknown(&self, key: &Node, definition: &str) -> Error {
        let name = key.text().unwrap_or_default();
        let (all, version) = (schema::fields(definition), self.version);
        let of_name = || all.iter().filter(|field| field.name == name);
        if let Some(field) = of_name().find(|field| field.since > version) {
            let (since, says) = (field.since.number(), version.number());
            let message = format!("`{name}` needs {since}; this file says {says}");
            let hint = format!("write `apiVersion: {}`, or a later one", field.since);
            return self.document.error(key.span, message).hint(hint);
        }
        if let Some(field) = of_name().filter(|field| field.until < version).max_by_key(|field| field.until) {
            let (until, says) = (field.until.number(), version.number());
            let message = format!("`{name}` was a field until {until}; this file says {says}");
            let error = self.document.error(key.span, message);
            return match moved(definition, name) {
                Some(to) => error.hint(format!("it is `{to}` now")),
                None => error.hint("do without it"),
            };
        }
        let error = self.document.error(key.span, format!("there is no field `{name}` here"));
        let fields = all.iter().filter(|field| field.is_in(version)).map(|field| field.name);
        let known: BTreeSet<&str> = fields.chain(self.plug_ins(definition)).collect();
        match did_you_mean(name, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => error.hint("nothing can be said here: write `{}`"),
            None => {
                let known: Vec<&str> = known.into_iter().collect();
                error.hint(format!("these are known: {}", known.join(", ")))
            }
        }
    }
}

/// Where what people still write in new versions has gone.
const MOVED: [(&str, &str, &str); 8] = [
    ("DeployConfig", "kustomize", "manifests.kustomize"),
    ("KubectlDeploy", "manifests", "manifests.rawYaml"),
    ("KubectlDeploy", "remoteManifests", "manifests.remoteManifests"),
    ("HelmRelease", "artifactOverrides", "setValueTemplates"),
    ("HelmRelease", "values", "setValueTemplates"),
    ("BuildConfig", "kaniko", "cluster"),
    ("Artifact", "buildpack", "buildpacks"),
    ("DockerArtifact", "secret", "secrets"),
];

fn moved(definition: &str, name: &str) -> Option<&'static str> {
    MOVED.iter().find(|(of, field, _)| *of == definition && *field == name).map(|(.., to)| *to)
}

/// Returns the truth value of a node, where one is expected.
pub(super) fn truth(node: &Node) -> Option<bool> {
    node.resolved(Rules::Config)?.truth()
}

/// Returns the integer of a node, where one is expected.
pub(super) fn integer(node: &Node) -> Option<i64> {
    node.resolved(Rules::Config)?.integer()?.try_into().ok()
}
