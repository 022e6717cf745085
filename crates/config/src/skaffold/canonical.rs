//! A configuration as Skaffold's own types keep it: each value in the form of its field, and nothing that is as good as
//! not written. The fields are in the order in which the newest version writes them.

use shipway_yaml::{Document, Node, Resolved, Rules, Style, Value};

use super::{
    schema::{self, Field, Kind},
    strict::{integer, truth},
    version::Version,
};
use crate::{Notice, path::placed};

/// Mappings that are part of what they are in, so that an empty one is nothing; all others are pointers, of which an
/// empty one says that it is there (GoogleContainerTools/skaffold, `schema/latest/config.go`).
const PARTS: [(&str, &str); 20] = [
    ("SkaffoldConfig", "metadata"),
    ("SkaffoldConfig", "build"),
    ("SkaffoldConfig", "manifests"),
    ("SkaffoldConfig", "deploy"),
    ("SkaffoldConfig", "resourceSelector"),
    ("BuildConfig", "hooks"),
    ("BuildConfig", "tagPolicy"),
    ("Action", "executionMode"),
    ("VerifyTestCase", "executionMode"),
    ("RenderConfig", "hooks"),
    ("Helm", "flags"),
    ("DeployConfig", "logs"),
    ("CloudRunDeploy", "hooks"),
    ("KubectlDeploy", "flags"),
    ("KubectlDeploy", "hooks"),
    ("LegacyHelmDeploy", "flags"),
    ("LegacyHelmDeploy", "hooks"),
    ("LogsConfig", "jsonParse"),
    ("Artifact", "hooks"),
    ("Sync", "hooks"),
];

/// Values that count also when they are `false`, 0, an empty text or an empty list: pointers.
const POINTERS: [(&str, &str); 22] = [
    ("GitInfo", "sync"),
    ("GoogleCloudStorageInfo", "sync"),
    ("GoogleCloudBuildRepoV2Info", "sync"),
    ("LocalBuild", "push"),
    ("LocalBuild", "useBuildkit"),
    ("LocalBuild", "concurrency"),
    ("KanikoCache", "cacheRunLayers"),
    ("ClusterDetails", "runAsUser"),
    ("Action", "failFast"),
    ("Action", "timeout"),
    ("VerifyTestCase", "timeout"),
    ("KptDeploy", "defaultNamespace"),
    ("DeployConfig", "statusCheck"),
    ("KubectlDeploy", "defaultNamespace"),
    ("LegacyHelmDeploy", "concurrency"),
    ("HelmRelease", "createNamespace"),
    ("HelmRelease", "upgradeOnChange"),
    ("Sync", "auto"),
    ("KanikoArtifact", "copyMaxRetries"),
    ("KanikoArtifact", "buildContextCompressionLevel"),
    ("RenderConfig", "transform"),
    ("RenderConfig", "validate"),
];

/// What a patch puts in, of which nothing is changed.
const PATCHED: (&str, &str) = ("JSONPatch", "value");

/// Fields of which one is a choice, so that a person who wrote it without a value meant it.
const CHOICES: [&str; 4] = ["Artifact", "BuildConfig", "TagPolicy", "DeployConfig"];

/// Brings a configuration of the newest version into Skaffold's form. A choice without a value is as good as not written,
/// as with Skaffold, and is told.
pub(super) fn canonical(document: &mut Document, notices: &mut Vec<Notice>) {
    let shown = Document::new(document.file.as_path(), Node::mapping(Vec::new()));
    let root = std::mem::replace(&mut document.root, Node::mapping(Vec::new()));
    document.root = Canonical { shown, notices }.node(root, &schema::TOP);
}

struct Canonical<'a> {
    shown: Document,
    notices: &'a mut Vec<Notice>,
}

impl Canonical<'_> {
    fn node(&mut self, mut node: Node, kind: &Kind) -> Node {
        match (kind, &mut node.value) {
            (Kind::Fields(definition), Value::Mapping(entries)) => {
                *entries = self.fields(std::mem::take(entries), definition);
                plain(node)
            }
            (Kind::Map(of), Value::Mapping(entries)) => {
                let all = std::mem::take(entries).into_iter();
                *entries = all.map(|(key, value)| (text(key), self.node(value, of))).collect();
                plain(node)
            }
            (Kind::List(of), Value::Sequence(items)) => {
                *items = std::mem::take(items).into_iter().map(|item| self.node(item, of)).collect();
                plain(node)
            }
            (_, Value::Scalar(_)) => scalar(node, kind),
            _ => node,
        }
    }

    fn fields(&mut self, entries: Vec<(Node, Node)>, definition: &str) -> Vec<(Node, Node)> {
        let fields = schema::fields(definition);
        let mut kept: Vec<(usize, (Node, Node))> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let name = key.text().unwrap_or_default();
            let at = fields.iter().position(|field| field.name == name && field.is_in(Version::NEWEST));
            let Some((at, field)) = at.map(|at| (at, &fields[at])) else {
                // A plug-in's own kind, which comes last.
                kept.push((usize::MAX, (key, value)));
                continue;
            };
            if (definition, field.name) == PATCHED {
                kept.push((at, (key, value)));
                continue;
            }
            if value.is_null() {
                self.says_nothing(&key, definition, field);
                continue;
            }
            let value = match field.kind {
                Kind::Any if FLAT.contains(&(definition, field.name)) => flat(&value),
                Kind::Map(_) if field.name == "buildArgs" => arguments(value),
                _ => self.node(value, &field.kind),
            };
            if !is_nothing(&value, definition, field) {
                kept.push((at, (key, value)));
            }
        }
        kept.sort_by_key(|(at, _)| *at);
        kept.into_iter().map(|(_, entry)| entry).collect()
    }

    fn says_nothing(&mut self, key: &Node, definition: &str, field: &Field) {
        if CHOICES.contains(&definition) && matches!(field.kind, Kind::Fields(_)) {
            let name = field.name;
            let message = format!("`{name}` without a value is as good as not written: write `{name}: {{}}`");
            self.notices.push(Notice::new(self.shown.location(key.span), message));
        }
    }
}

