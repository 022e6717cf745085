//! What to leave out of a tree: `.dockerignore` rules as moby's patternmatcher reads them
//! (`MatchesOrParentMatches`), in time linear in the pattern and the path.
//!
//! moby turns each pattern into a regular expression; this does the same, so that its oddities (`\d`
//! is a digit, `[a*]` ends at the star's own bracket) are the same too, and runs it without
//! backtracking. Not taken over: the escapes `\p`, `\x`, `\Q` and octal numbers, which are refused.

mod expression;
mod glob;
mod index;
#[cfg(test)]
mod load;
mod pattern;

use std::collections::BTreeSet;

pub use self::glob::{clean_path, glob_matches};
use self::{index::Index, pattern::Pattern};
use crate::{Error, Result};

/// The most items of expressions in all patterns together: ten thousand honest ones have a third of it.
const MAX_SIZE: usize = 1_000_000;

/// Compiled rules.
#[derive(Clone, Debug)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
    index: Index,
}

/// The last rule that matches a path or a folder above it: the one that counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decision(Option<usize>);

#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    keeps: bool,
}

impl IgnoreRules {
    /// Compiles patterns.
    ///
    /// # Errors
    /// `Config` when a pattern is malformed, or all together are too large.
    pub fn new(patterns: &[String]) -> Result<Self> {
        let (mut rules, mut size) = (Vec::new(), 0);
        for text in patterns {
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let text = clean_path(text);
            let (keeps, text) = match text.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, text.as_str()),
            };
            let pattern = Pattern::new(text)?;
            size += pattern.size();
            if size > MAX_SIZE {
                return Err(Error::config("the ignore patterns are too large together")
                    .hint("write fewer patterns, and no `{…}` after a character, which repeats it"));
            }
            rules.push(Rule { pattern, keeps });
        }
        // Of equal patterns only the last can decide.
        let mut seen = BTreeSet::new();
        let mut last: Vec<Rule> =
            rules.into_iter().rev().filter(|rule| seen.insert(rule.pattern.text().to_owned())).collect();
        last.reverse();
        let literals: Vec<_> = last.iter().map(|rule| rule.pattern.literals().to_vec()).collect();
        Ok(Self { rules: last, index: Index::new(&literals) })
    }

    /// Returns whether the path, relative and with `/`, is left out, by itself or by a folder above.
    #[must_use]
    pub fn is_ignored(&self, path: &str) -> bool {
        let path = clean_path(path);
        path != "." && self.ignores(self.decide(&path))
    }

    /// Returns whether something below this left-out folder may be taken back in.
    #[must_use]
    pub fn may_keep_below(&self, folder: &str) -> bool {
        let folder = clean_path(folder);
        self.may_keep(self.decide(&folder), &folder)
    }

    fn decide(&self, path: &str) -> Decision {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        ends.fold(Decision::default(), |above, end| self.decide_below(above, &path[..end]))
    }

    /// Decides about a clean path when it is known what was decided about the folder that it is in.
    pub(crate) fn decide_below(&self, above: Decision, path: &str) -> Decision {
        let mut best = above.0;
        for candidates in self.index.candidates(path) {
            let later = candidates.iter().rev().take_while(|index| best.is_none_or(|best| best < **index));
            if let Some(index) = later.into_iter().find(|index| self.rules[**index].pattern.matches(path)) {
                best = Some(*index);
            }
        }
        Decision(best)
    }

    pub(crate) fn ignores(&self, decision: Decision) -> bool {
        decision.0.is_some_and(|index| !self.rules[index].keeps)
    }

    /// Returns whether a clean path below this folder may be kept, when this was decided about the folder.
    pub(crate) fn may_keep(&self, decision: Decision, folder: &str) -> bool {
        // A rule before the one that leaves the folder out cannot take anything in it back.
        let from = decision.0.map_or(0, |index| index + 1);
        let folder = format!("{folder}/");
        self.rules[from..].iter().any(|rule| rule.keeps && rule.pattern.may_match_below(&folder))
    }
}

/// Returns the patterns of a `.dockerignore` file, as moby's `ignorefile.ReadAll` reads it.
///
/// A byte order mark, blank lines and lines that begin with `#` are skipped; a leading `/` is removed.
#[must_use]
pub fn read_ignore_file(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut patterns = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let line = line.trim();
        let (sign, line) = match line.strip_prefix('!') {
            Some(rest) => ("!", rest.trim()),
            None => ("", line),
        };
        let mut pattern = if line.is_empty() { String::new() } else { clean_path(line) };
        if pattern.len() > 1 && pattern.starts_with('/') {
            pattern.remove(0);
        }
        if !(sign.is_empty() && pattern.is_empty()) {
            patterns.push(format!("{sign}{pattern}"));
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(patterns: &[&str]) -> IgnoreRules {
        IgnoreRules::new(&patterns.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()).expect("valid")
    }

    #[test]
    fn a_file_is_read_as_moby_reads_it() {
        let text = "\u{feff}# no\n\n  /a/../b/ \r\n !  /c//d\n #not a comment\n/\n!\n./e\n";
        assert_eq!(read_ignore_file(text), ["b", "!c/d", "#not a comment", "/", "!", "e"]);
    }

    #[test]
    fn a_left_out_folder_is_entered_only_where_something_may_be_kept() {
        let rules = rules(&["*", "!src/app", "!**/*.md", "docs", "!docs/guide"]);
        assert!(rules.may_keep_below("src"));
        assert!(rules.may_keep_below("node_modules"), "for `!**/*.md`");
        assert!(rules.may_keep_below("docs"));
        assert!(!rules.may_keep_below("docs/internal"), "`docs` comes after `!**/*.md`");
        assert!(!self::rules(&["*", "!src"]).may_keep_below("node_modules"));
        assert!(!self::rules(&["!src/x", "src"]).may_keep_below("src"));
    }

    #[test]
    fn a_byte_order_mark_before_stars_is_cut_as_moby_cuts_it() {
        // moby takes the first two bytes for the stars, and Go compares bytes.
        let rules = rules(&["\u{feff}**a", "\u{feff}**"]);
        assert!(rules.is_ignored("\u{feff}**a"));
        assert!(!rules.is_ignored("a"));
    }

    #[test]
    fn malformed_patterns_are_refused_with_a_hint() {
        for bad in ["!", "a[", "a\\", "[]a]", "[z-a]", "\\pL", "[[:no:]]"] {
            let error = IgnoreRules::new(&[bad.to_owned()]).expect_err(bad);
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert!(error.report().hint.is_some(), "{bad}");
        }
    }
}
