//! The contents of some of an image's files: a second pass over the layers that hold them, one file in
//! memory at a time.

use std::collections::BTreeMap;

use shipway_core::{Error, Result};

use super::{
    files::{ImageFiles, Limits, finish, open_tar, read_layer},
    tree::{FileKind, FoundFile},
};
use crate::{Descriptor, Distribution};

/// The wanted files of a layer by the entry that holds their content, of which several may be links.
type Wanted = BTreeMap<u64, Vec<FoundFile>>;

impl ImageFiles {
    /// Reads the contents of these regular files and gives each to `see`, on a thread of its own.
    ///
    /// `layers` are those that the files were found in. Files come in the order in which the layers hold
    /// them. `limit` is the most bytes that one may have: so much is in memory at once.
    ///
    /// # Errors
    /// `BadOutput` when a file is larger or no regular file, and as [`ImageFiles::read`]; what `see`
    /// returns.
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
        let mut wanted: BTreeMap<usize, Wanted> = BTreeMap::new();
        for file in files {
            if file.kind != FileKind::File {
                return Err(Error::bad_output(format!("`{}` is no regular file", file.path)));
            }
            if file.size > limit {
                return Err(Error::bad_output(format!("`{}` has more than {limit} bytes", file.path)));
            }
            wanted.entry(file.origin.layer).or_default().entry(file.origin.entry).or_default().push(file);
        }
        for (number, wanted) in wanted {
            let layer = number.checked_sub(1).and_then(|at| layers.get(at));
            let layer = layer.ok_or_else(|| Error::internal("a file is of another image"))?;
            see = read_layer(repository, layer, move |chunks| {
                let mut tar = open_tar(chunks, Limits::default())?;
                let mut number = 0;
                while let Some(entry) = tar.next()? {
                    number += 1;
                    let Some(files) = wanted.get(&number) else { continue };
                    // What is read is what was found, unless the layer is another one now.
                    if files.iter().any(|file| file.size != entry.size) {
                        return Err(Error::bad_output("a layer is not what it was when it was read first"));
                    }
                    let content = tar.content(entry.size)?;
                    files.iter().try_for_each(|file| see(file, &content))?;
                }
                finish(tar)?;
                Ok(see)
            })
            .await?;
        }
        Ok(())
    }
}
