//! v1beta7: builds in a cluster are told apart from kaniko, which each artifact has.

use shipway_core::Result;
use shipway_yaml::Node;

use crate::{
    path::{each, placed, put, take},
    skaffold::upgrade::Upgrade,
};

/// What became an artifact's own.
const OF_THE_ARTIFACT: [&str; 4] = ["buildContext", "cache", "flags", "image"];

pub(super) fn into_artifacts(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    let Some((key, mut kaniko)) = take(pipeline, &["build", "kaniko"]) else { return Ok(()) };
    if kaniko.is_null() {
        return Ok(());
    }
    let mut own = placed(Node::mapping(Vec::new()), &kaniko);
    for name in OF_THE_ARTIFACT {
        if let Some((key, value)) = take(&mut kaniko, &[name]) {
            put(&mut own, &[name], &key, value);
        }
    }
    let given = own.entries().and_then(|entries| entries.first()).map(|(key, _)| key.clone());
    if let Some(given) = given.as_ref().filter(|_| !upgrade.whole) {
        let name = given.text().unwrap_or_default();
        return Err(upgrade.not_a_patch(given, &format!("build.kaniko.{name}")));
    }
    let mut artifacts = 0;
    if upgrade.whole {
        each(pipeline, &["build", "artifacts", "*"], &mut |artifact| {
            artifacts += 1;
            put(artifact, &["kaniko"], &key, own.clone());
            Ok::<(), shipway_core::Error>(())
        })?;
    }
    if let Some(given) = given.filter(|_| artifacts == 0) {
        upgrade.note(
            &given,
            "this has no effect without artifacts beside it: since skaffold/v1beta7 each artifact has its own",
        );
    }
    put(pipeline, &["build", "cluster"], &key, kaniko);
    Ok(())
}
