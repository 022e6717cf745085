//! What is meant where a configuration says nothing (GoogleContainerTools/skaffold, `schema/defaults`).

use shipway_yaml::{Node, Style};

use super::{
    Options,
    schema::{self, is_one_of},
    version::Version,
};
use crate::path::{each_node, placed, put};

/// The image that builds in a cluster.
const KANIKO: &str = "gcr.io/kaniko-project/executor:latest";

/// Fields of mappings that are there, with what they are where they are not.
const DEFAULTS: [(&str, &str, &str); 15] = [
    ("/build/artifacts/*", "context", "."),
    ("/build/googleCloudBuild", "dockerImage", "gcr.io/cloud-builders/docker"),
    ("/build/googleCloudBuild", "mavenImage", "gcr.io/cloud-builders/mvn"),
    ("/build/googleCloudBuild", "gradleImage", "gcr.io/cloud-builders/gradle"),
    ("/build/googleCloudBuild", "kanikoImage", KANIKO),
    ("/build/googleCloudBuild", "packImage", "gcr.io/k8s-skaffold/pack"),
    ("/build/googleCloudBuild", "koImage", "gcr.io/k8s-skaffold/skaffold"),
    ("/build/cluster", "namespace", "default"),
    ("/build/cluster", "timeout", "20m"),
    ("/build/cluster", "pullSecretMountPath", "/secret"),
    ("/build/cluster/dockerConfig", "secretName", "docker-cfg"),
    ("/deploy/logs", "prefix", "container"),
    ("/deploy/helm", "concurrency", "1"),
    ("/portForward/*", "address", "127.0.0.1"),
    ("/test/*", "context", "."),
];

/// The same of an artifact's builder; where there are several, of the first of these alone.
const BUILDERS: [(&str, &[(&str, &str)]); 4] = [
    ("docker", &[("dockerfile", "Dockerfile")]),
    (
        "kaniko",
        &[
            ("image", KANIKO),
            ("dockerfile", "Dockerfile"),
            ("initImage", "gcr.io/k8s-skaffold/skaffold-helpers/busybox"),
            ("digestFile", "/dev/termination-log"),
            ("copyMaxRetries", "3"),
            ("copyTimeout", "5m"),
            ("buildContextCompressionLevel", "1"),
        ],
    ),
    ("custom", &[]),
    ("buildpacks", &[("projectDescriptor", "project.toml")]),
];

/// Writes the defaults into a configuration of the newest version in Skaffold's form, with its profiles applied. What is
/// made is at no place of the file.
pub(super) fn set(root: &mut Node, options: &Options) {
    let nothing = || Node::mapping(Vec::new());
    let has =
        |root: &Node, section: &str, name: &str| root.get(section).is_some_and(|of| of.get(name).is_some());
    if !root.get("build").is_some_and(|build| names(build).any(|name| is_one_of("BuildConfig", name))) {
        write(root, &["build", "local"], nothing());
    }
    if !has(root, "build", "tagPolicy") {
        write(root, &["build", "tagPolicy", "gitCommit"], nothing());
    }
    if !has(root, "deploy", "logs") {
        write(root, &["deploy", "logs"], nothing());
    }
    let in_cluster = has(root, "build", "cluster");
    let artifacts = has(root, "build", "artifacts");
    each_node(root, "/build/artifacts/*", &mut |one| artifact(one, in_cluster));
    if artifacts {
        each_node(root, "/build/local", &mut |local| default(local, "concurrency", plain("1")));
    }
    each_node(root, "/build/cluster", &mut |cluster| {
        if let Some(namespace) = &options.namespace {
            default(cluster, "namespace", plain(namespace));
        }
        if at_home(cluster, "pullSecretPath", options) {
            default(cluster, "pullSecretName", plain("kaniko-secret"));
        }
    });
    each_node(root, "/build/cluster/dockerConfig", &mut |config| {
        at_home(config, "path", options);
    });
    each_node(root, "/portForward/*", &mut |forward| {
        let number = |port: &&Node| port.text().is_some_and(|text| text.parse::<u32>().is_ok());
        if let Some(port) = forward.get("port").filter(number).cloned() {
            default(forward, "localPort", port);
        }
    });
    each_node(root, "/build/artifacts/*/requires/*", &mut |required| {
        if let Some(image) = required.get("image").cloned() {
            default(required, "alias", image);
        }
    });
    for (path, field, value) in DEFAULTS {
        each_node(root, path, &mut |node| default(node, field, plain(value)));
    }
}

