//! The text of a first skaffold.yaml.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Error, Location, Result, clean_path};
use shipway_yaml::{Node, Style};

use super::{
    choices::Choices,
    found::{Found, folder_of},
    names,
    pairs::{Pair, Pairs},
};
use crate::{Notice, Version, skaffold::repository};

/// A first configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Initial {
    /// The text of the `skaffold.yaml`.
    pub text: String,
    /// What was found and is not in it.
    pub notices: Vec<Notice>,
}

/// Returns a configuration of the newest version that builds and deploys what was found, as far as was not decided otherwise.
/// A Dockerfile for which no manifest names an image gets one by its folder where no image is named at all, and is left
/// out otherwise.
///
/// ```
/// use shipway_config::init::{Choices, Found, write};
///
/// let mut found = Found::default();
/// found.dockerfiles.push("web/Dockerfile".into());
/// found.manifests.push("k8s/web.yaml".into());
/// found.images.push("shop/web".into());
/// let text = "\
/// apiVersion: skaffold/v4beta14
/// kind: Config
/// build:
///   artifacts:
///     - image: shop/web
///       context: web
/// manifests:
///   rawYaml:
///     - k8s/web.yaml
/// deploy:
///   kubectl: {}
/// ";
/// assert_eq!(write(&found, &Choices::default())?.text, text);
/// # Ok::<(), shipway_core::Error>(())
/// ```
///
/// # Errors
/// `Config` where there is nothing to build and to deploy, for a name that no image can have, for two artifacts with one
/// image, and for a path that leads out of the folder or of its context.
pub fn write(found: &Found, choices: &Choices) -> Result<Initial> {
    let mut notices = found.left_out();
    let pairs = match &choices.artifacts {
        Some(pairs) => pairs.clone(),
        None => usual(found, &mut notices),
    };
    let manifests: Vec<String> = match &choices.manifests {
        // What somebody writes may be a template; what is found is a path.
        Some(manifests) => manifests.clone(),
        None => found.manifests.iter().map(|path| path.replace("{{", "{{\"{{\"}}")).collect(),
    };
    if pairs.is_empty() && manifests.is_empty() {
        let error = Error::config("there is nothing here to build or to deploy");
        let error = notices.iter().fold(error, |error, notice| error.note(notice.to_string()));
        return Err(error.hint("begin with a Dockerfile, or with a manifest of Kubernetes"));
    }
    if choices.manifests.is_none() && manifests.is_empty() {
        let message =
            "nothing is deployed, and the file is for building alone: no manifest for `kubectl` is found";
        notices.push(Notice::new(Location::new(".", 0, 0), message));
    }
    let mut top =
        vec![entry("apiVersion", text(&Version::NEWEST.to_string())), entry("kind", text("Config"))];
    if let Some(name) = &found.name {
        top.push(entry("metadata", Node::mapping(vec![entry("name", text(name))])));
    }
    if !pairs.is_empty() {
        let artifacts = artifacts(&pairs)?;
        top.push(entry("build", Node::mapping(vec![entry("artifacts", Node::sequence(artifacts))])));
    }
    if !manifests.is_empty() {
        let files = manifests.iter().map(|path| text(path)).collect();
        top.push(entry("manifests", Node::mapping(vec![entry("rawYaml", Node::sequence(files))])));
        top.push(entry("deploy", Node::mapping(vec![entry("kubectl", Node::mapping(Vec::new()))])));
    }
    Ok(Initial { text: Node::mapping(top).to_yaml()?, notices })
}

fn entry(key: &str, value: Node) -> (Node, Node) {
    (Node::scalar(key, Style::Plain), value)
}

/// Returns what is read as this text, in quotes if it needs them.
fn text(text: &str) -> Node {
    Node::scalar(text, Style::DoubleQuoted)
}

/// Returns what is built where nobody decided.
fn usual(found: &Found, notices: &mut Vec<Notice>) -> Vec<Pair> {
    if found.images.is_empty() {
        return named(found);
    }
    let Pairs { pairs, dockerfiles, images } = found.pairs_by_rule();
    for path in dockerfiles {
        let mut message = "it is not built: no image that a manifest names fits it".to_owned();
        if let [first, ..] = images.as_slice() {
            message = format!("{message}; one that nothing here builds is `{first}`");
        }
        notices.push(Notice::new(Location::new(path, 0, 0), message));
    }
    pairs
}

/// Returns every Dockerfile with an image that has its name.
fn named(found: &Found) -> Vec<Pair> {
    let mut taken = BTreeSet::new();
    let mut named = Vec::new();
    for path in &found.dockerfiles {
        let name = names::image(path, found.name.as_deref());
        let mut names = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
        if let Some(name) = names.find(|name| !taken.contains(name)) {
            taken.insert(name.clone());
            named.push(Pair::new(name, path));
        }
    }
    named
}

fn artifacts(pairs: &[Pair]) -> Result<Vec<Node>> {
    let mut images: BTreeMap<String, &str> = BTreeMap::new();
    let mut artifacts = Vec::new();
    for Pair { image, dockerfile, context } in pairs {
        let name = repository(image)?;
        if let Some(other) = images.insert(name.clone(), dockerfile) {
            let error = Error::config(format!("both `{other}` and `{dockerfile}` would build `{name}`"));
            return Err(error.hint("give one another image, or leave it out"));
        }
        let dockerfile = within(dockerfile)?;
        let context = match context {
            Some(context) => within(context)?,
            None => within(folder_of(&dockerfile))?,
        };
        let prefix = if context == "." { String::new() } else { format!("{context}/") };
        let below = dockerfile.strip_prefix(&prefix).filter(|below| !below.is_empty() && *below != ".");
        let Some(below) = below else {
            return Err(Error::config(format!("`{dockerfile}` is not in its context `{context}`"))
                .hint("name a folder that it is in"));
        };
        let mut fields = vec![entry("image", text(&name))];
        if context != "." {
            fields.push(entry("context", text(&context)));
        }
        if below != "Dockerfile" {
            fields.push(entry("docker", Node::mapping(vec![entry("dockerfile", text(below))])));
        }
        artifacts.push(Node::mapping(fields));
    }
    Ok(artifacts)
}

/// Returns a path in its shortest form, which is below the folder.
fn within(path: &str) -> Result<String> {
    let clean = clean_path(path);
    if clean.starts_with('/') || clean == ".." || clean.starts_with("../") {
        return Err(Error::config(format!("`{path}` is not in this folder")).hint("name a path below it"));
    }
    Ok(clean)
}
