//! Compares the ignore rules with what moby's own library says; `ignore_table/main.go` makes the table.

use std::collections::BTreeMap;

use serde_json::Value;
use shipway_core::{IgnoreRules, read_ignore_file};

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
fn equals_moby_for_every_pair_of_the_table() {
    let (mut pairs, mut malformed, mut wrong) = (0, 0, BTreeMap::new());
    for line in include_str!("ignore_table/table.jsonl").lines() {
        let row: Value = serde_json::from_str(line).expect("the table is JSON lines");
        let patterns = texts(&row["patterns"]);
        if let Some(text) = row["file"].as_str() {
            assert_eq!(read_ignore_file(text), texts(&row["read"]), "{text:?}");
            continue;
        }
        let rules = IgnoreRules::new(&patterns);
        if row["malformed"] == true {
            malformed += 1;
            if rules.is_ok() {
                wrong.insert(patterns.join("\n"), "should be malformed".to_owned());
            }
            continue;
        }
        let rules = match rules {
            Ok(rules) => rules,
            Err(error) => {
                wrong.insert(patterns.join("\n"), error.to_string());
                continue;
            }
        };
        for (verdict, expected) in [("ignored", true), ("kept", false)] {
            for path in texts(&row[verdict]) {
                pairs += 1;
                if rules.is_ignored(&path) != expected {
                    wrong.insert(patterns.join("\n"), format!("`{path}` should be {verdict}"));
                }
                if !expected {
                    // A walk that trusts `may_keep_below` must come to every kept path.
                    for (end, _) in path.match_indices('/') {
                        let folder = &path[..end];
                        assert!(
                            !rules.is_ignored(folder) || rules.may_keep_below(folder),
                            "{patterns:?}: `{path}` is kept, but `{folder}` would not be entered"
                        );
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} lists of patterns differ: {wrong:#?}", wrong.len());
    assert!(pairs > 5_000 && malformed > 10, "the table has {pairs} pairs, {malformed} malformed lists");
    println!("M4: {pairs} pairs of patterns and paths, each as moby judges it");
}
