//! What `.gitignore` files leave out, by their texts alone and without a repository.

use std::path::{Path, PathBuf};

use gix::{
    bstr::BStr,
    glob::pattern::Case,
    ignore::{Search, search::Ignore},
};

/// The rules of the `.gitignore` files of a tree.
///
/// ```
/// use shipway_git::Ignored;
///
/// let mut ignored = Ignored::default();
/// ignored.add("", b"/dist/\n*.log\n");
/// ignored.add("web", b"!keep.log\n");
/// assert!(ignored.leaves_out("dist", true) && !ignored.leaves_out("web/dist", true));
/// assert!(ignored.leaves_out("web/a.log", false) && !ignored.leaves_out("web/keep.log", false));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ignored(Search);

impl Ignored {
    /// Adds the text of a folder's file; it goes before those that were added, so that a folder comes after the
    /// folder that it is in. The folder is below the root of the tree, with `/` between its steps, and empty for the root.
    pub fn add(&mut self, folder: &str, text: &[u8]) {
        let file = PathBuf::from(folder).join(".gitignore");
        // It fails for a file without a folder alone, which this is not.
        let _ = self.0.add_patterns_buffer(text, file, Some(Path::new("")), Ignore::default());
    }

    /// Returns whether the rules leave out what is at a path. What is in a folder that is left out is not asked for:
    /// no rule takes it back in.
    #[must_use]
    pub fn leaves_out(&self, path: &str, is_folder: bool) -> bool {
        let path = <&BStr>::from(path);
        let found = self.0.pattern_matching_relative_path(path, Some(is_folder), Case::Sensitive);
        found.is_some_and(|found| !found.pattern.is_negative())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_those_of_git() {
        let mut ignored = Ignored::default();
        let text =
            "\u{feff}# no\n*.tmp\n!keep.tmp\n/top\nonly/\na/b\n**/deep/x\n\\#odd\n\\!odd\nblank \\ \n[\n";
        ignored.add("", text.as_bytes());
        ignored.add("sub", b"/own\n!x.tmp\n");
        for (path, is_folder, expected) in [
            ("x.tmp", false, true),
            ("c/x.tmp", false, true),
            ("c/keep.tmp", false, false),
            ("top", false, true),
            ("c/top", false, false),
            ("only", true, true),
            ("only", false, false),
            ("c/only", true, true),
            ("a/b", false, true),
            ("c/a/b", false, false),
            ("c/deep/x", false, true),
            ("#odd", false, true),
            ("!odd", false, true),
            ("no", false, false),
            ("blank  ", false, true),
            ("sub/own", false, true),
            ("sub/c/own", false, false),
            ("own", false, false),
            ("sub/x.tmp", false, false),
            ("subx/own", false, false),
        ] {
            assert_eq!(ignored.leaves_out(path, is_folder), expected, "{path}");
        }
        assert!(!Ignored::default().leaves_out("a", false));
    }
}
