//! The contents of some of an image's files, one file in memory at a time.

use std::collections::BTreeMap;

use shipway_core::{Error, Result};

use super::{
    files::ImageFiles,
    tar_reader::unreadable,
    tree::{FoundFile, Origin},
};
use crate::{Descriptor, Distribution};

impl ImageFiles {
    /// Reads the contents of these regular files and gives each to `see`, on a thread of its own.
    ///
    /// `layers` are those that the files were found in. Files come in the order in which the layers hold
    /// them. `limit` is the most bytes that one may have: so much is in memory at once.
    ///
    /// # Errors
    /// `BadOutput` when a file is larger, and as [`ImageFiles::extract`].
    pub async fn contents<S>(
        repository: &dyn Distribution,
        layers: &[Descriptor],
        files: impl IntoIterator<Item = FoundFile>,
        limit: u64,
        mut see: S,
    ) -> Result<()>
    where
        S: FnMut(&FoundFile, &[u8]) -> Result<()> + Send + 'static,
    {
        // Several may be links to one.
        let mut names: BTreeMap<Origin, Vec<FoundFile>> = BTreeMap::new();
        for file in files {
            if file.size > limit {
                return Err(Error::bad_output(format!("`{}` has more than {limit} bytes", file.path)));
            }
            names.entry(file.origin()).or_default().push(file);
        }
        let once: Vec<FoundFile> = names.values().filter_map(|files| files.first().cloned()).collect();
        Self::extract(repository, layers, once, move |origin, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(unreadable)?;
            names.get(&origin).into_iter().flatten().try_for_each(|file| see(file, &bytes))
        })
        .await
    }
}
