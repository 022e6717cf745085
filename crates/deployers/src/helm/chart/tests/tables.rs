//! Tables that helm's own packages produced.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::helm::chart::{
    content::Content,
    ignore::Ignored,
    json::go_json,
    lock::{digest, old_digest},
    metadata::{Dependency, Metadata, document},
    version::{Range, Version},
};

#[test]
fn ranges_hold_what_helm_says() {
    let mut lines = include_str!("go_table/versions.tsv").lines();
    let versions: Vec<String> = serde_json::from_str(lines.next().expect("versions")).expect("JSON");
    let (mut ranges, mut compared) = (0, 0);
    for line in lines {
        let (name, expected) = line.split_once('\t').expect("two columns");
        let name: String = serde_json::from_str(name).expect("JSON");
        let Some(range) = Range::parse(&name) else {
            assert_eq!(expected, "!", "{name:?} is a range");
            continue;
        };
        let found: String = versions
            .iter()
            .map(|version| match Version::parse(version) {
                None => '-',
                Some(version) if range.holds(&version) => '1',
                Some(_) => '0',
            })
            .collect();
        assert_eq!(found, expected, "{name:?} of {versions:?}");
        ranges += 1;
        compared += versions.len();
    }
    assert!(ranges > 400 && compared > 20_000, "{ranges} ranges and {compared} answers");
}

#[test]
fn versions_are_in_semvers_order() {
    // semver.org, 11.
    let ordered = [
        "0.9.0",
        "1.0.0-1",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.2",
        "v2.0.0",
        "2.0.0-a",
        "10",
    ];
    let mut sorted = ordered.map(|version| Version::parse(version).expect("a version"));
    sorted.swap(12, 13);
    assert!(sorted.is_sorted());
    assert_eq!(Version::parse("1.2.3+a"), Version::parse("v1.2.3+b"));
    for (version, exact) in
        [("1.2.3", true), ("v1.2.3-a.b+c.d", true), ("1.2", false), ("^1.2.3", false), ("1.2.x", false)]
    {
        assert_eq!(Version::is_exact(version), exact, "{version}");
    }
}

#[test]
fn what_is_left_out_is_what_helm_leaves_out() {
    #[derive(Deserialize)]
    struct Line {
        text: String,
        ignored: Option<BTreeMap<String, bool>>,
    }
    let mut compared = 0;
    for line in include_str!("go_table/ignore.jsonl").lines() {
        let Line { text, ignored } = serde_json::from_str(line).expect("JSON");
        // helm 3 takes a slash more away each time that it looks (pkg/ignore, the closure's `rule`), and helm 4 does not.
        // Both find only sometimes that nothing is after a `\\`.
        let is_odd = |line: &str| line.trim_start_matches('!').starts_with("//") || line.ends_with('\\');
        if text.lines().any(|line| is_odd(line.trim())) {
            continue;
        }
        let rules = Ignored::parse(".helmignore", &text);
        let (Ok(rules), Some(ignored)) = (&rules, &ignored) else {
            assert_eq!(rules.is_err(), ignored.is_none(), "{text:?}");
            continue;
        };
        for (path, expected) in ignored {
            let (name, is_folder) = match path.strip_suffix('/') {
                Some(name) => (name, true),
                None => (path.as_str(), false),
            };
            assert_eq!(rules.leaves_out(name, is_folder), *expected, "`{path}` by {text:?}");
            compared += 1;
        }
    }
    assert!(compared > 8000, "{compared} answers");
}

