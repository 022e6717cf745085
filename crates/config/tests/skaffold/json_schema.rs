//! The JSON Schema takes what is read, and nothing else.

use std::{fs, path::Path};

use serde_json::{Value, json};
use shipway_config::{Options, Skaffold, Version, skaffold_schema};
use shipway_core::Catalog;
use shipway_yaml::{Rules, parse};

use crate::recorded::catalog;

fn tree(text: &str) -> Value {
    parse("skaffold.yaml", text).unwrap().remove(0).to_json(Rules::Config).unwrap()
}

#[test]
fn every_example_is_one_by_the_schema_of_its_version() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/skaffold/examples/in");
    let mut documents = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        for document in parse(&name, &text).unwrap() {
            let value = document.merged(Rules::Config).unwrap().to_json(Rules::Config).unwrap();
            let version: Version = value["apiVersion"].as_str().unwrap().parse().unwrap();
            let schema = skaffold_schema(version, &Catalog::new());
            let validator = jsonschema::validator_for(&schema).unwrap();
            let wrong: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            let refused = name == "kustomize__skaffold-kustomize-args";
            assert_eq!(wrong.is_empty(), !refused, "{name}: {wrong:?}");
            documents += 1;
        }
    }
    assert!(documents > 50, "only {documents}");
}

#[test]
fn schema_and_reader_agree() {
    let schema = skaffold_schema(Version::NEWEST, &catalog());
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (body, right) in [
        ("build: {artifacts: [{image: web}]}", true),
        ("build: {artifacts: [{image: 1.10, context: true}]}", true),
        ("build: {artifacts: }\ntest:", true),
        (".anchors: {a: &a [1]}", true),
        // A plug-in of the catalog's, and one that nobody has.
        ("build: {artifacts: [{image: web, pages: {any: [1]}}]}", true),
        ("build: {artifacts: [{image: web, sites: {}}]}", false),
        ("build: {tagPolicy: {counter: {}}}", true),
        ("deploy: {gitops: {}}", true),
        ("deploy: {kustomize: {}}", false),
        ("build: {artifact: []}", false),
        ("build: {artifacts: {}}", false),
        ("build: {artifacts: [web]}", false),
        ("build: {local: {push: never}}", false),
        ("build: {local: {concurrency: many}}", false),
        ("build: {local: {concurrency: 3}}", true),
        ("build: {tagPolicy: {gitCommit: {variant: Branches}}}", true),
        ("portForward: [{port: http}, {port: 80}]", true),
        ("portForward: [{port: []}]", false),
        ("metadata: {labels: {a: b, c: 1}}", true),
        ("metadata: {labels: [a]}", false),
        ("profiles: [{name: p, build: {local: {pushes: true}}}]", false),
    ] {
        let text = format!("apiVersion: skaffold/v4beta14\nkind: Config\n{body}\n");
        assert_eq!(validator.is_valid(&tree(&text)), right, "the schema: {body}");
        let read = Skaffold::read("skaffold.yaml", &text, Options::default(), &catalog());
        assert_eq!(read.is_ok(), right, "the reader: {body}: {:?}", read.err());
    }
}

#[test]
fn words_that_are_documented_are_offered() {
    let schema = skaffold_schema(Version::NEWEST, &Catalog::new());
    let prefix = &schema["definitions"]["LogsConfig"]["properties"]["prefix"]["anyOf"][0];
    assert_eq!(prefix, &json!({ "enum": ["container", "podAndContainer", "auto", "none"] }));
}
