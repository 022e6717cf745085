//! No field is dropped without a word: each changes the pipeline, or is told with its line.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use shipway_config::{Options, Skaffold, Trust};

use crate::recorded::{catalog, show};

/// The table of fields that the reader itself goes by.
const TABLE: &str = include_str!("../../src/skaffold/history.tsv");

/// A field of the newest version: its name, its type, and whether it is required.
type Field = (&'static str, &'static str, bool);

fn fields() -> BTreeMap<&'static str, Vec<Field>> {
    let mut fields: BTreeMap<&str, Vec<Field>> = BTreeMap::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&'static str> = line.split('\t').collect();
        if columns[4] == "v4beta14" {
            fields.entry(columns[0]).or_default().push((columns[1], columns[2], columns[5] == "required"));
        }
    }
    fields
}

/// Fields that say nothing of what is done, and why.
const SILENT: [(&str, &str); 3] = [
    ("metadata.labels", "information for people"),
    ("metadata.annotations", "information for people"),
    ("test.context", "the folder of tests, of which there are none beside it"),
];

/// Values of fields that not every text is one of.
const VALUES: [(&str, &str); 4] =
    [("platforms", "linux/arm64"), ("timeout", "7m"), ("pushRetry", "7"), ("imageFSExtractRetry", "7")];

/// Sections with tests of their own: what they say is of other sections.
const ELSEWHERE: [&str; 4] = ["apiVersion", "kind", "profiles", "requires"];

fn values(name: &str, kind: &str) -> Vec<Value> {
    if let Some((_, value)) = VALUES.iter().find(|(field, _)| *field == name) {
        return vec![if kind.starts_with("[]") { json!([value]) } else { json!(value) }];
    }
    match kind {
        "string" => vec![json!("v")],
        "boolean" => vec![json!(true), json!(false)],
        "integer" | "port" => vec![json!(7)],
        "any" => vec![json!({ "k": "v" })],
        _ if kind.contains('|') => kind.split('|').map(|word| json!(word)).collect(),
        _ => match (kind.strip_prefix("[]"), kind.strip_prefix("{}")) {
            (Some(item), _) => values("", item).into_iter().map(|value| json!([value])).collect(),
            (_, Some(value)) => values("", value).into_iter().map(|value| json!({ "k": value })).collect(),
            _ => vec![json!({})],
        },
    }
}

/// What must be there for a definition to be read.
fn companions(definition: &str, fields: &[Field]) -> Map<String, Value> {
    let mut made = Map::new();
    for (name, kind, _) in fields.iter().filter(|(_, _, required)| *required) {
        made.insert((*name).to_owned(), values(name, kind).remove(0));
    }
    let more: &[(&str, Value)] = match definition {
        "Artifact" | "TestCase" => &[("image", json!("web"))],
        "CustomArtifact" => &[("buildCommand", json!("make"))],
        "CustomTest" => &[("command", json!("check"))],
        "LegacyHelmDeploy" => &[("releases", json!([{ "name": "r", "chartPath": "c" }]))],
        "Action" => &[("containers", json!([{ "name": "c", "image": "i" }]))],
        "VerifyTestCase" => &[("container", json!({ "name": "c", "image": "i" }))],
        "HostHook" | "ContainerHook" | "NamedContainerHook" | "PostRenderHostHook" => {
            &[("command", json!(["make"]))]
        }
        "DockerSecret" => &[("id", json!("s"))],
        _ => &[],
    };
    made.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    made
}

struct Walk {
    fields: BTreeMap<&'static str, Vec<Field>>,
    /// The definitions that are gone through, of which one may hold itself.
    above: Vec<&'static str>,
    /// What was found to be dropped.
    dropped: Vec<String>,
    looked: usize,
}

impl Walk {
    /// Looks at each field of a definition; `around` puts a mapping where the definition is.
    fn definition(&mut self, definition: &str, path: &str, around: &dyn Fn(Value) -> Value) {
        let fields = self.fields.get(definition).cloned().unwrap_or_default();
        let base = companions(definition, &fields);
        for (name, kind, _) in &fields {
            if path.is_empty() && ELSEWHERE.contains(name) {
                continue;
            }
            let below = format!("{path}.{name}").trim_start_matches('.').to_owned();
            let with = |value: Value| {
                let mut all = base.clone();
                all.insert((*name).to_owned(), value);
                around(all.into())
            };
            let (inner, list) = match kind.strip_prefix("[]") {
                Some(item) => (item, true),
                None => (*kind, false),
            };
            if let Some((&inner, _)) = self.fields.get_key_value(inner) {
                if !self.above.contains(&inner) {
                    self.above.push(inner);
                    let put = |value: Value| with(if list { json!([value]) } else { value });
                    self.definition(inner, &below, &put);
                    self.above.pop();
                }
                continue;
            }
            self.looked += 1;
            let mut without = base.clone();
            without.remove(*name);
            let without = around(without.into());
            let told = values(name, kind).into_iter().any(|value| self.told(&below, &with(value), &without));
            if !told && !SILENT.iter().any(|(silent, _)| *silent == below) {
                self.dropped.push(below);
            }
        }
    }

    /// Whether a field changes what comes out, or is told.
    fn told(&self, path: &str, with: &Value, without: &Value) -> bool {
        let with = match read(with) {
            // Whatever is refused is told.
            Err(()) => return true,
            Ok(with) => with,
        };
        let named = |notice: &str| {
            let name = notice.split('`').nth(1).unwrap_or("-");
            path == name || path.starts_with(&format!("{name}."))
        };
        with.lines().filter(|line| line.starts_with("notice ")).any(named) || Ok(with) != read(without)
    }
}

fn read(tree: &Value) -> Result<String, ()> {
    let mut tree = tree.clone();
    tree["apiVersion"] = json!("skaffold/v4beta14");
    tree["kind"] = json!("Config");
    if tree.pointer("/build/artifacts").is_none() {
        tree["build"]["artifacts"] = json!([{ "image": "web" }]);
    }
    if tree.pointer("/build/artifacts/0/kaniko").is_some() {
        tree["build"]["cluster"] = json!({});
        tree["deploy"]["kubeContext"] = json!("c");
    }
    let mut options = Options::default().trust(Trust::Full);
    if tree.get("verify").is_some() {
        options = options.command("verify").kube_context("c");
    }
    if let Some(action) = tree.pointer("/customActions/0/name") {
        options = options.command("exec").action(action.as_str().unwrap_or("v")).kube_context("c");
    }
    if tree.pointer("/deploy/kubectl/hooks").or(tree.pointer("/deploy/helm/hooks")).is_some() {
        options = options.kube_context("c");
    }
    let skaffold = Skaffold::read("skaffold.yaml", &tree.to_string(), options, &catalog());
    let loaded = skaffold.and_then(|skaffold| skaffold.pipeline(&catalog()));
    loaded.map(|loaded| show(&loaded)).map_err(drop)
}

#[test]
fn no_field_is_dropped_without_a_word() {
    let mut walk = Walk { fields: fields(), above: Vec::new(), dropped: Vec::new(), looked: 0 };
    walk.definition("SkaffoldConfig", "", &|value| value);
    assert!(walk.looked > 350, "only {}", walk.looked);
    assert_eq!(walk.dropped, [""; 0]);
}
