//! The plan of the house, checked: which crate may stand on which, what stays apart inside the core,
//! and what files may be called and hold. Each rule is a pure function over data, tried with a layout
//! that breaks it; `this_checkout` applies them all to what is there.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test looks at the checkout")]

mod core_rooms;
mod files;
mod floors;
mod shells;

mod this_checkout {
    use std::{
        env, fs,
        path::{Path, PathBuf},
        process::Command,
    };

    use serde_json::Value;

    use crate::{core_rooms, files, floors, shells};

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn metadata() -> Value {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Lists the checkout's files below a folder by their path from the root, without what is built.
    fn files(folder: &str) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![root().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path: PathBuf = entry.unwrap().path();
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                if path.is_symlink() || [".git", "target"].contains(&name.as_str()) {
                    continue;
                }
                if path.is_dir() { folders.push(path) } else { files.push(name) }
            }
        }
        files.sort();
        files
    }

    fn text(name: &str) -> String {
        fs::read_to_string(root().join(name)).unwrap()
    }

    fn none(breaches: &[String]) {
        assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
    }

    #[test]
    fn crates_stand_on_lower_floors_only() {
        let packages = floors::packages(&metadata());
        assert!(packages.len() > 1, "found no packages");
        none(&floors::breaches(&packages));
    }

    #[test]
    fn the_cores_data_and_doors_do_not_know_its_machinery() {
        let lib = text("crates/core/src/lib.rs");
        let sources = files("crates/core/src");
        assert!(sources.len() > 10, "found no sources");
        let sources = sources.iter().map(|name| (name.trim_start_matches("crates/core/src/"), text(name)));
        none(&core_rooms::breaches(&lib, sources));
    }

    #[test]
    fn sources_have_a_subject_in_their_name() {
        let files = files("");
        // Only what we name ourselves: a fixture has its product's name, such as helm's `_helpers.tpl`.
        let sources: Vec<&str> =
            files.iter().map(String::as_str).filter(|name| name.ends_with(".rs")).collect();
        assert!(sources.contains(&"src/lib.rs"), "found no sources");
        none(&files::nameless(sources));
    }

    #[test]
    fn a_shell_is_started_in_one_place() {
        // The project's own tasks are no part of what is published.
        let ours =
            |name: &String| name.contains("/src/") && name.ends_with(".rs") && !name.contains("/xtask/");
        let sources: Vec<String> = files("crates").into_iter().filter(ours).collect();
        for may in shells::may() {
            assert!(sources.iter().any(|name| name == may), "there is no `{may}`");
        }
        none(&shells::unexpected(sources.into_iter().map(|name| (name.clone(), text(&name)))));
    }

    #[test]
    fn sources_are_short() {
        let sources =
            files("crates").into_iter().filter(|name| name.contains("/src/") && name.ends_with(".rs"));
        none(&files::long(sources.map(|name| (text(&name).lines().count(), name))));
    }

    #[test]
    fn what_documentation_shows_is_compiled() {
        let files = files("").into_iter().filter(|name| name.ends_with(".rs") || name.ends_with(".md"));
        none(&files::ignored_fences(files.map(|name| (text(&name), name))));
    }

    #[test]
    fn cargo_builds_every_example() {
        let metadata = metadata();
        let targets = files::targets(&metadata, root().to_str().unwrap());
        none(&files::unbuilt(files("examples").iter().map(String::as_str), &targets));
    }
}
