//! What a profile says laid over the file: Skaffold's rules, which go by the types of its fields
//! (`pkg/skaffold/schema/profiles.go`).

use shipway_yaml::Node;

use super::{
    canonical::is_part,
    schema::{self, Kind, is_one_of},
    version::Version,
};
use crate::path::{placed, put};

/// The sections that a profile may have.
pub(super) const SECTIONS: [&str; 8] =
    ["build", "test", "manifests", "deploy", "portForward", "resourceSelector", "verify", "customActions"];

/// A part with one field, which is replaced as a whole.
const CHOICE: &str = "TagPolicy";

/// Lays a profile over a configuration. Both are in Skaffold's form, in which what is as good as not written is not there.
pub(super) fn overlay(config: &mut Node, profile: &Node) {
    for section in SECTIONS {
        let written = profile.entries().into_iter().flatten().find(|(key, _)| key.text() == Some(section));
        if let Some((key, value)) = written {
            lay(config, "SkaffoldConfig", section, key, value);
        }
    }
}

/// Lays a field over the mapping of a definition: of a part each field by itself, and anything else as a whole.
fn lay(config: &mut Node, definition: &str, name: &str, key: &Node, value: &Node) {
    let kind = schema::field(definition, name, Version::NEWEST).map(|field| &field.kind);
    if let (Some(Kind::Fields(inner)), Some(entries)) = (kind, value.entries())
        && is_part(definition, name)
        && *inner != CHOICE
    {
        if config.get(name).is_none_or(|there| there.entries().is_none()) {
            put(config, &[name], key, placed(Node::mapping(Vec::new()), value));
        }
        if let Some(there) = config.get_mut(name) {
            for (key, value) in entries {
                if let Some(name) = key.text() {
                    lay(there, inner, name, key, value);
                }
            }
        }
        return;
    }
    if is_one_of(definition, name)
        && let Some(entries) = config.entries_mut()
    {
        entries.retain(|(key, _)| key.text().is_none_or(|other| !is_one_of(definition, other)));
    }
    put(config, &[name], key, value.clone());
}
