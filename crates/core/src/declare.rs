//! Inputs that people declare in files of theirs: paths and patterns, or a command that lists them. Shared by the
//! plug-ins whose configuration has `dependencies`.

use std::path::Path;

use crate::{
    Error, Result,
    command::Command,
    context::{Context, EntryKind},
    ignore::clean_path,
    inputs::{Inputs, Tree},
};

/// Far more files than a command would list.
const MOST: usize = 1_000_000;

/// Returns the inputs of files, folders and patterns of Go's `filepath.Match` below a folder: all of it
/// when there are none. `ignore` leaves something out, in the form of a `.dockerignore`.
///
/// A folder, and what a pattern matches, counts with all that is below it, as in Skaffold; a file counts
/// also while it is missing.
///
/// # Errors
/// `Config` when a path leads out of the folder.
pub async fn inputs_of_paths(
    cx: &Context,
    folder: &Path,
    paths: &[String],
    ignore: &[String],
) -> Result<Inputs> {
    let (folder, ignore) = (folder.to_owned(), ignore.to_owned());
    let paths = paths.iter().map(|path| clean_path(path)).collect();
    cx.blocking(move |cx| below(cx, &folder, paths, ignore)).await
}

fn below(cx: &Context, folder: &Path, paths: Vec<String>, ignore: Vec<String>) -> Result<Inputs> {
    let mut inputs = Inputs::default();
    let mut left_out = Vec::new();
    if !paths.is_empty() && !paths.iter().any(|path| path == ".") {
        left_out.push("**".to_owned());
        for path in paths {
            let is_pattern = path.contains(['*', '?', '[', '\\']);
            let entry = if is_pattern { None } else { cx.files().entry(cx, folder, &path)? };
            if is_pattern || entry.is_some_and(|entry| entry.kind == EntryKind::Folder) {
                left_out.push(format!("!{path}"));
            } else {
                // A file counts by itself, also one that is missing.
                inputs.files.insert(folder.join(&path));
            }
        }
    }
    // With nothing but files there is no folder to walk.
    if left_out.len() != 1 {
        left_out.extend(ignore);
        inputs.trees.insert(Tree::new(folder).ignore(left_out));
    }
    Ok(inputs)
}

/// Returns the inputs that a command lists: `sh -c` runs it in the folder, and it prints the files as a
/// JSON array of paths below that.
///
/// # Errors
/// `ToolFailed` when the command fails; `BadOutput` when it prints something else, or a path that leads
/// out of the folder.
pub async fn inputs_of_command(cx: &Context, folder: &Path, command: &str) -> Result<Inputs> {
    let listing = Command::shell(command).dir(folder.to_path_buf()).capture(true);
    let exit = cx.run(listing).await?.success(command)?;
    let wrong = |why: String| {
        Error::bad_output(format!("`{command}` does not print its dependencies: {why}"))
            .hint("print a JSON array of paths below its folder, such as `[\"main.go\"]`")
    };
    let files: Vec<String> = serde_json::from_str(&exit.stdout).map_err(|error| wrong(error.to_string()))?;
    if files.len() > MOST {
        return Err(wrong(format!("{} files are too many", files.len())));
    }
    let mut paths = Vec::with_capacity(files.len());
    for file in files {
        let path = clean_path(&file);
        if path == ".." || path.starts_with("../") || path.starts_with('/') || path.contains('\0') {
            return Err(wrong(format!("`{}` is not below it", file.escape_debug())));
        }
        paths.push(path);
    }
    let folder = folder.to_owned();
    cx.blocking(move |cx| {
        let mut inputs = Inputs::default();
        for path in paths {
            let place = folder.join(&path);
            match cx.files().entry(cx, &folder, &path)? {
                Some(entry) if entry.kind == EntryKind::Folder => inputs.trees.insert(Tree::new(place)),
                _ => inputs.files.insert(place),
            };
        }
        Ok(inputs)
    })
    .await
}
