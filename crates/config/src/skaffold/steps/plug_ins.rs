//! v1beta9: builders that were plug-ins by name are fields.

use shipway_core::Result;
use shipway_yaml::Node;

use crate::{
    path::{each, placed, put, take},
    skaffold::upgrade::Upgrade,
};

pub(super) fn builders(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &["build", "artifacts", "*"], &mut |artifact| {
        by_name(artifact, "plugin", &["bazel", "docker"], upgrade)
    })
}

pub(super) fn environment(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &["build"], &mut |build| {
        by_name(build, "executionEnvironment", &["googleCloudBuild", "local"], upgrade)
    })
}

/// Makes the properties of what a field names a field of that name.
fn by_name(node: &mut Node, field: &str, known: &[&str], upgrade: &mut Upgrade<'_>) -> Result<()> {
    let Some((key, mut plug_in)) = take(node, &[field]) else { return Ok(()) };
    if plug_in.is_null() {
        return Ok(());
    }
    if !upgrade.whole {
        return Err(upgrade.not_a_patch(&key, field));
    }
    let name = plug_in.get("name").and_then(Node::text).unwrap_or_default().to_owned();
    if !known.contains(&name.as_str()) {
        upgrade.note(&key, format!("`{field}` has no effect: there is no `{name}` for Skaffold"));
        return Ok(());
    }
    let properties = take(&mut plug_in, &["properties"]).map(|(_, properties)| properties);
    let properties = properties.filter(|properties| !properties.is_null());
    let properties = properties.unwrap_or_else(|| placed(Node::mapping(Vec::new()), &plug_in));
    put(node, &[&name], &key, properties);
    Ok(())
}
