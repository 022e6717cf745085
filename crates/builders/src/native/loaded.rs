//! The files that say what to build, read once: the Dockerfile and the `.dockerignore` file.

use std::path::Path;

use shipway_core::{
    Artifact, Context, Error, ErrorKind, IgnoreRules, Location, Result, clean_path, read_ignore_file,
};

use super::{NativeConfig, variables::PLATFORM_WORDS};
use crate::dockerfile::Dockerfile;

/// What the files of an artifact say.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The Dockerfile, if there is to be one.
    pub(super) dockerfile: Option<Dockerfile>,
    /// What the copies do not see.
    pub(super) ignore: Vec<String>,
    /// The files below the context that were read or looked for.
    pub(super) files: Vec<String>,
}

/// Far more than any honest Dockerfile has.
const LIMIT: usize = 1024 * 1024;

impl Loaded {
    /// Reads the files; blocking.
    pub(super) fn read(cx: &Context, artifact: &Artifact, options: &NativeConfig) -> Result<Self> {
        let context: &Path = &artifact.context;
        let mut files = Vec::new();
        let mut ignore_files = vec![".dockerignore".to_owned()];
        let mut dockerfile = None;
        if let Some(path) = options.dockerfile_path() {
            let path = clean_path(path);
            let shown = context.join(&path);
            let Some(text) = read(cx, context, &path)? else {
                check(cx, context)?;
                return Err(Error::not_found(format!("there is no Dockerfile `{}`", shown.display()))
                    .hint("name it with the option `dockerfile`, below the artifact's context"));
            };
            dockerfile = Some(Dockerfile::parse(&text, &shown)?);
            // BuildKit: the Dockerfile's own file comes first, and then the other does not count.
            ignore_files.insert(0, format!("{path}.dockerignore"));
            files.push(path);
        }
        let mut ignore = None;
        for path in ignore_files {
            if ignore.is_none() {
                if let Some(text) = read(cx, context, &path)? {
                    ignore = Some(patterns(&text, &context.join(&path))?);
                }
                // One that is missing counts too: it would change everything.
                files.push(path);
            }
        }
        if dockerfile.is_none() && ignore.is_none() {
            check(cx, context)?;
        }
        Ok(Self { dockerfile, ignore: ignore.unwrap_or_default(), files })
    }

    /// Returns whether the machine that builds may count, because a variable tells of it.
    pub(super) fn names_build_platform(&self) -> bool {
        let names = PLATFORM_WORDS.map(|word| format!("BUILD{word}"));
        let texts = self.dockerfile.iter().flat_map(|dockerfile| &dockerfile.instructions);
        texts.into_iter().any(|located| names.iter().any(|name| located.text.contains(name)))
    }
}

/// Returns the patterns of an ignore file, if they are well formed.
fn patterns(text: &str, file: &Path) -> Result<Vec<String>> {
    let patterns = read_ignore_file(text);
    let Err(error) = IgnoreRules::new(&patterns) else { return Ok(patterns) };
    let line = text.lines().position(|line| IgnoreRules::new(&read_ignore_file(line)).is_err());
    Err(error.at(Location::new(file, line.map_or(0, |line| line + 1), usize::from(line.is_some()))))
}

/// Checks that the context is there: when it is missing, that is another problem than a file that is.
fn check(cx: &Context, context: &Path) -> Result<()> {
    cx.files().entry(cx, context, ".dockerignore").map(drop)
}

/// Returns the text of a file, or `None` when there is none.
fn read(cx: &Context, context: &Path, path: &str) -> Result<Option<String>> {
    let file = match cx.files().open(cx, context, path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let shown = context.join(path);
    let bytes = file.read(LIMIT).map_err(|error| {
        error.at(Location::new(&shown, 0, 0)).hint("such a file has at most 1 MiB; is it the right one?")
    })?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::config(format!("`{}` is not UTF-8", shown.display())).hint("save it as UTF-8 text")
    })?;
    Ok(Some(text))
}
