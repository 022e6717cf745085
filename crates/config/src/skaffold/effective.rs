//! What a configuration means once its profiles and the defaults are applied.

use std::path::Path;

use shipway_yaml::{Document, Node, Style};

use super::{
    Options, defaults, paths,
    schema::{self, Kind},
    version::Version,
};
use crate::path::put;

/// Fields that are written though nothing is said in them (no `omitempty` in GoogleContainerTools/skaffold,
/// `schema/latest/config.go`).
const WRITTEN: [(&str, &str); 23] = [
    ("Action", "name"),
    ("Action", "containers"),
    ("ArtifactDependency", "image"),
    ("BazelPlatformMapping", "platform"),
    ("BazelPlatformMapping", "target"),
    ("BuildpackVolume", "host"),
    ("BuildpackVolume", "target"),
    ("ContainerHook", "command"),
    ("CustomTest", "command"),
    ("DockerDeploy", "images"),
    ("HostHook", "command"),
    ("NamedContainerHook", "podName"),
    ("NamedContainerHook", "command"),
    ("PlatformEmulatorInstallStep", "image"),
    ("PostRenderHostHook", "command"),
    ("ResourceFilter", "groupKind"),
    ("TestCase", "image"),
    ("VerifyContainer", "name"),
    ("VerifyContainer", "image"),
    ("VerifyEnvVar", "name"),
    ("VerifyEnvVar", "value"),
    ("VerifyTestCase", "name"),
    ("VerifyTestCase", "container"),
];

/// Returns a configuration with the defaults, and with paths from a folder.
pub(super) fn effective(document: &Document, options: &Options, folder: &Path) -> Document {
    let mut document = document.clone();
    let root = &mut document.root;
    defaults::set(root, options);
    paths::rebase(root, folder);
    let newest = Node::scalar(Version::NEWEST.to_string(), Style::Plain);
    put(root, &["apiVersion"], &newest.clone(), newest);
    write_out(root, &schema::TOP);
    document
}

/// Writes what is written without a word in it, and puts the fields in the order in which Skaffold writes them.
fn write_out(node: &mut Node, kind: &Kind) {
    match kind {
        Kind::List(of) => node.items_mut().into_iter().flatten().for_each(|item| write_out(item, of)),
        Kind::Map(of) => {
            node.entries_mut().into_iter().flatten().for_each(|(_, value)| write_out(value, of));
        }
        Kind::Fields(definition) if node.entries().is_some() => {
            let fields = || schema::fields(definition).iter().filter(|field| field.is_in(Version::NEWEST));
            for field in fields() {
                if node.get(field.name).is_none() && WRITTEN.contains(&(definition, field.name)) {
                    let nothing = match field.kind {
                        Kind::List(_) => Node::sequence(Vec::new()),
                        Kind::Fields(_) => Node::mapping(Vec::new()),
                        _ => Node::scalar("", Style::DoubleQuoted),
                    };
                    put(node, &[field.name], &Node::scalar("", Style::Plain), nothing);
                }
                if let Some(value) = node.get_mut(field.name) {
                    write_out(value, &field.kind);
                }
            }
            let rank = |key: &Node| fields().position(|field| Some(field.name) == key.text());
            if let Some(entries) = node.entries_mut() {
                // What is no field of Skaffold's comes last.
                entries.sort_by_cached_key(|(key, _)| rank(key).unwrap_or(usize::MAX));
            }
        }
        _ => {}
    }
}
