//! What a Dockerfile reaches: the paths of the context that it copies, and the images that it names.
//! In doubt it is the whole context.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Platform, clean_path};

use super::lines::{Line, Lines};
use crate::dockerfile::{Expanded, Variables};

/// What a build reaches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Paths and patterns below the context; `None` for all of it.
    pub(crate) sources: Option<BTreeSet<String>>,
    /// Images that are not stages, as they are named, with variables replaced.
    pub(crate) images: BTreeSet<String>,
}

impl Reach {
    /// Returns what the stages up to the target reach, and a few more: the classic builder runs all
    /// that come before it.
    ///
    /// `required` are the arguments whose values are known only when the build begins.
    pub(crate) fn of(
        lines: &Lines,
        args: &BTreeMap<String, String>,
        required: &BTreeSet<&str>,
        platform: &Platform,
    ) -> Self {
        let mut reach = Self { sources: Some(BTreeSet::new()), images: BTreeSet::new() };
        let sure = |value: &str| Expanded { value: value.to_owned(), sure: true };
        let mut global = Variables::new(lines.escape, true);
        // The engine's machine is most often one like this.
        for (side, platform) in [("BUILD", &Platform::linux_here()), ("TARGET", platform)] {
            let variant = platform.variant.clone().unwrap_or_default();
            for (name, value) in [
                ("PLATFORM", platform.to_string()),
                ("OS", platform.os.clone()),
                ("ARCH", platform.architecture.clone()),
                ("VARIANT", variant),
            ] {
                global.set(&format!("{side}{name}"), sure(&value));
            }
        }
        let mut local = None;
        let mut stages: BTreeSet<String> = BTreeSet::new();
        let mut count = 0;
        for line in &lines.lines {
            match (line.name.as_str(), &mut local) {
                ("ARG", None) => declare(line, &mut global, None, args, required),
                ("ARG", Some(local)) => declare(line, local, Some(&global), args, required),
                ("ENV", Some(local)) => {
                    // A value is rarely part of a path; what an `ENV` sets is looked up as unknown.
                    for name in env_names(&line.rest) {
                        local.set(&name, Expanded { value: String::new(), sure: false });
                    }
                }
                ("FROM", _) => {
                    let words = line.words();
                    let image = words.first().and_then(|word| global.expand(word).ok());
                    if let Some(image) = image.filter(|image| image.sure) {
                        reach.name(&image.value, &stages);
                    }
                    if let [_, by, name, ..] = words.as_slice()
                        && by.eq_ignore_ascii_case("as")
                    {
                        stages.insert(name.to_lowercase());
                    }
                    stages.insert(count.to_string());
                    count += 1;
                    local = Some(Variables::new(lines.escape, false));
                }
                ("COPY" | "ADD", Some(local)) => match line.flag("from") {
                    Some(from) => {
                        if let Some(from) = local.expand(from).ok().filter(|from| from.sure) {
                            reach.name(&from.value, &stages);
                        }
                    }
                    None => reach.copy(line, local),
                },
                ("RUN", _) => reach.run(line, &stages),
                _ => {}
            }
        }
        reach
    }

    /// Notes an image that is no stage.
    fn name(&mut self, image: &str, stages: &BTreeSet<String>) {
        if image != "scratch" && !image.is_empty() && !stages.contains(&image.to_lowercase()) {
            self.images.insert(image.to_owned());
        }
    }

    fn copy(&mut self, line: &Line, variables: &Variables) {
        let words = line.words();
        let Some((_, sources)) = words.split_last() else { return };
        for word in sources {
            let is_document = word.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with("<<");
            let is_elsewhere = line.name == "ADD" && (word.contains("://") || word.starts_with("git@"));
            if is_document || is_elsewhere {
                continue;
            }
            let path = variables.expand(word).ok().filter(|path| path.sure);
            match path.map(|path| clean_path(path.value.trim_start_matches('/'))) {
                Some(path) if path != "." && !path.starts_with("..") && !path.is_empty() => {
                    if let Some(sources) = &mut self.sources {
                        sources.insert(path);
                    }
                }
                _ => self.sources = None,
            }
        }
    }

