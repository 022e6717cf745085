//! v4beta1: objects that are taken from a cluster are named where the other manifests are.

use shipway_core::Result;
use shipway_yaml::{Document, Node, Style, Value};

use crate::path::{placed, put, take};

pub(super) fn into_manifests(pipeline: &mut Node, _shown: &Document) -> Result<()> {
    let Some((key, names)) = take(pipeline, &["deploy", "kubectl", "remoteManifests"]) else { return Ok(()) };
    let context = pipeline.get("deploy").and_then(|deploy| deploy.get("kubeContext")).cloned();
    let Value::Sequence(names) = names.value else {
        // It is no list there either, which is said when it is read.
        put(pipeline, &["manifests", "remoteManifests"], &key, names);
        return Ok(());
    };
    let name = |text: &str| placed(Node::scalar(text, Style::Plain), &key);
    let manifest = |manifest: Node| {
        let mut entries = vec![(name("manifest"), manifest)];
        entries.extend(context.clone().map(|context| (name("kubeContext"), context)));
        Node::mapping(entries)
    };
    let manifests = Node::sequence(names.into_iter().map(manifest).collect());
    put(pipeline, &["manifests", "remoteManifests"], &key, manifests);
    Ok(())
}
