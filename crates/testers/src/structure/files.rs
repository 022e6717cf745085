//! Which test files there are, and what they hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use shipway_core::{Context, EntryKind, Error, ErrorKind, Inputs, Location, Result, Tree};

use super::{
    expand::{Variables, env_file},
    read,
    schema::TestFile,
};

/// The most test files; more are a pattern that says something else than it should.
const MOST_FILES: usize = 1000;

/// A test file with what belongs to it.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The path, below the context's root or absolute.
    pub(super) path: String,
    pub(super) tests: TestFile,
    /// The variables that `containerRunOptions` sets for commands.
    pub(super) variables: Variables,
}

/// What a word of the configuration names.
enum Named {
    File(String),
    /// All that match below a folder.
    Match(Tree),
}

/// Reads a path, or a pattern with `*`, `?`, `[…]` and `**` as in a `.dockerignore` file, whose first
/// steps without any of those are the folder that is looked in. A folder that matches is looked through
/// (Skaffold, util.go, `ExpandPathsGlob`).
fn named(word: &str) -> Named {
    let special = |step: &str| step.contains(['*', '?', '[', '\\']);
    let steps: Vec<&str> = word.split('/').collect();
    match steps.iter().position(|step| special(step)) {
        None => Named::File(word.to_owned()),
        Some(at) => {
            let root = if at == 1 && steps[0].is_empty() { "/".to_owned() } else { steps[..at].join("/") };
            let root = if root.is_empty() { ".".to_owned() } else { root };
            let pattern = steps[at..].join("/");
            Named::Match(Tree::new(root).ignore(["**".to_owned(), format!("!{pattern}")]))
        }
    }
}

/// Returns what decides the verdict besides the image: the test files, and what they name.
///
/// Blocking. A file that is missing is declared all the same.
pub(super) fn declare(cx: &Context, words: &[String]) -> Result<Inputs> {
    let mut inputs = Inputs::new();
    for word in words {
        match named(word) {
            Named::File(path) => {
                inputs.files.insert(path.into());
            }
            Named::Match(tree) => {
                inputs.trees.insert(tree);
            }
        }
    }
    let mut paths = BTreeSet::new();
    for word in words {
        match find(cx, word) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => paths.extend(found?),
        }
    }
    for path in paths {
        let text = match text(cx, &path) {
            // It is declared, so its coming back is seen.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            text => text?,
        };
        let options = read::read(&path, &text)?.container_run_options;
        if !options.env_file.is_empty() {
            inputs.files.insert(options.env_file.into());
        }
        for name in options.env_vars {
            let value = cx.env(&name).map_or("absent".to_owned(), |value| format!("= {value}"));
            inputs.facts.insert(format!("variable {name}"), value);
        }
    }
    Ok(inputs)
}

/// Reads all test files, in the order of their paths. Blocking.
///
/// # Errors
/// `NotFound` when a word names no file; `Config` with the place when one is wrong.
pub(super) fn load(cx: &Context, words: &[String]) -> Result<Vec<Loaded>> {
    let mut paths = BTreeSet::new();
    for word in words {
        let found = find(cx, word)?;
        if found.is_empty() {
            return Err(Error::not_found(format!("no test file matches `{word}`"))
                .hint("check the pattern, which is below the root of the sources"));
        }
        paths.extend(found);
        if paths.len() > MOST_FILES {
            return Err(Error::config(format!("there are more than {MOST_FILES} test files"))
                .note(format!("`{word}` is the pattern that went beyond"))
                .hint("name fewer"));
        }
    }
    let mut files = Vec::new();
    for path in paths {
        let tests = read::read(&path, &text(cx, &path)?)?;
        let variables = variables(cx, &path, &tests)?;
        files.push(Loaded { path, tests, variables });
    }
    Ok(files)
}

/// Returns the paths of the files that a word names.
fn find(cx: &Context, word: &str) -> Result<Vec<String>> {
    match named(word) {
        Named::File(path) => Ok(vec![path]),
        Named::Match(tree) => {
            let entries = match cx.files().walk(cx, &tree) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let files = entries.into_iter().filter(|entry| entry.kind == EntryKind::File);
            let below =
                |path: String| tree.root.join(path).components().filter(not_here).collect::<PathBuf>();
            Ok(files.map(|entry| below(entry.path).to_string_lossy().into_owned()).collect())
        }
    }
}

fn not_here(step: &Component<'_>) -> bool {
    *step != Component::CurDir
}

fn text(cx: &Context, path: &str) -> Result<String> {
    let place = cx.path(Path::new(path));
    let folder = place.parent().unwrap_or(Path::new("/"));
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let content = cx.files().open(cx, folder, &name)?.read(read::LIMIT)?;
    String::from_utf8(content)
        .map_err(|_| Error::config("the file is not UTF-8").at(Location::new(path, 0, 0)))
}

/// Returns the variables of commands: those of the file that the options name, and over them those of the
/// context's environment; empty ones are left out, as the real tool does.
fn variables(cx: &Context, path: &str, tests: &TestFile) -> Result<Variables> {
    let options = &tests.container_run_options;
    let mut variables = match options.env_file.as_str() {
        "" => BTreeMap::new(),
        file => {
            let text =
                text(cx, file).map_err(|error| error.note(format!("it is the `envFile` of `{path}`")))?;
            env_file(file, &text)?
        }
    };
    for name in &options.env_vars {
        variables.insert(name.clone(), cx.env(name).unwrap_or_default().to_owned());
    }
    variables.retain(|name, value| !name.is_empty() && !value.is_empty());
    Ok(variables)
}
