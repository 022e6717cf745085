//! Compares templates and time layouts with what Go itself says; `go_table/main.go` makes the table.

use serde_json::Value;
use shipway_core::{Cancel, Context, RunContext, Timestamp, World};
use shipway_template::{Template, Zone, format_time};

/// The variables of every template; `go_table/main.go` has the same.
const VALUES: [(&str, &str); 8] = [
    ("FOO", "bar"),
    ("EMPTY", ""),
    ("BRANCH", "feature/Add-Some_Thing"),
    ("N", "42"),
    ("IMAGE_NAME", "registry.example.com/team/web"),
    ("SPACES", "  a b\tc "),
    ("LINES", "one\ntwo\n"),
    ("UNI", "Ünï cödé"),
];

/// Where we refuse what Go takes: a version as a whole, which is a dict here; a part of it is given.
const REFUSED: [&str; 2] = [r#"{{ semver "v1.2" }}"#, r#"{{ semver "v1.2" | toString }}"#];

/// Where we give something else than Go: our values are a dict, which Go's map of texts is not, and numbers with a
/// fraction are never written with a power of ten.
const OTHERWISE: [(&str, &str); 3] = [
    (r#"{{ (index . "FOO") }} {{ index . "MISSING" }}|"#, "bar <no value>|"),
    (r#"{{ hasKey . "FOO" }}"#, "true"),
    ("{{ divf 1 1000000 }}", "0.000001"),
];

fn rows(kind: &str) -> Vec<Value> {
    let rows = include_str!("go_table/table.jsonl").lines();
    let rows = rows.map(|line| serde_json::from_str::<Value>(line).expect("the table is JSON lines"));
    rows.filter(|row| row.get(kind).is_some()).collect()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

fn render(template: &str) -> Result<String, shipway_core::Error> {
    Template::parse(template)?.render(VALUES)
}

#[test]
fn templates_give_what_go_gives() {
    let (mut wrong, mut same, mut refused) = (Vec::new(), 0, 0);
    for row in rows("template") {
        let template = text(&row, "template");
        if let Some((_, ours)) = OTHERWISE.iter().find(|(known, _)| *known == template) {
            assert_eq!(render(template).expect("it is taken"), *ours);
            continue;
        }
        if REFUSED.contains(&template) {
            let error = render(template).expect_err("it is refused").to_string();
            assert!(row["refused"] != true && error.contains("`(semver .VERSION).String`"), "{error}");
            continue;
        }
        match (row["refused"] == true, render(template)) {
            (true, Err(_)) => refused += 1,
            (false, Ok(ours)) if ours == text(&row, "out") => same += 1,
            (_, ours) => wrong.push(format!("{template}\n  Go   {row}\n  ours {ours:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} templates differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(same > 60 && refused > 20, "{same} templates are the same and {refused} refused");
}

#[test]
fn layouts_give_what_go_gives() {
    let cx: Context = RunContext::new(World::host("/"), "table").context(None, None, Cancel::new());
    let rows = rows("layout");
    assert!(rows.len() > 3000, "the table has {} moments", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let (layout, zone) = (text(row, "layout"), text(row, "zone"));
        let at = Timestamp(row["at"].as_u64().expect("a moment"));
        let ours = format_time(layout, at, &Zone::named(&cx, zone).expect("a zone"));
        if ours != text(row, "out") {
            wrong.push(format!("{row}\n  ours {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} moments differ:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}
