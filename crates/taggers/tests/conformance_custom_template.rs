//! The contract's clauses for `customTemplate`.

use std::collections::BTreeMap;

use shipway_taggers::CustomTemplate;

fn main() -> std::process::ExitCode {
    let template = "{{.DATE | lower}}-{{.INPUT_DIGEST | trunc 12}}-{{.SHA}}";
    let tagger = move || CustomTemplate::parse(template, BTreeMap::new()).expect("it is a template");
    shipway_testkit::tagger(tagger).world(|world| world.env([("TZ".to_owned(), "UTC".to_owned())])).main()
}