/// Writes who builds an artifact, and what its builder means by default that is no single value.
fn artifact(artifact: &mut Node, in_cluster: bool) {
    let has = |name: &str| artifact.get(name).is_some();
    let of_plug_in = |name: &str| schema::field("Artifact", name, Version::NEWEST).is_none();
    let chosen = names(artifact).any(|name| of_plug_in(name) || is_one_of("Artifact", name));
    let kaniko = in_cluster && !has("custom") && !has("buildpacks");
    let automatic = has("jib") || has("buildpacks");
    if kaniko {
        default(artifact, "kaniko", Node::mapping(Vec::new()));
    } else if !chosen {
        write(artifact, &["docker"], Node::mapping(Vec::new()));
    }
    let first = BUILDERS.iter().find(|(builder, _)| artifact.get(builder).is_some());
    if let Some((name, defaults)) = first
        && let Some(builder) = artifact.get_mut(name)
    {
        for (field, value) in *defaults {
            default(builder, field, plain(value));
        }
        match *name {
            "kaniko" => {
                each_node(builder, "/cache", &mut |cache| default(cache, "cacheRunLayers", plain("true")));
            }
            "custom" => default_dependencies(builder),
            "buildpacks" => {
                default_dependencies(builder);
                if builder.get("builder").is_none() && builder.get("buildpacks").is_none() {
                    write(builder, &["builder"], plain("gcr.io/buildpacks/builder:v1"));
                    write(builder, &["trustBuilder"], plain("true"));
                }
            }
            _ => {}
        }
    }
    synchronised(artifact, automatic);
}

/// Writes that all of the context is what an image depends on.
fn default_dependencies(builder: &mut Node) {
    if builder.get("dependencies").is_none() {
        write(builder, &["dependencies", "paths"], Node::sequence(vec![plain(".")]));
    }
}

/// Writes what is copied into running containers, where only that something is.
fn synchronised(artifact: &mut Node, automatic: bool) {
    let said = |sync: &Node| ["manual", "infer", "auto"].iter().any(|name| sync.get(name).is_some());
    match artifact.get("sync") {
        Some(sync) if said(sync) => {}
        Some(_) if !automatic => write(artifact, &["sync", "infer"], Node::sequence(vec![plain("**/*")])),
        None if artifact.get("buildpacks").is_none() => {}
        Some(_) | None => write(artifact, &["sync", "auto"], plain("true")),
    }
}

/// Replaces `~` by the home; returns whether the field is there.
fn at_home(node: &mut Node, field: &str, options: &Options) -> bool {
    let Some(path) = node.get_mut(field) else { return false };
    let below = path.text().and_then(|text| text.strip_prefix('~'));
    let below = below.filter(|rest| rest.is_empty() || rest.starts_with('/'));
    if let (Some(below), Some(home)) = (below, options.env.get("HOME")) {
        *path = placed(Node::scalar(format!("{home}{below}"), Style::DoubleQuoted), path);
    }
    true
}

/// Returns the names of a mapping's fields.
fn names(node: &Node) -> impl Iterator<Item = &str> {
    node.entries().unwrap_or_default().iter().filter_map(|(key, _)| key.text())
}

fn plain(text: &str) -> Node {
    Node::scalar(text, Style::Plain)
}

/// Puts a value where there is none.
fn default(node: &mut Node, field: &str, value: Node) {
    if node.get(field).is_none() {
        write(node, &[field], value);
    }
}

fn write(node: &mut Node, path: &[&str], value: Node) {
    // What is made has no place.
    put(node, path, &plain(""), value);
}
