//! Where a Dockerfile's variables get their values: the platforms, `ARG` and what was given for it.

use std::collections::BTreeMap;

use shipway_core::{Platform, Result};

use crate::dockerfile::{Expanded, Variables};

/// What BuildKit tells of a platform in a variable each, after `TARGET` and `BUILD`.
pub(super) const PLATFORM_WORDS: [&str; 5] = ["PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT"];

/// Variables that may be given although no `ARG` names them (BuildKit, "predefined ARGs").
const GIVEN: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "TARGETSTAGE"];

pub(super) fn is_predefined(name: &str) -> bool {
    let upper = name.to_uppercase();
    let of_platform =
        |prefix: &str| name.strip_prefix(prefix).is_some_and(|word| PLATFORM_WORDS.contains(&word));
    GIVEN.contains(&upper.as_str())
        || name.starts_with("BUILDKIT_")
        || of_platform("TARGET")
        || of_platform("BUILD")
}

/// Returns the variables that are there before any `ARG`.
pub(super) fn predefined(
    escape: char,
    args: &BTreeMap<String, String>,
    wanted: &Platform,
    stage: &str,
) -> Variables {
    let mut variables = Variables::new(escape, true);
    let mut set = |name: String, value: String| {
        let value = args.get(&name).cloned().unwrap_or(value);
        variables.set(&name, Expanded { value, sure: true });
    };
    for (prefix, platform) in [("TARGET", wanted), ("BUILD", &Platform::linux_here())] {
        let values = [
            platform.to_string(),
            platform.os.clone(),
            String::new(),
            platform.architecture.clone(),
            platform.variant.clone().unwrap_or_default(),
        ];
        for (name, value) in PLATFORM_WORDS.into_iter().zip(values) {
            set(format!("{prefix}{name}"), value);
        }
    }
    set("TARGETSTAGE".to_owned(), stage.to_owned());
    variables
}

/// Declares `ARG`s: the given value, else the default, else that from before `FROM`.
pub(super) fn set_args(
    variables: &mut Variables,
    args: &BTreeMap<String, String>,
    global: Option<&Variables>,
    list: &[(String, Option<String>)],
) -> Result<()> {
    let sure = |value: &str| Expanded { value: value.to_owned(), sure: true };
    for (name, default) in list {
        let value = match (args.get(name), default) {
            (Some(given), _) => Some(sure(given)),
            (None, Some(default)) => Some(variables.expand(default)?),
            (None, None) => global.and_then(|global| global.get(name)).map(sure),
        };
        if let Some(value) = value {
            variables.set(name, value);
        }
    }
    Ok(())
}

/// Sets the variables of an image's environment.
pub(super) fn set_environment(variables: &mut Variables, env: &[String]) {
    for pair in env {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        variables.set(name, Expanded { value: value.to_owned(), sure: true });
    }
}
