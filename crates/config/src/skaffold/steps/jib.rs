//! v1beta14: one builder `jib` in the place of one for each build tool.

use shipway_core::Result;
use shipway_yaml::{Node, Style};

use crate::{
    path::{each, placed, put, take},
    skaffold::upgrade::Upgrade,
};

pub(super) fn maven(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &["build", "artifacts", "*"], &mut |artifact| {
        let Some((key, mut jib)) = taken(artifact, "jibMaven") else { return Ok(()) };
        if let Some((key, module)) = take(&mut jib, &["module"]) {
            put(&mut jib, &["project"], &key, module);
        }
        let profile = take(&mut jib, &["profile"]);
        let profile = profile.filter(|(_, profile)| !profile.is_null() && profile.text() != Some(""));
        if let Some((key, profile)) = profile {
            if upgrade.whole {
                with_profile(&mut jib, &key, profile);
            } else if jib.get("project").is_none() {
                // Both became one list.
                return Err(upgrade.not_a_patch(&key, "`profile` or `args` of `jibMaven`"));
            }
        }
        fold(artifact, &key, jib, "maven", upgrade);
        Ok(())
    })
}

fn with_profile(jib: &mut Node, key: &Node, profile: Node) {
    let args = take(jib, &["args"]).map(|(_, args)| args).filter(|args| args.items().is_some());
    let mut args = args.unwrap_or_else(|| placed(Node::sequence(Vec::new()), &profile));
    if let Some(items) = args.items_mut() {
        items.push(placed(Node::scalar("--activate-profiles", Style::Plain), &profile));
        items.push(profile);
    }
    put(jib, &["args"], key, args);
}

pub(super) fn gradle(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &["build", "artifacts", "*"], &mut |artifact| {
        let Some((key, jib)) = taken(artifact, "jibGradle") else { return Ok(()) };
        // Of both Skaffold takes the other.
        if artifact.get("jib").is_none() {
            fold(artifact, &key, jib, "gradle", upgrade);
        }
        Ok(())
    })
}

fn taken(artifact: &mut Node, field: &str) -> Option<(Node, Node)> {
    take(artifact, &[field]).filter(|(_, jib)| !jib.is_null())
}

fn fold(artifact: &mut Node, key: &Node, mut jib: Node, tool: &str, upgrade: &Upgrade<'_>) {
    if upgrade.whole {
        put(&mut jib, &["type"], key, placed(Node::scalar(tool, Style::Plain), key));
    }
    put(artifact, &["jib"], key, jib);
}
