//! What a file may say that is not read yet, as data: each field with what is lost by that.

use shipway_core::{Error, Location, Result};
use shipway_yaml::{Document, Node};

use crate::{
    Notice,
    path::{each_node, steps, take},
};

/// What a field that is not read does to a run.
enum Effect {
    /// The run comes out as the file says; a person is told this.
    Nothing(&'static str),
    /// The run would come out otherwise.
    Changes,
}

use Effect::{Changes, Nothing};

/// The fields, at their paths in the newest version.
const UNREAD: [(&str, Effect); 10] = [
    ("/portForward", Nothing("no port is forwarded yet")),
    ("/build/googleCloudBuild", Changes),
    ("/build/local/concurrency", Nothing("how much is built at once is for who runs the pipeline to say")),
    ("/build/local/tryImportMissing", Nothing("what is in a registry already is found there")),
    ("/build/local/useDockerCLI", Nothing("the engine is asked over its API, without a command line")),
    ("/build/artifacts/*/sync", Nothing("files are not synchronised yet; a run builds the image")),
    ("/build/artifacts/*/runtimeType", Nothing("nothing is debugged yet")),
    ("/test/*/structureTestsArgs", Changes),
    ("/deploy/helm/concurrency", Nothing("how much is deployed at once is for who runs the pipeline to say")),
    ("/deploy/logs", Nothing("each line of a log says its pod and container")),
];

/// Takes the fields that are not read out of a configuration. What is of no concern to the command, such as how
/// `build` would deploy, is taken without a word.
///
/// # Errors
/// `Unsupported` at the first field without which the run would come out otherwise; the others are notes.
pub(super) fn report(document: &mut Document, command: &str, notices: &mut Vec<Notice>) -> Result<()> {
    let mut lost = Vec::new();
    for (path, effect, key) in taken(&mut document.root) {
        if !concerns(path, command) {
            continue;
        }
        let location = document.location(key.span);
        match effect {
            Nothing(message) => {
                let message = format!("`{}` has no effect: {message}", name(path));
                notices.push(Notice::new(location, message));
            }
            Changes => lost.push((location, format!("`{}` is not supported yet", name(path)))),
        }
    }
    refuse(lost, |message, location| {
        Error::unsupported(message).at(location).hint("take it out, or activate a profile that does without")
    })
}

/// Refuses what was found, if anything was: the first in the file, with the others as notes.
pub(super) fn refuse(
    mut found: Vec<(Location, String)>,
    error: impl FnOnce(String, Location) -> Error,
) -> Result<()> {
    found.sort();
    let mut found = found.into_iter();
    let Some((location, message)) = found.next() else { return Ok(()) };
    Err(found.fold(error(message, location), |error, (location, message)| {
        error.note(format!("{location}: {message}"))
    }))
}

/// Returns the sections that are of concern to a command; all of them where absent.
pub(super) fn sections(command: &str) -> Option<&'static [&'static str]> {
    Some(match command {
        "build" => &["build"],
        "test" => &["build", "test"],
        "render" | "deploy" => &["build", "resourceSelector", "manifests", "deploy", "portForward"],
        "apply" => &["deploy", "portForward"],
        "verify" => &["build", "verify"],
        "exec" => &["build", "customActions"],
        _ => return None,
    })
}

/// Whether a field at this path is of concern to a command.
pub(super) fn concerns(path: &str, command: &str) -> bool {
    let Some(sections) = sections(command) else { return true };
    steps(path).first().is_some_and(|section| sections.contains(section))
}

fn taken(root: &mut Node) -> Vec<(&'static str, &'static Effect, Node)> {
    let mut found = Vec::new();
    for (path, effect) in &UNREAD {
        let Some((parents, last)) = path.rsplit_once('/') else { continue };
        each_node(root, parents, &mut |node| {
            if let Some((key, value)) = take(node, &[last])
                && !value.is_null()
            {
                found.push((*path, effect, key));
            }
        });
    }
    found
}

/// The path as people write it.
fn name(path: &str) -> String {
    steps(path).into_iter().filter(|step| *step != "*").collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_who_come_from_skaffold_are_told_of_each() {
        let page = include_str!("../../../../docs/coming-from-skaffold.md");
        let missing: Vec<String> = UNREAD
            .iter()
            .map(|(path, _)| name(path))
            .filter(|name| !page.contains(&format!("`{name}`")))
            .collect();
        assert_eq!(missing, [""; 0]);
    }
}
