//! Where each value of a configuration comes from: nodes keep their places through all stages, so that the place alone
//! says who wrote it.

use std::{
    fmt::{self, Write as _},
    path::Path,
};

use shipway_core::{Error, Location, Plain, Result};
use shipway_template::Template;
use shipway_yaml::{Document, Node, Span, Value};

use super::{
    Skaffold, effective,
    modules::Module,
    pointer::{self, MOST_LOOKS, parse, places, written},
    profile::Profiles,
};

/// How many values are explained at once.
const MOST: usize = 10_000;

/// A value of the effective configuration, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// The path in the newest version, such as `/build/artifacts/0/context`.
    pub path: String,
    /// The value, as YAML in one line.
    pub value: String,
    /// Who says it.
    pub origin: Origin,
    /// Where it is written; absent for a default.
    pub location: Option<Location>,
    /// The variables of a template, which is the value before it is rendered.
    pub variables: Vec<String>,
}

/// Who says a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The configuration itself.
    File,
    /// A profile.
    Profile(String),
    /// A patch of a profile, by its number from 0.
    Patch(String, usize),
    /// Nobody: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("the file"),
            Self::Profile(name) => write!(Plain(f), "profile `{name}`"),
            Self::Patch(name, number) => write!(Plain(f), "patch {number} of profile `{name}`"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, value, origin, location, variables } = self;
        let mut plain = Plain(&mut *f);
        write!(plain, "{path}: {value}\n  ")?;
        if let Some(location) = location {
            write!(plain, "{location}: ")?;
        }
        write!(plain, "{origin}")?;
        if !variables.is_empty() {
            write!(plain, ", with {} of the environment", variables.join(", "))?;
        }
        Ok(())
    }
}

/// The places of a configuration's profiles, to know what they wrote.
#[derive(Clone, Debug, Default)]
pub(super) struct Written(Vec<(Span, Origin)>);

impl Written {
    pub(super) fn of(profiles: &Profiles) -> Self {
        let mut all = Vec::new();
        for (profile, node) in profiles.all() {
            let name = &profile.name.value;
            let patches = node.get("patches").and_then(Node::items).unwrap_or_default();
            // The narrower place comes first.
            let patch = |(number, patch): (usize, &Node)| (patch.span, Origin::Patch(name.clone(), number));
            all.extend(patches.iter().enumerate().map(patch));
            all.push((node.span, Origin::Profile(name.clone())));
        }
        Self(all)
    }

    fn origin(&self, at: Span) -> Origin {
        if at.start.line == 0 {
            return Origin::Default;
        }
        let around = |span: &Span| span.start.offset <= at.start.offset && at.start.offset < span.end.offset;
        let found = self.0.iter().find(|(span, _)| around(span));
        found.map_or(Origin::File, |(_, origin)| origin.clone())
    }
}

impl Skaffold {
    /// Returns where the values at and below a path of the effective configuration come from, in each configuration that has
    /// it.
    ///
    /// A path is as in a profile's patches (`/build/artifacts/0/image`, `/build/artifacts[image=web]/docker`), or with dots
    /// (`build.artifacts[0].image`); the empty path is all.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use shipway_config::{Options, Skaffold};
    ///
    /// let text = "
    /// apiVersion: skaffold/v4beta14
    /// kind: Config
    /// build:
    ///   artifacts:
    ///   - image: web
    /// ";
    /// let catalog = shipway_core::Catalog::new();
    /// let skaffold = Skaffold::read("skaffold.yaml", text, Options::default(), &catalog)?;
    /// let said: Vec<String> =
    ///     skaffold.explain("build.artifacts", Path::new("/shop"))?.iter().map(ToString::to_string).collect();
    /// assert_eq!(said[0], "/build/artifacts/0/image: web\n  skaffold.yaml:6:12: the file");
    /// assert_eq!(said[1], "/build/artifacts/0/context: /shop\n  default");
    /// # Ok::<(), shipway_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config` for what is no path, and where nothing is.
    pub fn explain(&self, path: &str, folder: &Path) -> Result<Vec<Explained>> {
        let pointer = pointed(path);
        let steps = match pointer.as_str() {
            "" => Vec::new(),
            pointer => parse(pointer).ok_or_else(|| {
                Error::config(format!("`{path}` is no path"))
                    .hint("write it as `/build/artifacts/0/image` or `build.artifacts[0].image`")
            })?,
        };
        let mut all = Vec::new();
        let mut hint = None;
        for Module { document, written: by, .. } in &self.modules {
            let document = effective::effective(document, &self.options, folder);
            match places(&document.root, &steps, &mut { MOST_LOOKS }) {
                Ok(found) => {
                    for place in found {
                        match pointer::node(&document.root, &place) {
                            Some(node) => explain(node, &place, &document, by, &mut all)?,
                            None => hint = hint.or_else(|| above(&document.root, &place)),
                        }
                    }
                }
                Err(missing) => hint = hint.or_else(|| missing.hint(&document.root, &steps, false)),
            }
        }
        if all.is_empty() {
            let error = Error::config(format!("there is nothing at `{path}`"));
            return Err(match hint {
                Some(hint) => error.hint(hint),
                None => error,
            });
        }
        Ok(all)
    }
}

