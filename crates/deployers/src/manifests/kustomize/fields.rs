//! The fields of a kustomization that name something else, as data.

use shipway_yaml::Node;

/// What a field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A file.
    File,
    /// A file after an optional `key=`.
    KeyedFile,
    /// A file of variables, one a line.
    Variables,
    /// A file of objects, or a folder with a kustomization.
    Resource,
    /// A folder with a kustomization.
    Folder,
    /// A file of objects, a folder with a kustomization, or a plug-in's options themselves.
    PlugIn,
    /// A file, or a patch itself.
    Patch,
    /// An address.
    Address,
    /// The name of a chart in the folder of charts.
    Chart,
}

use What::{Address, Chart, File, Folder, KeyedFile, Patch, PlugIn, Resource, Variables};

/// A field, and of what its items are mappings the field of those, in lower case.
type Row = (&'static str, &'static str, What);

/// The fields of a kustomization (kustomize: `types/kustomization.go`).
const FIELDS: [Row; 26] = [
    ("resources", "", Resource),
    ("bases", "", Resource),
    ("components", "", Folder),
    ("crds", "", File),
    ("configurations", "", File),
    ("generators", "", PlugIn),
    ("transformers", "", PlugIn),
    ("validators", "", PlugIn),
    ("patchesstrategicmerge", "", Patch),
    ("patches", "path", File),
    ("patchesjson6902", "path", File),
    ("replacements", "path", File),
    ("openapi", "path", File),
    ("configmapgenerator", "files", KeyedFile),
    ("configmapgenerator", "envs", Variables),
    ("configmapgenerator", "env", Variables),
    ("secretgenerator", "files", KeyedFile),
    ("secretgenerator", "envs", Variables),
    ("secretgenerator", "env", Variables),
    ("helmcharts", "valuesfile", File),
    ("helmcharts", "additionalvaluesfiles", File),
    ("helmcharts", "repo", Address),
    ("helmcharts", "name", Chart),
    ("helmchartinflationgenerator", "values", File),
    ("helmchartinflationgenerator", "chartrepourl", Address),
    ("helmchartinflationgenerator", "chartname", Chart),
];

/// The options of plug-ins that are built in (kustomize: `plugin/builtin`).
const OPTIONS: [Row; 6] = [
    ("path", "", File),
    ("paths", "", Patch),
    ("files", "", KeyedFile),
    ("envs", "", Variables),
    ("env", "", Variables),
    ("replacements", "path", File),
];

/// The options of the plug-in `HelmChartInflationGenerator`.
const CHART_OPTIONS: [Row; 7] = [
    ("valuesfile", "", File),
    ("additionalvaluesfiles", "", File),
    ("values", "", File),
    ("repo", "", Address),
    ("chartrepourl", "", Address),
    ("name", "", Chart),
    ("chartname", "", Chart),
];

/// Returns what a kustomization names.
pub(super) fn of_kustomization(root: &Node) -> Vec<(What, &Node)> {
    named(root, &FIELDS)
}

/// Returns what the options of a plug-in name.
pub(super) fn of_plug_in(root: &Node) -> Vec<(What, &Node)> {
    let mut found = named(root, &OPTIONS);
    if first(root, "kind") == Some("HelmChartInflationGenerator") {
        found.extend(named(root, &CHART_OPTIONS));
    }
    found
}

/// Returns the folder of charts (kustomize: `types.HelmDefaultHome`).
pub(super) fn chart_home(root: &Node) -> &str {
    let globals = entries(root).into_iter().find(|(name, _)| folded(name) == "helmglobals");
    let own = first(root, "charthome");
    own.or_else(|| globals.and_then(|(_, globals)| first(globals, "charthome"))).unwrap_or("charts")
}

fn named<'a>(root: &'a Node, rows: &[Row]) -> Vec<(What, &'a Node)> {
    let mut found = Vec::new();
    for (name, value) in entries(root) {
        let name = folded(name);
        for (_, inner, what) in rows.iter().filter(|(field, ..)| *field == name) {
            for item in texts_or_items(value) {
                if inner.is_empty() {
                    found.push((*what, item));
                    continue;
                }
                for (_, value) in entries(item).into_iter().filter(|(name, _)| folded(name) == *inner) {
                    found.extend(texts_or_items(value).into_iter().map(|one| (*what, one)));
                }
            }
        }
    }
    found.retain(|(_, node)| node.text().is_some_and(|text| !text.is_empty()));
    found
}

fn first<'a>(root: &'a Node, field: &str) -> Option<&'a str> {
    entries(root).into_iter().find(|(name, _)| folded(name) == field)?.1.text()
}

fn texts_or_items(node: &Node) -> Vec<&Node> {
    node.items().map_or_else(|| vec![node], |items| items.iter().collect())
}

/// Returns the entries of a mapping, each as often as it is written, with those that are merged.
fn entries(node: &Node) -> Vec<(&str, &Node)> {
    let (mut found, mut open) = (Vec::new(), vec![node]);
    while let Some(node) = open.pop() {
        for (name, value) in node.entries().unwrap_or_default() {
            match name.text() {
                Some("<<") => open.extend(texts_or_items(value)),
                Some(name) => found.push((name, value)),
                None => {}
            }
        }
    }
    found
}

/// Returns a field's name as Go compares it: without regard to case, and to two letters that fold to ASCII
/// (`encoding/json`, `foldName`).
fn folded(name: &str) -> String {
    let letter = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(What, String)> {
        let document = shipway_yaml::parse("kustomization.yaml", text).expect("YAML").remove(0);
        let found = of_kustomization(&document.root).into_iter();
        found.map(|(what, node)| (what, node.text().expect("a text").to_owned())).collect()
    }

    #[test]
    fn fields_are_found_as_go_finds_them() {
        let name = |what, name: &str| (what, name.to_owned());
        assert_eq!(
            found(
                "Resources: [a.yaml]\nresource\u{17f}: [b]\nbase: &x {components: [c]}\n<<: [*x]\nopenapi: {PATH: d}\n"
            ),
            [name(Resource, "a.yaml"), name(Resource, "b"), name(File, "d"), name(Folder, "c")]
        );
        assert_eq!(
            found(
                "configMapGenerator:\n- files: [x=y]\n  envs: [e]\n  env: f\n- literals: [a=b]\nhelmCharts: [{name: n, repo: r}]\n"
            ),
            [
                name(KeyedFile, "x=y"),
                name(Variables, "e"),
                name(Variables, "f"),
                name(Address, "r"),
                name(Chart, "n")
            ]
        );
    }
}
