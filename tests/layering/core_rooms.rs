//! What stays apart inside the core: roles, data, context, events, errors and the catalog never name
//! the machinery (`run`, `cache`), so that they can become a crate of their own without a break.

use std::collections::BTreeSet;

const MACHINERY: [&str; 2] = ["run", "cache"];

/// Says which sources name the machinery, by its module or by a name that the crate's root re-exports
/// from it. Sources are paths below `src/` with their text.
pub(crate) fn breaches<'a>(lib: &str, sources: impl IntoIterator<Item = (&'a str, String)>) -> Vec<String> {
    let forbidden = forbidden(lib);
    let mut breaches = Vec::new();
    for (name, text) in sources {
        let room = name.split(['/', '.']).next().unwrap_or_default();
        if name == "lib.rs" || MACHINERY.contains(&room) || !name.ends_with(".rs") {
            continue;
        }
        let depth = name.matches('/').count() + usize::from(!name.ends_with("/mod.rs"));
        for path in paths(&text) {
            let supers = path.iter().take_while(|part| *part == "super").count();
            let below_root = match path.first().map(String::as_str) {
                Some("crate") => path.get(1),
                Some("super") if supers >= depth => path.get(supers),
                _ => None,
            };
            if below_root.is_some_and(|part| forbidden.contains(part)) {
                breaches.push(format!(
                    "crates/core/src/{name} names `{}`, of the machinery above it",
                    path.join("::")
                ));
            }
        }
    }
    breaches
}

/// Returns the machinery's modules and what the crate's root re-exports from them.
fn forbidden(lib: &str) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = MACHINERY.map(str::to_owned).into();
    for path in paths(lib) {
        if let [start, module, .., last] = &*path
            && start == "self"
            && MACHINERY.contains(&module.as_str())
        {
            names.insert(last.clone());
        }
    }
    names
}

/// Returns all paths in a source that begin with `crate`, `self` or `super`, with groups spread out:
/// `crate::{a::B, c}` is two. A renamed import is under its new name.
fn paths(source: &str) -> Vec<Vec<String>> {
    let tokens = tokens(source);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = ["crate", "self", "super"].contains(&tokens[at].as_str());
        if starts && tokens.get(at + 1).is_some_and(|token| token == "::") {
            at = tree(&tokens, at, &mut Vec::new(), &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads one tree of a path from a place on, and returns the place after it.
fn tree(tokens: &[String], mut at: usize, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    let own = before.len();
    while let Some(token) = tokens.get(at) {
        at += 1;
        if token == "{" {
            while tokens.get(at).is_some_and(|token| token != "}") {
                at = if tokens[at] == "," { at + 1 } else { tree(tokens, at, before, paths) };
            }
            before.truncate(own);
            return at + 1;
        }
        before.push(token.clone());
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    if tokens.get(at).is_some_and(|token| token == "as")
        && let Some(name) = tokens.get(at + 1)
    {
        before.pop();
        before.push(name.clone());
        at += 2;
    }
    paths.push(before.clone());
    before.truncate(own);
    at
}

/// Splits a source into words, `::` and other signs, without comments and texts.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let end = |pattern: &str| rest.find(pattern).map_or(rest.len(), |at| at + pattern.len());
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = if rest.starts_with("//") {
            end("\n")
        } else if rest.starts_with("/*") {
            end("*/")
        } else if let Some(hashes) = raw(rest) {
            let start = hashes + 2;
            let close = format!("\"{}", "#".repeat(hashes));
            rest[start..].find(&close).map_or(rest.len(), |at| start + at + close.len())
        } else if let quote @ ('"' | '\'') = first
            && let Some(length) = quoted(rest, quote)
        {
            length
        } else if word > 0 || rest.starts_with("::") {
            let length = word.max(usize::from(word == 0) * 2);
            tokens.push(rest[..length].to_owned());
            length
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// Returns the count of `#` where a raw text begins.
fn raw(source: &str) -> Option<usize> {
    let signs = source.strip_prefix('r')?;
    let hashes = signs.len() - signs.trim_start_matches('#').len();
    signs[hashes..].starts_with('"').then_some(hashes)
}

/// Returns the length of the text or character that a source begins with; `None` for a lifetime.
fn quoted(source: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (number, (at, c)) in source.char_indices().enumerate().skip(1) {
        if c == quote && !escaped {
            return Some(at + 1);
        }
        // Only an escape makes a character longer than one.
        if quote == '\'' && number > 1 && !source.starts_with("'\\") {
            return None;
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str =
        "mod run; pub use self::{run::{plan::Plan, Pipeline as Line}, error::Error, cache::Store};";

    fn check(name: &str, text: &str) -> Vec<String> {
        breaches(LIB, [(name, text.to_owned())])
    }

    #[test]
    fn naming_the_machinery_is_a_breach() {
        for (name, text) in [
            ("image.rs", "use crate::run::Plan;"),
            ("image.rs", "use super::cache;"),
            ("event/mod.rs", "use super::{error::Error, run::plan};"),
            ("event/sink.rs", "fn f() -> super::super::run::Plan {}"),
            ("role/builder.rs", "use crate::{error::Error, image::{Image, Tag}, cache::Store};"),
            ("role/builder.rs", "use crate::Plan;"),
            ("context/mod.rs", "let line = crate ::\n Line::new();"),
            ("error.rs", "/// Says it.\nfn f() { let quote = '\"'; crate::Store::open() }"),
        ] {
            assert_eq!(check(name, text).len(), 1, "{name}: {text}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for (name, text) in [
            ("image.rs", "use crate::{error::run, Pipeline, runner::Run};"),
            (
                "image.rs",
                "// crate::run\n/* crate::run */ /// [`crate::run::Plan`]\n const A: &str = \"crate::run \\\" crate::run\";",
            ),
            ("image.rs", "const A: &str = r#\"crate::run\"#; fn f(self) { self.run() }"),
            (
                "image.rs",
                "const A: (&str, char, char) = (r\"\\\", '\\'', '\"'); const B: &'static str = \"crate::run\";",
            ),
            ("context/files.rs", "use super::run;"),
            ("run/plan.rs", "use crate::{cache::Store, run::Plan};"),
            ("cache/store.rs", "use crate::cache::snapshot;"),
            ("lib.rs", "pub use crate::run::Plan;"),
        ] {
            assert_eq!(check(name, text), [""; 0], "{name}: {text}");
        }
    }
}
