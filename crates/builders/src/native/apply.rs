//! One step of a stage, done to its tree.

use std::sync::Arc;

use shipway_core::{Context, Error, ErrorKind, IgnoreRules, Result};

use super::{
    assembly::{Copy, From},
    context::Root,
    copy::{Copier, matches},
    reads::split_pivot,
    tree::{Body, Node, Tree, What},
    unpack::unpack,
};

/// Copies what a step copies; blocking.
pub(super) fn copy(
    cx: &Context,
    copy: &Copy,
    from: &Tree,
    context: &Root,
    tree: &mut Tree,
    owner: Option<(u64, u64)>,
) -> Result<()> {
    if !copy.link {
        return onto(cx, copy, from, context, tree, owner);
    }
    // BuildKit, `COPY --link`: as a layer of its own, made upon nothing, that is then put upon the rest.
    let mut alone = Tree::default();
    onto(cx, copy, from, context, &mut alone, owner)?;
    for (path, node) in alone.take_changes()? {
        tree.put(path, node)?;
    }
    Ok(())
}

fn onto(
    cx: &Context,
    copy: &Copy,
    from: &Tree,
    context: &Root,
    tree: &mut Tree,
    owner: Option<(u64, u64)>,
) -> Result<()> {
    let rules = |patterns: &[String]| match patterns {
        [] => Ok(None),
        patterns => IgnoreRules::new(patterns).map(Some),
    };
    let mut is_file = false;
    let mut once = |now: bool| match std::mem::replace(&mut is_file, now) && now {
        true => Err(several_to_one(&copy.destination)),
        false => Ok(()),
    };
    for source in &copy.sources {
        let missing = |path: &str| match copy.from {
            From::Context | From::Prepared => context.missing(cx, path),
            From::Stage(_) | From::Image(_) => Error::not_found(format!("`{path}` is not there"))
                .hint("check the path; it begins at the root of what `--from` names"),
        };
        let (path, include) = match copy.parents {
            true => {
                let (folder, pattern) = split_pivot(source);
                let pattern = shipway_core::clean_path(pattern.trim_start_matches('/'));
                (folder, rules(&[pattern])?)
            }
            false => (source.as_str(), None),
        };
        let found = matches(from, path)?;
        // A folder of the context in which nothing matches is not in its tree.
        let found = match found {
            None if copy.from == From::Context && context.has_folder_of(cx, path)? => Vec::new(),
            None => return Err(missing(path)),
            Some(found) => found,
        };
        for found in found {
            if copy.unpack
                && let Some(node) = from.node(&from.resolve("", &found)?)?
                && unpack(cx, &node, tree, &copy.destination, owner)?
            {
                continue;
            }
            let mut copier = Copier::new(from, tree);
            copier.owner = owner;
            copier.mode = copy.mode.as_ref();
            copier.include = include.clone();
            copier.exclude = rules(&copy.exclude)?;
            let copied = copier.copy(&found, &copy.destination).map_err(|error| match error.kind() {
                ErrorKind::NotFound => missing(&found),
                _ => error,
            });
            once(copied?)?;
        }
    }
    for (name, content) in &copy.texts {
        let body = Body::Text(Arc::from(content.as_str()));
        let mut text = Tree::default();
        let node = Node { what: What::File(body), ..Node::folder(0o644) };
        let place = text.resolve("", name)?;
        if place.is_empty() {
            return Err(Error::config(format!("`{name}` cannot be the name of a here-document"))
                .hint("name it as the file is to be named"));
        }
        text.put(place, Arc::new(node))?;
        let mut copier = Copier::new(&text, tree);
        copier.owner = owner;
        copier.mode = copy.mode.as_ref();
        once(copier.copy(name, &copy.destination)?)?;
    }
    Ok(())
}

/// Says that files would be copied over each other, which BuildKit does without a word.
fn several_to_one(place: &str) -> Error {
    Error::config(format!("several files cannot be copied to the one path `{place}`"))
        .hint(format!("end it with `/` to mean a folder: `{place}/`"))
}
