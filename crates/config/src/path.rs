//! Paths into a tree, such as `/build/artifacts/*/docker`, where `*` is each item of a list.

use std::convert::Infallible;

use shipway_yaml::{Node, Style};

/// Returns the steps of a path; the empty path has none.
pub(crate) fn steps(path: &str) -> Vec<&str> {
    path.split('/').skip(1).collect()
}

/// Calls `act` with every node that a path leads to.
pub(crate) fn each<E>(
    node: &mut Node,
    path: &[&str],
    act: &mut dyn FnMut(&mut Node) -> Result<(), E>,
) -> Result<(), E> {
    match path {
        [] => act(node),
        ["*", rest @ ..] => node.items_mut().into_iter().flatten().try_for_each(|item| each(item, rest, act)),
        [key, rest @ ..] => node.get_mut(key).map_or(Ok(()), |value| each(value, rest, act)),
    }
}

/// The same for what cannot fail, with the path as it is written.
pub(crate) fn each_node(node: &mut Node, path: &str, act: &mut dyn FnMut(&mut Node)) {
    let done = each(node, &steps(path), &mut |node| {
        act(node);
        Ok::<(), Infallible>(())
    });
    match done {
        Ok(()) => {}
    }
}

/// Takes the entry that a path leads to out of its mapping.
pub(crate) fn take(node: &mut Node, path: &[&str]) -> Option<(Node, Node)> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(node, |node, key| node.get_mut(key))?;
    let entries = parent.entries_mut()?;
    let at = entries.iter().position(|(key, _)| key.text() == Some(last))?;
    Some(entries.remove(at))
}

/// Puts a value where a path leads to, in the place of what is there; mappings on the way are made. What
/// is made has the place of `key`, by which the value was known.
///
/// A value that is on the way and no mapping gives way to one; the tree's own top does not.
pub(crate) fn put(node: &mut Node, path: &[&str], key: &Node, value: Node) {
    let Some((step, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    let Some(entries) = node.entries_mut() else { return };
    let inner = match entries.iter().position(|(name, _)| name.text() == Some(step)) {
        Some(at) => &mut entries[at].1,
        None => {
            let made =
                (placed(Node::scalar(*step, Style::Plain), key), placed(Node::mapping(Vec::new()), key));
            entries.push(made);
            let last = entries.len() - 1;
            &mut entries[last].1
        }
    };
    if !rest.is_empty() && inner.entries().is_none() {
        *inner = placed(Node::mapping(Vec::new()), key);
    }
    put(inner, rest, key, value);
}

/// Gives a node that is made here the place of one that is written.
pub(crate) fn placed(mut node: Node, like: &Node) -> Node {
    node.span = like.span;
    node
}

#[cfg(test)]
mod tests {
    use shipway_yaml::{Rules, parse};

    use super::*;

    fn tree(text: &str) -> Node {
        parse("a.yaml", text).expect("YAML").remove(0).root
    }

    fn json(node: Node) -> String {
        shipway_yaml::Document::new("a.yaml", node).to_json(Rules::Config).expect("JSON").to_string()
    }

    #[test]
    fn entries_move_with_their_places() {
        let mut node = tree("a: {b: {c: 1}}\nd: [{e: 1}, {}, {e: 2}]");
        let (key, value) = take(&mut node, &["a", "b", "c"]).expect("it is there");
        assert_eq!((value.span.start.line, value.span.start.column), (1, 12));
        assert!(take(&mut node, &["a", "x", "c"]).is_none());
        put(&mut node, &["x", "y", "z"], &key, value);
        assert_eq!(node.get("x").map(|node| node.span.start.column), Some(9));
        each(&mut node, &["d", "*"], &mut |item| {
            if let Some((key, value)) = take(item, &["e"]) {
                put(item, &["f"], &key, value);
            }
            Ok::<(), ()>(())
        })
        .expect("nothing fails");
        assert_eq!(json(node), r#"{"a":{"b":{}},"d":[{"f":1},{},{"f":2}],"x":{"y":{"z":1}}}"#);
    }
}
