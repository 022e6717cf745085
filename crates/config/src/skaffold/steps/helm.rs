//! v2beta13 and v3alpha1: charts by their repository, values for images as templates, and releases that
//! are rendered apart.

use shipway_core::Result;
use shipway_yaml::{Node, Resolved, Rules, Style, Value};

use crate::{
    path::{each, placed, put, take},
    skaffold::upgrade::Upgrade,
};

const RELEASES: [&str; 4] = ["deploy", "helm", "releases", "*"];

/// A chart that is not in a folder has a field of its own.
pub(super) fn remote_chart(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &RELEASES, &mut |release| {
        let Some((key, remote)) = take(release, &["remote"]) else { return Ok(()) };
        if alone(release) && !upgrade.whole {
            return Err(upgrade.not_a_patch(&key, "`remote` of a release"));
        }
        if is_true(&remote)
            && let Some((key, chart)) = take(release, &["chartPath"])
        {
            put(release, &["remoteChart"], &key, chart);
        }
        Ok(())
    })
}

/// Values that name images are templates of what is known of an image.
pub(super) fn images_into_templates(pipeline: &mut Node, upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &RELEASES, &mut |release| {
        let strategy = take(release, &["imageStrategy"]);
        if let Some((key, _)) = &strategy
            && alone(release)
            && !upgrade.whole
        {
            return Err(upgrade.not_a_patch(key, "`imageStrategy` of a release"));
        }
        let parts = strategy.and_then(|(_, mut strategy)| take(&mut strategy, &["helm"]));
        let parts = parts.map(|(_, helm)| helm).filter(|helm| !helm.is_null());
        let Some((key, images)) = take(release, &["artifactOverrides"]) else { return Ok(()) };
        let images = flat(images);
        if images.is_empty() {
            return Ok(());
        }
        let (own, mut values) = match take(release, &["setValueTemplates"]) {
            Some((own, values)) => (own, flat(values)),
            None => (key, Vec::new()),
        };
        for (name, image) in images {
            for (suffix, template) in templates(image.text().unwrap_or_default(), parts.as_ref()) {
                let text = format!("{}{suffix}", name.text().unwrap_or_default());
                let name = placed(Node::scalar(text, Style::Plain), &name);
                let value = placed(Node::scalar(template, Style::DoubleQuoted), &image);
                values.retain(|(other, _)| other.text() != name.text());
                values.push((name, value));
            }
        }
        put(release, &["setValueTemplates"], &own, placed(Node::mapping(values), &own));
        Ok(())
    })
}

/// Returns what an image is given to a chart as: whole, or in the parts that charts are used to.
fn templates(image: &str, parts: Option<&Node>) -> Vec<(&'static str, String)> {
    let name = image.replace(['.', '-', '/', ':'], "_");
    let Some(parts) = parts else { return vec![("", format!("{{{{.IMAGE_FULLY_QUALIFIED_{name}}}}}"))] };
    let mut all = vec![(".tag", format!("{{{{.IMAGE_TAG_{name}}}}}@{{{{.IMAGE_DIGEST_{name}}}}}"))];
    if parts.get("explicitRegistry").is_some_and(is_true) {
        all.push((".registry", format!("{{{{.IMAGE_DOMAIN_{name}}}}}")));
        all.push((".repository", format!("{{{{.IMAGE_REPO_NO_DOMAIN_{name}}}}}")));
    } else {
        all.push((".repository", format!("{{{{.IMAGE_REPO_{name}}}}}")));
    }
    all
}

/// Returns the values with their names from the top on, such as `image.tag` and `hosts[0]`.
fn flat(values: Node) -> Vec<(Node, Node)> {
    fn add(name: Node, value: Node, all: &mut Vec<(Node, Node)>) {
        let above = name.text().unwrap_or_default().to_owned();
        let named = |text: String, like: &Node| placed(Node::scalar(text, Style::Plain), like);
        match value.value {
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    let name = named(format!("{above}.{}", key.text().unwrap_or_default()), &key);
                    add(name, value, all);
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    add(named(format!("{above}[{index}]"), &name), item, all);
                }
            }
            Value::Scalar(_) => all.push((name, value)),
        }
    }
    let mut all = Vec::new();
    if let Value::Mapping(entries) = values.value {
        entries.into_iter().for_each(|(name, value)| add(name, value, &mut all));
    }
    all
}

/// Releases are rendered as manifests are, and still deployed by helm; hooks are of the deployment alone.
pub(super) fn into_manifests(pipeline: &mut Node, _upgrade: &mut Upgrade<'_>) -> Result<()> {
    let Some((key, helm)) = take(pipeline, &["deploy", "helm"]) else { return Ok(()) };
    if helm.is_null() {
        return Ok(());
    }
    if let Some(entries) = helm.entries() {
        let of_both = |(key, _): &&(Node, Node)| matches!(key.text(), Some("releases" | "flags"));
        let rendered = Node::mapping(entries.iter().filter(of_both).cloned().collect());
        put(pipeline, &["manifests", "helm"], &key, placed(rendered, &helm));
    }
    put(pipeline, &["deploy", "helm"], &key, helm);
    Ok(())
}

fn is_true(node: &Node) -> bool {
    node.resolved(Rules::Config) == Some(Resolved::Bool(true))
}

/// Whether nothing else is said of a release: what was taken is what a patch is about.
fn alone(release: &Node) -> bool {
    release.entries().is_some_and(<[_]>::is_empty)
}
