//! Paths of patches, such as `/build/artifacts/0/image`: JSON pointers (RFC 6901), with `key=value` as a step
//! as `krishicks/yaml-patch` reads it, and with `[key=value]` after a list's name for its one item that has that.

use shipway_core::did_you_mean;
use shipway_yaml::Node;

/// The most steps of a path.
const LONGEST: usize = 128;

/// How many nodes the steps of all patches of a configuration may look at.
pub(super) const MOST_LOOKS: usize = 10_000_000;

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key, an index, or `-` for the end of a list.
    Named(String),
    /// Whatever has this, here or however far below.
    Below(String, String),
    /// The one item of a list that has this.
    Item(String, String),
}

/// Why a path leads nowhere: up to its step `at` it does, and there is what `there` leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) at: usize,
    there: Vec<String>,
    /// How many items a condition has that is to have one.
    several: usize,
}

/// Returns the steps of a path; none where it is no path.
pub(super) fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('/')?;
    let mut steps = Vec::new();
    loop {
        let (name, condition, after) = segment(rest);
        match condition {
            Some((key, value)) => {
                if !name.is_empty() {
                    steps.push(Step::Named(unescaped(name)));
                }
                steps.push(Step::Item(key.to_owned(), value.to_owned()));
            }
            None => steps.push(match name.split_once('=') {
                // Two signs are none of yaml-patch's conditions.
                Some((key, value)) if !value.contains('=') => Step::Below(unescaped(key), unescaped(value)),
                _ => Step::Named(unescaped(name)),
            }),
        }
        match after {
            _ if steps.len() > LONGEST => return None,
            Some(after) => rest = after,
            None => return Some(steps),
        }
    }
}

/// Splits a path after its first segment, which may end with a condition; that may have a `/` in it.
fn segment(path: &str) -> (&str, Option<(&str, &str)>, Option<&str>) {
    let end = path.find('/').unwrap_or(path.len());
    if let Some(open) = path[..end].find('[')
        && let Some((key, value)) = path[open + 1..].split_once('=')
        && !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && let Some(close) =
            value.find("]/").or_else(|| value.len().checked_sub(1).filter(|_| value.ends_with(']')))
    {
        let after = value[close + 1..].strip_prefix('/');
        return (&path[..open], Some((key, &value[..close])), after);
    }
    (&path[..end], None, path.get(end + 1..))
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// Returns where a path leads to, as keys and indexes; that there is something at the last of them is not said.
///
/// `looks` is how many nodes may still be looked at; when they are used up, nothing is found.
pub(super) fn places(root: &Node, steps: &[Step], looks: &mut usize) -> Result<Vec<Vec<String>>, Missing> {
    let mut places = vec![Vec::new()];
    for (at, step) in steps.iter().enumerate() {
        let mut next = Vec::new();
        for place in places {
            // What `-` or a key that is new stands for holds nothing yet.
            let Some(node) = node(root, &place) else {
                return Err(Missing { at: at - 1, there: above(place), several: 0 });
            };
            match step {
                Step::Named(name) if node.items().is_some() || node.entries().is_some() => {
                    next.push(below(&place, name));
                }
                Step::Below(key, value) => search(node, key, value, &mut place.clone(), &mut next, looks),
                Step::Item(key, value) => {
                    let items = node.items().unwrap_or_default();
                    *looks = looks.saturating_sub(items.len());
                    let first = next.len();
                    next.extend(matching(items, key, value).map(|index| below(&place, &index.to_string())));
                    let several = next.len() - first;
                    if several != 1 {
                        return Err(Missing { at, there: place, several });
                    }
                }
                Step::Named(_) => {}
            }
            if next.is_empty() || *looks == 0 {
                return Err(Missing { at, there: place, several: 0 });
            }
        }
        places = next;
    }
    Ok(places)
}

fn above(mut place: Vec<String>) -> Vec<String> {
    place.pop();
    place
}

fn below(place: &[String], step: &str) -> Vec<String> {
    place.iter().cloned().chain([step.to_owned()]).collect()
}

fn has(node: &Node, key: &str, value: &str) -> bool {
    node.get(key).and_then(Node::text) == Some(value)
}

fn matching<'n>(items: &'n [Node], key: &'n str, value: &'n str) -> impl Iterator<Item = usize> + 'n {
    items.iter().enumerate().filter(move |(_, item)| has(item, key, value)).map(|(index, _)| index)
}

