//! The form of container-structure-test's files, schema 2.0.0 (container-structure-test, pkg/types/v2).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, Visitor},
};

use super::pattern::Pattern;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TestFile {
    /// Checked before the rest is read.
    #[serde(rename = "schemaVersion")]
    _schema_version: String,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) global_env_vars: Vec<Setting>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) command_tests: Vec<CommandTest>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) file_content_tests: Vec<FileContentTest>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) file_existence_tests: Vec<FileExistenceTest>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) license_tests: Vec<LicenseTest>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) metadata_test: MetadataTest,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) container_run_options: RunOptions,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CommandTest {
    pub(super) name: Filled,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) setup: Vec<Words>,
    /// What the real tool does not run either, with containers: each test has one of its own.
    #[serde(default, deserialize_with = "or_null", rename = "teardown")]
    _teardown: Vec<Words>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) env_vars: Vec<FilledSetting>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) exit_code: i32,
    pub(super) command: Filled,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) args: Vec<String>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) expected_output: Vec<Pattern>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) excluded_output: Vec<Pattern>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) expected_error: Vec<Pattern>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) excluded_error: Vec<Pattern>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FileExistenceTest {
    pub(super) name: Filled,
    pub(super) path: Filled,
    #[serde(default = "yes", deserialize_with = "truth")]
    pub(super) should_exist: bool,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) permissions: String,
    /// -1 is any, as in the real tool.
    #[serde(default)]
    pub(super) uid: Option<i64>,
    #[serde(default)]
    pub(super) gid: Option<i64>,
    #[serde(default)]
    pub(super) is_executable_by: Option<ExecutableBy>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) enum ExecutableBy {
    Owner,
    Group,
    Other,
    Any,
    /// As when it is not there.
    #[serde(rename = "")]
    Unsaid,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FileContentTest {
    pub(super) name: Filled,
    pub(super) path: Filled,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) expected_contents: Vec<Pattern>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) excluded_contents: Vec<Pattern>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MetadataTest {
    #[serde(default, deserialize_with = "or_null")]
    pub(super) env_vars: Vec<Expectation>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) unbound_env_vars: Vec<Setting>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) exposed_ports: Vec<Filled>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) unexposed_ports: Vec<String>,
    /// An empty list is an expectation too.
    #[serde(default)]
    pub(super) entrypoint: Option<Vec<String>>,
    #[serde(default)]
    pub(super) cmd: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) workdir: String,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) volumes: Vec<Filled>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) unmounted_volumes: Vec<String>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) labels: Vec<Expectation>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) user: String,
}

impl MetadataTest {
    /// Returns whether nothing is expected, so that there is no test.
    pub(super) fn is_empty(&self) -> bool {
        let lists = [self.env_vars.len(), self.labels.len(), self.unbound_env_vars.len()];
        let names = [self.exposed_ports.len(), self.volumes.len()];
        let not = [self.unexposed_ports.len(), self.unmounted_volumes.len()];
        let texts = [self.workdir.len(), self.user.len()];
        let counts = lists.iter().chain(&names).chain(&not).chain(&texts);
        counts.sum::<usize>() == 0 && self.entrypoint.is_none() && self.cmd.is_none()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LicenseTest {
    #[serde(default, deserialize_with = "truth")]
    pub(super) debian: bool,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) files: Vec<String>,
}

/// How a command's container is made. What no runner can be asked for is refused where it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RunOptions {
    #[serde(default, deserialize_with = "never_user", rename = "user")]
    _user: (),
    #[serde(default, deserialize_with = "never_privileged", rename = "privileged")]
    _privileged: (),
    #[serde(default, deserialize_with = "never_terminal", rename = "allocateTty")]
    _allocate_tty: (),
    #[serde(default, deserialize_with = "never_capabilities", rename = "capabilities")]
    _capabilities: (),
    /// Names of variables of the context's environment.
    #[serde(default, deserialize_with = "or_null")]
    pub(super) env_vars: Vec<String>,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) env_file: String,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) bind_mounts: Vec<BindMount>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    pub(super) key: String,
    #[serde(default, deserialize_with = "or_null")]
    pub(super) value: String,
    /// Known to the real tool for every variable, and of no effect here.
    #[serde(default, deserialize_with = "truth", rename = "isRegex")]
    _is_regex: bool,
}

