//! The files of a chart in memory, by their paths below its folder.

use std::collections::BTreeMap;

use bytes::Bytes;
use shipway_core::{Error, Result};

/// The largest file, and the most of all of a chart's, which helm reads (pkg/chart/loader, `MaxDecompressedFileSize`
/// and `MaxDecompressedChartSize`). Here the second counts charts within charts too.
pub(super) const LARGEST_FILE: usize = 5 * 1024 * 1024;
pub(super) const LARGEST_CHART: usize = 100 * 1024 * 1024;

/// The most files of a chart with those in it.
pub(super) const MOST_FILES: usize = 20_000;

/// How deep charts lie in each other at most.
pub(super) const DEEPEST: usize = 16;

/// What a chart consists of.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// What the chart is called in messages: where it is.
    pub(super) name: String,
    /// The files, with `/` between the steps of their paths.
    pub(super) files: BTreeMap<String, Bytes>,
}

impl Content {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), files: BTreeMap::new() }
    }

    /// Returns a file as messages name it.
    pub(super) fn shown(&self, file: &str) -> String {
        format!("{}/{file}", self.name)
    }

    /// Returns a file as text, if it is there.
    ///
    /// # Errors
    /// `Config` when it is not UTF-8.
    pub(super) fn text(&self, file: &str) -> Result<Option<&str>> {
        let Some(content) = self.files.get(file) else { return Ok(None) };
        match std::str::from_utf8(content) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Error::config(format!("`{}` is not UTF-8", self.shown(file)))),
        }
    }

    /// Returns what is in a folder as a chart of its own.
    pub(super) fn below(&self, folder: &str) -> Self {
        let mut below = Self::new(self.shown(folder));
        let prefix = format!("{folder}/");
        for (path, content) in self.files.range(prefix.clone()..) {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            below.files.insert(rest.to_owned(), content.clone());
        }
        below
    }
}

/// What is left of what a chart may have, with those in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    bytes: usize,
    files: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { bytes: LARGEST_CHART, files: MOST_FILES }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn files(&self) -> usize {
        self.files
    }

    /// Takes the room of a file, or says why there is none.
    pub(super) fn take(&mut self, size: usize) -> Result<(), String> {
        if size > LARGEST_FILE {
            return Err(format!("is larger than {LARGEST_FILE} bytes"));
        }
        self.bytes =
            self.bytes.checked_sub(size).ok_or(format!("is beyond {LARGEST_CHART} bytes of all files"))?;
        self.files = self.files.checked_sub(1).ok_or(format!("is one of more than {MOST_FILES} files"))?;
        Ok(())
    }
}