/// Finds what has a key with this value, the topmost of those that lie in each other.
fn search(
    node: &Node,
    key: &str,
    value: &str,
    place: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
    looks: &mut usize,
) {
    if *looks == 0 {
        return;
    }
    *looks -= 1;
    if has(node, key, value) {
        found.push(place.clone());
        return;
    }
    let mut enter = |step: String, inner: &Node| {
        place.push(step);
        search(inner, key, value, place, found, looks);
        place.pop();
    };
    for (index, item) in node.items().into_iter().flatten().enumerate() {
        enter(index.to_string(), item);
    }
    for (name, inner) in node.entries().into_iter().flatten() {
        if let Some(name) = name.text() {
            enter(name.to_owned(), inner);
        }
    }
}

/// Returns what lies at a place.
pub(super) fn node<'n>(root: &'n Node, place: &[String]) -> Option<&'n Node> {
    place.iter().try_fold(root, |node, step| match node.items() {
        Some(items) => items.get(step.parse::<usize>().ok()?),
        None => node.get(step),
    })
}

/// Returns what lies at a place.
pub(super) fn node_mut<'n>(root: &'n mut Node, place: &[String]) -> Option<&'n mut Node> {
    place.iter().try_fold(root, |node, step| {
        if node.items().is_some() {
            return node.items_mut()?.get_mut(step.parse::<usize>().ok()?);
        }
        node.get_mut(step)
    })
}

/// Writes a place as a path.
pub(super) fn written(place: &[String]) -> String {
    place.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

fn written_steps(steps: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Named(name) => written(std::slice::from_ref(name)),
        Step::Below(key, value) => written(&[format!("{key}={value}")]),
        Step::Item(key, value) => format!("[{key}={value}]"),
    };
    steps.iter().map(step).collect()
}

impl Missing {
    /// The path's last step is not there, or something else is.
    pub(super) fn last(place: &[String], steps: &[Step]) -> Self {
        Self { at: steps.len() - 1, there: above(place.to_vec()), several: 0 }
    }

    /// Says what there is instead: the path that was probably meant, or what can be named there.
    pub(super) fn hint(&self, root: &Node, steps: &[Step], add: bool) -> Option<String> {
        let node = node(root, &self.there)?;
        let there = if self.there.is_empty() {
            "the file's top".to_owned()
        } else {
            format!("`{}`", written(&self.there))
        };
        if self.several > 1 {
            return Some(format!("{} items of {there} are so; name one by its index, from 0", self.several));
        }
        if let Some(path) = meant(root, node, self, steps, add) {
            return Some(format!("did you mean `{path}`?"));
        }
        Some(match (node.items(), node.entries()) {
            (Some([]), _) => format!("{there} is an empty list"),
            (Some([_]), _) => format!("{there} has one item, `{}/0`", written(&self.there)),
            (Some(items), _) => format!("{there} has {} items, from 0 to {}", items.len(), items.len() - 1),
            (_, Some([])) => format!("{there} is empty"),
            (_, Some(entries)) => {
                let names: Vec<&str> = entries.iter().filter_map(|(key, _)| key.text()).take(20).collect();
                format!("{there} has: {}", names.join(", "))
            }
            _ => format!("{there} is {}", node.kind()),
        })
    }
}