/// A variable of one test, of which the real tool wants both parts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilledSetting {
    pub(super) key: Filled,
    pub(super) value: Filled,
    #[serde(default, deserialize_with = "truth", rename = "isRegex")]
    _is_regex: bool,
}

/// A variable or label that is expected, and its value.
#[derive(Debug, Deserialize)]
#[serde(try_from = "ExpectationDocument")]
pub(super) struct Expectation {
    pub(super) key: Filled,
    pub(super) value: Expected,
}

#[derive(Debug)]
pub(super) enum Expected {
    Text(String),
    Match(Pattern),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExpectationDocument {
    key: Filled,
    #[serde(default, deserialize_with = "or_null")]
    value: String,
    #[serde(default, deserialize_with = "truth")]
    is_regex: bool,
}

impl TryFrom<ExpectationDocument> for Expectation {
    type Error = String;

    fn try_from(document: ExpectationDocument) -> Result<Self, String> {
        let ExpectationDocument { key, value, is_regex } = document;
        let value = if is_regex { Expected::Match(value.try_into()?) } else { Expected::Text(value) };
        Ok(Self { key, value })
    }
}

/// A text that is not empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Filled(pub(super) String);

impl TryFrom<String> for Filled {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() { Err("it must not be empty") } else { Ok(Self(text)) }
    }
}

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command with its arguments.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct Words(pub(super) Vec<String>);

impl TryFrom<Vec<String>> for Words {
    type Error = &'static str;

    fn try_from(words: Vec<String>) -> Result<Self, Self::Error> {
        if words.is_empty() { Err("a command has no program") } else { Ok(Self(words)) }
    }
}

/// `SOURCE:TARGET` or `SOURCE:TARGET:ro`, as Docker's option `--volume` has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(super) struct BindMount {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) read_only: bool,
}

impl TryFrom<String> for BindMount {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (source, target, read_only) = match text.split(':').collect::<Vec<_>>()[..] {
            [source, target] | [source, target, "rw"] => (source, target, false),
            [source, target, "ro"] => (source, target, true),
            [_, _, option] => {
                return Err(format!("a runner cannot be asked for the mount option `{option}`"));
            }
            _ => return Err(format!("`{text}` is not `SOURCE:TARGET` or `SOURCE:TARGET:ro`")),
        };
        if !source.starts_with('/') || !target.starts_with('/') {
            return Err(format!("`{text}` names a path that is not absolute"));
        }
        Ok(Self { source: source.to_owned(), target: target.to_owned(), read_only })
    }
}

fn yes() -> bool {
    true
}

/// Reads a value that may be `null`, which is the default to Go.
fn or_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// Reads a truth value, also by the words of YAML 1.1, which the real tool's reader takes.
fn truth<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    struct Word;
    impl Visitor<'_> for Word {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`true` or `false`")
        }

        fn visit_bool<E: Error>(self, truth: bool) -> Result<bool, E> {
            Ok(truth)
        }

        fn visit_str<E: Error>(self, word: &str) -> Result<bool, E> {
            match word {
                "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Ok(true),
                "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Ok(false),
                other => Err(E::custom(format!("`{other}` is neither `true` nor `false`"))),
            }
        }
    }
    from.deserialize_any(Word)
}

/// Refuses an option unless it has its default, which asks for nothing.
fn never<'de, T, D>(from: D, name: &str) -> Result<(), D::Error>
where
    T: Default + PartialEq + DeserializeOwned,
    D: Deserializer<'de>,
{
    if or_null::<D, T>(from)? == T::default() {
        return Ok(());
    }
    Err(D::Error::custom(format!("a runner cannot be asked for `{name}`")))
}

fn never_user<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    never::<String, D>(from, "user")
}

fn never_privileged<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    never::<Truth, D>(from, "privileged")
}

fn never_terminal<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    never::<Truth, D>(from, "allocateTty")
}

fn never_capabilities<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    never::<Vec<String>, D>(from, "capabilities")
}

#[derive(Default, Deserialize, PartialEq)]
struct Truth(#[serde(deserialize_with = "truth")] bool);
