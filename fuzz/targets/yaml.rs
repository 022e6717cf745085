//! YAML: read, and edited in place.

use shipway::ErrorKind;
use shipway_yaml::{Document, Edit, Limits, Node, Resolved, Rules, Value, parse_within};

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.aliased = 10_000;
    limits
}

/// A text is refused with its place, or every node lies where it says, within the limits.
pub(crate) fn read(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let documents = match parse_within("file.yaml", text, &limits()) {
        Ok(documents) => documents,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.report().location.is_some(), "no place: {error}");
            return;
        }
    };
    for document in &documents {
        let count = placed(&document.root, text, 0);
        assert!(count <= text.len() + 10_001, "{count} nodes");
        for rules in [Rules::Config, Rules::Manifest] {
            let one = document.to_json(rules);
            if let (Ok(one), Ok(merged)) = (&one, document.merged(rules)) {
                assert_eq!(merged.to_json(rules).as_ref().ok(), Some(one));
            }
        }
    }
}

/// Checks that a node and those in it lie in the text, and returns how many they are.
fn placed(node: &Node, text: &str, depth: usize) -> usize {
    assert!(depth <= 128, "nested {depth} deep");
    assert!(text.get(node.span.range()).is_some(), "{:?} is no place", node.span);
    let inner: usize = match &node.value {
        Value::Sequence(items) => items.iter().map(|item| placed(item, text, depth + 1)).sum(),
        Value::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| placed(key, text, depth + 1) + placed(value, text, depth + 1))
            .sum(),
        Value::Scalar(_) => 0,
    };
    inner + 1
}

/// The first byte chooses a scalar of the text that follows the first line, which is written in its place; then the
/// text, read again, has that there and nothing else that is new.
pub(crate) fn edit(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((line, text)) = text.split_once('\n') else { return };
    let mut line = line.chars();
    let Some(number) = line.next() else { return };
    let put = line.as_str().replace("\\n", "\n");
    let Ok(documents) = parse_within("file.yaml", text, &limits()) else { return };
    let before = scalars(&documents);
    let Some(at) = (u32::from(number) as usize).checked_rem(before.len()) else { return };
    let node = before[at];
    let Ok(edited) = Edit::new("file.yaml", text).replace(node, put.as_str()).apply() else { return };
    let range = node.span.range();
    assert!(edited.starts_with(&text[..range.start]) && edited.ends_with(&text[range.end..]), "{edited:?}");
    let documents = parse_within("file.yaml", &edited, &limits()).expect("read again");
    let after = scalars(&documents);
    assert_eq!(after.len(), before.len(), "{edited:?}");
    for (index, (before, after)) in before.into_iter().zip(after).enumerate() {
        assert_eq!((&before.tag, before.alias), (&after.tag, after.alias), "{edited:?}");
        let Value::Scalar(scalar) = &after.value else { panic!("{after:?}") };
        if index == at {
            assert_eq!(scalar.resolve(Rules::Config), Resolved::Text(put.clone()), "{edited:?}");
        } else {
            assert_eq!(after.value, before.value, "{edited:?}");
        }
    }
}

/// Returns the scalars that are written in the text, in its order.
fn scalars(documents: &[Document]) -> Vec<&Node> {
    fn add<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
        match &node.value {
            // What an alias stands for is written elsewhere.
            _ if node.alias => {}
            Value::Scalar(_) => found.push(node),
            Value::Sequence(items) => items.iter().for_each(|item| add(item, found)),
            Value::Mapping(entries) => entries.iter().for_each(|(key, value)| {
                add(key, found);
                add(value, found);
            }),
        }
    }
    let mut found = Vec::new();
    documents.iter().for_each(|document| add(&document.root, &mut found));
    found
}
