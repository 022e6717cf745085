//! Trees as YAML: what is written is read as the same values by both rules, in the form that people know.

use proptest::prelude::*;
use shipway_yaml::{Node, Resolved, Rules, Style, Value, parse};

/// What a tree means: every value by both rules, and what was written of all but nothing.
fn meaning(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => {
            let [config, manifest] = [Rules::Config, Rules::Manifest].map(|rules| node.resolved(rules));
            let text = if config == Some(Resolved::Null) { "" } else { &*scalar.text };
            format!("{config:?} {manifest:?} {text:?} {:?}", node.tag)
        }
        Value::Sequence(items) => {
            format!("{:?} {:?}", node.tag, items.iter().map(meaning).collect::<Vec<_>>())
        }
        Value::Mapping(entries) => {
            let pairs = entries.iter().map(|(key, value)| (meaning(key), meaning(value)));
            format!("{:?} {:?}", node.tag, pairs.collect::<Vec<_>>())
        }
    }
}

fn text(text: impl Into<Box<str>>) -> Node {
    Node::scalar(text, Style::DoubleQuoted)
}

fn read(text: &str) -> Node {
    parse("a.yaml", text).unwrap_or_else(|error| panic!("{}\n{text}", error.report())).remove(0).root
}

#[test]
fn the_form_is_that_of_yaml_v3() {
    let tree = "{a: {b: [1, {c: d, e: [f]}, [g, [h]], {i: []}]}, j: {}, k: ~, l: , m: \"1\\n2\", n: !x {o: p}, q: \
                [!!set {r: }], ? [s] : t, ? {u: v} : {w: x}}";
    insta::assert_snapshot!(read(tree).to_yaml().expect("written"), @r"
    a:
      b:
        - 1
        - c: d
          e:
            - f
        - - g
          - - h
        - i: []
    j: {}
    k: null
    l: null
    m: |-
      1
      2
    n: !x
      o: p
    q:
      - !!set
        r: null
    ? - s
    : t
    ? u: v
    : w: x
    ");
}

#[test]
fn a_text_is_plain_where_it_is_a_text_for_every_reader() {
    for (given, expected) in [
        ("web", "web"),
        ("a b", "a b"),
        ("é", "é"),
        ("it's", "it's"),
        ("a:b", "a:b"),
        ("a#b", "a#b"),
        ("-x", "-x"),
        ("v1.10", "v1.10"),
        ("1.2.3", "1.2.3"),
        ("a\\b", "a\\b"),
        ("", "\"\""),
        ("on", "\"on\""),
        ("y", "\"y\""),
        ("No", "\"No\""),
        ("true", "\"true\""),
        ("~", "\"~\""),
        ("null", "\"null\""),
        ("1.10", "\"1.10\""),
        ("0644", "\"0644\""),
        ("0o17", "\"0o17\""),
        ("0x1f", "\"0x1f\""),
        ("123e4567", "\"123e4567\""),
        ("1_000", "\"1_000\""),
        ("1:30", "\"1:30\""),
        ("2001-01-01", "\"2001-01-01\""),
        (".nan", "\".nan\""),
        ("<<", "\"<<\""),
        ("=", "\"=\""),
        ("a: b", "'a: b'"),
        ("a:", "'a:'"),
        ("a #b", "'a #b'"),
        (" a", "' a'"),
        ("a ", "'a '"),
        ("- a", "'- a'"),
        ("-", "'-'"),
        ("---", "'---'"),
        ("*.go", "'*.go'"),
        ("{{.X}}", "'{{.X}}'"),
        ("it's: so", "'it''s: so'"),
        ("%x", "'%x'"),
        ("@x", "'@x'"),
        ("a\tb", "\"a\\tb\""),
        ("\u{7}", "\"\\u0007\""),
        ("\u{feff}x", "\"\\ufeffx\""),
        ("a\r\nb", "\"a\\r\\nb\""),
        ("\n", "\"\\n\""),
        ("a\nb", "|-\n  a\n  b"),
        ("a\nb\n", "|\n  a\n  b"),
        ("a\n\n", "|+\n  a\n"),
        (" a\nb", "|2-\n   a\n  b"),
        ("\na\n", "|2\n\n  a"),
        ("a\n\tb\n", "|\n  a\n  \tb"),
        ("a \nb", "\"a \\nb\""),
    ] {
        let tree = Node::mapping(vec![(text("k"), text(given))]);
        let written = tree.to_yaml().expect("written");
        assert_eq!(written, format!("k: {expected}\n"), "{given:?}");
        assert_eq!(meaning(&read(&written)), meaning(&tree), "{given:?}");
    }
}

#[test]
fn what_cannot_be_read_again_is_not_written() {
    let deep = (0..200).fold(text("x"), |node, _| Node::sequence(vec![node]));
    let error = deep.to_yaml().expect_err("it is too deep");
    assert_eq!(error.to_string(), "the tree is more than 128 deep");
    // Each line of a text is indented.
    let lines = text("a\n".repeat(1_000_000));
    let wide = (0..100).fold(lines, |node, _| Node::sequence(vec![node]));
    let error = wide.to_yaml().expect_err("it is too long");
    assert_eq!(error.to_string(), "the tree has more than 67108864 bytes as YAML");
}

#[test]
fn what_go_reads_is_written_as_the_same() {
    let mut count = 0;
    for line in include_str!("go_table/table.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("the table is JSON");
        for document in parse("", case["doc"].as_str().expect("a document")).unwrap_or_default() {
            let written = document.root.to_yaml().expect("written");
            assert_eq!(meaning(&read(&written)), meaning(&document.root), "{case}\n{written}");
            count += 1;
        }
    }
    assert!(count > 2_000, "{count}");
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}",
        "[-+.:0-9eExo_TZ ~<=]{0,10}",
        "[ab \\t\\n\\r#:,'\"\\[\\]{}&*!|>%@`?-]{0,10}",
        "([ \\t]{0,2}[a#-]{0,2}\n){0,4}",
        Just("---".to_owned()),
        Just("... x".to_owned()),
        "x{1020,1030}",
    ]
}

