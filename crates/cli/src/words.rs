//! What a person is told on standard error: errors and warnings, with the line of the file that they speak of.
//!
//! A line may hold a secret, so lines are shown of configurations alone: of the file that the command line names, of
//! `skaffold.yaml` and other files of its form, of Dockerfiles and of structure tests. Those of manifests, which may be
//! Secrets, and of files with logins are not.

use std::{
    panic,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, MutexGuard, PoisonError},
};

use shipway::{
    Error,
    config::Notice,
    report::{excerpt, explain_error},
};

use crate::{plain::plain, say, warn, world};

/// The configurations that the command line names; with its text one that came from a pipe, which cannot be read twice.
static NAMED: Mutex<Vec<(PathBuf, Option<String>)>> = Mutex::new(Vec::new());

/// Notes that the command line names a configuration, whose lines may be shown.
pub(crate) fn named(file: &Path, stream: Option<&str>) {
    known().push((file.to_owned(), stream.map(str::to_owned)));
}

/// Tells an error; the word says what it was.
pub(crate) fn tell_error(word: &str, error: &Error) {
    warn(&format!("{word}: {}", explain_error(error.report(), text, world::columns())));
}

/// Has a panic say whose fault it is; one of the main thread ends with 101.
pub(crate) fn tell_defects() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        usual(panic);
        warn("this is a defect of shipway: please report it, with what stands above");
    }));
}

/// Tells what is wrong with a command line, or the help that it asks for; it may hold whatever was typed.
pub(crate) fn tell_usage(error: &clap::Error) -> ExitCode {
    let text = plain(&error.render().to_string());
    if error.use_stderr() {
        warn(text.trim_end());
        return ExitCode::from(2);
    }
    match say(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell_error("error", &error);
            ExitCode::from(1)
        }
    }
}

/// Tells warnings.
pub(crate) fn tell_warnings(notices: &[Notice]) {
    for notice in notices {
        warn(&format!("warning: {notice}"));
        let text = text(&notice.location.file);
        if let Some(line) = text.and_then(|text| excerpt(&notice.location, &text, world::columns())) {
            warn(&line);
        }
    }
}

/// Returns the text of a file whose lines may be shown.
fn text(file: &Path) -> Option<String> {
    let named = known().iter().find(|(named, _)| named == file).cloned();
    let is_named = named.is_some();
    let text = match named {
        Some((_, Some(stream))) => stream,
        // Reading a pipe would wait for whoever writes it.
        _ if !file.is_file() => return None,
        _ => world::text(file, "--filename").ok()?,
    };
    may_be_shown(file, &text, is_named).then_some(text)
}

fn known() -> MutexGuard<'static, Vec<(PathBuf, Option<String>)>> {
    NAMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether a file is a configuration, which the command line names, or which its name or its text gives away.
fn may_be_shown(file: &Path, text: &str, is_named: bool) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let part = |word: &str| name.split(['.', '-']).any(|part| part == word);
    let is_called_so = matches!(&*name, "skaffold.yaml" | "skaffold.yml" | ".dockerignore")
        || part("Dockerfile")
        || part("Containerfile");
    let begins = |word: &str| text.lines().any(|line| line.starts_with(word));
    let is_of_the_form = begins("apiVersion: skaffold/") || begins("schemaVersion:");
    (is_named || is_called_so || is_of_the_form) && !begins("kind: Secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_configurations_are_shown() {
        for (name, text, expected) in [
            ("skaffold.yaml", "", true),
            ("a/b.Dockerfile", "", true),
            ("Dockerfile.dev", "", true),
            ("other.yaml", "# ours\napiVersion: skaffold/v2beta29\n", true),
            ("test.yaml", "schemaVersion: 2.0.0\n", true),
            ("secret.yaml", "apiVersion: v1\nkind: Secret\n", false),
            ("secret.yaml", "apiVersion: v1\nstringData:\n  schemaVersion: 2\n", false),
            ("both.yaml", "apiVersion: skaffold/v1\n---\nkind: Secret\n", false),
            ("config.json", "{\"auths\": {}}", false),
            (".kube/config", "apiVersion: v1\nkind: Config\n", false),
            ("Dockerfiles/config", "", false),
        ] {
            assert_eq!(may_be_shown(Path::new(name), text, false), expected, "{name}: {text}");
            let named = may_be_shown(Path::new(name), text, true);
            assert_eq!(named, !text.contains("kind: Secret"), "named {name}: {text}");
        }
    }
}