/// Returns the path that is there and most like one that is not.
fn meant(root: &Node, node: &Node, missing: &Missing, steps: &[Step], add: bool) -> Option<String> {
    let (step, rest) = steps.get(missing.at..)?.split_first()?;
    let here = written(&missing.there);
    let leads = |place: Vec<String>| {
        let mut place: Vec<Step> = place.into_iter().map(Step::Named).collect();
        place.extend_from_slice(rest);
        let found = places(root, &place, &mut 10_000).ok()?;
        found.iter().all(|place| self::node(root, place).is_some() || add && !rest.is_empty()).then_some(())
    };
    match (step, node.items()) {
        (Step::Named(name), None) => {
            let keys = node.entries()?.iter().filter_map(|(key, _)| key.text());
            let near = did_you_mean(name, keys.take(1000))?;
            leads(below(&missing.there, near)).map(|()| format!("{here}/{near}{}", written_steps(rest)))
        }
        // An item that has what the rest of the path names is probably the one.
        (Step::Named(_), Some(items)) if !rest.is_empty() => {
            let index = (0..items.len().min(1000))
                .find(|index| leads(below(&missing.there, &index.to_string())).is_some())?;
            let named = items[index].get("image").and_then(Node::text);
            Some(match named {
                Some(image) => format!("{here}[image={image}]{}", written_steps(rest)),
                None => format!("{here}/{index}{}", written_steps(rest)),
            })
        }
        (Step::Item(key, value) | Step::Below(key, value), Some(items)) => {
            let values = items.iter().take(1000).filter_map(|item| item.get(key)?.text());
            let near = did_you_mean(value, values)?;
            Some(format!("{here}[{key}={near}]{}", written_steps(rest)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use shipway_yaml::parse as yaml;

    use super::*;

    const TREE: &str = "
build:
  artifacts:
  - {image: gcr.io/x/base, context: base}
  - {image: web, requires: [{image: gcr.io/x/base}], docker: {dockerfile: D, buildArgs: {a/b: '1', c~d: '2'}}}
  - {image: twin}
  - {image: twin}
";

    fn tree() -> Node {
        yaml("a.yaml", TREE).expect("YAML").remove(0).root
    }

    fn led(path: &str) -> Result<Vec<String>, Missing> {
        let steps = parse(path).expect("a path");
        let found = places(&tree(), &steps, &mut 1000)?;
        Ok(found.iter().map(|place| written(place)).collect())
    }

    #[test]
    fn paths_lead_to_places() {
        for (path, expected) in [
            ("/build/artifacts/1/image", &["/build/artifacts/1/image"][..]),
            ("/build/artifacts/-", &["/build/artifacts/-"]),
            ("/build/artifacts/9", &["/build/artifacts/9"]),
            ("/build/artifacts/1/docker/buildArgs/a~1b", &["/build/artifacts/1/docker/buildArgs/a~1b"]),
            ("/build/artifacts/1/docker/buildArgs/c~0d", &["/build/artifacts/1/docker/buildArgs/c~0d"]),
            ("/build/artifacts/image=web/docker", &["/build/artifacts/1/docker"]),
            // As yaml-patch searches: also far below, and not where it found something.
            ("/build/image=web/docker", &["/build/artifacts/1/docker"]),
            (
                "/build/artifacts/image=gcr.io~1x~1base",
                &["/build/artifacts/0", "/build/artifacts/1/requires/0"],
            ),
            ("/build/artifacts/image=twin/image", &["/build/artifacts/2/image", "/build/artifacts/3/image"]),
            // By our own rule: the items of this list.
            ("/build/artifacts[image=gcr.io/x/base]/context", &["/build/artifacts/0/context"]),
            ("/build/artifacts/[image=web]/docker/target", &["/build/artifacts/1/docker/target"]),
            ("/build/artifacts[image=web]", &["/build/artifacts/1"]),
        ] {
            assert_eq!(led(path).expect(path), expected, "{path}");
        }
    }

    #[test]
    fn what_leads_nowhere_says_from_where_and_what_was_meant() {
        for (path, at, expected) in [
            ("/build/artifact/0/image", 1, "did you mean `/build/artifacts/0/image`?"),
            (
                "/build/artifacts/7/docker/dockerfile",
                2,
                "did you mean `/build/artifacts[image=web]/docker/dockerfile`?",
            ),
            ("/build/artifacts/7/kaniko/image", 2, "`/build/artifacts` has 4 items, from 0 to 3"),
            (
                "/build/artifacts/1/dockr/dockerfile",
                3,
                "did you mean `/build/artifacts/1/docker/dockerfile`?",
            ),
            ("/build/artifacts/0/docker/target", 3, "`/build/artifacts/0` has: image, context"),
            ("/build/artifacts/0/image/a", 4, "`/build/artifacts/0/image` is a single value"),
            ("/build/artifacts[image=wep]/docker", 2, "did you mean `/build/artifacts[image=web]/docker`?"),
            ("/build/artifacts/image=wep/docker", 2, "did you mean `/build/artifacts[image=web]/docker`?"),
            (
                "/build/artifacts[image=twin]/docker",
                2,
                "2 items of `/build/artifacts` are so; name one by its index, from 0",
            ),
            ("/build/artifacts[image=x]", 2, "`/build/artifacts` has 4 items, from 0 to 3"),
            ("/biuld/tagPolicy/sha256", 0, "the file's top has: build"),
        ] {
            let missing = led(path).expect_err(path);
            let steps = parse(path).expect("a path");
            assert_eq!(
                (missing.at, missing.hint(&tree(), &steps, false).as_deref()),
                (at, Some(expected)),
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_no_path_is_none() {
        assert_eq!(parse("build"), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse(&"/x".repeat(200)), None);
        let named = |step: &str| Step::Named(step.to_owned());
        // Skaffold's flattened keys and what only looks like a condition.
        for (path, step) in
            [("/a[0].b", "a[0].b"), ("/a=b=c", "a=b=c"), ("/a[b=c", "a[b=c"), ("/a[=b]", "a[=b]")]
        {
            let found = parse(path).expect(path);
            assert!(found == [named(step)] || matches!(found[..], [Step::Below(..)]), "{path}: {found:?}");
        }
        assert_eq!(parse("/a[0].b"), Some(vec![named("a[0].b")]));
    }

    #[test]
    fn looking_ends() {
        let steps = parse("/build/artifacts/image=twin").expect("a path");
        assert!(places(&tree(), &steps, &mut 5).is_err());
    }
}