#[test]
fn a_pattern_that_helm_does_not_take_is_shown_with_its_line() {
    let error = Ignored::parse("web/.helmignore", "# a\n\n*.txt\na/**\n").expect_err("refused");
    insta::assert_snapshot!(error.report(), @r"
    web/.helmignore:4:1: `a/**` has `**` in it, which helm does not know
      hint: `*` matches within one folder; write a pattern for each depth
    ");
    let many = "a\n".repeat(1002);
    assert!(Ignored::parse("a", &many).is_err());
}

#[test]
fn digests_of_locks_are_helms() {
    #[derive(Deserialize)]
    struct Line {
        files: BTreeMap<String, String>,
        metadata: String,
        helm2: String,
        helm3: Option<String>,
    }
    #[derive(Deserialize)]
    struct Chosen {
        #[serde(default)]
        dependencies: Option<Vec<Dependency>>,
    }
    for line in include_str!("go_table/locks.jsonl").lines() {
        let line: Line = serde_json::from_str(line).expect("JSON");
        let mut content = Content::new("web");
        content.files =
            line.files.iter().map(|(path, text)| (path.clone(), Bytes::from(text.clone()))).collect();
        let metadata = Metadata::read(&content).expect("read");
        assert_eq!(go_json(&metadata), line.metadata);
        assert_eq!(old_digest(&metadata.dependencies), line.helm2, "{:?}", line.files);
        let lock = ["requirements.lock", "Chart.lock"].into_iter().find_map(|file| line.files.get(file));
        if let (Some(lock), Some(expected)) = (lock, line.helm3) {
            let lock: Chosen = document("lock", lock).expect("YAML").read().expect("a lock");
            assert_eq!(digest(&metadata.dependencies, &lock.dependencies), expected, "{:?}", line.files);
        }
    }
}

#[test]
fn what_helm_refuses_in_a_chart_is_refused_with_its_place() {
    let refused = |text: &str| {
        let mut content = Content::new("web");
        content.files.insert("Chart.yaml".to_owned(), Bytes::from(text.to_owned()));
        let read = Metadata::read(&content).and_then(|metadata| metadata.check_fetched(&content));
        let report = read.expect_err(text).into_report();
        let place = report.location.map_or_else(String::new, |place| place.to_string());
        format!("{place}: {}", report.message)
    };
    let found = [
        "version: 1.0.0\n",
        "name: web\n",
        "name: ../web\nversion: 1.0.0\n",
        "name: -web\nversion: 1.0.0\n",
        "name: web\nversion: one\n",
        "name: web\nversion: [1]\n",
        "name: web\nversion: 1.0.0\ntype: plugin\n",
        "name: web\nversion: 1.0.0\nmaintainers: [~]\n",
        "name: web\nversion: 1.0.0\ndependencies: [~]\n",
        "name: web\nversion: 1.0.0\ndependencies:\n- {name: a, version: 1}\n- {name: a, version: 2}\n",
        "name: web\nversion: 1.0.0\ndependencies:\n- {name: a, version: 1, alias: a/b}\n",
        "name: web\nversion: 1.0.0\ndependencies:\n- {name: a, version: 1.a}\n",
        "name: web\nversion: 1.0.0\ndependencies:\n- name: a\n",
        "name: web\nversion: 1.0.0\ndependencies:\n- {name: --a, version: 1}\n",
        "name: web\n version: 1.0.0\n",
        "name: web\nversion: 1.0.0\n---\na: b\n",
        "",
    ]
    .map(refused);
    insta::assert_snapshot!(found.join("\n"), @r"
    web/Chart.yaml: `name` is missing
    web/Chart.yaml: `version` is missing
    web/Chart.yaml:1:7: `../web` is not the name of a chart
    web/Chart.yaml:1:7: `-web` is not the name of a chart
    web/Chart.yaml:2:10: `one` is not a version
    web/Chart.yaml:2:10: expected a text, found a list
    web/Chart.yaml:3:7: `plugin` is not a type of charts
    web/Chart.yaml:3:15: a maintainer without a name
    web/Chart.yaml:3:16: a dependency without a name
    web/Chart.yaml:5:3: there are two dependencies `a`
    web/Chart.yaml:4:32: `a/b` is no other name for a chart
    web/Chart.yaml:4:22: `1.a` of dependency `a` is no range of versions
    web/Chart.yaml:4:3: `` of dependency `a` is no range of versions
    web/Chart.yaml:4:3: `--a` is not the name of a chart
    web/Chart.yaml:2:9: this is no YAML: mapping values are not allowed in this context
    : `web/Chart.yaml` has more than one document
    : `web/Chart.yaml` is empty
    ");
    let none = Metadata::read(&Content::new("web")).expect_err("no chart");
    insta::assert_snapshot!(none.report(), @r"
    `web` is no chart, as it has no `Chart.yaml`
      hint: name the folder that `Chart.yaml` is in, or an archive made by `helm package`
    ");
}

#[test]
fn numbers_are_texts_as_helm_has_them() {
    let mut content = Content::new("web");
    let text =
        "apiVersion: v2\nname: 7\nversion: 1.10\nappVersion: 2024\ndescription: true\nicon: 0.5\nhome: ~\n";
    content.files.insert("Chart.yaml".to_owned(), Bytes::from(text));
    let metadata = Metadata::read(&content).expect("read");
    assert_eq!(
        go_json(&metadata),
        r#"{"name":"7","version":"1.1","description":"true","icon":"0.5","apiVersion":"v2","appVersion":"2024"}"#
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn an_exact_version_holds_itself_alone(one in "[0-3]\\.[0-3]\\.[0-3](-[ab])?", other in "[0-3]\\.[0-3]\\.[0-3](-[ab])?") {
        let [first, second] = [&one, &other].map(|text| Version::parse(text).expect("a version"));
        prop_assert_eq!(Range::parse(&one).expect("a range").holds(&second), first == second);
        prop_assert_eq!(first.cmp(&second), second.cmp(&first).reverse());
    }

    #[test]
    fn any_text_is_a_range_or_none(text in "[-0-9xv.*~^<>=!|, +a]{0,24}", version in ".{0,16}") {
        let holds = Range::parse(&text).zip(Version::parse(&version)).map(|(range, version)| range.holds(&version));
        prop_assert!(holds.is_none() || Version::parse(&version).is_some());
    }

    #[test]
    fn any_text_of_a_chart_is_read_or_refused(text in "(name|version|dependencies|type|[ \n:\\[\\]{},~*&'\"-]|[a-z0-9.]){0,40}") {
        let mut content = Content::new("web");
        content.files.insert("Chart.yaml".to_owned(), Bytes::from(text));
        if let Ok(metadata) = Metadata::read(&content) {
            let json: Value = serde_json::from_str(&go_json(&metadata)).expect("JSON");
            prop_assert!(json["name"].is_string());
        }
    }
}
