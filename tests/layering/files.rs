//! What files may be called and hold.

use serde_json::Value;

/// Words that say no subject.
const NAMELESS: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "misc", "manager", "managers"];

const MOST_LINES: usize = 600;

/// Says which paths have a part that names no subject.
pub(crate) fn nameless<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let nameless = |name: &&str| name.split(['/', '.', '_', '-']).any(|word| NAMELESS.contains(&word));
    let say = |name| format!("{name}: the name says no subject; call it by what it is about");
    names.into_iter().filter(nameless).map(say).collect()
}

/// Says which sources, given by their count of lines, have more than one subject's worth.
pub(crate) fn long(sources: impl IntoIterator<Item = (usize, String)>) -> Vec<String> {
    let say = |(lines, name)| format!("{name}: {lines} lines, more than {MOST_LINES}; split it by subject");
    sources.into_iter().filter(|(lines, _)| *lines > MOST_LINES).map(say).collect()
}

/// Says where documentation has a fence that is not even compiled.
pub(crate) fn ignored_fences(files: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let mut breaches = Vec::new();
    for (text, name) in files {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let line =
                ["///", "//!", "*", ">"].iter().find_map(|sign| line.strip_prefix(sign)).unwrap_or(line);
            let fence = line.trim_start();
            let mark = fence.strip_prefix("```").or_else(|| fence.strip_prefix("~~~"));
            let Some(words) = mark else { continue };
            if words.split(|c: char| !c.is_alphanumeric()).any(|word| word == "ignore") {
                let number = number + 1;
                breaches.push(format!(
                    "{name}:{number}: an `ignore` fence is never compiled; use `no_run` or `text`"
                ));
            }
        }
    }
    breaches
}

/// Returns the example targets of `cargo metadata` by their paths from the root.
pub(crate) fn targets(metadata: &Value, root: &str) -> Vec<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().unwrap());
    targets
        .filter(|target| target["kind"] == serde_json::json!(["example"]))
        .filter_map(|target| target["src_path"].as_str()?.strip_prefix(root)?.strip_prefix('/'))
        .map(str::to_owned)
        .collect()
}

/// Says which sources below `examples/` belong to no target: neither one themselves nor beside a
/// `main.rs` that is one.
pub(crate) fn unbuilt<'a>(files: impl IntoIterator<Item = &'a str>, targets: &[String]) -> Vec<String> {
    let built = |name: &str| {
        let folder = name.split('/').take(2).collect::<Vec<_>>().join("/");
        let main = format!("{folder}/main.rs");
        targets.iter().any(|target| *target == name || *target == main)
    };
    let sources = files.into_iter().filter(|name| name.ends_with(".rs"));
    sources
        .filter(|name| !built(name))
        .map(|name| format!("{name}: no example of cargo's builds this"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_without_a_subject_is_a_breach() {
        let wrong = [
            "a/util.rs",
            "common/mod.rs",
            "src/file_utils.rs",
            "crates/shipway-helpers/src/lib.rs",
            "misc.sh",
        ];
        assert_eq!(nameless(wrong).len(), wrong.len());
        assert_eq!(nameless(["src/utility_pole.rs", "src/commons/image.rs", "README.md"]), [""; 0]);
    }

    #[test]
    fn a_long_source_is_a_breach() {
        let breaches = long([(600, "short.rs".to_owned()), (601, "long.rs".to_owned())]);
        assert!(matches!(&*breaches, [breach] if breach.starts_with("long.rs: 601 lines")), "{breaches:?}");
    }

    #[test]
    fn a_fence_that_is_not_compiled_is_a_breach() {
        let file = |text: &str| ignored_fences([(text.to_owned(), "a.rs".to_owned())]);
        for text in
            ["/// ```ignore", "    //! ```rust,ignore", "```ignore", " * ~~~ rust, ignore", "/// ````ignore"]
        {
            assert!(file(&format!("line\n{text}\n"))[0].starts_with("a.rs:2:"), "{text}");
        }
        for text in
            ["/// ```", "/// ```no_run", "/// ignore", "```text", "let a = \"```ignore\";", "```ignored"]
        {
            assert_eq!(file(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn an_example_that_cargo_does_not_build_is_a_breach() {
        let target = |path: &str, kind: &str| json!({ "kind": [kind], "src_path": path });
        let metadata = json!({ "packages": [{ "targets": [
            target("/w/src/lib.rs", "lib"), target("/w/examples/quickstart.rs", "example"),
            target("/w/examples/shop/main.rs", "example"),
        ] }] });
        let targets = targets(&metadata, "/w");
        assert_eq!(targets, ["examples/quickstart.rs", "examples/shop/main.rs"]);
        let files = [
            "examples/quickstart.rs",
            "examples/shop/main.rs",
            "examples/shop/cart.rs",
            "examples/shop/Dockerfile",
        ];
        assert_eq!(unbuilt(files, &targets), [""; 0]);
        assert_eq!(unbuilt(["examples/loose.rs", "examples/parts/cart.rs"], &targets).len(), 2);
    }
}
