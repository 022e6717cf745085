//! The archive of a volume that comes back, which commands wrote and which cannot be trusted.

use std::{io::Write, path::PathBuf};

use shipway_core::{Context, Error, ErrorKind, Result};
use shipway_docker::{ArchiveKind, ArchiveReader, Reader};
use tokio::sync::mpsc;

use crate::folder::{Folder, warn_of_special};

/// A step of unpacking, for the thread that writes.
enum Step {
    Folder(String, u32),
    File(String, u32),
    Piece(bytes::Bytes),
    Link(String, String),
    HardLink(String, String),
}

/// Unpacks an archive into a folder; each of its paths begins with the volume's own folder.
pub(crate) async fn unpack(cx: &Context, mut archive: ArchiveReader<Reader>, into: PathBuf) -> Result<()> {
    let (send, mut steps) = mpsc::channel::<Step>(16);
    let writing = cx.blocking(move |_| {
        let folder = Folder::make(&into)?;
        let mut file: Option<std::fs::File> = None;
        while let Some(step) = steps.blocking_recv() {
            match step {
                Step::Piece(piece) => {
                    if let Some(file) = &mut file {
                        file.write_all(&piece).map_err(|error| Error::io("write", &into, error))?;
                    }
                }
                Step::File(path, mode) => file = Some(folder.file(&path, mode)?),
                Step::Folder(path, mode) => folder.folder(&path, mode)?,
                Step::Link(path, text) => folder.link(&path, &text)?,
                Step::HardLink(path, other) => folder.hard_link(&path, &other)?,
            }
        }
        Ok(())
    });
    let reading = async {
        let gone = |_| Error::cancelled("nobody writes on");
        let below = |path: &str| {
            path.split_once('/').map(|(_, rest)| rest.trim_end_matches('/').to_owned()).unwrap_or_default()
        };
        while let Some(entry) = archive.next().await? {
            let path = below(&entry.path);
            if path.is_empty() {
                continue;
            }
            let step = match entry.kind {
                ArchiveKind::Folder => Step::Folder(path, entry.mode),
                ArchiveKind::Link(text) => Step::Link(path, text),
                ArchiveKind::HardLink(other) => Step::HardLink(path, below(&other)),
                ArchiveKind::File => Step::File(path, entry.mode),
                _ => {
                    warn_of_special(cx, &path);
                    continue;
                }
            };
            let is_file = matches!(step, Step::File(..));
            send.send(step).await.map_err(gone)?;
            while is_file && let Some(piece) = archive.read().await? {
                send.send(Step::Piece(piece)).await.map_err(gone)?;
            }
        }
        drop(send);
        Ok(())
    };
    let (wrote, read) = tokio::join!(writing, reading);
    match (wrote, read) {
        // Who writes says why nobody writes on.
        (Err(error), Err(read)) if read.kind() == ErrorKind::Cancelled => Err(error),
        (_, Err(error)) | (Err(error), _) => Err(error),
        (Ok(()), Ok(())) => Ok(()),
    }
}
