//! What copies read of the context, and that as ignore patterns, so that only what they name is walked and
//! counts.

use std::collections::BTreeSet;

use shipway_core::{Error, Result, clean_path, glob_matches};

/// A file, a folder or a pattern to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Cleaned and relative; `.` for all.
    pub(crate) path: String,
    /// For `--parents`, of which the path is a pattern of moby's: the folder that paths begin at.
    pub(crate) pivot: Option<String>,
    /// Whether the path is known; if not, it hangs on the base.
    pub(crate) sure: bool,
}

/// The characters that make a pattern of a path.
pub(crate) const SPECIAL: [char; 4] = ['*', '?', '[', '\\'];

impl Source {
    /// Returns the source of a path that was found: cleaned, and inside.
    pub(crate) fn found(path: String) -> Self {
        Self { path, pivot: None, sure: true }
    }

    /// Returns the source of this path below the context.
    pub(crate) fn new(path: &str, what: &str) -> Result<Self> {
        // As in Docker, a leading `/` means the context.
        let clean = clean_path(path.trim_start_matches('/'));
        if clean == ".." || clean.starts_with("../") {
            return Err(Error::config(format!("`{path}` leads out of {what}"))
                .hint("move the file below it, or choose a folder above as the artifact's context"));
        }
        Ok(Self::found(clean))
    }

    /// Returns whether it is a pattern of Go's `filepath.Match` and not a plain path.
    pub(crate) fn is_pattern(&self) -> bool {
        self.pivot.is_none() && self.path.contains(SPECIAL)
    }
}

/// Returns ignore patterns that leave out all but what the sources name, and of that what `ignore` says.
///
/// Where a pattern of `ignore` with stars takes more back in, that comes too.
pub(crate) fn allow_list<'a>(
    sources: impl IntoIterator<Item = &'a Source>,
    ignore: &[String],
) -> Vec<String> {
    let sources: Vec<&Source> = sources.into_iter().collect();
    let Some(allowed) = sources.iter().map(|source| allowed(source)).collect::<Option<BTreeSet<String>>>()
    else {
        return ignore.to_vec();
    };
    let mut list = vec!["*".to_owned()];
    list.extend(allowed.into_iter().map(|pattern| format!("!{pattern}")));
    let counts = |pattern: &&String| match pattern.trim().strip_prefix('!') {
        Some(kept) => sources.iter().any(|source| may_meet(&source.path, &clean_path(kept))),
        None => true,
    };
    list.extend(ignore.iter().filter(counts).cloned());
    list
}

/// Returns whether something may be both, or below both, of what a source and an ignore pattern match;
/// true in doubt.
fn may_meet(source: &str, kept: &str) -> bool {
    let special = |c: char| c.is_ascii_punctuation() && !".-_".contains(c);
    // Two stars lead anywhere from where they are; where both have a pattern, it is not worth finding out.
    let steps = source.split('/').zip(kept.split('/')).take_while(|(_, kept)| !kept.contains("**"));
    let mut steps = steps.map(|(source, kept)| {
        kept.contains(special) || source.contains(['[', '\\']) || glob_matches(source, kept).unwrap_or(true)
    });
    steps.all(|meet| meet)
}

/// Returns the ignore pattern that matches what a source names, or `None` for all.
fn allowed(source: &Source) -> Option<String> {
    match source.path.as_str() {
        _ if !source.sure => None,
        "." => None,
        // Already one of this grammar.
        path if source.pivot.is_some() => Some(path.to_owned()),
        path if source.is_pattern() => {
            let mut pattern = String::new();
            let mut last = None;
            for c in path.chars() {
                match c {
                    // To `COPY` two stars are as one.
                    '*' if last == Some('*') => {}
                    '*' | '?' => pattern.push(c),
                    // The two grammars write classes differently; all below the folder is enough.
                    '[' | '\\' => {
                        let head = &path[..path.find(SPECIAL).unwrap_or(0)];
                        let head = head.rsplit_once('/').map_or("", |(head, _)| head);
                        return (!head.is_empty()).then(|| literal(head));
                    }
                    c => pattern.push_str(&literal(c.encode_utf8(&mut [0; 4]))),
                }
                last = Some(c);
            }
            Some(pattern)
        }
        path => Some(literal(path)),
    }
}

/// Returns the pattern that means this very path.
fn literal(path: &str) -> String {
    let mut pattern = String::new();
    for c in path.chars() {
        match c {
            // Blanks at the end would be trimmed.
            c if c.is_whitespace() => pattern.extend(['[', c, ']']),
            '/' | '.' | '-' | '_' => pattern.push(c),
            c if c.is_ascii_punctuation() => pattern.extend(['\\', c]),
            c => pattern.push(c),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use shipway_core::IgnoreRules;

    use super::*;

    fn source(path: &str) -> Source {
        Source::new(path, "the context").expect(path)
    }

    #[test]
    fn an_allow_list_means_the_very_paths() {
        for path in ["src", "a b", "a ", " a", "a]b", "!a", "#a", "a{1}", "a|b", "é", "a+b/c.d", "^a$"] {
            let rules = IgnoreRules::new(&allow_list([&source(path)], &[])).expect(path);
            assert!(!rules.is_ignored(path), "{path}");
            assert!(!rules.is_ignored(&format!("{path}/below")), "{path}");
            assert!(rules.is_ignored("other"), "{path}");
            assert!(rules.is_ignored(&format!("{path}x")), "{path}");
        }
    }

    #[test]
    fn what_is_taken_back_in_elsewhere_does_not_come() {
        let ignore = ["*.log", "!keep.log", "!a/keep.log", "!b", "!c/x", "!**/d", "!q/**/d", "!*.e"]
            .map(str::to_owned);
        assert_eq!(
            allow_list([&source("a"), &source("b/x"), &source("c*/*")], &ignore),
            ["*", "!a", "!b/x", "!c*/*", "*.log", "!a/keep.log", "!b", "!c/x", "!**/d", "!*.e"]
        );
        assert_eq!(allow_list([&source("a"), &source(".")], &ignore), ignore);
    }

    #[test]
    fn a_pattern_allows_what_it_matches() {
        for (path, pattern) in [
            (".", None),
            ("*.go", Some("*.go")),
            ("src/**/b?*", Some("src/*/b?*")),
            ("a+*", Some("a\\+*")),
            ("a/b*/[x]", Some("a")),
            ("[x]/y", None),
            ("a/b\\*", Some("a")),
        ] {
            assert_eq!(allowed(&source(path)).as_deref(), pattern, "{path}");
        }
    }

    #[test]
    fn sources_stay_below_the_context() {
        let path = |text: &str| Source::new(text, "the context").map(|source| source.path);
        assert_eq!(path("/a/./b/../c/").unwrap(), "a/c");
        assert_eq!(path("/").unwrap(), ".");
        for bad in ["..", "../a", "a/../../b", "/../a"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }
}
