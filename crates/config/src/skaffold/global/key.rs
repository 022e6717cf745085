//! The keys of a global configuration.

use std::{fmt, str::FromStr};

use shipway_core::{Error, Result, did_you_mean};

use crate::skaffold::image_name;

/// What a user can say once for all projects: a key of Skaffold's global configuration, such as `default-repo`.
///
/// ```
/// use shipway_config::GlobalKey;
///
/// let key: GlobalKey = "default-repo".parse()?;
/// assert!(key.has_effect() && !"collect-metrics".parse::<GlobalKey>()?.has_effect());
/// let error = "default-rep".parse::<GlobalKey>().unwrap_err().report().to_string();
/// assert_eq!(error, "there is no key `default-rep`\n  hint: did you mean `default-repo`?");
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalKey(&'static Row);

/// A key, what it holds, and whether anything here reads it.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: &'static str,
    form: Form,
    has_effect: bool,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Repository,
    Text,
    Flag,
    /// Texts, of which each that is set is one more.
    List,
}

/// The keys that can be set, as Skaffold has them (config/global_config.go). `survey` and `update` are mappings, which its
/// command does not set either.
const KEYS: [Row; 9] = [
    row("default-repo", Form::Repository, true),
    row("multi-level-repo", Form::Flag, true),
    row("local-cluster", Form::Flag, true),
    row("insecure-registries", Form::List, true),
    row("kind-disable-load", Form::Flag, true),
    row("k3d-disable-load", Form::Flag, true),
    row("debug-helpers-registry", Form::Text, false),
    row("update-check", Form::Flag, false),
    row("collect-metrics", Form::Flag, false),
];

const fn row(name: &'static str, form: Form, has_effect: bool) -> Row {
    Row { name, form, has_effect }
}

impl GlobalKey {
    /// Returns every key.
    pub fn all() -> impl Iterator<Item = Self> {
        KEYS.iter().map(Self)
    }

    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns whether anything here goes by it. What has no effect is for Skaffold, which reads the same file.
    #[must_use]
    pub fn has_effect(self) -> bool {
        self.0.has_effect
    }

    pub(super) fn form(self) -> Form {
        self.0.form
    }

    /// Returns a value as it is written, if it is one of this key.
    pub(super) fn value(self, text: &str) -> Result<String> {
        let name = self.name();
        match self.form() {
            Form::Flag => match text {
                // Go's `strconv.ParseBool`.
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true".to_owned()),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false".to_owned()),
                _ => Err(Error::config(format!("`{text}` is no value of `{name}`"))
                    .hint("it is `true` or `false`")),
            },
            Form::Repository if image_name::below(text, Some(true), "web").is_err() => {
                Err(Error::config(format!("`{text}` is no repository that images can go below"))
                    .hint("write it as `registry.example/team`"))
            }
            _ => Ok(text.to_owned()),
        }
    }
}

impl FromStr for GlobalKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(key) = Self::all().find(|key| key.name() == text) {
            return Ok(key);
        }
        let error = Error::config(format!("there is no key `{text}`"));
        Err(match did_you_mean(text, KEYS.iter().map(|key| key.name)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => {
                let names: Vec<String> = KEYS.iter().map(|key| format!("`{}`", key.name)).collect();
                error.hint(format!("there are {}", names.join(", ")))
            }
        })
    }
}

impl fmt::Display for GlobalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