    fn run(&mut self, line: &Line, stages: &BTreeSet<String>) {
        for mount in line.flags.iter().filter_map(|flag| flag.strip_prefix("mount=")) {
            let fields: BTreeMap<&str, &str> =
                mount.split(',').filter_map(|field| field.split_once('=')).collect();
            let kind = fields.get("type").copied().unwrap_or("bind");
            match fields.get("from") {
                Some(from) => self.name(from, stages),
                // What a command reads of the context, nobody knows.
                None if kind == "bind" => self.sources = None,
                None => {}
            }
        }
    }
}

/// Declares what an `ARG` declares: the value that was given, that of the `ARG` before the first
/// `FROM`, or its own.
fn declare(
    line: &Line,
    variables: &mut Variables,
    global: Option<&Variables>,
    args: &BTreeMap<String, String>,
    required: &BTreeSet<&str>,
) {
    for word in line.rest.split_whitespace() {
        let (name, own) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let value = match (args.get(name), own) {
            _ if required.contains(name) => Expanded { value: String::new(), sure: false },
            (Some(given), _) => Expanded { value: given.clone(), sure: true },
            (None, Some(own)) => {
                variables.expand(own).unwrap_or(Expanded { value: String::new(), sure: false })
            }
            (None, None) => match global.and_then(|global| global.get(name)) {
                Some(value) => Expanded { value: value.to_owned(), sure: !name.starts_with("BUILD") },
                None => Expanded { value: String::new(), sure: true },
            },
        };
        variables.set(name, value);
    }
}

/// Returns the names that an `ENV` may set: every word before a `=`, and the first one.
fn env_names(rest: &str) -> Vec<String> {
    let first = rest.split_whitespace().next().map(|word| word.split('=').next().unwrap_or(word));
    let others = rest.split_whitespace().filter_map(|word| word.split_once('=').map(|(name, _)| name));
    first.into_iter().chain(others).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(text: &str) -> Reach {
        let args = BTreeMap::from([("GIVEN".to_owned(), "given".to_owned())]);
        Reach::of(&Lines::read(text), &args, &BTreeSet::from(["REQUIRED"]), &Platform::new("linux", "arm64"))
    }

    fn sources(text: &str) -> Option<Vec<String>> {
        reach(&format!("FROM a\n{text}")).sources.map(|sources| sources.into_iter().collect())
    }

    #[test]
    fn only_what_is_copied_counts() {
        for (text, expected) in [
            ("RUN x", Some(vec![])),
            ("COPY ./a /b c/ /d/", Some(vec!["a", "b", "c"])),
            ("ADD *.txt a?b /d/", Some(vec!["*.txt", "a?b"])),
            ("ADD https://x.example/y git@github.com:x/y.git z /", Some(vec!["z"])),
            ("COPY --from=b x /\nCOPY <<EOF /f\nCOPY . /\nEOF", Some(vec![])),
            ("ARG GIVEN=x\nARG OWN=y$GIVEN\nCOPY $GIVEN/${OWN} /", Some(vec!["given/ygiven"])),
            ("COPY . /", None),
            ("COPY / /", None),
            ("COPY $UNKNOWN /", None),
            ("ENV A=1\nCOPY $A /", None),
            ("ARG TARGETARCH\nCOPY a-$TARGETARCH /", Some(vec!["a-arm64"])),
            ("ARG BUILDARCH\nCOPY a-$BUILDARCH /", None),
            ("RUN --mount=type=bind,target=/x make", None),
            ("RUN --mount=target=/x make", None),
            ("RUN --mount=type=bind,from=b,target=/x --mount=type=cache,target=/y make", Some(vec![])),
        ] {
            let expected = expected.map(|paths| paths.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(sources(text), expected, "{text}");
        }
    }

    #[test]
    fn images_are_those_that_are_no_stages() {
        let text = "ARG TAG=1\nARG GIVEN\nFROM base:$TAG AS Build\nFROM $GIVEN\nFROM scratch\nFROM build\n\
                    COPY --from=0 a /\nCOPY --from=build a /\nCOPY --from=other:2 a /\n\
                    RUN --mount=from=tool:3,target=/t x\nFROM img-$TARGETARCH";
        let required = reach("ARG REQUIRED=default\nFROM $REQUIRED");
        let here = reach("FROM img-$BUILDARCH").images;
        assert_eq!(here, BTreeSet::from([format!("img-{}", Platform::linux_here().architecture)]));
        assert_eq!(required.images, BTreeSet::new());
        let images: Vec<String> = reach(text).images.into_iter().collect();
        assert_eq!(images, ["base:1", "given", "img-arm64", "other:2", "tool:3"]);
    }
}
