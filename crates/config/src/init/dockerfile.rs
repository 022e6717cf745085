//! What a Dockerfile is: its name and how it begins.

/// Returns whether a file may be a Dockerfile by its name, as Skaffold takes it (initializer/analyze/builder.go):
/// `Dockerfile`, `Dockerfile.dev`, `web.dockerfile`.
pub(super) fn is_name(name: &str) -> bool {
    name.to_lowercase().contains("dockerfile")
}

/// Returns what the name says besides that it is a Dockerfile: `dev` for `Dockerfile.dev` and `dev.Dockerfile`.
pub(super) fn suffix(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let (before, after) = name.split_once("dockerfile")?;
    let blank = |c: char| ".-_ ".contains(c);
    let rest = format!("{}-{}", before.trim_matches(blank), after.trim_matches(blank));
    Some(rest.trim_matches('-').to_owned()).filter(|rest| !rest.is_empty())
}

/// Returns whether a text begins as a Dockerfile must: comments, which parser directives are too, then `ARG`s, then
/// a `FROM` with an image.
pub(super) fn begins(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut escape = '\\';
    let mut instruction = String::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            if comment
                .split_once('=')
                .is_some_and(|(key, value)| key.trim().eq_ignore_ascii_case("escape") && value.trim() == "`")
            {
                escape = '`';
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        instruction.push_str(line);
        if instruction.ends_with(escape) {
            instruction.pop();
            continue;
        }
        match is_from(&instruction) {
            Some(valid) => return valid,
            None => instruction.clear(),
        }
    }
    is_from(&instruction).unwrap_or(false)
}

/// Returns whether an instruction is a `FROM` that names an image; none for an `ARG`, after which one may come.
fn is_from(instruction: &str) -> Option<bool> {
    let mut words = instruction.split_whitespace();
    let name = words.next().unwrap_or_default();
    if name.eq_ignore_ascii_case("ARG") && words.next().is_some() {
        return None;
    }
    let words: Vec<&str> = words.skip_while(|word| word.starts_with("--")).collect();
    Some(
        name.eq_ignore_ascii_case("FROM")
            && match words.as_slice() {
                [_] => true,
                [_, word, _] => word.eq_ignore_ascii_case("AS"),
                _ => false,
            },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_is_known_by_its_name() {
        for (name, suffixed) in [
            ("Dockerfile", None),
            ("dockerfile", None),
            ("Dockerfile.web", Some("web")),
            ("web.Dockerfile", Some("web")),
            ("Dockerfile-Web", Some("web")),
            ("web.Dockerfile.dev", Some("web-dev")),
            ("Dockerfile.", None),
        ] {
            assert!(is_name(name), "{name}");
            assert_eq!(suffix(name).as_deref(), suffixed, "{name}");
        }
        assert!(!is_name("Containerfile"));
    }

    #[test]
    fn a_dockerfile_is_known_by_how_it_begins() {
        for text in [
            "FROM scratch",
            "\u{feff}# syntax=docker/dockerfile:1\n\n# why\nfrom  node:20 as build\nRUN x\n",
            "ARG VERSION=20\nARG A=1 B=2\nFROM --platform=$BUILDPLATFORM node:$VERSION AS build\n",
            "FROM \\\n  # in between\n\n  scratch\n",
            "# escape=`\nARG A=`\n b\nFROM scratch",
            "FROM a\nnot looked at",
        ] {
            assert!(begins(text), "{text:?}");
        }
        for text in [
            "",
            "# FROM scratch\n",
            "RUN make\nFROM scratch\n",
            "From here on all is well\n",
            "FROM\n",
            "FROM --platform=linux/amd64\n",
            "ARG\nFROM scratch\n",
            "ARG A=1\n",
            "node_modules\n*.log\n",
            "FROM {{ base }} x\n",
            "# escape=`\nARG A=\\\nRUN b\nFROM scratch",
        ] {
            assert!(!begins(text), "{text:?}");
        }
    }
}
