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

use crate::{modules::context, recorded::catalog, skip::skip};

/// The example whose other configurations are on the network.
const REMOTE: &str = "remote-multi-config-microservices__skaffold";

/// Returns what a file means here, in its folder.
async fn effective(path: &Path, profile: &str) -> shipway_core::Result<String> {
    let folder = path.parent().unwrap();
    let mut options = Options::default().auto_activation(false);
    options.profiles.extend((!profile.is_empty()).then(|| profile.to_owned()));
    let file = Path::new(path.file_name().unwrap());
    Skaffold::load(&context(folder), file, options, &Catalog::new()).await?.effective(folder)
}

fn trees(text: &str) -> Vec<Value> {
    let documents = parse("effective.yaml", text).unwrap();
    documents.iter().map(|document| document.to_json(Rules::Config).unwrap()).collect()
}

/// Writes the folders into what Skaffold said. Where a path begins after `$CWD` without a `/`, the corpus lost that.
fn placed(text: &str, folder: &Path, root: &Path) -> String {
    let folder = folder.to_str().unwrap();
    let mut parts = text.split("$CWD");
    let first = parts.next().unwrap_or_default().to_owned();
    let text = parts.fold(first, |text, rest| {
        let between = if rest.starts_with(char::is_alphanumeric) { "/" } else { "" };
        text + folder + between + rest
    });
    text.replace("$ROOT", root.to_str().unwrap())
}

/// Compares all of a folder; returns how many were compared. Files lie in trees as their names say, or as is said of them.
async fn compare(folder: &Path, places: &BTreeMap<String, PathBuf>) -> usize {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    let place = |file: &str| {
        let below = file.replace("__", "/") + ".yaml";
        places.get(file).map_or_else(|| root.join(&below), |place| root.join(file).join(place))
    };
    for entry in fs::read_dir(folder.join("in")).unwrap() {
        let path = entry.unwrap().path();
        let to = place(path.file_stem().unwrap().to_str().unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
    let mut compared = 0;
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.join("effective")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for expected in files {
        let stem = expected.file_stem().unwrap().to_str().unwrap();
        let (file, profile) = stem.split_once('@').unwrap_or((stem, ""));
        if file == REMOTE {
            continue;
        }
        let path = place(file);
        let made = effective(&path, profile).await;
        let said = fs::read_to_string(&expected).unwrap();
        if expected.extension().is_some_and(|extension| extension == "error") {
            assert!(made.is_err(), "{stem} is read, but Skaffold says: {said}");
        } else {
            let made = made.unwrap_or_else(|error| panic!("{stem}: {}", error.report()));
            let root = if places.is_empty() { root.to_owned() } else { root.join(file) };
            assert_eq!(trees(&made), trees(&placed(&said, path.parent().unwrap(), &root)), "{stem}");
        }
        compared += 1;
    }
    compared
}

#[tokio::test]
async fn examples_mean_what_skaffold_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/skaffold/examples");
    assert_eq!(compare(&folder, &BTreeMap::new()).await, 75);
}

#[tokio::test]
async fn files_of_public_repositories_mean_what_skaffold_says() {
    let Some(corpus) = env::var_os("SHIPWAY_CORPUS") else {
        skip("config::effective::files_of_public_repositories_mean_what_skaffold_says", "SHIPWAY_CORPUS");
        return;
    };
    let folder = Path::new(&corpus).join("skaffold/public");
    let sources = fs::read_to_string(folder.join("SOURCES.tsv")).unwrap();
    let places = sources.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        (columns[3].trim_end_matches(".yaml").to_owned(), PathBuf::from(columns[1]))
    });
    assert_eq!(compare(&folder, &places.collect()).await, 25);
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

#[test]
fn a_random_file_of_every_version_means_what_skaffold_says() {
    let cases = include_str!("generated.txt").split("===== v").skip(1);
    let mut versions = Vec::new();
    for case in cases {
        let (input, said) = case.split_once("===== effective\n").unwrap();
        let (head, text) = input.split_once('\n').unwrap();
        let (version, profile) = head.split_once(' ').unwrap();
        let mut options = Options::default().auto_activation(false).env("HOME", "/home");
        options.profiles.extend((!profile.is_empty()).then(|| profile.to_owned()));
        let read = Skaffold::read("skaffold.yaml", text, options, &Catalog::new());
        let skaffold = read.unwrap_or_else(|error| panic!("v{version}: {}", error.report()));
        assert_eq!(trees(&skaffold.effective(Path::new("/cwd")).unwrap()), trees(said), "v{version}");
        versions.push(version);
    }
    versions.dedup();
    assert_eq!(versions.len(), 72);
}

#[test]
fn a_truth_value_may_be_any_word_of_yaml_11_also_in_quotes() {
    // Go decides by the field, not by how the word is written (yaml.v3, decode.go).
    for (word, value) in [("yes", true), ("'yes'", true), ("\"On\"", true), ("n", false), ("'off'", false)] {
        let text =
            format!("apiVersion: skaffold/v4beta14\nkind: Config\nbuild: {{local: {{push: {word}}}}}\n");
        let skaffold = Skaffold::read("skaffold.yaml", &text, Options::default(), &catalog());
        let effective = trees(&skaffold.unwrap().effective(Path::new("/a")).unwrap());
        assert_eq!(effective[0]["build"]["local"]["push"], value, "{word}");
    }
}