/// Returns a path with dots as one of patches.
fn pointed(path: &str) -> String {
    if path.is_empty() || path.starts_with('/') {
        return path.to_owned();
    }
    let mut pointer = String::from("/");
    let mut rest = path;
    while let Some(at) = rest.find(['.', '[']) {
        pointer.push_str(&rest[..at]);
        if rest.as_bytes()[at] == b'.' {
            pointer.push('/');
            rest = &rest[at + 1..];
            continue;
        }
        let end = rest.find(']').map_or(rest.len(), |end| end + 1);
        let condition = &rest[at..end];
        match condition.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            // An index.
            Some(inner) if !inner.contains('=') => {
                pointer.push('/');
                pointer.push_str(inner);
            }
            _ => pointer.push_str(condition),
        }
        rest = &rest[end..];
    }
    pointer + rest
}

/// Says what there is instead.
fn above(root: &Node, place: &[String]) -> Option<String> {
    let (_, above) = place.split_last()?;
    let node = pointer::node(root, above)?;
    let names: Vec<&str> = node.entries()?.iter().filter_map(|(key, _)| key.text()).collect();
    Some(format!("`{}` has: {}", written(above), names.join(", ")))
}

fn explain(
    node: &Node,
    place: &[String],
    document: &Document,
    by: &Written,
    all: &mut Vec<Explained>,
) -> Result<()> {
    let below = |step: &str| [place, &[step.to_owned()]].concat();
    match &node.value {
        Value::Mapping(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                explain(value, &below(key.text().unwrap_or_default()), document, by, all)?;
            }
            return Ok(());
        }
        Value::Sequence(items) if !items.is_empty() => {
            for (number, item) in items.iter().enumerate() {
                explain(item, &below(&number.to_string()), document, by, all)?;
            }
            return Ok(());
        }
        _ => {}
    }
    if all.len() >= MOST {
        return Err(Error::config(format!("there are more than {MOST} values")).hint("name a narrower path"));
    }
    let text = node.text().unwrap_or_default();
    let template = text.contains("{{").then(|| Template::parse(text).ok()).flatten();
    let variables = template.iter().flat_map(Template::variables).map(str::to_owned).collect();
    let origin = by.origin(node.span);
    all.push(Explained {
        path: written(place),
        value: Node::sequence(vec![node.clone()]).to_yaml()?.trim_start_matches("- ").trim_end().to_owned(),
        location: (origin != Origin::Default).then(|| document.location(node.span)),
        origin,
        variables,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_dots_are_paths_of_patches() {
        for (path, pointer) in [
            ("", ""),
            ("/a/b", "/a/b"),
            ("build", "/build"),
            ("build.artifacts[0].image", "/build/artifacts/0/image"),
            ("build.artifacts[image=gcr.io/a].docker", "/build/artifacts[image=gcr.io/a]/docker"),
            ("build.artifacts[", "/build/artifacts["),
        ] {
            assert_eq!(pointed(path), pointer, "{path}");
        }
    }
}
