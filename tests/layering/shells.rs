//! Where a shell may be named: commands are lists of words, so that nothing in them is ever read as a script.

/// The sources that name a shell, and why they may.
const MAY: [(&str, &str); 7] = [
    ("crates/core/src/command.rs", "`Command::shell`, for what a user wrote for a shell"),
    ("crates/builders/src/kaniko/objects.rs", "our own scripts, which receive a context in the pod"),
    ("crates/builders/src/native/evaluate.rs", "the shell form of a Dockerfile is data of the image"),
    ("crates/cluster/src/job/transfer.rs", "our own scripts, by which files go to a pod and back"),
    ("crates/runners/src/kubernetes_job/objects.rs", "our own script, which becomes the command in the pod"),
    ("crates/testers/src/structure/command.rs", "the `setup` of a test runs in a container of the image"),
    ("crates/testkit/src/runner/stage.rs", "the kit's own scripts, for runners under test"),
];

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "cmd.exe"];

/// Says which sources name a shell and may not, given by their path and text; tests may.
pub(crate) fn unexpected(files: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let mut breaches = Vec::new();
    for (name, text) in files {
        if MAY.iter().any(|(may, _)| *may == name) || name.contains("/tests/") || name.ends_with("/tests.rs")
        {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if line.trim() == "#[cfg(test)]" {
                break;
            }
            if !line.trim_start().starts_with("//") && names_a_shell(line) {
                let number = number + 1;
                breaches.push(format!(
                    "{name}:{number}: names a shell; use `Command::shell`, or a list of words"
                ));
            }
        }
    }
    breaches
}

/// Returns whether one of the line's texts is a shell's name or path, or the option that takes a script.
fn names_a_shell(line: &str) -> bool {
    let mut texts = line.split('"').skip(1).step_by(2);
    texts.any(|text| text == "-c" || SHELLS.contains(&text.rsplit('/').next().unwrap_or_default()))
}

/// Returns the sources that may name a shell.
pub(crate) fn may() -> impl Iterator<Item = &'static str> {
    MAY.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_that_is_named_anywhere_else_is_a_breach() {
        let of = |name: &str, text: &str| unexpected([(name.to_owned(), text.to_owned())]);
        for text in [
            "Command::new(\"sh\")",
            "const SHELL: &str = \"/bin/bash\";",
            "let a = [\"x\", \"-c\"];",
            "fn a() {}\nlet b = Command::new(\"/usr/bin/env\").args([\"sh\"]);",
        ] {
            assert_eq!(of("crates/a/src/b.rs", text).len(), 1, "{text}");
        }
        for text in [
            "/// Command::new(\"sh\")",
            "let ssh = \"ssh\";",
            "\"push\"",
            "#[cfg(test)]\nmod tests { fn a() { Command::new(\"sh\") } }",
        ] {
            assert!(of("crates/a/src/b.rs", text).is_empty(), "{text}");
        }
        assert!(of("crates/a/src/b/tests.rs", "\"sh\"").is_empty());
        assert!(of("crates/core/src/command.rs", "\"sh\"").is_empty());
    }
}
