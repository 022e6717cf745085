//! Edits in place: what was meant differs, and nothing else.

use proptest::prelude::*;
use shipway_yaml::{Edit, Node, Resolved, Rules, parse};

/// Replaces what a path of keys and positions leads to.
fn replace(text: &str, path: &[&str], new: &str) -> shipway_core::Result<String> {
    let document = parse("k.yaml", text)?.remove(0);
    let node = path.iter().fold(&document.root, |node: &Node, step| match step.parse::<usize>() {
        Ok(at) => &node.items().expect("a list")[at],
        Err(_) => node.get(step).expect("a key"),
    });
    Edit::new("k.yaml", text).replace(node, new).apply()
}

#[test]
fn a_scalar_keeps_its_quotes_its_place_and_all_that_is_around_it() {
    for (text, path, new, expected) in [
        ("a: b # c\n", &["a"][..], "d", "a: d # c\n"),
        ("a: 'b' # c\n", &["a"], "d", "a: 'd' # c\n"),
        ("a: \"b\"\n", &["a"], "d \"e\"", "a: \"d \\\"e\\\"\"\n"),
        ("a: 1.9\n", &["a"], "1.10", "a: '1.10'\n"),
        ("a: v1\n", &["a"], "true", "a: 'true'\n"),
        ("a: v1\n", &["a"], "yes", "a: 'yes'\n"),
        ("a: v1\n", &["a"], "0644", "a: '0644'\n"),
        ("a: v1\n", &["a"], "123e4567", "a: '123e4567'\n"),
        ("a: v1\n", &["a"], "", "a: ''\n"),
        ("a: v1\n", &["a"], "it's", "a: 'it''s'\n"),
        ("a: v1\n", &["a"], "b: c", "a: 'b: c'\n"),
        ("a: v1\n", &["a"], "b\nc", "a: \"b\\nc\"\n"),
        ("a: v1\n", &["a"], "1.2.3", "a: 1.2.3\n"),
        ("a: x:1\n", &["a"], "h.example:5000/web@sha256:0f", "a: h.example:5000/web@sha256:0f\n"),
        ("a: {b: c, d: e}\n", &["a", "b"], "x", "a: {b: x, d: e}\n"),
        ("- a\n- b # c\r\n- d\n", &["1"], "x", "- a\n- x # c\r\n- d\n"),
        ("a: !t &x b\n", &["a"], "c", "a: !t &x c\n"),
        ("é: ü # ö\n", &["é"], "ä", "é: 'ä' # ö\n"),
        ("---\na: b\n---\nc: d\n", &["a"], "x", "---\na: x\n---\nc: d\n"),
    ] {
        assert_eq!(replace(text, path, new).expect(text), expected, "{text:?}");
    }
}

#[test]
fn what_cannot_be_edited_in_place_is_refused_with_its_place() {
    for (text, path, expected) in [
        ("a: &x b\nc: *x\n", &["c"][..], "k.yaml:1:7: what stands for an alias cannot be edited here"),
        ("a: |\n  b\n", &["a"], "k.yaml:2:3: a block of text cannot be edited in place"),
        ("a: [b]\n", &["a"], "k.yaml:1:4: only a single value can be edited in place"),
    ] {
        let error = replace(text, path, "new").expect_err(text);
        assert_eq!(error.report().to_string(), expected, "{text:?}");
    }
    let text = "a: b\n";
    let document = parse("k.yaml", text).expect("parses").remove(0);
    let node = document.root.get("a").expect("a key");
    assert!(Edit::new("k.yaml", text).replace(node, "c").replace(node, "d").apply().is_err());
}

#[test]
fn what_is_written_with_nothing_is_not_edited() {
    // Where a key and its value are both nothing, both are at one place.
    for text in [":   ", "a:\n", "- \n", "{: }"] {
        let document = parse("k.yaml", text).expect("parses").remove(0);
        let root = &document.root;
        let node = root.items().map_or_else(|| &root.entries().expect("a mapping")[0].1, |items| &items[0]);
        let error = Edit::new("k.yaml", text).replace(node, "new").apply().expect_err(text);
        assert!(error.to_string().contains("an empty value cannot be edited in place"), "{text:?}: {error}");
    }
}

#[test]
fn an_alias_follows_its_anchor() {
    let edited = replace("a: &x b\nc: *x\n", &["a"], "d").expect("edited");
    assert_eq!(edited, "a: &x d\nc: *x\n");
    let edited = replace("a: &x [b, c]\nc: *x\n", &["a", "0"], "d").expect("edited");
    assert_eq!(edited, "a: &x [d, c]\nc: *x\n");
}

proptest! {
    /// Whatever the text is, the edited document holds it, for every reader, and the rest is as it was.
    #[test]
    fn any_text_can_be_put_in(new in ".{0,20}", style in 0..3_usize) {
        let value = ["old", "'old'", "\"old\""][style];
        let text = format!("# c\nlist:\n- {{a: {value}, b: 1}} # d\n- {value}\nkey: {value} # e\n");
        let document = parse("k.yaml", &text).expect("parses").remove(0);
        let list = document.root.get("list").and_then(Node::items).expect("a list");
        let edited = Edit::new("k.yaml", &text)
            .replace(list[0].get("a").expect("a key"), new.as_str())
            .replace(&list[1], new.as_str())
            .replace(document.root.get("key").expect("a key"), new.as_str())
            .apply()
            .expect("edited");
        let after = parse("k.yaml", &edited).expect("parses").remove(0);
        let list = after.root.get("list").and_then(Node::items).expect("a list");
        for node in [list[0].get("a").expect("a key"), &list[1], after.root.get("key").expect("a key")] {
            for rules in [Rules::Config, Rules::Manifest] {
                prop_assert_eq!(node.resolved(rules), Some(Resolved::Text(new.clone())));
            }
        }
        let around =
            edited.starts_with("# c\nlist:\n- {a: ") && edited.ends_with(" # e\n") && edited.contains(", b: 1} # d\n- ");
        prop_assert!(around, "{}", edited);
    }
}

#[test]
fn of_many_documents_those_that_change_do() {
    for (head, tail) in
        [("", "--- # last\nx: [é, {image: a}]\n"), ("%YAML 1.2\n---\n", "---\n|\n  image\n"), ("---\n", "")]
    {
        let document = |image: &str| format!("# é\nimage: {image} # here\n---\ntext: |\n  ---\n  image: a\n");
        let text = format!("{head}{}{tail}", document("a"));
        let documents = parse("k.yaml", &text).expect("fine");
        let mut edit = Edit::new("k.yaml", &text);
        for image in documents.iter().filter_map(|document| document.root.get("image")) {
            edit = edit.replace(image, "registry.example/a@sha256:0");
        }
        let expected = format!("{head}{}{tail}", document("registry.example/a@sha256:0"));
        assert_eq!(edit.apply().expect("edited"), expected);
    }
}
