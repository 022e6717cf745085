//! The fields that are paths, which go by the folder of the file or of whoever runs it.

use std::path::{Component, Path, PathBuf};

use shipway_yaml::{Node, Style, Value};

use crate::path::{each_node, placed, put};

/// The fields (`skaffold:"filepath"` in GoogleContainerTools/skaffold, `schema/latest/config.go`). Of a list and a mapping
/// each value is one.
const PATHS: [&str; 22] = [
    "/build/artifacts/*/context",
    "/build/artifacts/*/kaniko/contextSubPath",
    "/build/artifacts/*/buildpacks/volumes/*/host",
    "/build/artifacts/*/hooks/before/*/dir",
    "/build/artifacts/*/hooks/after/*/dir",
    "/build/artifacts/*/sync/hooks/before/*/host/dir",
    "/build/artifacts/*/sync/hooks/after/*/host/dir",
    "/build/hooks/before/*/dir",
    "/build/hooks/after/*/dir",
    "/test/*/context",
    "/test/*/structureTests",
    "/manifests/rawYaml",
    "/manifests/kpt",
    "/manifests/kustomize/paths",
    "/manifests/helm/releases/*/chartPath",
    "/manifests/helm/releases/*/valuesFiles",
    "/manifests/helm/releases/*/setFiles",
    "/manifests/hooks/before/*/host/dir",
    "/manifests/hooks/after/*/host/dir",
    "/deploy/helm/releases/*/chartPath",
    "/deploy/helm/releases/*/valuesFiles",
    "/deploy/helm/releases/*/setFiles",
];

/// Hooks of the deployers, each with a folder.
const DEPLOYERS: [&str; 3] = ["kubectl", "helm", "cloudrun"];

/// What has a `context`, which is the folder itself where it says none.
const CONTEXTS: [&str; 2] = ["/build/artifacts/*", "/test/*"];

/// Puts a folder before every relative path of a configuration. An address (`https://…`) is none.
pub(super) fn rebase(root: &mut Node, folder: &Path) {
    for path in CONTEXTS {
        each_node(root, path, &mut |node| {
            if node.entries().is_some() && node.get("context").is_none() {
                let key = node.clone();
                put(node, &["context"], &key, placed(Node::scalar(".", Style::Plain), &key));
            }
        });
    }
    for path in PATHS {
        at(root, path, folder);
    }
    for deployer in DEPLOYERS {
        for when in ["before", "after"] {
            // Of Cloud Run these are host hooks without a level between.
            at(root, &format!("/deploy/{deployer}/hooks/{when}/*/host/dir"), folder);
            at(root, &format!("/deploy/{deployer}/hooks/{when}/*/dir"), folder);
        }
    }
}

fn at(root: &mut Node, path: &str, folder: &Path) {
    each_node(root, path, &mut |node| below(node, folder));
}

fn below(node: &mut Node, folder: &Path) {
    match &mut node.value {
        Value::Sequence(items) => items.iter_mut().for_each(|item| below(item, folder)),
        Value::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| below(value, folder)),
        Value::Scalar(scalar) => {
            let text = &*scalar.text;
            if !text.is_empty() && !text.contains("://") && !Path::new(text).is_absolute() {
                let joined = join(folder, text).to_string_lossy().into_owned();
                *node = placed(Node::scalar(joined, Style::DoubleQuoted), node);
            }
        }
    }
}

/// Joins two paths as Go's `filepath.Join` does.
fn join(folder: &Path, path: &str) -> PathBuf {
    let joined = normal(&folder.join(path));
    if joined.as_os_str().is_empty() { PathBuf::from(".") } else { joined }
}

/// Returns a path without `.`, and with `..` only at the beginning, as far as names say.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for step in path.components() {
        match step {
            Component::CurDir => {}
            Component::ParentDir => match normal.components().next_back() {
                Some(Component::Normal(_)) => drop(normal.pop()),
                Some(Component::RootDir) => {}
                _ => normal.push(".."),
            },
            step => normal.push(step),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_go_joins_them() {
        for (folder, path, joined) in [
            ("/a/b", ".", "/a/b"),
            ("/a/b", "../c/./d", "/a/c/d"),
            ("/a", "../../..", "/"),
            ("a", "../../b", "../b"),
            ("a", "..", "."),
            ("", "x/", "x"),
            ("/a", "k8s/*.yaml", "/a/k8s/*.yaml"),
        ] {
            assert_eq!(join(Path::new(folder), path), Path::new(joined), "{folder} {path}");
        }
    }
}
