//! Projects that builders know by a file of theirs, of which there is none here yet.

use std::collections::BTreeMap;

use super::{
    folders::Folders,
    found::{ProjectKind, folder_of, name_of},
};

use ProjectKind::{Buildpacks, JibGradle, JibMaven, Ko};

/// How many files of Go are read to find out what is a program.
const MOST_READ: usize = 2_000;

/// Returns what could build a project that has this file (skaffold: build/jib/init.go, build/buildpacks/init.go).
///
/// Unlike Skaffold, Python needs no `Procfile`, and Jib's plug-in for Gradle counts.
pub(super) fn kinds(path: &str, mut text: impl FnMut() -> Option<String>) -> Vec<ProjectKind> {
    let mut has = |words: &str| text().is_some_and(|text| text.contains(words));
    match name_of(path) {
        "pom.xml" if has("jib-maven-plugin") => vec![JibMaven, Buildpacks],
        "pom.xml" => vec![Buildpacks],
        "build.gradle" | "build.gradle.kts" if has("com.google.cloud.tools.jib") => {
            vec![JibGradle, Buildpacks]
        }
        "build.gradle" | "build.gradle.kts" => vec![Buildpacks],
        "package.json" | "project.toml" | "requirements.txt" => vec![Buildpacks],
        name if name.ends_with(".csproj") => vec![Buildpacks],
        _ => Vec::new(),
    }
}

/// Returns the modules of Go (`go.mod`) that have a program, with what could build them.
pub(super) fn programs(
    folders: &Folders,
    text: impl Fn(&str) -> Option<String>,
) -> Vec<(String, Vec<ProjectKind>)> {
    let modules = folders.files.iter().filter(|path| name_of(path) == "go.mod");
    let mut programs: BTreeMap<&str, bool> = modules.map(|path| (folder_of(path), false)).collect();
    if programs.is_empty() {
        return Vec::new();
    }
    let mut read = 0;
    for path in folders.files.iter().filter(|path| path.ends_with(".go") && !path.ends_with("_test.go")) {
        let Some(module) = nearest(path, |folder| programs.contains_key(folder)) else { continue };
        if programs[module] || read >= MOST_READ {
            continue;
        }
        read += 1;
        if text(path).is_some_and(|text| is_main(&text)) {
            programs.insert(module, true);
        }
    }
    let path =
        |folder: &str| if folder.is_empty() { "go.mod".to_owned() } else { format!("{folder}/go.mod") };
    let found = programs.into_iter().filter(|(_, program)| *program);
    found.map(|(folder, _)| (path(folder), vec![Ko, Buildpacks])).collect()
}

/// Returns the nearest folder above a file that is wanted.
fn nearest(path: &str, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    let mut folder = folder_of(path);
    loop {
        if wanted(folder) {
            return Some(folder);
        }
        if folder.is_empty() {
            return None;
        }
        folder = folder_of(folder);
    }
}

/// Returns whether a file of Go is of the package `main`; comments may stand before that.
fn is_main(text: &str) -> bool {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    loop {
        let after = if rest.starts_with("//") {
            rest.split_once('\n').map(|(_, after)| after)
        } else if rest.starts_with("/*") {
            rest.split_once("*/").map(|(_, after)| after)
        } else {
            break;
        };
        let Some(after) = after else { return false };
        rest = after.trim_start();
    }
    let name = rest.strip_prefix("package").filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim_start);
    let name = name.and_then(|rest| rest.split(|c: char| c.is_whitespace() || c == ';' || c == '/').next());
    name == Some("main")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_are_known_by_their_files() {
        for (path, text, expected) in [
            ("a/pom.xml", "<artifactId>jib-maven-plugin</artifactId>", &[JibMaven, Buildpacks][..]),
            ("pom.xml", "<project/>", &[Buildpacks]),
            ("build.gradle.kts", "id(\"com.google.cloud.tools.jib\")", &[JibGradle, Buildpacks]),
            ("build.gradle", "", &[Buildpacks]),
            ("web/package.json", "", &[Buildpacks]),
            ("Shop.csproj", "", &[Buildpacks]),
            ("go.mod", "", &[]),
            ("package-lock.json", "", &[]),
        ] {
            assert_eq!(kinds(path, || Some(text.to_owned())), expected, "{path}");
        }
        assert_eq!(kinds("pom.xml", || None), [Buildpacks]);
    }

    #[test]
    fn a_package_is_main_by_its_clause() {
        for (text, expected) in [
            ("package main\n", true),
            ("// why\n\n/* package a\n*/ //x\npackage\tmain // it is\n", true),
            ("package main;import \"fmt\"", true),
            ("package mainly\n", false),
            ("package a\n// package main\n", false),
            ("packagemain", false),
            ("/* package main", false),
            ("// package main", false),
            ("", false),
        ] {
            assert_eq!(is_main(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_module_has_a_program_where_a_package_of_its_own_is_main() {
        let all = [
            ("go.mod", ""),
            ("lib.go", "package shop"),
            ("tool/go.mod", ""),
            ("tool/cmd/tool/main.go", "package main"),
            ("tool/lib/go.mod", ""),
            ("tool/lib/main_test.go", "package main"),
        ];
        let files = all.iter().map(|(path, _)| (*path).to_owned()).collect();
        let folders = Folders { files, ..Folders::default() };
        let text = |path: &str| all.iter().find(|one| one.0 == path).map(|one| one.1.to_owned());
        assert_eq!(programs(&folders, text), [("tool/go.mod".to_owned(), vec![Ko, Buildpacks])]);
    }
}
