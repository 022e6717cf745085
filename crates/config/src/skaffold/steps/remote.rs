//! v4beta1: what is taken from a cluster is named with the cluster.

use shipway_core::Result;
use shipway_yaml::{Node, Style};

use crate::{
    path::{each, placed},
    skaffold::upgrade::Upgrade,
};

pub(super) fn with_context(pipeline: &mut Node, _upgrade: &mut Upgrade<'_>) -> Result<()> {
    let context = pipeline.get("deploy").and_then(|deploy| deploy.get("kubeContext")).cloned();
    let context = context.filter(|context| !context.is_null());
    each(pipeline, &["manifests", "remoteManifests", "*"], &mut |manifest| {
        if manifest.text().is_some() {
            let name = |text: &str| placed(Node::scalar(text, Style::Plain), manifest);
            let mut entries = vec![(name("manifest"), manifest.clone())];
            entries.extend(context.clone().map(|context| (name("kubeContext"), context)));
            *manifest = Node::mapping(entries);
        }
        Ok(())
    })
}
