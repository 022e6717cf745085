//! The sources of copies as ignore patterns, so that only what they name is walked and counts.

use std::collections::BTreeSet;

use shipway_core::{clean_path, glob_matches};

use super::{
    assembly::{SPECIAL, Source},
    tree::parent,
};

/// Returns ignore patterns that leave out all but what the sources name, and of that what `ignore` says.
///
/// Where a pattern of `ignore` with stars takes more back in, that comes too.
pub(super) fn allow_list<'a>(
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
    let mut steps = source.split('/').zip(kept.split('/'));
    // Two stars lead anywhere; where both have a pattern, it is not worth finding out.
    kept.contains("**")
        || steps.all(|(source, kept)| {
            kept.contains(special)
                || source.contains(['[', '\\'])
                || glob_matches(source, kept).unwrap_or(true)
        })
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
                        let head = parent(&path[..path.find(SPECIAL).unwrap_or(0)]);
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
        let ignore = ["*.log", "!keep.log", "!a/keep.log", "!b", "!c/x", "!**/d", "!*.e"].map(str::to_owned);
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
}
