//! What a profile says laid over the file: Skaffold's rules, which go by the types of its fields
//! (`pkg/skaffold/schema/profiles.go`), as data.

use shipway_yaml::Node;

use crate::path::{placed, put};

/// The sections that a profile may have.
pub(super) const SECTIONS: [&str; 8] =
    ["build", "test", "manifests", "deploy", "portForward", "resourceSelector", "verify", "customActions"];

/// The mappings whose fields are laid over one by one; any other is replaced as a whole.
const MERGED: [&str; 8] = [
    "/build",
    "/build/hooks",
    "/manifests",
    "/manifests/hooks",
    "/deploy",
    "/deploy/logs",
    "/deploy/logs/jsonParse",
    "/resourceSelector",
];

/// Fields of which there is only one: the profile's puts the file's away.
pub(super) const ONE_OF: (&str, [&str; 3]) = ("/build", ["local", "googleCloudBuild", "cluster"]);

/// Lays a profile over a configuration. Both are in Skaffold's form, in which what is as good as not written is not there.
pub(super) fn overlay(config: &mut Node, profile: &Node) {
    for section in SECTIONS {
        let written = profile.entries().into_iter().flatten().find(|(key, _)| key.text() == Some(section));
        if let Some((key, value)) = written {
            field(config, section, key, value, "");
        }
    }
}

fn field(config: &mut Node, name: &str, key: &Node, value: &Node, above: &str) {
    let path = format!("{above}/{name}");
    if MERGED.contains(&path.as_str())
        && let Some(entries) = value.entries()
    {
        if config.get(name).is_none_or(|there| there.entries().is_none()) {
            put(config, &[name], key, placed(Node::mapping(Vec::new()), value));
        }
        if let Some(there) = config.get_mut(name) {
            for (key, value) in entries {
                if let Some(name) = key.text() {
                    field(there, name, key, value, &path);
                }
            }
        }
        return;
    }
    let (at, group) = ONE_OF;
    if above == at
        && group.contains(&name)
        && let Some(entries) = config.entries_mut()
    {
        entries.retain(|(key, _)| key.text().is_none_or(|key| !group.contains(&key)));
    }
    put(config, &[name], key, value.clone());
}
