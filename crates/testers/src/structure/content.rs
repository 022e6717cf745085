//! What files hold: expected and excluded contents, and the texts of licences.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use shipway_core::Result;
use shipway_oci::{Descriptor, Distribution, FileKind, FoundFile, ImageFiles};

use super::{
    existence::missing,
    pattern::{Pattern, go_text},
    schema::{FileContentTest, LicenseTest},
};

/// The most bytes of a file that is looked into: it is in memory then, and, if it is no text, thrice more.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Where Debian's packages have their licences, and what the file is called.
const DEBIAN: &str = "/usr/share/doc";
const LICENSE: &str = "copyright";

/// The packages and words that the real tool knows (container-structure-test, pkg/types/v2/licenses.go).
const ALLOWED_PACKAGES: [&str; 1] = ["libgnutls30"];
const REFUSED_LICENSES: [&str; 2] = ["AGPL", "WTFPL"];

/// What is looked for in a file.
#[derive(Clone, Debug)]
enum Search {
    Content(Arc<FileContentTest>),
    License,
}

/// The files that are to be looked into, and for which cases.
#[derive(Debug, Default)]
pub(super) struct Searches {
    files: BTreeMap<String, FoundFile>,
    searches: BTreeMap<String, Vec<(usize, Search)>>,
}

/// What was found for a case.
pub(super) type Problems = BTreeMap<usize, Vec<String>>;

impl Searches {
    /// Adds a content test as this case; returns what is wrong without looking into the file.
    pub(super) fn content(&mut self, case: usize, test: &FileContentTest, files: &ImageFiles) -> Vec<String> {
        let search = Search::Content(Arc::new(test.clone()));
        self.add(case, search, &test.path.0, files).into_iter().collect()
    }

    /// Adds a licence test as this case; returns what is wrong without looking into the files.
    pub(super) fn licenses(&mut self, case: usize, test: &LicenseTest, files: &ImageFiles) -> Vec<String> {
        let mut problems = Vec::new();
        let mut paths = test.files.clone();
        if test.debian {
            match files.names(DEBIAN) {
                Ok(Some(names)) => {
                    // Links to other packages' folders are no packages.
                    let is_package = |name: &&str| {
                        let entry = files.entry(&format!("{DEBIAN}/{name}"));
                        entry.is_ok_and(|entry| entry.is_some_and(|entry| entry.kind == FileKind::Folder))
                    };
                    let packages = names.into_iter().filter(is_package);
                    let packages = packages.filter(|name| !ALLOWED_PACKAGES.contains(name));
                    paths.extend(packages.map(|name| format!("{DEBIAN}/{name}/{LICENSE}")));
                }
                Ok(None) => problems.push(missing(DEBIAN)),
                Err(error) => problems.push(error.to_string()),
            }
        }
        problems.extend(paths.iter().filter_map(|path| self.add(case, Search::License, path, files)));
        problems
    }

    fn add(&mut self, case: usize, search: Search, path: &str, files: &ImageFiles) -> Option<String> {
        let file = match files.find(path) {
            Ok(Some(file)) => file,
            Ok(None) => return Some(missing(path)),
            Err(error) => return Some(error.to_string()),
        };
        if file.kind != FileKind::File {
            let kind = if file.kind == FileKind::Folder { "a folder" } else { "a special file" };
            return Some(format!("`{path}` is {kind}"));
        }
        if file.size > LIMIT {
            return Some(format!(
                "`{path}` has {} bytes, and files of at most {LIMIT} are looked into",
                file.size
            ));
        }
        self.searches.entry(file.path.clone()).or_default().push((case, search));
        self.files.insert(file.path.clone(), file);
        None
    }

    /// Looks into the files.
    ///
    /// # Errors
    /// When the layers cannot be read.
    pub(super) async fn run(self, repository: &dyn Distribution, layers: &[Descriptor]) -> Result<Problems> {
        let Self { files, searches } = self;
        let found = Arc::new(Mutex::new(Problems::new()));
        let into = Arc::clone(&found);
        ImageFiles::contents(repository, layers, files.into_values(), LIMIT, move |file, content| {
            let text = go_text(content);
            for (case, search) in searches.get(&file.path).into_iter().flatten() {
                let problems = search.problems(&file.path, &text);
                let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
                into.entry(*case).or_default().extend(problems);
            }
            Ok(())
        })
        .await?;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut found))
    }
}

impl Search {
    fn problems(&self, path: &str, text: &str) -> Vec<String> {
        match self {
            Self::Content(test) => {
                unlike(&format!("`{path}`"), text, &test.expected_contents, &test.excluded_contents)
            }
            Self::License => {
                let text = text.to_uppercase();
                let words = REFUSED_LICENSES.iter().filter(|word| text.contains(**word));
                words.map(|word| format!("`{path}` has a licence that is not allowed: `{word}`")).collect()
            }
        }
    }
}

/// Returns what is not as expected of a text.
pub(super) fn unlike(what: &str, text: &str, expected: &[Pattern], excluded: &[Pattern]) -> Vec<String> {
    let missing = expected.iter().filter(|pattern| !pattern.matches(text));
    let missing = missing.map(|pattern| format!("`{}` is not in {what}", pattern.as_str()));
    let there = excluded.iter().filter(|pattern| pattern.matches(text));
    missing.chain(there.map(|pattern| format!("`{}` is in {what}", pattern.as_str()))).collect()
}
