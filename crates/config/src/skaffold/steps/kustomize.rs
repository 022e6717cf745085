//! v3alpha1: kustomize renders, and kubectl deploys what it rendered.

use shipway_core::Result;
use shipway_yaml::{Node, Resolved, Rules, Style};

use crate::{
    path::{placed, put, take},
    skaffold::upgrade::Upgrade,
};

/// The lists of kustomize and kubectl that became one.
const LISTS: [[&str; 2]; 5] =
    [["flags", "global"], ["flags", "apply"], ["flags", "delete"], ["hooks", "before"], ["hooks", "after"]];

/// Writes the default out: without it nothing would say that kustomize renders.
pub(super) fn default_paths(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    let kustomize = pipeline.get_mut("deploy").and_then(|deploy| deploy.get_mut("kustomize"));
    let Some(kustomize) = kustomize.filter(|kustomize| upgrade.whole && kustomize.entries().is_some()) else {
        return Ok(());
    };
    let given =
        |paths: &Node| paths.entries().is_some() || paths.items().is_some_and(|paths| !paths.is_empty());
    if !kustomize.get("paths").is_some_and(given) {
        let folder = placed(Node::scalar(".", Style::Plain), kustomize);
        let at = placed(Node::mapping(Vec::new()), kustomize);
        put(kustomize, &["paths"], &at, Node::sequence(vec![folder]));
    }
    Ok(())
}

/// Gives what is left of kustomize to kubectl; lists of both become one.
pub(super) fn into_kubectl(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    let Some((key, mut kustomize)) = take(pipeline, &["deploy", "kustomize"]) else { return Ok(()) };
    if kustomize.is_null() {
        return Ok(());
    }
    let own = take(pipeline, &["deploy", "kubectl"]).filter(|(_, kubectl)| kubectl.entries().is_some());
    let Some((own_key, mut kubectl)) = own else {
        put(pipeline, &["deploy", "kubectl"], &key, kustomize);
        return Ok(());
    };
    same(&["defaultNamespace"], &kubectl, &kustomize, upgrade, |node| {
        node.filter(|node| !node.is_null()).map(|node| node.text().unwrap_or_default().to_owned())
    })?;
    same(&["flags", "disableValidation"], &kubectl, &kustomize, upgrade, |node| {
        Some(node.and_then(|node| node.resolved(Rules::Config)) == Some(Resolved::Bool(true)))
    })?;
    for path in LISTS {
        let Some((key, more)) = take(&mut kustomize, &path) else { continue };
        let mut list = match take(&mut kubectl, &path) {
            Some((_, list)) if !list.is_null() => list,
            _ => placed(Node::sequence(Vec::new()), &more),
        };
        if let (Some(items), Some(more)) = (list.items_mut(), more.items()) {
            items.extend(more.iter().cloned());
        }
        put(&mut kubectl, &path, &key, list);
    }
    for (key, value) in kustomize.entries().into_iter().flatten() {
        if let Some(name) = key.text()
            && kubectl.get(name).is_none_or(Node::is_null)
        {
            put(&mut kubectl, &[name], key, value.clone());
        }
    }
    put(pipeline, &["deploy", "kubectl"], &own_key, kubectl);
    Ok(())
}

/// Refuses what is said of both and not the same.
fn same<T: PartialEq>(
    path: &[&str],
    kubectl: &Node,
    kustomize: &Node,
    upgrade: &Upgrade<'_>,
    read: impl Fn(Option<&Node>) -> Option<T>,
) -> Result<()> {
    let find = |node| path.iter().try_fold(node, |node: &Node, key| node.get(key));
    let (of_kubectl, of_kustomize) = (find(kubectl), find(kustomize));
    match (read(of_kubectl), read(of_kustomize)) {
        (Some(one), Some(other)) if one != other => {
            let name = path.last().copied().unwrap_or_default();
            let message =
                format!("`{name}` differs for kustomize and kubectl, which are one since skaffold/v3alpha1");
            let place = of_kustomize.or(of_kubectl).unwrap_or(kustomize);
            Err(upgrade.error(place, message).hint("give both the same"))
        }
        _ => Ok(()),
    }
}
