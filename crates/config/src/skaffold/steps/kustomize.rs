//! v3alpha1: kustomize renders, and kubectl deploys what it rendered.

use shipway_core::Result;
use shipway_yaml::{Document, Node, Style};

use crate::path::{placed, put, take};

/// Writes the default out: without it nothing would say that kustomize renders.
pub(super) fn default_paths(pipeline: &mut Node, _shown: &Document) -> Result<()> {
    let Some(kustomize) = pipeline.get_mut("deploy").and_then(|deploy| deploy.get_mut("kustomize")) else {
        return Ok(());
    };
    if kustomize.entries().is_none() {
        *kustomize = placed(Node::mapping(Vec::new()), kustomize);
    }
    if kustomize.get("paths").is_none() {
        let folder = placed(Node::scalar(".", Style::Plain), kustomize);
        let at = placed(Node::mapping(Vec::new()), kustomize);
        put(kustomize, &["paths"], &at, Node::sequence(vec![folder]));
    }
    Ok(())
}

/// Gives what is left of kustomize to kubectl; lists of both become one.
pub(super) fn into_kubectl(pipeline: &mut Node, shown: &Document) -> Result<()> {
    let Some((key, kustomize)) = take(pipeline, &["deploy", "kustomize"]) else { return Ok(()) };
    let Some((own_key, mut kubectl)) = take(pipeline, &["deploy", "kubectl"]) else {
        put(pipeline, &["deploy", "kubectl"], &key, kustomize);
        return Ok(());
    };
    if kubectl.entries().is_none() {
        kubectl = placed(Node::mapping(Vec::new()), &kubectl);
    }
    join(&mut kubectl, kustomize, shown)?;
    put(pipeline, &["deploy", "kubectl"], &own_key, kubectl);
    Ok(())
}

fn join(into: &mut Node, from: Node, shown: &Document) -> Result<()> {
    let shipway_yaml::Value::Mapping(entries) = from.value else { return Ok(()) };
    for (key, value) in entries {
        let Some(name) = key.text().map(str::to_owned) else { continue };
        match into.get_mut(&name) {
            None => put(into, &[&name], &key, value),
            Some(there) if there.entries().is_some() => join(there, value, shown)?,
            Some(there) if there.text().is_some() && there.text() == value.text() => {}
            Some(there) => match (there.items_mut(), value.items()) {
                (Some(items), Some(more)) => items.extend(more.iter().cloned()),
                _ => {
                    let error = shown.error(
                        value.span,
                        format!("`{name}` differs for kustomize and kubectl, which are one since skaffold/v3alpha1"),
                    );
                    return Err(error.hint("give both the same"));
                }
            },
        }
    }
    Ok(())
}
