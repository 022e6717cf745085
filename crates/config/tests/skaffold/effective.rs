//! Real files beside what Skaffold itself makes of them (`skaffold diagnose --yaml-only`), as trees.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use shipway_config::{Options, Skaffold};
use shipway_core::Catalog;
use shipway_yaml::{Rules, parse};

use crate::{recorded::catalog, skip::skip};

/// The example whose other configurations are on the network.
const REMOTE: &str = "remote-multi-config-microservices__skaffold";

/// Where the tree of each file begins, and where the file is below it, as `$ROOT` and `$CWD` say.
const ROOT: &str = "/root-of-the-tree";

/// Returns what a file means here.
fn effective(path: &Path, name: &str, profile: &str, folder: &Path) -> shipway_core::Result<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut options = Options::default().auto_activation(false);
    options.profiles.extend((!profile.is_empty()).then(|| profile.to_owned()));
    Skaffold::read(name, &text, options, &Catalog::new())?.effective(folder)
}

fn trees(text: &str) -> Vec<Value> {
    let documents = parse("effective.yaml", text).unwrap();
    documents.iter().map(|document| document.to_json(Rules::Config).unwrap()).collect()
}

/// Writes the folders into what Skaffold said. Where a path begins after `$CWD` without a `/`, the corpus lost that.
fn placed(text: &str, folder: &Path) -> String {
    let folder = folder.to_str().unwrap().trim_end_matches('/');
    let mut parts = text.split("$CWD");
    let first = parts.next().unwrap_or_default().to_owned();
    let text = parts.fold(first, |text, rest| {
        let between = if rest.starts_with(char::is_alphanumeric) { "/" } else { "" };
        text + folder + between + rest
    });
    text.replace("$ROOT", ROOT)
}

/// Compares all of a folder; returns how many were compared.
fn compare(folder: &Path, places: &BTreeMap<String, PathBuf>) -> usize {
    let mut compared = 0;
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.join("effective")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for expected in files {
        let stem = expected.file_stem().unwrap().to_str().unwrap();
        let (file, profile) = stem.split_once('@').unwrap_or((stem, ""));
        let path = folder.join(format!("in/{file}.yaml"));
        let text = fs::read_to_string(&path).unwrap();
        if file == REMOTE || file.starts_with("multi-config") {
            continue;
        }
        let place = places.get(file).cloned().unwrap_or_else(|| {
            let below = file.replace("__", "/");
            Path::new(ROOT).join(Path::new(&below).parent().unwrap())
        });
        let made = effective(&path, file, profile, &place);
        let said = fs::read_to_string(&expected).unwrap();
        if expected.extension().is_some_and(|extension| extension == "error") {
            assert!(made.is_err(), "{stem} is read, but Skaffold says: {said}");
        } else {
            let made = made.unwrap_or_else(|error| panic!("{stem}: {}", error.report()));
            assert_eq!(trees(&made), trees(&placed(&said, &place)), "{stem}");
        }
        compared += 1;
    }
    compared
}

#[test]
fn examples_mean_what_skaffold_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/skaffold/examples");
    assert_eq!(compare(&folder, &BTreeMap::new()), 71);
}

#[test]
fn files_of_public_repositories_mean_what_skaffold_says() {
    let Some(corpus) = env::var_os("SHIPWAY_CORPUS") else {
        skip("config::effective::files_of_public_repositories_mean_what_skaffold_says", "SHIPWAY_CORPUS");
        return;
    };
    let folder = Path::new(&corpus).join("skaffold/public");
    let sources = fs::read_to_string(folder.join("SOURCES.tsv")).unwrap();
    let places = sources.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let file = columns[3].trim_end_matches(".yaml").to_owned();
        (file, Path::new(ROOT).join(Path::new(columns[1]).parent().unwrap()))
    });
    assert_eq!(compare(&folder, &places.collect()), 25);
}

#[test]
fn a_choice_without_a_value_is_as_with_skaffold_and_warned_of() {
    let text = "apiVersion: skaffold/v4beta14\nkind: Config\nbuild:\n  tagPolicy:\n    sha256:\n";
    let skaffold = Skaffold::read("skaffold.yaml", text, Options::default(), &catalog()).unwrap();
    assert!(skaffold.effective(Path::new("/a")).unwrap().contains("gitCommit: {}"));
    let notices = skaffold.pipeline(&catalog()).unwrap().notices;
    let said: Vec<String> = notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["skaffold.yaml:5:5: `sha256` without a value is as good as not written: write `sha256: {}`"]
    );
}
