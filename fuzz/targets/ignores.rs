//! `.dockerignore` files.

use shipway::{IgnoreRules, clean_path, read_ignore_file};

/// The first line is a path and the rest the file. Where the patterns are simple, a plain matcher decides the same.
pub(crate) fn rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (path, text) = text.split_once('\n').unwrap_or((text, ""));
    let patterns = read_ignore_file(text);
    let Ok(rules) = IgnoreRules::new(&patterns) else { return };
    let ignored = rules.is_ignored(path);
    let is_walked = !path.starts_with('/') && clean_path(path) == path;
    for (at, _) in path.match_indices('/').filter(|_| is_walked) {
        // A walk does not enter a folder that is left out and holds nothing that is kept.
        let above = &path[..at];
        assert!(
            ignored || !rules.is_ignored(above) || rules.may_keep_below(above),
            "`{path}` is kept, and `{above}` not entered"
        );
    }
    let patterns: Option<Vec<Simple>> = patterns.iter().map(|text| Simple::new(text)).collect();
    if let Some(patterns) = patterns.filter(|_| is_plain(path)) {
        let matched = |pattern: &&Simple| {
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            ends.into_iter().any(|end| pattern.matches(&path[..end]))
        };
        let last = patterns.iter().rev().find(matched);
        assert_eq!(ignored, last.is_some_and(|pattern| !pattern.keeps), "`{path}` by {patterns:?}");
    }
}

/// Whether a path has steps that a file may have, of letters that mean nothing else.
fn is_plain(path: &str) -> bool {
    path.len() < 60
        && path.split('/').all(|step| !matches!(step, "" | "." | ".."))
        && path.bytes().all(is_letter)
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte)
}

/// A pattern of letters, `*`, `?` and steps `**`.
#[derive(Debug)]
struct Simple {
    keeps: bool,
    steps: Vec<String>,
}

impl Simple {
    fn new(text: &str) -> Option<Self> {
        let (keeps, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let simple = text.len() < 40
            && text.bytes().all(|byte| is_letter(byte) || b"*?".contains(&byte))
            && text.split('/').all(|step| !step.is_empty() && (step == "**" || !step.contains("**")))
            // Wherever `**` stands twice running, moby takes the two for more than one.
            && !text.contains("**/**")
            && text.matches('*').count() < 8;
        simple.then(|| Self { keeps, steps: text.split('/').map(str::to_owned).collect() })
    }

    fn matches(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        steps_match(&self.steps, &path)
    }
}

/// `**` is any number of steps; at the end, where it follows another step, at least one.
fn steps_match(pattern: &[String], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([any], path) if any == "**" => !path.is_empty(),
        ([any, rest @ ..], _) if any == "**" => {
            (0..=path.len()).any(|skipped| steps_match(rest, &path[skipped..]))
        }
        ([one, rest @ ..], [step, below @ ..]) => {
            step_matches(one.as_bytes(), step.as_bytes()) && steps_match(rest, below)
        }
        _ => false,
    }
}

fn step_matches(pattern: &[u8], step: &[u8]) -> bool {
    match (pattern, step) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=step.len()).any(|skipped| step_matches(rest, &step[skipped..])),
        ([b'?', rest @ ..], [_, after @ ..]) => step_matches(rest, after),
        ([one, rest @ ..], [letter, after @ ..]) if one == letter => step_matches(rest, after),
        _ => false,
    }
}
