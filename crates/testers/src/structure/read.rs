//! Reads test files, YAML or JSON, into their form; what is wrong is told with its place.

use serde::{Deserialize, de::DeserializeOwned};
use serde_saphyr::options::DuplicateKeyPolicy;
use shipway_core::{Error, Location, Result, did_you_mean};

use super::schema::TestFile;

/// The most bytes of a test file.
pub(super) const LIMIT: usize = 1024 * 1024;

/// Reads the test file that was called `path`.
///
/// # Errors
/// `Config` with the place.
pub(super) fn read(path: &str, text: &str) -> Result<TestFile> {
    let version: Version = document(path, text)?;
    match version.schema_version.as_deref() {
        Some("2.0.0") => document(path, text),
        version => {
            let error = match version {
                None | Some("") => Error::config("the test file names no `schemaVersion`"),
                Some(other) => Error::config(format!("the test file is of schema `{other}`")),
            };
            let hint = match version {
                // Its commands are lists, and it has no metadata test (container-structure-test, pkg/types/v1).
                Some("1.0.0") => {
                    "write `schemaVersion: 2.0.0`, and each `command: [program, …]` as `command: program` and `args`"
                }
                _ => "write `schemaVersion: 2.0.0`, which is the one that is read",
            };
            Err(error.at(Location::new(path, 0, 0)).hint(hint))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    #[serde(default)]
    schema_version: Option<String>,
}

fn document<T: DeserializeOwned>(path: &str, text: &str) -> Result<T> {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => serde_json::from_str(text).map_err(|error| json_error(path, &error)),
        Some("yaml" | "yml") => yaml(text).map_err(|error| yaml_error(path, &error)),
        // As the real tool, which goes by the name too.
        _ => Err(Error::config("a test file is neither YAML nor JSON by its name")
            .at(Location::new(path, 0, 0))
            .hint("call it `.yaml`, `.yml` or `.json`")),
    }
}

fn yaml<T: DeserializeOwned>(text: &str) -> Result<T, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        // As Go's yaml.v3 reads, but for the words of booleans, which are typed.
        strict_booleans: true,
        legacy_octal_numbers: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 64, max_nodes: 200_000 },
    };
    serde_saphyr::from_str_with_options(text, options)
}

fn yaml_error(path: &str, error: &serde_saphyr::Error) -> Error {
    let error = error.without_snippet();
    let number = |number: u64| usize::try_from(number).unwrap_or_default();
    let location = match error.location() {
        Some(place) => Location::new(path, number(place.line()), number(place.column())),
        None => Location::new(path, 0, 0),
    };
    yaml_problem(error).at(location)
}

fn yaml_problem(error: &serde_saphyr::Error) -> Error {
    match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            unknown(field, expected.iter().copied())
        }
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            Error::config(format!("`{variant}` is none of {}", listed(expected.iter().copied())))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            Error::config(format!("the key `{field}` is missing"))
        }
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            Error::config(format!("the key `{key}` is there twice"))
        }
        serde_saphyr::Error::Budget { .. } => Error::config("the test file holds more than one may"),
        serde_saphyr::Error::AliasError { error, .. } => yaml_problem(error.without_snippet()),
        serde_saphyr::Error::Message { msg, .. } => Error::config(msg.as_str()),
        other => {
            let text = other.to_string();
            let text = text.lines().next().unwrap_or_default();
            // The place is told already.
            let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
            Error::config(format!("the test file cannot be read: {text}"))
        }
    }
}

fn json_error(path: &str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    // The place stands at the end, and apart.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    // serde's own words for `deny_unknown_fields`.
    let words: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let error_without_place = match (text.starts_with("unknown field "), words.as_slice()) {
        (true, [field, expected @ ..]) => unknown(field, expected.iter().copied()),
        _ => Error::config(text),
    };
    error_without_place.at(Location::new(path, error.line(), error.column()))
}

fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    let error = Error::config(format!("the key `{key}` is unknown"));
    match did_you_mean(key, known.clone()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("known here are {}", listed(known))),
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.filter(|name| !name.is_empty()).map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
