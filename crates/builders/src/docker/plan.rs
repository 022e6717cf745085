//! What an artifact's files say, read once: the Dockerfile, the ignore file, and so what is sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use shipway_core::{
    Artifact, Context, EntryKind, Error, ErrorKind, Location, Platform, Result, Tree, clean_path,
    glob_matches, read_ignore_file,
};
use shipway_oci::Reference;

use super::{DockerConfig, lines::Lines, reach::Reach};
use crate::sources::{Source, allow_list};

/// Far more than any honest Dockerfile has.
const LIMIT: usize = 1024 * 1024;

/// What is to be built, as far as files and options say it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The path of the Dockerfile below the context.
    pub(crate) dockerfile: String,
    pub(crate) text: String,
    pub(crate) lines: Lines,
    /// What the context leaves out.
    pub(crate) ignore: Vec<String>,
    /// The files below the context that were read or looked for.
    pub(crate) files: Vec<String>,
    pub(crate) reach: Reach,
    /// The names of the `ARG`s that are required artifacts.
    pub(crate) required: Vec<String>,
    /// The values of `ARG`s, but for those of required artifacts.
    pub(crate) args: BTreeMap<String, String>,
}

impl Plan {
    /// Reads the files; blocking.
    pub(crate) fn read(cx: &Context, artifact: &Artifact, options: &DockerConfig) -> Result<Self> {
        let context: &Path = &artifact.context;
        let dockerfile = clean_path(&options.dockerfile);
        let shown = context.join(&dockerfile);
        let text = read(cx, context, &dockerfile)?.ok_or_else(|| {
            Error::not_found(format!("there is no Dockerfile `{}`", shown.display()))
                .hint("name it with the option `dockerfile`, below the artifact's context")
        })?;
        let lines = Lines::read(&text);
        let mut files = vec![dockerfile.clone()];
        let mut ignore = None;
        // BuildKit: the Dockerfile's own file comes first, and then the other does not count.
        for path in [format!("{dockerfile}.dockerignore"), ".dockerignore".to_owned()] {
            if ignore.is_none() {
                ignore = read(cx, context, &path)?.map(|text| read_ignore_file(&text));
                files.push(path);
            }
        }
        let mut args = BTreeMap::new();
        for (name, value) in &options.build_args {
            // As for Docker's command line: a name alone takes the environment's value, if there is one.
            let value = value.clone().or_else(|| cx.env(name).map(str::to_owned));
            args.extend(value.map(|value| (name.clone(), value)));
        }
        let wanted =
            super::wanted_platform("docker", artifact)?.cloned().unwrap_or_else(Platform::linux_here);
        let required: BTreeSet<&str> = artifact.requires.keys().map(String::as_str).collect();
        let reach = Reach::of(&lines, &args, &required, &wanted);
        let ignore = ignore.unwrap_or_default();
        let required = artifact.requires.keys().cloned().collect();
        let mut plan = Self { dockerfile, text, lines, ignore, files, reach, required, args };
        if options.whole_context || !plan.leads_nowhere_else(cx, context)? {
            plan.reach.sources = None;
        }
        Ok(plan)
    }

    /// Returns whether no path that is copied leads over a link, behind which anything may be, and all
    /// can be written as patterns.
    fn leads_nowhere_else(&self, cx: &Context, context: &Path) -> Result<bool> {
        let Some(sources) = &self.reach.sources else { return Ok(true) };
        let plain = |c: char| c.is_alphanumeric() || "/._-*?".contains(c);
        if !sources.iter().all(|source| source.chars().all(plain)) {
            return Ok(false);
        }
        for source in sources {
            let head = &source[..source.find(['*', '?']).unwrap_or(source.len())];
            let ends = head.match_indices('/').map(|(end, _)| end).chain([head.len()]);
            for end in ends.filter(|end| *end > 0) {
                // What cannot be looked at is the engine's to refuse.
                let entry = cx.files().entry(cx, context, head[..end].trim_end_matches('/'));
                if let Ok(Some(entry)) = entry
                    && matches!(entry.kind, EntryKind::Link(_))
                {
                    return Ok(false);
                }
            }
            if source.contains(['*', '?']) {
                for entry in cx.files().walk(cx, &self.tree(context))? {
                    let is_link = matches!(entry.kind, EntryKind::Link(_));
                    if is_link && glob_matches(source, &entry.path)? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Refuses a frontend that may be anything tomorrow, where the Dockerfile is not trusted.
    pub(crate) fn check_frontends(&self, context: &Path) -> Result<()> {
        // A digest in the middle of a name pins nothing.
        let pinned = |frontend: &&String| {
            frontend.parse::<Reference>().is_ok_and(|frontend| frontend.digest.is_some())
        };
        let Some(frontend) = self.lines.frontends.iter().find(|frontend| !pinned(frontend)) else {
            return Ok(());
        };
        Err(Error::config(format!("the frontend `{frontend}` is not pinned by a digest"))
            .at(Location::new(context.join(&self.dockerfile), 0, 0))
            .note("a frontend is a program that runs before the Dockerfile does, and `untrusted` is set")
            .hint("leave the `# syntax=` line out, or write `image@sha256:…`"))
    }

    /// Returns the part of the context that counts.
    pub(crate) fn tree(&self, context: &Path) -> Tree {
        let Some(sources) = &self.reach.sources else {
            return Tree::new(context).ignore(self.ignore.clone());
        };
        let sources: Vec<Source> = sources.iter().cloned().map(Source::found).collect();
        Tree::new(context).ignore(allow_list(&sources, &self.ignore))
    }
}

/// Returns the text of a file, or `None` when there is none.
fn read(cx: &Context, context: &Path, path: &str) -> Result<Option<String>> {
    let file = match cx.files().open(cx, context, path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // A context that is missing is another problem than a file that is.
            cx.files().entry(cx, context, path)?;
            return Ok(None);
        }
        other => other?,
    };
    let bytes = file.read(LIMIT)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::config(format!("`{}` is not UTF-8", context.join(path).display()))
            .hint("save it as UTF-8 text")
    })?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_ignore_file_takes_back_in_does_not_come_where_nothing_copies_it() {
        let plan = Plan {
            dockerfile: "Dockerfile".to_owned(),
            text: String::new(),
            lines: Lines::read(""),
            ignore: ["*", "!a", "!src", "!src/**/x"].map(str::to_owned).to_vec(),
            files: Vec::new(),
            reach: Reach { sources: Some(BTreeSet::from(["a".to_owned()])), images: BTreeSet::new() },
            required: Vec::new(),
            args: BTreeMap::new(),
        };
        let rules = shipway_core::IgnoreRules::new(&plan.tree(Path::new("")).ignore).expect("valid");
        assert!(!rules.is_ignored("a"));
        for path in ["src", "src/main.rs", "other"] {
            assert!(rules.is_ignored(path), "{path}");
        }
    }
}
