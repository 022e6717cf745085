//! The one setting of a configuration that names a file which changes what git says: what it ignores
//! everywhere.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use shipway_core::{Context, EntryKind, ErrorKind, Result};

/// A configuration that is larger is not one that a person wrote.
const MAX_CONFIG: usize = 1024 * 1024;

/// Returns the file that git would read ignore rules from beside those of the sources (gitignore(5),
/// git-config(1) on `core.excludesFile`): what the repository's own configuration names, or else the user's,
/// which lies where the environment that the embedder handed over says. None when there is no such file.
pub(crate) fn excludes_file(cx: &Context, own: Option<String>, worktree: &Path) -> Result<Option<PathBuf>> {
    let home = cx.env("HOME").map(PathBuf::from);
    let xdg = cx.env("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let xdg = xdg.or_else(|| home.as_ref().map(|home| home.join(".config"))).map(|path| path.join("git"));
    let usual = xdg.as_ref().map(|folder| folder.join("ignore"));
    let mut named = own;
    let configs =
        [home.as_ref().map(|home| home.join(".gitconfig")), xdg.map(|folder| folder.join("config"))];
    for config in configs.into_iter().flatten() {
        if named.is_none() {
            named = setting(cx, &cx.path(&config))?;
        }
    }
    let named = named.map(|value| match (value.strip_prefix("~/"), &home) {
        (Some(below), Some(home)) => home.join(below),
        // Git runs in the worktree.
        _ => worktree.join(value),
    });
    let Some(path) = named.or(usual).and_then(|path| regular(cx, &cx.path(&path))) else { return Ok(None) };
    Ok(Some(path.0.join(path.1)))
}

/// Returns the folder and the name of a regular file, which people also link to from where git looks for it.
fn regular(cx: &Context, path: &Path) -> Option<(PathBuf, String)> {
    let real = gix::path::realpath(path).ok()?;
    let (folder, name) = (real.parent()?.to_owned(), real.file_name()?.to_str()?.to_owned());
    let entry = cx.files().entry(cx, &folder, &name).ok()??;
    (entry.kind == EntryKind::File).then_some((folder, name))
}

/// Returns `core.excludesFile` of a configuration, if that is there and can be read.
fn setting(cx: &Context, config: &Path) -> Result<Option<String>> {
    let Some((folder, name)) = regular(cx, config) else { return Ok(None) };
    let content = match cx.files().open(cx, &folder, &name).and_then(|file| file.read(MAX_CONFIG)) {
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
