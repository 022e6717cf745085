//! A chart's archive of its files: the same bytes for the same files, whoever packs them and when.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use shipway_core::{Error, Result};
use tar::{EntryType, Header};

use super::content::{Content, Room};

/// Packs files into the folder `top` of an archive: sorted, of nobody, of 1970, and readable by all.
///
/// # Errors
/// `Config` when there is more than helm would read again.
pub(super) fn pack(content: &Content, top: &str) -> Result<Bytes> {
    let mut room = Room::new();
    let written = |error| Error::internal("an archive in memory cannot be written").source(error);
    // Neither a time nor a name is in its header, and the system is `unknown`.
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::new(6));
    let mut tar = tar::Builder::new(gzip);
    for (path, data) in &content.files {
        let size = data.len();
        room.take(size).map_err(|why| Error::config(format!("`{}` {why}", content.shown(path))))?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size as u64);
        tar.append_data(&mut header, format!("{top}/{path}"), &**data).map_err(written)?;
    }
    let mut gzip = tar.into_inner().map_err(written)?;
    gzip.flush().map_err(written)?;
    gzip.finish().map(Bytes::from).map_err(written)
}