/// Brings a single value into the form of its field.
fn scalar(node: Node, kind: &Kind) -> Node {
    let Value::Scalar(scalar) = &node.value else { return node };
    let made = match kind {
        Kind::Text if node.is_null() => Some((String::new(), Style::DoubleQuoted)),
        Kind::Text => return text(node),
        Kind::Port => match scalar.text.parse::<i64>() {
            Ok(number) => Some((number.to_string(), Style::Plain)),
            Err(_) => return text(node),
        },
        Kind::Boolean => truth(&node).map(|value| (value.to_string(), Style::Plain)),
        Kind::Integer => integer(&node).map(|value| (value.to_string(), Style::Plain)),
        _ => None,
    };
    match made {
        Some((text, style)) => written(&text, style, &node),
        None => node,
    }
}

/// An argument without a value is taken from the environment, so that nothing is something here.
fn arguments(mut node: Node) -> Node {
    if let Some(entries) = node.entries_mut() {
        let value = |value: Node| if value.is_null() { value } else { text(value) };
        *entries = std::mem::take(entries).into_iter().map(|(key, of)| (text(key), value(of))).collect();
    }
    plain(node)
}

/// A list or a mapping without its tag, which says nothing here.
fn plain(mut node: Node) -> Node {
    (node.tag, node.alias) = (None, false);
    node
}

/// Mappings that Skaffold flattens to names with dots and indices (`schema/util`, `FlatMap`).
const FLAT: [(&str, &str); 2] = [("HelmRelease", "setValues"), ("HelmRelease", "setValueTemplates")];

fn flat(node: &Node) -> Node {
    let mut entries = Vec::new();
    flatten(node, "", &mut entries);
    placed(Node::mapping(entries), node)
}

fn flatten(node: &Node, path: &str, into: &mut Vec<(Node, Node)>) {
    match &node.value {
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let key = key.text().unwrap_or_default();
                let below = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                flatten(value, &below, into);
            }
        }
        Value::Sequence(items) => {
            for (number, item) in items.iter().enumerate() {
                flatten(item, &format!("{path}[{number}]"), into);
            }
        }
        Value::Scalar(scalar) => {
            let value = match node.resolved(Rules::Config) {
                Some(Resolved::Null) => "<nil>".to_owned(),
                Some(Resolved::Bool(value)) => value.to_string(),
                Some(Resolved::Integer(value)) => value.to_string(),
                Some(Resolved::Float(value)) if value.abs() < 1e21 => value.to_string(),
                Some(Resolved::Text(text)) => text,
                _ => scalar.text.to_string(),
            };
            into.push((written(path, Style::Plain, node), written(&value, Style::DoubleQuoted, node)));
        }
    }
}

/// Whether a field is a mapping that is part of what it is in.
pub(super) fn is_part(definition: &str, name: &str) -> bool {
    PARTS.contains(&(definition, name))
}

/// Whether a field's value is one that Go does not write.
fn is_nothing(value: &Node, definition: &str, field: &Field) -> bool {
    let at = (definition, field.name);
    if POINTERS.contains(&at) {
        return false;
    }
    match (&value.value, &field.kind) {
        (Value::Mapping(entries), Kind::Fields(_)) => {
            // A profile's sections are those of a configuration.
            let definition = if definition == "Profile" { "SkaffoldConfig" } else { definition };
            entries.is_empty() && is_part(definition, field.name)
        }
        (Value::Mapping(entries), _) => entries.is_empty(),
        (Value::Sequence(items), _) => items.is_empty(),
        (Value::Scalar(scalar), Kind::Text) => scalar.text.is_empty(),
        (Value::Scalar(scalar), Kind::Boolean) => &*scalar.text == "false",
        (Value::Scalar(scalar), Kind::Integer | Kind::Port) => &*scalar.text == "0",
        _ => false,
    }
}

/// A scalar as a text, whatever it means.
fn text(node: Node) -> Node {
    match (node.text(), node.resolved(Rules::Config)) {
        (Some(_), Some(Resolved::Text(_))) | (None, _) => node,
        (Some(text), _) => written(text, Style::DoubleQuoted, &node),
    }
}

fn written(text: &str, style: Style, like: &Node) -> Node {
    placed(Node::scalar(text, style), like)
}
