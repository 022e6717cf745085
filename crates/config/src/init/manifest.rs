//! Objects of Kubernetes in a file, and the images that they name.

use shipway_core::{Error, Location};
use shipway_yaml::{Limits, Node, Resolved, Rules, Value, parse_within};

/// What a file is, as far as objects are concerned.
#[derive(Debug)]
pub(super) enum Contents {
    /// Objects alone, and each `image` in them with its place.
    Objects(Vec<(String, Location)>),
    /// Objects, and at a place something else, or an object without a name, as a template's.
    Mixed(Location, &'static str),
    /// What looks like objects and is no YAML.
    Unreadable(Error),
    /// Something else.
    Other,
}

/// Returns whether a file may hold objects by its name (skaffold: kubernetes/util.go, `validSuffixes`).
pub(super) fn is_name(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|suffix| name.ends_with(suffix))
}

/// Reads a file. An object has `apiVersion`, `kind` and, unless it is a list, `metadata`, as Skaffold asks for; a
/// `skaffold.yaml` is none.
pub(super) fn read(path: &str, text: &str, limits: &Limits) -> Contents {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.contains("apiVersion") || !text.contains("kind") {
        return Contents::Other;
    }
    let documents = match parse_within(path, text, limits) {
        Ok(documents) => documents,
        Err(error) => {
            let json = text.trim_start().starts_with('{');
            let begins = |key: &str| json || text.lines().any(|line| line.starts_with(key));
            return match begins("apiVersion:") && begins("kind:") {
                true => Contents::Unreadable(error),
                false => Contents::Other,
            };
        }
    };
    let (mut objects, mut images, mut other) = (0, Vec::new(), None);
    for document in documents.iter().filter(|document| !document.root.is_null()) {
        if is_object(&document.root) {
            objects += 1;
            if !is_named(&document.root) {
                let location = document.location(document.root.span);
                return Contents::Mixed(location, "this object has no name");
            }
            let found = find_images(&document.root);
            images.extend(found.into_iter().map(|(text, node)| (text, document.location(node.span))));
        } else {
            other.get_or_insert_with(|| document.location(document.root.span));
        }
    }
    match (objects, other) {
        (0, _) => Contents::Other,
        (_, Some(location)) => {
            Contents::Mixed(location, "this is no object of Kubernetes, as the others are")
        }
        (_, None) => Contents::Objects(images),
    }
}

fn is_object(root: &Node) -> bool {
    let text = |key: &str| root.get(key).and_then(text).filter(|text| !text.is_empty());
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else { return false };
    let list = kind.ends_with("List") && root.get("items").is_some_and(|items| items.items().is_some());
    let named = root.get("metadata").is_some_and(|metadata| metadata.entries().is_some());
    let ours = ["skaffold/", "kustomize.config.k8s.io/"].iter().any(|other| version.starts_with(other));
    (named || list) && !ours
}

/// Returns whether an object has a name, unless it is a list.
fn is_named(object: &Node) -> bool {
    let name = object.get("metadata").and_then(|metadata| metadata.get("name"));
    object.get("items").is_some() || name.is_some_and(|name| text(name).is_some())
}

fn text(node: &Node) -> Option<String> {
    match node.resolved(Rules::Manifest) {
        Some(Resolved::Text(text)) => Some(text),
        _ => None,
    }
}

/// Returns the texts under a key `image` anywhere (skaffold: kubernetes/util.go, `parseImagesFromYaml`).
fn find_images(root: &Node) -> Vec<(String, &Node)> {
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(node) = open.pop() {
        match &node.value {
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    open.push(value);
                    if key.text() == Some("image")
                        && let Some(image) = text(value)
                    {
                        found.push((image, value));
                    }
                }
            }
            Value::Sequence(items) => open.extend(items),
            Value::Scalar(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn images(text: &str) -> Vec<String> {
        match read("a.yaml", text, &Limits::default()) {
            Contents::Objects(images) => images.into_iter().map(|(image, _)| image).collect(),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn objects_are_known_by_their_heads() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{image: web:v1}]}\n";
        assert_eq!(images(pod), ["web:v1"]);
        assert_eq!(images(&format!("\u{feff}---\n# a\n---\n{pod}---\n{pod}")), ["web:v1", "web:v1"]);
        assert_eq!(
            images("{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"a\"}}"),
            [""; 0]
        );
        assert_eq!(images("apiVersion: v1\nkind: List\nitems: [{image: a}]"), ["a"]);
        // A schema has a property of that name.
        assert_eq!(images("apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec: {image: {type: a}}"), [""; 0]);
        assert_eq!(images("apiVersion: v1\nkind: A\nmetadata: {name: a}\nimage: 7"), [""; 0]);
        for other in [
            "",
            "a: b",
            "apiVersion: skaffold/v4beta14\nkind: Config\nmetadata: {name: a}",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: a}",
            // A kubeconfig.
            "apiVersion: v1\nkind: Config\ncontexts: []",
            "apiVersion: 1\nkind: Pod\nmetadata: {}",
            "apiVersion: v1\nkind: [Pod]\nmetadata: {}",
            "- apiVersion: v1\n  kind: Pod\n  metadata: {}",
            "text about apiVersion and kind: {{",
        ] {
            assert!(matches!(read("a.yaml", other, &Limits::default()), Contents::Other), "{other:?}");
        }
    }

    #[test]
    fn what_is_no_object_beside_one_is_told() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\na: b\n";
        let odd = |text: &str| match read("a.yaml", text, &Limits::default()) {
            Contents::Mixed(location, why) => format!("{location}: {why}"),
            Contents::Unreadable(error) => error.report().to_string(),
            other => panic!("{text:?}: {other:?}"),
        };
        assert_snapshot!(odd(text), @"a.yaml:5:1: this is no object of Kubernetes, as the others are");
        let template = |inner: &str| odd(&format!("apiVersion: v1\nkind: Pod\nmetadata:\n  {inner}\n"));
        assert_snapshot!(template("name: {{ .Name }}"), @"a.yaml:1:1: this object has no name");
        assert_snapshot!(template("{{ include \"a\" . }}"), @"a.yaml:1:1: this object has no name");
        assert_snapshot!(template("{{- if .A }}\n  name: a"), @r#"a.yaml:4:5: this is no YAML: "-" is only valid inside a block"#);
    }
}
