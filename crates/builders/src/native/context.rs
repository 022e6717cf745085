//! The context's files, as far as the Dockerfile can reach them. Everything is read through the
//! context's door, which follows no link; so nothing outside of the folder can come into a tree.

use std::{path::Path, sync::Arc};

use shipway_core::{Context, Entry, EntryKind, Error, Result, Tree as FolderTree, glob_matches};

use super::{
    follow::follow,
    tree::{Body, Node, Tree, What, parent},
};
use crate::sources::{SPECIAL, Source, allow_list};

/// A folder that files are copied from.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) folder: Arc<Path>,
    /// Patterns of what is as if it were not there.
    pub(super) ignore: Vec<String>,
}

impl Root {
    pub(super) fn new(folder: &Path, ignore: Vec<String>) -> Self {
        Self { folder: Arc::from(folder), ignore }
    }

    /// Returns these sources and those that count besides them: the links on the way to what they name,
    /// and where these lead. What cannot be looked at is left for the copy to refuse.
    pub(super) fn with_links(&self, cx: &Context, sources: &[Source]) -> Vec<Source> {
        let behind = sources.iter().flat_map(|source| self.behind(cx, source).unwrap_or_default());
        sources.iter().cloned().chain(behind).collect()
    }

    fn behind(&self, cx: &Context, source: &Source) -> Result<Vec<Source>> {
        if !source.sure {
            return Ok(Vec::new());
        }
        let mut behind = Vec::new();
        let mut add = |path: &str| -> Result<()> {
            let found = follow(cx, &self.folder, path)?;
            if !found.links.is_empty() {
                behind.extend(found.links.into_iter().chain([found.path]).map(Source::found));
            }
            Ok(())
        };
        if let Some(pivot) = &source.pivot {
            let found = follow(cx, &self.folder, pivot)?;
            if !found.links.is_empty() {
                let pattern = source.path.strip_prefix(pivot.as_str()).unwrap_or(&source.path);
                let path = format!("{}{pattern}", found.path);
                behind.push(Source { pivot: Some(found.path), path, sure: true });
                behind.extend(found.links.into_iter().map(Source::found));
            }
            return Ok(behind);
        }
        if !source.is_pattern() {
            add(&source.path)?;
            return Ok(behind);
        }
        let (pattern, links) = self.lead_on(cx, source)?;
        for link in self.links_that_match(cx, &pattern)? {
            add(&link)?;
        }
        if !links.is_empty() {
            behind.extend(links.into_iter().map(Source::found).chain([pattern]));
        }
        Ok(behind)
    }

    /// Follows the links in the folder before a pattern's first special character; also returns them.
    fn lead_on(&self, cx: &Context, pattern: &Source) -> Result<(Source, Vec<String>)> {
        let text = &pattern.path;
        let head = parent(&text[..text.find(SPECIAL).unwrap_or(0)]);
        let found = follow(cx, &self.folder, head)?;
        if found.links.is_empty() {
            return Ok((pattern.clone(), Vec::new()));
        }
        let mut led = String::new();
        for c in found.path.chars().filter(|_| found.path != ".") {
            led.extend(SPECIAL.contains(&c).then_some('\\'));
            led.push(c);
        }
        led.push_str(&text[head.len()..]);
        Ok((Source::found(led.trim_start_matches('/').to_owned()), found.links))
    }

    fn links_that_match(&self, cx: &Context, pattern: &Source) -> Result<Vec<String>> {
        let mut links = Vec::new();
        for entry in self.walk(cx, [pattern])? {
            if matches!(entry.kind, EntryKind::Link(_)) && glob_matches(&pattern.path, &entry.path)? {
                links.push(entry.path);
            }
        }
        Ok(links)
    }

    fn walk<'a>(&self, cx: &Context, sources: impl IntoIterator<Item = &'a Source>) -> Result<Vec<Entry>> {
        let tree = FolderTree::new(self.folder.as_ref()).ignore(allow_list(sources, &self.ignore));
        cx.files().walk(cx, &tree)
    }

    /// Reads the tree of what is kept of what these sources name; blocking.
    ///
    /// Where `plain_modes` says so, modes are only 0755 and 0644, because a command made the files under
    /// some umask.
    pub(super) fn tree(&self, cx: &Context, sources: &[Source], plain_modes: bool) -> Result<Tree> {
        let mut tree = Tree::default();
        for entry in self.walk(cx, sources)? {
            let mode = match &entry.kind {
                EntryKind::Link(_) => 0o777,
                EntryKind::Folder if plain_modes => 0o755,
                _ if plain_modes && entry.mode & 0o111 == 0 => 0o644,
                _ if plain_modes => 0o755,
                _ => entry.mode,
            };
            let what = match entry.kind {
                EntryKind::File => What::File(Body::Host {
                    root: Arc::clone(&self.folder),
                    path: entry.path.clone(),
                    size: entry.size,
                }),
                EntryKind::Folder => What::Folder,
                EntryKind::Link(text) => What::Link(text),
                // The enum is open; what is none of these has no form in an image.
                _ => What::Odd,
            };
            tree.put(entry.path, Arc::new(Node { what, ..Node::folder(mode) }))?;
        }
        Ok(tree)
    }

    /// Returns whether the folder is there that a pattern begins at.
    pub(super) fn has_folder_of(&self, cx: &Context, pattern: &str) -> Result<bool> {
        let head = parent(&pattern[..pattern.find(SPECIAL).unwrap_or(0)]);
        let found = follow(cx, &self.folder, head)?;
        Ok(found.path == "." || found.entry.is_some_and(|entry| entry.kind == EntryKind::Folder))
    }

    /// Returns why a source is not there.
    pub(super) fn missing(&self, cx: &Context, source: &str) -> Error {
        let path =
            Source::new(source, "the context").map_or_else(|_| source.to_owned(), |source| source.path);
        let mut error = Error::not_found(format!("`{path}` is not there"));
        let followed = follow(cx, &self.folder, &path);
        if let Ok(found) = &followed
            && let Some(link) = found.links.last()
        {
            let place = &found.path;
            error = error.note(format!("the link `{link}` leads to `{place}`: never out of the context"));
        }
        error = error.note(format!("looked for in `{}`", cx.path(&self.folder).display()));
        match followed {
            Ok(found) if found.entry.is_some() => error.hint("a `.dockerignore` file leaves it out"),
            _ => error.hint("check the path; it begins at the artifact's context"),
        }
    }
}
