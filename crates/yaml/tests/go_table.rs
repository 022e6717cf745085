//! Documents read as Go's libraries read them: a table that they produced (`go_table/main.go`).

use std::collections::BTreeSet;

use serde_json::Value as Json;
use shipway_yaml::{Document, Node, Resolved, Rules, Value, parse};

struct Case {
    doc: String,
    config: Json,
    manifest: Option<Json>,
}

fn table() -> impl Iterator<Item = Case> {
    include_str!("go_table/table.jsonl").lines().map(|line| {
        let case: Json = serde_json::from_str(line).expect("the table is JSON");
        let manifest =
            case["manifest"].as_str().map(|text| serde_json::from_str(text).expect("Go wrote JSON"));
        Case {
            doc: case["doc"].as_str().expect("a document").to_owned(),
            config: case["config"].clone(),
            manifest,
        }
    })
}

/// The first document, as Go's `Unmarshal` reads it.
fn first(doc: &str) -> shipway_core::Result<Document> {
    let none = Document::new("", Node::scalar("", shipway_yaml::Style::Plain));
    Ok(parse("", doc)?.into_iter().next().unwrap_or(none))
}

/// A tree in the table's form; `null` where something is refused.
fn tree(node: &Node) -> Json {
    let pair = |kind: &str, text: String| serde_json::json!([kind, text]);
    match &node.value {
        Value::Scalar(_) => match node.resolved(Rules::Config) {
            None => Json::Null,
            Some(Resolved::Null) => serde_json::json!(["null"]),
            Some(Resolved::Bool(value)) => pair("bool", value.to_string()),
            Some(Resolved::Integer(value)) => pair("int", value.to_string()),
            Some(Resolved::Float(value)) if value.is_nan() => pair("float", "nan".to_owned()),
            Some(Resolved::Float(value)) if value.is_infinite() => pair("float", value.to_string()),
            Some(Resolved::Float(value)) => pair("float", format!("{:x}", value.to_bits())),
            Some(Resolved::Text(text)) => pair("string", text),
            Some(Resolved::Timestamp(text)) => pair("time", text),
            Some(other) => panic!("{other:?}"),
        },
        Value::Sequence(items) => {
            let mut list = vec![Json::from("list")];
            list.extend(items.iter().map(tree));
            if list.contains(&Json::Null) { Json::Null } else { list.into() }
        }
        Value::Mapping(entries) => {
            let mut pairs: Vec<[Json; 2]> =
                entries.iter().map(|(key, value)| [tree(key), tree(value)]).collect();
            pairs.sort_by_key(|[key, _]| key.to_string());
            let mut list = vec![Json::from("map")];
            list.extend(pairs.into_iter().flatten());
            if list.contains(&Json::Null) { Json::Null } else { list.into() }
        }
    }
}

/// Documents on whose form the parsers do not agree, in `go_table/known.txt` with the reasons.
fn known() -> BTreeSet<String> {
    let lines = include_str!("go_table/known.txt").lines().filter(|line| line.starts_with('"'));
    lines.map(|line| serde_json::from_str(line).expect("a JSON text")).collect()
}

/// What differs, as a text for people; and the documents.
#[derive(Default)]
struct Differences {
    texts: Vec<String>,
    docs: BTreeSet<String>,
}

impl Differences {
    fn note(&mut self, doc: &str, go: &Json, ours: &Json) {
        if go != ours {
            self.texts.push(format!("{doc:?}\n  go   {go}\n  ours {ours}"));
            self.docs.insert(doc.to_owned());
        }
    }
}

fn configuration() -> Differences {
    let mut differences = Differences::default();
    for Case { doc, config, .. } in table() {
        let ours = first(&doc).and_then(|document| document.merged(Rules::Config));
        differences.note(&doc, &config, &ours.map_or(Json::Null, |document| tree(&document.root)));
    }
    differences
}

fn manifests() -> Differences {
    let mut differences = Differences::default();
    // Wrapped, so that what is refused is not what is `null`.
    let form = |json: Option<Json>| json.map_or(Json::Null, |json| serde_json::json!({ "json": json }));
    for Case { doc, manifest, .. } in table() {
        let ours = first(&doc).and_then(|document| document.to_json(Rules::Manifest)).ok();
        differences.note(&doc, &form(manifest), &form(ours));
    }
    differences
}

#[test]
fn documents_are_read_as_go_reads_them() {
    let count = table().count();
    assert!(count > 2_500, "{count} documents");
    let (known, configuration, manifests) = (known(), configuration(), manifests());
    for Differences { texts, docs } in [&configuration, &manifests] {
        let new: Vec<&String> = docs.difference(&known).collect();
        assert!(new.is_empty(), "{} of {count} differ: {new:#?}\n{}", new.len(), texts.join("\n"));
    }
    let gone: Vec<&String> = known
        .iter()
        .filter(|doc| !configuration.docs.contains(*doc) && !manifests.docs.contains(*doc))
        .collect();
    assert!(gone.is_empty(), "read alike now, so no longer known differences: {gone:#?}");
}
