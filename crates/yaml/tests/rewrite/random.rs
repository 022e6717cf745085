//! Random documents and random edits of their trees.

use proptest::prelude::*;
use shipway_yaml::{Node, Resolved, Rules, Style, Value, parse, rewrite};

/// What a tree means to both readers.
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

/// Lines of YAML, the first of which goes on with a line.
fn any_value(depth: u32) -> BoxedStrategy<Vec<String>> {
    let scalar = prop_oneof![
        Just("x"),
        Just("'it''s'"),
        Just("\"a\\tb\""),
        Just("1.10"),
        Just(""),
        Just("~"),
        Just("*a"),
        Just("&a y"),
        Just("!t z"),
        Just("[1, {k: v}]"),
        Just("{k: v, l: [x]}"),
        Just("{}"),
        Just("&b [p, q]"),
        Just("*b"),
    ];
    let comment = prop_oneof![3 => Just(""), 1 => Just("  # beside"), 1 => Just("\t# tab")];
    let line = (scalar, comment).prop_map(|(scalar, comment)| vec![format!("{scalar}{comment}")]);
    let block = prop_oneof![
        Just(vec!["|", "  a", "", "  # b"]),
        Just(vec!["|+ # keep", "   a", "", ""]),
        Just(vec![">-", "  a", "   b", "  c"]),
        Just(vec!["|2-", "    a", "  b"]),
        Just(vec!["'a", "  b'"]),
        Just(vec!["[a, # c", "  b", "  ]"]),
        Just(vec!["a", "", "  b"]),
    ]
    .prop_map(|lines| lines.into_iter().map(str::to_owned).collect::<Vec<_>>());
    if depth == 0 {
        return prop_oneof![4 => line, 1 => block].boxed();
    }
    prop_oneof![
        3 => line,
        1 => block,
        2 => any_mapping(depth).prop_map(|lines| nested(lines, 2)),
        1 => any_mapping(depth).prop_map(|lines| nested(lines, 4)),
        2 => any_list(depth).prop_map(|lines| nested(lines, 2)),
        1 => any_list(depth).prop_map(|lines| nested(lines, 0)),
    ]
    .boxed()
}

/// Puts lines below one that is empty but for a comment.
fn nested(lines: Vec<String>, indent: usize) -> Vec<String> {
    let indented =
        lines.into_iter().map(|line| if line.is_empty() { line } else { " ".repeat(indent) + &line });
    std::iter::once(String::new()).chain(indented).collect()
}

fn above() -> impl Strategy<Value = Vec<String>> {
    let lines = prop_oneof![
        4 => Just(vec![]), 1 => Just(vec!["# above"]), 1 => Just(vec![""]), 1 => Just(vec!["# apart", "", "# above"]),
        1 => Just(vec!["  # deeper"]), 1 => Just(vec!["", "  # deeper", "# above", "", ""]),
    ];
    lines.prop_map(|lines| lines.into_iter().map(str::to_owned).collect())
}

fn any_mapping(depth: u32) -> BoxedStrategy<Vec<String>> {
    let key = prop_oneof![6 => "[a-e]", 1 => Just("'q'".to_owned()), 1 => Just("&k k".to_owned()), 1 => Just("<<".to_owned())];
    let entry = (above(), key, any_value(depth.saturating_sub(1)));
    prop::collection::vec(entry, 1..4)
        .prop_map(|entries| {
            let mut lines = Vec::new();
            for (above, key, value) in entries {
                lines.extend(above);
                let mut value = value.into_iter();
                let first = value.next().unwrap_or_default();
                lines.push(format!("{key}: {first}").trim_end().to_owned());
                lines.extend(value);
            }
            lines
        })
        .boxed()
}

fn any_list(depth: u32) -> BoxedStrategy<Vec<String>> {
    let compact = any_mapping(depth.saturating_sub(1)).prop_map(|lines| {
        let start = lines
            .iter()
            .position(|line| !line.is_empty() && !line.trim_start().starts_with('#'))
            .unwrap_or(0);
        let mut lines = lines.into_iter().skip(start);
        let first = lines.next().unwrap_or_default();
        std::iter::once(first)
            .chain(lines.map(|line| if line.is_empty() { line } else { format!("  {line}") }))
            .collect()
    });
    let item = prop_oneof![
        any_value(depth.saturating_sub(1)).prop_map(|lines: Vec<String>| {
            let mut lines = lines.into_iter();
            let first = lines.next().unwrap_or_default();
            // An item's lines are deeper than its dash.
            std::iter::once(first)
                .chain(lines.map(|line| if line.is_empty() { line } else { format!("  {line}") }))
                .collect()
        }),
        compact,
    ];
    prop::collection::vec((above(), item), 1..4)
        .prop_map(|items: Vec<(Vec<String>, Vec<String>)>| {
            let mut lines = Vec::new();
            for (above, item) in items {
                lines.extend(above);
                let mut item = item.into_iter();
                lines.push(format!("- {}", item.next().unwrap_or_default()).trim_end().to_owned());
                lines.extend(item);
            }
            lines
        })
        .boxed()
}

