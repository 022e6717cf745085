//! v1alpha2 and v1alpha4: what the first versions wrote in another form.

use shipway_core::Result;
use shipway_yaml::{Node, Resolved, Rules, Style, Value};

use crate::{
    path::{each, placed, put, take},
    skaffold::upgrade::Upgrade,
};

/// A policy was a text.
pub(super) fn tag_policy(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    let Some((key, policy)) = take(pipeline, &["build", "tagPolicy"]) else { return Ok(()) };
    match policy.text() {
        Some(name @ ("sha256" | "gitCommit")) => {
            put(pipeline, &["build", "tagPolicy", name], &policy, placed(Node::mapping(Vec::new()), &policy));
        }
        Some(name) => {
            if !policy.is_null() && !name.is_empty() {
                upgrade.note(
                    &policy,
                    format!("`tagPolicy: {name}` has no effect: Skaffold knows no such policy"),
                );
            }
        }
        // It is said later that this is no policy.
        None => put(pipeline, &["build", "tagPolicy"], &key, policy),
    }
    Ok(())
}

/// Each manifest had a list of paths.
pub(super) fn paths_of_manifests(pipeline: &mut Node, _upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &["deploy", "kubectl", "manifests"], &mut |manifests| {
        let Some(items) = manifests.items_mut() else { return Ok(()) };
        for item in std::mem::take(items) {
            match item.get("paths").map(|paths| &paths.value) {
                Some(Value::Sequence(paths)) => items.extend(paths.iter().cloned()),
                _ if item.entries().is_some_and(|entries| entries.is_empty()) => {}
                _ => items.push(item),
            }
        }
        Ok(())
    })
}

/// What was not to be skipped is to be done.
pub(super) fn skip_push(pipeline: &mut Node, _upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &["build", "local"], &mut |local| {
        let Some((key, skip)) = take(local, &["skipPush"]) else { return Ok(()) };
        let push = match skip.resolved(Rules::Config) {
            Some(Resolved::Null) => return Ok(()),
            Some(Resolved::Bool(skip_it)) => {
                placed(Node::scalar(if skip_it { "false" } else { "true" }, Style::Plain), &skip)
            }
            _ => skip,
        };
        put(local, &["push"], &key, push);
        Ok(())
    })
}
