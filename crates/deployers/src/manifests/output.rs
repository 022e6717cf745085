//! Rendered manifests as a file, for people and other tools.

use std::path::{Path, PathBuf};

use shipway_core::{Context, EntryKind, Error, Manifest, Result, clean_path, publish};

use super::joined_texts;

/// The file in the folder.
const FILE: &str = "manifests.yaml";

/// Returns the folder of a name, below the root of the sources; blocking.
///
/// # Errors
/// `Config` when it leads out of there.
fn folder(cx: &Context, below: &Path, name: &Path) -> Result<PathBuf> {
    let path = clean_path(&cx.path(&below.join(name)).to_string_lossy());
    let root = clean_path(&cx.root().to_string_lossy());
    let within = Path::new(&path).strip_prefix(root).map(Path::to_owned);
    let leads_out = || {
        Error::config(format!("`{}` leads out of the sources", name.display()))
            .hint("name a folder of the project in `manifests.output`, and no link")
    };
    match within.map_err(|_| leads_out())?.to_str() {
        None | Some("") => {}
        // Through a link it is refused there.
        Some(within) => match cx.files().entry(cx, Path::new(""), within)?.map(|entry| entry.kind) {
            None | Some(EntryKind::Folder) => {}
            Some(_) => return Err(leads_out()),
        },
    }
    Ok(path.into())
}

/// Writes manifests as one file, whole or not at all, with those of Secrets: whoever names a folder wants what is applied.
pub(super) async fn write(cx: &Context, below: &Path, name: &Path, manifests: &[Manifest]) -> Result<()> {
    let text = joined_texts(manifests.iter().map(|manifest| &*manifest.text));
    let (below, name) = (below.to_owned(), name.to_owned());
    cx.blocking(move |cx| {
        let folder = folder(cx, &below, &name)?;
        let path = folder.join(FILE);
        let disk = cx.disk().as_ref();
        disk.create_dir(&folder)
            .and_then(|()| publish(disk, &path, |file| file.write_all(text.as_bytes())))
            .map_err(|error| Error::io("write", &path, error))
    })
    .await
}
