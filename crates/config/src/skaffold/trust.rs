//! What a file may have run on the machine that reads it, as data: all of it is refused where the file is not
//! trusted.

use shipway_core::{Error, Location, Result};
use shipway_yaml::{Document, Node};

use super::{
    Options, Trust,
    unread::{concerns, refuse},
};
use crate::path::{each_node, steps};

const HOOK: &str = "a hook runs a command on this machine";
const TOOL: &str = "it runs a tool of the project on this machine";
const FLAGS: &str = "with flags a tool runs other programs";
const SECRET: &str = "it hands what this machine keeps secret to a build";
const FUNCTION: &str = "it runs programs over the manifests";
const ELSEWHERE: &str = "it brings in what somebody else says";

/// The fields, at their paths in the newest version, and what they do.
const REFUSED: [(&str, &str); 34] = [
    ("/requires/*/git", ELSEWHERE),
    ("/requires/*/googleCloudStorage", ELSEWHERE),
    ("/requires/*/googleCloudBuildRepoV2", ELSEWHERE),
    ("/build/hooks/before/*", HOOK),
    ("/build/hooks/after/*", HOOK),
    ("/build/artifacts/*/hooks/before/*", HOOK),
    ("/build/artifacts/*/hooks/after/*", HOOK),
    ("/build/artifacts/*/sync/hooks/before/*/host", HOOK),
    ("/build/artifacts/*/sync/hooks/after/*/host", HOOK),
    ("/build/artifacts/*/custom", "a custom builder runs a command on this machine"),
    ("/build/artifacts/*/bazel", TOOL),
    ("/build/artifacts/*/jib", TOOL),
    ("/build/artifacts/*/ko", TOOL),
    ("/build/artifacts/*/buildpacks/volumes", SECRET),
    ("/build/artifacts/*/docker/secrets", SECRET),
    ("/build/artifacts/*/docker/ssh", SECRET),
    ("/build/artifacts/*/docker/cliFlags", FLAGS),
    ("/test/*/custom", "a custom test runs a command on this machine"),
    ("/manifests/hooks/before/*/host", HOOK),
    ("/manifests/hooks/after/*/host", HOOK),
    ("/manifests/kustomize/buildArgs", FLAGS),
    ("/manifests/helm/flags", FLAGS),
    ("/manifests/kpt", FUNCTION),
    ("/manifests/transform", FUNCTION),
    ("/manifests/validate", FUNCTION),
    ("/deploy/kubectl/hooks/before/*/host", HOOK),
    ("/deploy/kubectl/hooks/after/*/host", HOOK),
    ("/deploy/kubectl/flags", FLAGS),
    ("/deploy/helm/hooks/before/*/host", HOOK),
    ("/deploy/helm/hooks/after/*/host", HOOK),
    ("/deploy/helm/flags", FLAGS),
    ("/deploy/kpt/flags", FLAGS),
    ("/deploy/cloudrun/hooks/before/*", HOOK),
    ("/deploy/cloudrun/hooks/after/*", HOOK),
];

/// Refuses what runs here, where the file is not trusted.
///
/// # Errors
/// `Config` at the first such field; the others are notes.
pub(super) fn check(document: &mut Document, options: &Options) -> Result<()> {
    check_below("", document, options)
}

/// As [`check`], only of what a configuration requires: before any of it is fetched.
///
/// # Errors
/// As [`check`].
pub(super) fn check_requires(document: &mut Document, options: &Options) -> Result<()> {
    check_below("/requires", document, options)
}

fn check_below(section: &str, document: &mut Document, options: &Options) -> Result<()> {
    if options.trust == Trust::Full {
        return Ok(());
    }
    let mut found = Vec::new();
    let shown = Document::new(document.file.as_path(), Node::mapping(Vec::new()));
    for (path, why) in REFUSED {
        if !path.starts_with(section) || !concerns(path, &options.command) {
            continue;
        }
        let mut note = |node: &Node| found.push((shown.location(node.span), refused(path, why)));
        let Some((parents, last)) = path.rsplit_once('/') else { continue };
        each_node(&mut document.root, parents, &mut |node| match last {
            "*" => node.items().into_iter().flatten().for_each(&mut note),
            last => node.entries().into_iter().flatten().for_each(|(key, value)| {
                if key.text() == Some(last) && !says_nothing(value) {
                    note(key);
                }
            }),
        });
    }
    refuse(found, denied)
}

/// Returns the error of what a file that is not trusted may not do.
pub(super) fn denied(message: impl Into<String>, location: Location) -> Error {
    Error::config(message).at(location).hint("if the file is your own, read it with `Trust::Full`")
}

fn refused(path: &str, why: &str) -> String {
    let named = ["*", "before", "after", "host"];
    let name: Vec<&str> = steps(path).into_iter().filter(|step| !named.contains(step)).collect();
    format!("`{}` is refused: {why}", name.join("."))
}

fn says_nothing(value: &Node) -> bool {
    value.is_null() || value.items().is_some_and(<[_]>::is_empty)
}
