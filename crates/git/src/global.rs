//! The one setting of the user's own configuration that changes what git says: which files it ignores
//! everywhere.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use shipway_core::{Context, ErrorKind, Result};

/// A configuration that is larger is not one that a person wrote.
const MAX_CONFIG: usize = 1024 * 1024;

/// Returns the file that git would read ignore rules from for each of the user's repositories, by the
/// environment that the embedder handed over (gitignore(5), git-config(1) on `core.excludesFile`).
pub(crate) fn excludes_file(cx: &Context) -> Result<Option<PathBuf>> {
    let home = cx.env("HOME").map(PathBuf::from);
    let xdg = cx.env("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let xdg = xdg.or_else(|| home.as_ref().map(|home| home.join(".config"))).map(|path| path.join("git"));
    let mut found = xdg.as_ref().map(|folder| folder.join("ignore"));
    // The later counts.
    let configs =
        [xdg.map(|folder| folder.join("config")), home.as_ref().map(|home| home.join(".gitconfig"))];
    for config in configs.into_iter().flatten() {
        if let Some(value) = setting(cx, &config)? {
            found = match (value.strip_prefix("~/"), &home) {
                (Some(below), Some(home)) => Some(home.join(below)),
                _ => Some(PathBuf::from(value)),
            };
        }
    }
    Ok(found.map(|path| cx.path(&path)))
}

/// Returns `core.excludesFile` of a configuration, if that is there and can be read.
fn setting(cx: &Context, config: &Path) -> Result<Option<String>> {
    let (Some(folder), Some(name)) = (config.parent(), config.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(None);
    };
    let content = match cx.files().open(cx, folder, name).and_then(|file| file.read(MAX_CONFIG)) {
        Ok(content) => content,
        Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout) => return Err(error),
        // As git, which warns: an unreadable configuration of the user is none.
        Err(_) => return Ok(None),
    };
    let Ok(file) = gix::config::File::from_bytes_no_includes(
        &content,
        gix::config::file::Metadata::default(),
        Default::default(),
    ) else {
        return Ok(None);
    };
    Ok(file.string("core.excludesFile").map(|value| value.to_str_lossy().into_owned()))
}
