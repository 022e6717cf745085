//! Real files beside what Skaffold itself makes of them (`skaffold diagnose --yaml-only`): both become the
//! same pipeline.

use std::{collections::BTreeMap, env, fs, path::Path};

use shipway_config::{Options, Skaffold, Trust};
use shipway_core::ErrorKind;

use crate::{
    recorded::{catalog, show},
    skip::skip,
};

/// The variables that a file's templates name, which the corpus was read without.
fn declared(mut options: Options, text: &str) -> Options {
    for after in text.split("{{").skip(1) {
        for name in after.split("}}").next().unwrap_or_default().split('.').skip(1) {
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            options = options.env(&name[..end], "x");
        }
    }
    options
}

/// A file's pipeline as text, without places; or the kind of its error.
fn read(name: &str, text: &str, options: &Options) -> Result<String, (ErrorKind, String)> {
    let options = declared(options.clone().trust(Trust::Full), text);
    let loaded = Skaffold::read(name, text, options, &catalog())
        .and_then(|skaffold| skaffold.pipeline(&catalog()))
        .map_err(|error| (error.kind(), error.report().to_string()))?;
    let shown: String = show(&loaded)
        .lines()
        .filter(|line| !line.starts_with("notice ") && !line.starts_with("profiles "))
        .map(|line| format!("{line}\n"))
        .collect();
    // Skaffold writes absolute paths, and its defaults out.
    // Where a path begins after it without a `/`, the corpus lost that.
    let mut parts = shown.split("$CWD");
    let first = parts.next().unwrap_or_default().to_owned();
    let shown = parts.fold(first, |text, rest| match rest.strip_prefix('/') {
        Some(below) => text + below,
        None if rest.starts_with(char::is_alphanumeric) => text + rest,
        None => text + "." + rest,
    });
    let shown = shown.replace("\"./", "\"").replace(" in ./", " in ");
    let shown = shown.replace(r#","dependencies":{"paths":["."]}"#, "");
    Ok(shown
        .replace(r#""dockerfile":"Dockerfile","#, "")
        .replace(r#"{"dockerfile":"Dockerfile"}"#, "{}")
        .replace(r#","dockerfile":"Dockerfile""#, ""))
}

/// Compares a folder's files; returns how many were the same, and what was refused why.
fn compare(folder: &Path) -> (usize, BTreeMap<String, usize>) {
    let (mut same, mut refused) = (0, BTreeMap::new());
    let mut names: Vec<_> =
        fs::read_dir(folder.join("effective")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for effective in names {
        let stem = effective.file_stem().unwrap().to_str().unwrap();
        let (file, profile) = stem.split_once('@').unwrap_or((stem, ""));
        let Ok(text) = fs::read_to_string(folder.join(format!("in/{file}.yaml"))) else { continue };
        let expected = fs::read_to_string(&effective).unwrap();
        if effective.extension().is_some_and(|extension| extension == "error") {
            let refused = read(stem, &text, &Options::default());
            assert!(refused.is_err(), "{stem} is read, but Skaffold says: {expected}");
            continue;
        }
        if expected.contains("$ROOT") || expected.contains("kaniko:") {
            // A path out of the file's folder, which Skaffold made absolute; and defaults of kaniko that are other ones here.
            continue;
        }
        let mut options = Options::default().auto_activation(false).name("app");
        options.profiles.extend((!profile.is_empty()).then(|| profile.to_owned()));
        let plain = Options::default().auto_activation(false).name("app");
        match (read(stem, &text, &options), read(stem, &expected, &plain)) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours, theirs, "{stem}");
                same += 1;
            }
            (Err((ErrorKind::Unsupported, why)), _) => {
                let why = why.split_once(": ").map_or(why.as_str(), |(_, why)| why);
                *refused.entry(why.lines().next().unwrap().to_owned()).or_default() += 1;
            }
            (ours, theirs) => panic!("{stem}: {ours:?}\n{theirs:?}"),
        }
    }
    (same, refused)
}

#[test]
fn examples_mean_what_skaffold_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/skaffold/examples");
    let (same, refused) = compare(&folder);
    // Whoever reads more of them moves the count.
    assert_eq!(same, 40, "refused: {refused:#?}");
}

#[test]
fn files_of_public_repositories_mean_what_skaffold_says() {
    let Some(corpus) = env::var_os("SHIPWAY_CORPUS") else {
        skip("config::files_of_public_repositories_mean_what_skaffold_says", "SHIPWAY_CORPUS");
        return;
    };
    let (same, refused) = compare(&Path::new(&corpus).join("skaffold/public"));
    assert!(same >= 8, "only {same} are the same, refused: {refused:#?}");
}