fn any_tag() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        8 => Just(None),
        1 => prop_oneof![Just("!"), Just("!x"), Just("tag:yaml.org,2002:str"), Just("tag:a.example,2000:b c")]
            .prop_map(|tag| Some(tag.to_owned())),
    ]
}

fn any_tree() -> impl Strategy<Value = Node> {
    let style = prop_oneof![Just(Style::Plain), Just(Style::SingleQuoted), Just(Style::Literal)];
    let scalar = (any_text(), style).prop_map(|(text, style)| {
        let plain = Node::scalar(text.as_str(), Style::Plain);
        // What is plain and no text can be read as no other than it is.
        let safe = plain.resolved(Rules::Manifest).is_some_and(|found| !matches!(found, Resolved::Text(_)));
        if safe { plain } else { Node::scalar(text, style) }
    });
    let tagged = |node: Node, tag: Option<String>| {
        let mut node = node;
        node.tag = tag.map(Into::into);
        node
    };
    let scalar = (scalar, any_tag()).prop_map(move |(scalar, tag)| tagged(scalar, tag));
    scalar.prop_recursive(5, 40, 5, move |inner| {
        let key = prop_oneof![4 => any_text().prop_map(text), 1 => inner.clone()];
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), any_tag())
                .prop_map(move |(items, tag)| tagged(Node::sequence(items), tag)),
            (prop::collection::vec((key, inner), 0..5), any_tag())
                .prop_map(move |(entries, tag)| tagged(Node::mapping(entries), tag)),
        ]
    })
}

proptest! {
    #[test]
    fn any_tree_is_read_as_it_was_written(tree in any_tree()) {
        let written = tree.to_yaml().expect("written");
        prop_assert_eq!(meaning(&read(&written)), meaning(&tree), "{}", written);
    }
}
