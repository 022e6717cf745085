//! `ensure-name-substring`: a text that each object's name has, also wherever the object is named.

use std::collections::BTreeMap;

use shipway_core::{Error, ObjectId, Result};
use shipway_yaml::Node;

use super::{
    super::piece::Piece,
    fields::{CORE, Field, group},
    namespace::{DEPENDS_ON, is_namespaced},
    references::{Form, Reference, references, resource},
    set_text,
};

const NAME: &str = "ensure-name-substring";

/// Kinds whose names are not theirs alone (krm-functions-catalog, `prefixSuffixFieldSpecsToSkip`).
const KEPT: [&str; 3] = ["CustomResourceDefinition", "APIService", "Namespace"];

#[derive(Clone, Debug)]
pub(in crate::manifests) struct Substring {
    text: String,
    append: bool,
}

/// An object that was renamed: by its group, kind and old name, where it is and what it is called now.
type Renamed = BTreeMap<(String, String, String), Vec<(Option<String>, String)>>;

impl Substring {
    pub(super) fn new(settings: &[(&str, &str)]) -> Result<Self> {
        let [(key @ ("prepend" | "append"), text)] = settings else {
            return Err(Error::config(format!("`{NAME}` has not just one of `prepend` and `append`"))
                .hint("set one of them to the text that names are to have"));
        };
        if text.is_empty() {
            return Err(Error::config(format!("`{NAME}` has nothing to {key}")));
        }
        Ok(Self { text: (*text).to_owned(), append: *key == "append" })
    }

    pub(super) fn apply(&self, pieces: &mut [Piece]) -> Result<()> {
        let mut renamed = Renamed::new();
        for piece in pieces.iter_mut() {
            let id = piece.id().clone();
            if KEPT.contains(&id.kind.as_str()) || id.name.contains(&self.text) {
                continue;
            }
            let name = match self.append {
                true => format!("{}{}", id.name, self.text),
                false => format!("{}{}", self.text, id.name),
            };
            piece.edit(|root| {
                Ok(root.get_mut("metadata").is_some_and(|metadata| set_text(metadata, "name", &name)))
            })?;
            let of = match group(&id) {
                "" => CORE.to_owned(),
                of => of.to_owned(),
            };
            let place = id.namespace.clone().filter(|_| is_namespaced(&id));
            renamed.entry((of, id.kind, id.name)).or_default().push((place, name));
        }
        if renamed.is_empty() {
            return Ok(());
        }
        let references = references();
        for piece in pieces {
            let id = piece.id().clone();
            piece.edit(|root| {
                let mut changed = depends_on(&renamed, root);
                for (reference, path) in references.iter().filter(|(one, _)| one.field.is_of(&id)) {
                    changed |= follow(&renamed, &id, reference, *path, root);
                }
                Ok(changed)
            })?;
        }
        Ok(())
    }
}

/// Returns what an object is called now that another one names; what does not say its namespace is in the other's.
fn now<'a>(
    renamed: &'a Renamed,
    named: (&str, &str),
    name: &str,
    namespace: Option<&str>,
) -> Option<&'a str> {
    let places = renamed.get(&(named.0.to_owned(), named.1.to_owned(), name.to_owned()))?;
    let fits =
        |place: &Option<String>| place.is_none() || namespace.is_none() || place.as_deref() == namespace;
    places.iter().find(|(place, _)| fits(place)).map(|(_, name)| name.as_str())
}

fn follow(
    renamed: &Renamed,
    id: &ObjectId,
    reference: &Reference,
    path: Option<&'static str>,
    root: &mut Node,
) -> bool {
    let here = id.namespace.as_deref();
    let named = reference.named;
    let mut change = |node: &mut Node| match reference.form {
        Form::Name => node.text().and_then(|name| now(renamed, named, name, here)).is_some_and(|name| {
            let name = name.to_owned();
            *node = super::restyled(node, &name);
            true
        }),
        Form::Object => {
            let text = |field: &str| node.get(field).and_then(Node::text);
            let namespace = text("namespace").or(here).map(str::to_owned);
            let is_meant = text("kind").is_none_or(|kind| kind == named.1);
            let name = text("name").filter(|_| is_meant);
            let name =
                name.and_then(|name| now(renamed, named, name, namespace.as_deref())).map(str::to_owned);
            name.is_some_and(|name| set_text(node, "name", &name))
        }
        Form::Rule => {
            let lists = |field: &str, one: &str| {
                let items = node.get(field).and_then(Node::items).unwrap_or_default();
                items.iter().any(|item| item.text() == Some(one))
            };
            let names = lists("resources", resource(named.1));
            let items = node.get_mut("resourceNames").and_then(Node::items_mut).filter(|_| names);
            items.into_iter().flatten().fold(false, |changed, item| {
                let Some(name) = item.text().and_then(|name| now(renamed, named, name, here)) else {
                    return changed;
                };
                let name = name.to_owned();
                *item = super::restyled(item, &name);
                true
            })
        }
    };
    match path {
        None => reference.field.each(root, &mut change),
        Some(path) => {
            let inner = Field::new("", "", path, false);
            reference.field.each(root, &mut |spec| inner.each(spec, &mut change))
        }
    }
}

/// Follows in kpt's annotation what objects are called from now on.
fn depends_on(renamed: &Renamed, root: &mut Node) -> bool {
    let annotations = root.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    let Some(annotations) = annotations else { return false };
    let Some(text) = annotations.get(DEPENDS_ON).and_then(Node::text) else { return false };
    let followed = text.split(',').map(|one| {
        let steps: Vec<&str> = one.trim().split('/').collect();
        let (of, namespace, kind, name) = match steps.as_slice() {
            [of, "namespaces", namespace, kind, name] => (*of, Some(*namespace), *kind, *name),
            [of, kind, name] => (*of, None, *kind, *name),
            _ => return one.to_owned(),
        };
        let of = if of.is_empty() { CORE } else { of };
        match now(renamed, (of, kind), name, namespace) {
            Some(name) => {
                one.rsplit_once('/').map_or(one.to_owned(), |(before, _)| format!("{before}/{name}"))
            }
            None => one.to_owned(),
        }
    });
    let followed = followed.collect::<Vec<_>>().join(",");
    set_text(annotations, DEPENDS_ON, &followed)
}
