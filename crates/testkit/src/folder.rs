//! The kit's own folders: copies of fixtures, which it changes and compares.

#![expect(
    clippy::disallowed_methods,
    reason = "the kit prepares and inspects sources, which plug-ins only read"
)]

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hasher},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::clause::Trouble;

fn failed(action: &str, path: &Path) -> impl Fn(io::Error) -> Trouble {
    move |error| Trouble::Broken(format!("the kit cannot {action} `{}`: {error}", path.display()))
}

/// Makes a folder and those above it.
pub(crate) fn make(path: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(path).map_err(failed("make", path))
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Trouble> {
    make(to)?;
    for entry in fs::read_dir(from).map_err(failed("read", from))? {
        let entry = entry.map_err(failed("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(failed("read", &source))?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            let text = fs::read_link(&source).map_err(failed("read", &source))?;
            std::os::unix::fs::symlink(text, &target).map_err(failed("make", &target))?;
        } else {
            fs::copy(&source, &target).map_err(failed("copy", &source))?;
        }
    }
    Ok(())
}

/// Changes a file's content, or makes the file: a line end more, which hurts almost no format.
pub(crate) fn touch(path: &Path) -> Result<(), Trouble> {
    if let Some(parent) = path.parent() {
        make(parent)?;
    }
    let mut file =
        fs::OpenOptions::new().append(true).create(true).open(path).map_err(failed("change", path))?;
    file.write_all(b"\n").map_err(failed("change", path))
}

/// Makes a file with this content and these permission bits.
pub(crate) fn write(path: &Path, content: &str, mode: u32) -> Result<(), Trouble> {
    fs::write(path, content).map_err(failed("write", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("write", path))
}

/// Returns a file's content and permission bits.
pub(crate) fn read(path: &Path) -> Result<(String, u32), Trouble> {
    let content = fs::read_to_string(path).map_err(failed("read", path))?;
    let mode = fs::metadata(path).map_err(failed("read", path))?.mode();
    Ok((content, mode & 0o7777))
}

/// Makes a symbolic link.
pub(crate) fn link(path: &Path, text: &str) -> Result<(), Trouble> {
    std::os::unix::fs::symlink(text, path).map_err(failed("make", path))
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> Result<(), Trouble> {
    fs::remove_file(path).map_err(failed("remove", path))
}

/// Returns every regular file below a folder, by its path from there, with `/` between the steps.
pub(crate) fn files(root: &Path) -> Result<Vec<String>, Trouble> {
    Ok(state(root)?.into_iter().filter(|(_, entry)| entry.kind == 'f').map(|(path, _)| path).collect())
}

/// Returns the names in a folder, once it is empty or the grace is over: a thread that still reads for
/// a build that was cancelled holds its context, and the scratch folder goes with the context.
pub(crate) async fn left_after(root: &Path, grace: Duration) -> Result<Vec<String>, Trouble> {
    let deadline = Instant::now() + grace;
    loop {
        let entries = fs::read_dir(root).map_err(failed("read", root))?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let names: Vec<String> = names.collect::<Result<_, _>>().map_err(failed("read", root))?;
        if names.is_empty() || Instant::now() >= deadline {
            return Ok(names);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a folder holds at a moment.
pub(crate) type FolderState = BTreeMap<String, EntryState>;

/// What is noticed about a file: not when it was read, but everything that writing changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryState {
    kind: char,
    mode: u32,
    modified: (i64, i64),
    content: u64,
}

/// Returns what a folder holds now.
pub(crate) fn state(root: &Path) -> Result<FolderState, Trouble> {
    let mut state = FolderState::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let absolute = root.join(&folder);
        for entry in fs::read_dir(&absolute).map_err(failed("read", &absolute))? {
            let entry = entry.map_err(failed("read", &absolute))?;
            let path = entry.path();
            let metadata = fs::symlink_metadata(&path).map_err(failed("read", &path))?;
            let relative = folder.join(entry.file_name());
            let (kind, content) = if metadata.is_dir() {
                folders.push(relative.clone());
                ('d', Vec::new())
            } else if metadata.is_symlink() {
                let text = fs::read_link(&path).map_err(failed("read", &path))?;
                ('l', text.into_os_string().into_encoded_bytes())
            } else if metadata.is_file() {
                ('f', fs::read(&path).map_err(failed("read", &path))?)
            } else {
                ('s', Vec::new())
            };
            let mut hasher = DefaultHasher::new();
            hasher.write(&content);
            // A folder's time changes when something comes and goes; what stays is what counts.
            let modified = if kind == 'd' { (0, 0) } else { (metadata.mtime(), metadata.mtime_nsec()) };
            let seen = EntryState { kind, mode: metadata.mode(), modified, content: hasher.finish() };
            state.insert(relative.to_string_lossy().into_owned(), seen);
        }
    }
    Ok(state)
}

/// Returns the paths that differ between two moments, for messages.
pub(crate) fn differences(before: &FolderState, after: &FolderState) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for path in before.keys().chain(after.keys()) {
        if before.get(path) != after.get(path) && !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    paths
}

/// Returns the processes whose environment holds this text; none where the system does not tell.
pub(crate) fn processes_with(mark: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A process that ends meanwhile, or is another user's, cannot be read; it is none of ours.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        if environment.windows(mark.len()).any(|window| window == mark.as_bytes()) {
            let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push(format!("{name} ({})", command.trim()));
        }
    }
    found
}

/// Returns the processes whose environment holds this text, once there are none or the grace is over:
/// the system takes a moment to bury what was killed.
pub(crate) async fn processes_after(mark: &str, grace: Duration) -> Vec<String> {
    let deadline = Instant::now() + grace;
    loop {
        let found = processes_with(mark);
        if found.is_empty() || Instant::now() >= deadline {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
