//! What to leave out of a tree: `.dockerignore` rules as moby's patternmatcher reads them
//! (`MatchesOrParentMatches`), in time linear in the pattern and the path.
//!
//! moby turns each pattern into a regular expression; this does the same, so that its oddities (`\d`
//! is a digit, `[a*]` ends at the star's own bracket) are the same too, and runs it without
//! backtracking. Not taken over: the escapes `\p`, `\x`, `\Q` and octal numbers, which are refused.

mod expression;
mod glob;
mod pattern;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use self::glob::{clean_path, glob_matches};
use self::pattern::Pattern;
use crate::Result;

/// Compiled rules.
#[derive(Clone, Debug)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
    /// The rules that may match a path that ends, or begins, with a literal text: by its length, then
    /// by the text. With ten thousand patterns nearly all are ruled out by one look-up.
    by_tail: BTreeMap<usize, HashMap<String, Vec<usize>>>,
    by_head: BTreeMap<usize, HashMap<String, Vec<usize>>>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    keeps: bool,
}

impl IgnoreRules {
    /// Compiles patterns.
    ///
    /// # Errors
    /// `Config` when a pattern is malformed.
    pub fn new(patterns: &[String]) -> Result<Self> {
        let mut rules = Vec::new();
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
            rules.push(Rule { pattern: Pattern::new(text)?, keeps });
        }
        // Of equal patterns only the last can decide.
        let mut seen = BTreeSet::new();
        let mut last: Vec<Rule> =
            rules.into_iter().rev().filter(|rule| seen.insert(rule.pattern.text().to_owned())).collect();
        last.reverse();
        let (mut by_tail, mut by_head) = (BTreeMap::new(), BTreeMap::new());
        for (index, rule) in last.iter().enumerate() {
            let (map, key) = match rule.pattern.tail() {
                "" => (&mut by_head, rule.pattern.head()),
                tail => (&mut by_tail, tail),
            };
            let same_length: &mut HashMap<String, Vec<usize>> = map.entry(key.len()).or_default();
            same_length.entry(key.to_owned()).or_default().push(index);
        }
        Ok(Self { rules: last, by_tail, by_head })
    }

    /// Returns whether the path, relative and with `/`, is left out, by itself or by a folder above.
    #[must_use]
    pub fn is_ignored(&self, path: &str) -> bool {
        let path = clean_path(path);
        path != "." && self.decides(&path).is_some_and(|index| !self.rules[index].keeps)
    }

    /// Returns whether something below this left-out folder may be taken back in.
    #[must_use]
    pub fn may_keep_below(&self, folder: &str) -> bool {
        let folder = format!("{}/", clean_path(folder));
        // A rule before the one that leaves the folder out cannot take anything in it back.
        let from = self.decides(&folder[..folder.len() - 1]).map_or(0, |index| index + 1);
        self.rules[from..].iter().any(|rule| rule.keeps && rule.pattern.may_match_below(&folder))
    }

    /// Returns the last rule that matches the path or a folder above it: the one that counts.
    fn decides(&self, path: &str) -> Option<usize> {
        let mut decides = None;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends {
            self.last_match(&path[..end], &mut decides);
        }
        decides
    }

    fn last_match(&self, path: &str, best: &mut Option<usize>) {
        let tails = self.by_tail.iter().filter_map(|(length, same_length)| {
            same_length.get(path.get(path.len().checked_sub(*length)?..)?)
        });
        let heads =
            self.by_head.iter().filter_map(|(length, same_length)| same_length.get(path.get(..*length)?));
        for candidates in tails.chain(heads) {
            let later = candidates.iter().rev().take_while(|index| best.is_none_or(|best| best < **index));
            if let Some(index) = later.into_iter().find(|index| self.rules[**index].pattern.matches(path)) {
                *best = Some(*index);
            }
        }
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
    fn malformed_patterns_are_refused_with_a_hint() {
        for bad in ["!", "a[", "a\\", "[]a]", "[z-a]", "\\pL", "[[:no:]]"] {
            let error = IgnoreRules::new(&[bad.to_owned()]).expect_err(bad);
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert!(error.report().hint.is_some(), "{bad}");
        }
    }

    #[test]
    fn ten_thousand_nested_patterns_and_paths_are_quick() {
        let patterns: Vec<String> = (0..10_000).map(|i| format!("**/**/**/*a{i}")).collect();
        let rules = IgnoreRules::new(&patterns).expect("valid");
        let left_out =
            (0..10_000).filter(|i| rules.is_ignored(&format!("d/{}/xa{i}", "a".repeat(20)))).count();
        assert_eq!(left_out, 10_000);
        let one = self::rules(&["**/*a*a*a*a*a*a*a*a*a*a*a*a*b"]);
        assert!(!one.is_ignored(&"a".repeat(4096)), "and does not double with each star");
    }
}
