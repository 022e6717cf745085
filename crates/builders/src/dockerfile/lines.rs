//! The lines of a Dockerfile as its instructions see them: continued ones joined, comments gone, and
//! here-documents read; a port of BuildKit's `parser.Parse`.

use super::{Heredoc, Place, words};

/// An instruction's text.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) place: Place,
    /// All of it on one line.
    pub(super) text: String,
    /// How much of `text` is on the line where it begins.
    pub(super) first: usize,
    pub(super) heredocs: Vec<Heredoc>,
}

/// What is wrong, and on which line.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) what: String,
    pub(super) hint: &'static str,
}

/// The instructions that a here-document may follow.
const WITH_HEREDOCS: [&str; 3] = ["ADD", "COPY", "RUN"];

/// Returns the lines and the escape character.
pub(super) fn read(text: &str) -> Result<(Vec<Line>, char), Wrong> {
    let mut raw = text.split_inclusive('\n').enumerate().map(|(index, line)| (index + 1, line));
    let mut directives = Directives { escape: '\\', seen: Vec::new(), done: false };
    let mut lines = Vec::new();
    while let Some((number, whole)) = raw.next() {
        let line = trim_newline(whole).trim_start();
        directives.read(line, number)?;
        if line.starts_with('#') {
            continue;
        }
        let escape = directives.escape;
        let (start, mut ends) = until_continuation(line, escape);
        let mut joined = start.to_owned();
        if ends && joined.is_empty() {
            continue;
        }
        let first = joined.len();
        while !ends {
            let Some((_, next)) = raw.next() else { break };
            let next = trim_newline(next);
            if next.trim_start().is_empty() || next.trim_start().starts_with('#') {
                continue;
            }
            let (part, last) = until_continuation(next, escape);
            joined.push_str(part);
            ends = last;
        }
        let heredocs = if joined.contains("<<") && may_have_heredocs(&joined) {
            heredocs(&joined, number, &mut raw)?
        } else {
            Vec::new()
        };
        let indent = whole.len() - whole.trim_start().len();
        let place = Place { line: number, column: whole[..indent].chars().count() + 1 };
        lines.push(Line { place, text: joined, first, heredocs });
    }
    Ok((lines, directives.escape))
}

struct Directives {
    escape: char,
    seen: Vec<String>,
    done: bool,
}

impl Directives {
    /// Reads `# name=value`, which counts before anything else only.
    fn read(&mut self, line: &str, number: usize) -> Result<(), Wrong> {
        let pair = line.strip_prefix('#').and_then(|rest| rest.split_once('='));
        let pair = pair.map(|(name, value)| (name.trim().to_lowercase(), value.trim()));
        let known = |name: &str| ["escape", "syntax", "check"].contains(&name);
        let Some((name, value)) = pair.filter(|(name, value)| known(name) && !value.is_empty()) else {
            self.done = true;
            return Ok(());
        };
        if self.done {
            return Ok(());
        }
        let wrong = |what: String| Err(Wrong { line: number, what, hint: "write it once, before all else" });
        if self.seen.contains(&name) {
            return wrong(format!("there is more than one directive `{name}`"));
        }
        if name == "escape" {
            self.escape = match value {
                "\\" => '\\',
                "`" => '`',
                other => {
                    return wrong(format!(
                        "`{other}` cannot be the escape character, only `\\` or a backtick"
                    ));
                }
            };
        }
        self.seen.push(name);
        Ok(())
    }
}

fn trim_newline(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// Returns the line without its escape at the end, and whether the instruction ends there.
fn until_continuation(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        // BuildKit: an escape that is escaped continues nothing.
        Some(before) if !before.ends_with(escape) => (before, false),
        _ => (line, true),
    }
}

fn may_have_heredocs(line: &str) -> bool {
    let mut words = line.split_whitespace().map(str::to_uppercase);
    let first = words.next();
    let name = if first.as_deref() == Some("ONBUILD") { words.next() } else { first };
    name.is_some_and(|name| WITH_HEREDOCS.contains(&name.as_str()))
}

fn heredocs<'a>(
    line: &str,
    number: usize,
    raw: &mut impl Iterator<Item = (usize, &'a str)>,
) -> Result<Vec<Heredoc>, Wrong> {
    let mut found = Vec::new();
    // BuildKit's words of heredocs know the backslash only, and blanks may follow the `<<`.
    for word in words::split_at_heredocs(line) {
        let Some(mut heredoc) = Heredoc::parse(&word) else { continue };
        loop {
            let Some((_, next)) = raw.next() else {
                return Err(Wrong {
                    line: number,
                    what: format!("the here-document `{}` has no end", heredoc.name),
                    hint: "end it with a line that is its name alone",
                });
            };
            let end = trim_newline(next);
            let end = if heredoc.chomp { end.trim_start_matches('\t') } else { end };
            if end == heredoc.name {
                break;
            }
            heredoc.content.push_str(if heredoc.chomp { next.trim_start_matches('\t') } else { next });
        }
        found.push(heredoc);
    }
    Ok(found)
}

impl Heredoc {
    /// Reads `<<NAME`, `<<-NAME` and their quoted forms, without the content.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
        let (chomp, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let rest = rest.trim_start();
        if rest.is_empty() || rest.contains('<') {
            return None;
        }
        let name = words::unquote(rest)?;
        let expand = !rest.contains(['"', '\'']);
        Some(Self { name, expand, chomp, content: String::new() })
    }
}
