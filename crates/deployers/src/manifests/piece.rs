//! A manifest on its way through a rendering, and where a person wrote it: what is wrong with it is told there,
//! whatever became of it since.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;
use shipway_core::{Error, Location, Manifest, ObjectId, Result, Text};
use shipway_yaml::{Document, Node, Rules, rewrite};

use super::{
    bind,
    place::{Path, Step},
};

/// A manifest, and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) manifest: Manifest,
    pub(super) origin: Origin,
}

/// Where a manifest is from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The file, or the folder that a tool made it of.
    file: String,
    /// The line of the file on which the text begins, where it is a part of that file.
    line: Option<u32>,
    /// The text as it was.
    text: Text,
}

impl Piece {
    /// Returns the piece of a manifest that a chart's template made.
    pub(super) fn of_chart(manifest: Manifest) -> Self {
        let origin =
            Origin { file: "a chart's template".to_owned(), line: None, text: Text::clone(&manifest.text) };
        Self { manifest, origin }
    }
}

/// Returns the manifests of a text, which is a file's own where `written` says so.
///
/// # Errors
/// `Config` with the place of what is no YAML and no object; `BadOutput` where a tool wrote the text.
pub(super) fn pieces(file: &str, text: &str, written: bool) -> Result<Vec<Piece>> {
    let bound = bind(file, text, &[]).map_err(|error| if written { error } else { made(file, &error) })?;
    let lines = bound.lines.into_iter().map(|line| line.filter(|_| written));
    let piece = |(manifest, line): (Manifest, _)| {
        let origin = Origin { file: file.to_owned(), line, text: Text::clone(&manifest.text) };
        Piece { manifest, origin }
    };
    Ok(bound.manifests.into_iter().zip(lines).map(piece).collect())
}

/// Returns the manifests that somebody made of others; an object that was there before is still from where it was.
pub(super) fn again(maker: &str, text: &str, before: &[Piece]) -> Result<Vec<Piece>> {
    let known: BTreeMap<&ObjectId, &Origin> =
        before.iter().map(|piece| (piece.id(), &piece.origin)).collect();
    let mut made = pieces(maker, text, false)?;
    for piece in &mut made {
        if let Some(origin) = known.get(&piece.manifest.object) {
            piece.origin = (*origin).clone();
        }
    }
    Ok(made)
}

/// Whoever reads that a tool's output is no manifest cannot look at its lines.
fn made(file: &str, error: &Error) -> Error {
    Error::bad_output(format!("what was rendered of `{file}` is no manifest"))
        .note(error.report().to_string())
}

impl Origin {
    /// Returns the place of a field, or of what is nearest to it.
    pub(super) fn at(&self, path: &[Step]) -> Location {
        let Some(first) = self.line else { return Location::new(self.file.as_str(), 0, 0) };
        let documents = shipway_yaml::parse(self.file.as_str(), &self.text).unwrap_or_default();
        let Some(mut node) = documents.first().map(|document| &document.root) else {
            return Location::new(self.file.as_str(), first as usize, 0);
        };
        for step in path {
            let next = match step {
                Step::Key(name) => node.get(name),
                Step::Item(index) => node.items().and_then(|items| items.get(*index)),
            };
            let Some(next) = next else { break };
            node = next;
        }
        let mark = node.span.start;
        Location::new(
            self.file.as_str(),
            (first + mark.line).saturating_sub(1) as usize,
            mark.column as usize,
        )
    }
}

impl Piece {
    pub(super) fn id(&self) -> &ObjectId {
        &self.manifest.object
    }

    /// Returns the object.
    pub(super) fn object(&self) -> Result<Value> {
        self.document()?.to_json(Rules::Manifest)
    }

    pub(super) fn document(&self) -> Result<Document> {
        let mut documents = shipway_yaml::parse(self.id().to_string(), &self.manifest.text)?;
        match (documents.pop(), documents.is_empty()) {
            (Some(document), true) => Ok(document),
            _ => Err(Error::config(format!("the manifest of {} is not one object", self.id()))),
        }
    }

    /// Changes the object where `change` says that it did; comments and all that is the same stay as they are.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Node) -> Result<bool>) -> Result<()> {
        let mut document = self.document()?;
        if !change(&mut document.root).map_err(|error| self.located(error))? {
            return Ok(());
        }
        let text = rewrite(self.id().to_string(), &self.manifest.text, std::slice::from_ref(&document))?;
        let id = shipway_cluster::object_id(&document.to_json(Rules::Manifest)?)
            .map_err(|error| self.located(error))?;
        self.manifest = Manifest::new(id, text);
        Ok(())
    }

    /// Puts the object's place to an error that has none.
    pub(super) fn located(&self, error: Error) -> Error {
        match error.report().location {
            Some(_) => error,
            None => error.at(self.origin.at(&[])),
        }
    }
}

/// Returns a path as people write it.
pub(super) fn shown(path: &Path) -> String {
    let mut text = String::new();
    for step in path {
        // A write to a text cannot fail.
        let _ = match step {
            Step::Key(name) => write!(text, ".{name}"),
            Step::Item(index) => write!(text, "[{index}]"),
        };
    }
    if text.is_empty() { ".".to_owned() } else { text }
}
