//! The contents of some of an image's files as streams: a second pass over the layers that hold them.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use shipway_core::{Error, Result};

use super::{
    files::{ImageFiles, LayerTar, Limits, finish, open_tar, read_layer},
    tree::{FileKind, FoundFile, Origin},
};
use crate::{Descriptor, Distribution};

impl ImageFiles {
    /// Reads the contents of these regular files and gives each to `see` as a stream, on a thread of its
    /// own; of several names of one file, only one.
    ///
    /// `layers` are those that the files were found in. Files come in the order in which the layers hold
    /// them; nothing of them is held in memory.
    ///
    /// # Errors
    /// `BadOutput` when one is no regular file, and as [`ImageFiles::read`]; what `see` returns.
    pub async fn extract<S>(
        repository: &dyn Distribution,
        layers: &[Descriptor],
        files: impl IntoIterator<Item = FoundFile>,
        mut see: S,
    ) -> Result<()>
    where
        S: FnMut(Origin, &mut dyn Read) -> Result<()> + Send + 'static,
    {
        let mut wanted: BTreeMap<usize, BTreeMap<u64, FoundFile>> = BTreeMap::new();
        for file in files {
            if file.kind != FileKind::File {
                return Err(Error::bad_output(format!("`{}` is no regular file", file.path)));
            }
            wanted.entry(file.origin.layer).or_default().insert(file.origin.entry, file);
        }
        for (number, mut wanted) in wanted {
            let layer = number.checked_sub(1).and_then(|at| layers.get(at));
            let layer = layer.ok_or_else(|| Error::internal("a file is of another image"))?;
            see = read_layer(repository, layer, move |chunks| {
                let mut tar = open_tar(chunks, Limits::default())?;
                let mut number = 0;
                while let Some(entry) = tar.next()? {
                    number += 1;
                    let Some(file) = wanted.remove(&number) else { continue };
                    if file.size != entry.size {
                        return Err(Error::bad_output("a layer is not what it was when it was read first"));
                    }
                    see(file.origin, &mut Content(&mut tar))?;
                }
                finish(tar)?;
                match wanted.is_empty() {
                    true => Ok(see),
                    false => Err(Error::bad_output("a layer is not what it was when it was read first")),
                }
            })
            .await?;
        }
        Ok(())
    }
}

struct Content<'a>(&'a mut LayerTar);

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_content(buffer)
    }
}
