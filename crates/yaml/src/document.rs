//! A document: a tree and the file that it is of, so that whatever is wrong is shown at its place.

use std::path::{Path, PathBuf};

use shipway_core::{Error, Location, Result};

use crate::{
    Rules, json, merge,
    node::{Mark, Node, Span},
};

/// One document of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// The file as the user named it, for messages.
    pub file: PathBuf,
    /// What it holds; a plain empty scalar when it holds nothing.
    pub root: Node,
}

impl Document {
    /// Returns the document of a tree.
    pub fn new(file: impl Into<PathBuf>, root: Node) -> Self {
        Self { file: file.into(), root }
    }

    /// Returns the document with every merge key (`<<`) replaced by what it stands for.
    ///
    /// # Errors
    /// `Config` when what is merged is no mapping, and where a key comes twice and these rules refuse it.
    pub fn merged(&self, rules: Rules) -> Result<Self> {
        let root = merge::merged(&self.root, rules).map_err(|problem| self.report(problem))?;
        Ok(Self { file: self.file.clone(), root })
    }

    /// Returns what these rules make of the document, merge keys included.
    ///
    /// # Errors
    /// `Config`, with its place, for what the rules refuse and for what JSON has no form for: `.nan`,
    /// and keys that are lists or mappings.
    pub fn to_json(&self, rules: Rules) -> Result<serde_json::Value> {
        json::to_json(&self.root, rules).map_err(|problem| self.report(problem))
    }

    /// Returns the `Config` error that something is wrong at a place of the document.
    pub fn error(&self, span: Span, message: impl Into<String>) -> Error {
        self.report(Problem::new(span.start, message))
    }

    /// Returns a place of the document as errors show it.
    #[must_use]
    pub fn location(&self, span: Span) -> Location {
        location(&self.file, span.start)
    }

    fn report(&self, problem: Problem) -> Error {
        problem.in_file(&self.file)
    }
}

/// Something that is wrong at a place of a file that is not known there.
#[derive(Debug)]
pub(crate) struct Problem {
    mark: Mark,
    message: String,
    hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(mark: Mark, message: impl Into<String>) -> Self {
        Self { mark, message: message.into(), hint: None }
    }

    pub(crate) fn at(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn in_file(self, file: &Path) -> Error {
        let error = Error::config(self.message).at(location(file, self.mark));
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Returns a place of a file; the file alone for what is in no text.
pub(crate) fn location(file: &Path, mark: Mark) -> Location {
    Location::new(file, mark.line as usize, mark.column as usize)
}
