//! What helm says when it fails, as an error with what a program should do about it.

use shipway_core::{Error, ErrorKind};

/// The most that is told of helm's own words.
const MOST: usize = 2000;

/// Parts of helm's and the API server's words (helm: `pkg/action`), what they mean, and what to do.
const SAID: [(&str, ErrorKind, &str); 24] = [
    (
        "another operation (install/upgrade/rollback) is in progress",
        ErrorKind::Conflict,
        "wait until it has ended, and plan again",
    ),
    ("release: already exists", ErrorKind::Conflict, "somebody else works on the release: plan again"),
    ("cannot re-use a name", ErrorKind::Conflict, "somebody else works on the release: plan again"),
    (
        "invalid ownership metadata",
        ErrorKind::Conflict,
        "remove what is there, give the release another name, or take it with `forceConflicts`",
    ),
    (
        "cannot be imported into the current release",
        ErrorKind::Conflict,
        "remove what is there, give the release another name, or take it with `forceConflicts`",
    ),
    (
        "conflict occurred while applying",
        ErrorKind::Conflict,
        "ask who owns the field, or take it with `forceConflicts`",
    ),
    ("Apply failed with", ErrorKind::Conflict, "ask who owns the field, or take it with `forceConflicts`"),
    ("hooks failed", ErrorKind::ToolFailed, "look at the hook's pod"),
    (
        "timed out waiting",
        ErrorKind::Unhealthy,
        "look at what the release waits for, or set `--timeout` in `flags.upgrade`",
    ),
    (
        "context deadline exceeded",
        ErrorKind::Unhealthy,
        "look at what the release waits for, or set `--timeout` in `flags.upgrade`",
    ),
    ("cluster unreachable", ErrorKind::Unavailable, "see whether the cluster answers"),
    ("connection refused", ErrorKind::Unavailable, "see whether the cluster answers"),
    ("Unauthorized", ErrorKind::Auth, "log in again"),
    ("is forbidden", ErrorKind::Auth, "ask for a role that allows it"),
    ("execution error at", ErrorKind::Config, "give the chart the values that it asks for"),
    ("values don't meet the specifications", ErrorKind::Config, "give the chart the values that it asks for"),
    ("parse error at", ErrorKind::Config, "correct the chart's template"),
    ("error calling", ErrorKind::Config, "correct the chart's template, or its values"),
    ("executing \"", ErrorKind::Config, "correct the chart's template, or its values"),
    ("Chart.yaml file is missing", ErrorKind::Config, "name the folder that has `Chart.yaml`"),
    ("chart requires kubeVersion", ErrorKind::Config, "use a chart for this cluster's version"),
    ("unable to build kubernetes objects", ErrorKind::Config, "correct what the chart's templates give"),
    ("error validating", ErrorKind::Config, "correct what the chart's templates give"),
    ("unknown flag", ErrorKind::Config, "see whether this version of helm has the flag"),
];

/// Returns the error for what helm wrote when it ended with this code.
pub(super) fn failed(what: &str, code: i32, said: &str) -> Error {
    let said = own_words(said);
    let known = SAID.iter().find(|(part, ..)| said.contains(part));
    let kind = known.map_or(ErrorKind::ToolFailed, |(_, kind, _)| *kind);
    let error = Error::new(kind, format!("`helm {what}` failed with exit code {code}"))
        .retry(kind == ErrorKind::Unavailable);
    let error = if said.is_empty() { error } else { error.note(said) };
    match known {
        Some((.., hint)) => error.hint(*hint),
        None => error,
    }
}

/// Returns what follows helm's last `Error:`, without what it repeats of itself.
fn own_words(said: &str) -> String {
    let own = said.rfind("Error: ").and_then(|at| said.get(at + 7..)).unwrap_or(said);
    let mut own = own.trim();
    for prefix in ["UPGRADE FAILED: ", "INSTALLATION FAILED: ", "failed to install CRD "] {
        own = own.strip_prefix(prefix).unwrap_or(own);
    }
    let own = own.replace("\n\nUse --debug flag to render out invalid YAML", "");
    own[..own.floor_char_boundary(MOST)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helms_words_say_what_to_do() {
        for (said, kind, note) in [
            (
                "WARNING: x\nError: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
                ErrorKind::Conflict,
                "another operation (install/upgrade/rollback) is in progress",
            ),
            (
                "Error: execution error at (c/templates/a.yaml:1:2): image is needed\n\nUse --debug flag to render out invalid YAML\n",
                ErrorKind::Config,
                "execution error at (c/templates/a.yaml:1:2): image is needed",
            ),
            (
                "Error: INSTALLATION FAILED: failed pre-install: 1 error occurred:\n\t* timed out waiting for the condition",
                ErrorKind::Unhealthy,
                "failed pre-install: 1 error occurred:\n\t* timed out waiting for the condition",
            ),
            ("panic", ErrorKind::ToolFailed, "panic"),
        ] {
            let error = failed("upgrade", 1, said);
            assert_eq!((error.kind(), error.report().notes.as_slice()), (kind, &[note.to_owned()][..]));
        }
        assert!(failed("upgrade", 1, "").report().notes.is_empty());
    }
}