fn any_text() -> impl Strategy<Value = String> {
    let document = prop_oneof![4 => any_mapping(3), 1 => any_list(3)];
    let end = prop_oneof![Just("\n"), Just(""), Just("\n# end\n"), Just("\n\n  # end")];
    (prop::collection::vec(document, 1..3), end, any::<bool>()).prop_map(|(documents, end, crlf)| {
        let texts: Vec<String> = documents.into_iter().map(|lines| lines.join("\n")).collect();
        let text = format!("{}{end}", texts.join("\n---\n"));
        if crlf { text.replace('\n', "\r\n") } else { text }
    })
}

/// One edit: what, and where by numbers that are taken modulo what there is.
type Edit = (u8, usize, usize, usize);

fn nodes(node: &mut Node) -> usize {
    1 + match &mut node.value {
        Value::Scalar(_) => 0,
        Value::Sequence(items) => items.iter_mut().map(nodes).sum(),
        Value::Mapping(entries) => entries.iter_mut().map(|(_, value)| nodes(value)).sum(),
    }
}

/// Returns the value of a number, keys not counted.
fn nth(node: &mut Node, at: usize) -> Option<&mut Node> {
    if at == 0 {
        return Some(node);
    }
    let mut left = at - 1;
    let children: Vec<&mut Node> = match &mut node.value {
        Value::Scalar(_) => Vec::new(),
        Value::Sequence(items) => items.iter_mut().collect(),
        Value::Mapping(entries) => entries.iter_mut().map(|(_, value)| value).collect(),
    };
    for child in children {
        let count = nodes(child);
        if left < count {
            return nth(child, left);
        }
        left -= count;
    }
    None
}

fn apply(root: &mut Node, (what, from, at, to): Edit) {
    let count = nodes(root);
    let Some(node) = nth(root, from % count) else { return };
    let scalar = |text: &str, like: &Node| {
        let mut node = Node::scalar(text, Style::Plain);
        node.span = like.span;
        node
    };
    let taken = match (what % 7, &mut node.value) {
        (0, _) => {
            *node = Node::scalar(
                ["new", "two\nlines\n", "", "a: b"][at % 4],
                [Style::Plain, Style::Literal][to % 2],
            );
            return;
        }
        (1, Value::Mapping(entries)) if !entries.is_empty() => Some(entries.remove(at % entries.len())),
        (1, Value::Sequence(items)) if !items.is_empty() => {
            let item = items.remove(at % items.len());
            Some((scalar("moved", &item), item))
        }
        (2, Value::Mapping(entries)) => return entries.reverse(),
        (2, Value::Sequence(items)) => return items.reverse(),
        (3, Value::Mapping(entries)) if !entries.is_empty() => {
            let at = at % entries.len();
            entries[at].0 = scalar("renamed", &entries[at].0.clone());
            return;
        }
        (4, _) => {
            *node = Node::sequence(vec![node.clone(), Node::scalar("more", Style::Plain)]);
            return;
        }
        (5, Value::Mapping(entries)) => {
            return entries.push((Node::scalar("added", Style::Plain), Node::scalar("x", Style::Plain)));
        }
        (5, Value::Sequence(items)) => return items.push(Node::scalar("added", Style::Plain)),
        (6, _) => {
            let key = scalar("inner", node);
            *node = Node::mapping(vec![(key, node.clone())]);
            return;
        }
        _ => return,
    };
    let count = nodes(root);
    if let (Some((key, value)), Some(node)) = (taken, nth(root, to % count)) {
        match &mut node.value {
            Value::Mapping(entries) => entries.insert(at % (entries.len() + 1), (key, value)),
            Value::Sequence(items) => items.insert(at % (items.len() + 1), value),
            Value::Scalar(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_text_holds_the_wanted_trees(
        text in any_text(),
        edits in prop::collection::vec((any::<u8>(), 0..100_usize, 0..100_usize, 0..100_usize), 0..4),
    ) {
        let Ok(mut documents) = parse("a.yaml", &text) else { return Ok(()) };
        for edit in &edits {
            for document in &mut documents {
                apply(&mut document.root, *edit);
            }
        }
        let new = rewrite("a.yaml", &text, &documents);
        let new = new.unwrap_or_else(|error| panic!("{text}\n{}", error.report()));
        if edits.is_empty() {
            prop_assert_eq!(&new, &text);
        }
        // What nothing is taken from loses no comment.
        if edits.iter().all(|edit| [2, 3, 5].contains(&(edit.0 % 7))) {
            let comments = |text: &str| text.matches("# ").count();
            prop_assert!(comments(&new) >= comments(&text), "{}\n---- became\n{}", text, new);
        }
        let read = parse("a.yaml", &new).expect("YAML");
        prop_assert_eq!(read.len(), documents.len());
        for (read, wanted) in read.iter().zip(&documents) {
            prop_assert_eq!(meaning(&read.root), meaning(&wanted.root), "{}\n---- became\n{}", text, new);
        }
    }
}
