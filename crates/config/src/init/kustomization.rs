//! Which files a kustomization has: whatever of it names one.

use std::collections::BTreeSet;

use shipway_core::clean_path;
use shipway_yaml::{Limits, Value, parse_within};

use super::found::{folder_of, name_of};

/// What a kustomization is called (skaffold: constants.KustomizeFilePaths).
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

pub(super) fn is_name(path: &str) -> bool {
    NAMES.contains(&name_of(path))
}

/// Adds the paths that a kustomization names to those that others do: resources, patches, the files of generators.
/// A text that is no path is the path of no file. What is no YAML names nothing.
pub(super) fn reach(path: &str, text: &str, limits: &Limits, reached: &mut BTreeSet<String>) {
    let folder = folder_of(path);
    let documents = parse_within(path, text, limits).unwrap_or_default();
    let mut open: Vec<_> = documents.iter().map(|document| &document.root).collect();
    while let Some(node) = open.pop() {
        match &node.value {
            Value::Mapping(entries) => open.extend(entries.iter().map(|(_, value)| value)),
            Value::Sequence(items) => open.extend(items),
            Value::Scalar(scalar) => {
                // A generator's file may have a name before it: `config.yaml=conf/shop.yaml`.
                let named = [Some(&*scalar.text), scalar.text.split_once('=').map(|(_, path)| path)];
                for text in named.into_iter().flatten().filter(|text| !text.contains('\n')) {
                    reached.insert(clean_path(&match folder {
                        "" => text.to_owned(),
                        folder => format!("{folder}/{text}"),
                    }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kustomization_names_is_reached() {
        let text = "\
resources: [deployment.yaml, ../base, ./more/service.yaml]
patches:
- path: patch.yaml
- patch: |-
    - op: replace
configMapGenerator:
- {name: a, files: [config.yaml=conf/shop.yaml]}
";
        let mut reached = BTreeSet::new();
        reach("k8s/dev/kustomization.yaml", text, &Limits::default(), &mut reached);
        let files = ["deployment.yaml", "more/service.yaml", "patch.yaml", "conf/shop.yaml"];
        for file in files {
            assert!(reached.contains(&format!("k8s/dev/{file}")), "{file}: {reached:?}");
        }
        assert!(reached.contains("k8s/base"));
        let mut reached = BTreeSet::new();
        reach("kustomization.yaml", "resources: [a.yaml]", &Limits::default(), &mut reached);
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), ["a.yaml"]);
        let mut reached = BTreeSet::new();
        reach("kustomization.yaml", "{", &Limits::default(), &mut reached);
        assert!(reached.is_empty());
    }
}
