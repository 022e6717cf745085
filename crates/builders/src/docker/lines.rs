//! A Dockerfile as lines of instructions, read as far as it says what a build reaches. It is more
//! lenient than the parser of the native builder: a frontend may know more instructions and flags than
//! we do, and what is wrong with it is the engine's to say.

/// One instruction: its name in capitals, its flags, and the rest of its line as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) flags: Vec<String>,
    pub(crate) rest: String,
    /// The content of its here-documents.
    pub(crate) documents: String,
}

/// A Dockerfile.
#[derive(Debug)]
pub(crate) struct Lines {
    /// The frontends that anything in the text may be taken to ask for.
    pub(crate) frontends: Vec<String>,
    pub(crate) escape: char,
    pub(crate) lines: Vec<Line>,
}

impl Lines {
    pub(crate) fn read(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut escape = '\\';
        // Directives come first, before any other line, also before other comments, of which one that is
        // not known is one (moby/buildkit, `DirectiveParser`).
        for line in text.lines().skip_while(|line| line.starts_with("#!")) {
            let directive = line.trim().strip_prefix('#').and_then(|rest| rest.split_once('='));
            let Some((name, value)) = directive.map(|(name, value)| (name.trim(), value.trim())) else {
                break;
            };
            if !["escape", "syntax", "check"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
                break;
            }
            if name.eq_ignore_ascii_case("escape") && matches!(value, "`" | "\\") {
                escape = value.chars().next().unwrap_or('\\');
            }
        }
        let mut lines = Vec::new();
        let mut rest = text.lines();
        while let Some(first) = rest.next() {
            let start = first.trim_start();
            if start.is_empty() || start.starts_with('#') {
                continue;
            }
            let mut joined = String::new();
            let mut part = Some(first);
            while let Some(line) = part {
                let goes_on = line.trim_end().strip_suffix(escape);
                joined.push_str(goes_on.unwrap_or(line));
                part = if goes_on.is_some() {
                    // Empty lines and comments inside of an instruction are left out.
                    rest.by_ref().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
                } else {
                    None
                };
            }
            let mut documents = String::new();
            for end in here_documents(&joined) {
                // Without its end it is none, to a builder that knows none.
                if !rest.clone().any(|line| line.trim_start_matches('\t') == end) {
                    continue;
                }
                for line in rest.by_ref().take_while(|line| line.trim_start_matches('\t') != end) {
                    documents.push_str(line);
                    documents.push('\n');
                }
            }
            lines.push(Line::new(joined.trim(), documents));
        }
        Self { frontends: frontends(text), escape, lines }
    }
}

impl Line {
    fn new(text: &str, documents: String) -> Self {
        let (name, mut rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let mut flags = Vec::new();
        loop {
            rest = rest.trim_start();
            let Some(flag) = rest.strip_prefix("--") else { break };
            let end = flag.find(char::is_whitespace).unwrap_or(flag.len());
            flags.push(flag[..end].to_owned());
            rest = &flag[end..];
        }
        Self { name: name.to_uppercase(), flags, rest: rest.to_owned(), documents }
    }

    /// Returns the value of a flag, the first one of its name.
    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find_map(|flag| flag.strip_prefix(name)?.strip_prefix('='))
    }

    /// Returns the words of the rest: of a JSON list, or divided by blanks.
    pub(crate) fn words(&self) -> Vec<String> {
        serde_json::from_str(&self.rest)
            .unwrap_or_else(|_| self.rest.split_whitespace().map(str::to_owned).collect())
    }
}

/// Returns every frontend that the text may be taken to name, wherever it does: BuildKit looks for it
/// after `#`, after `//` and in JSON (`parser.DetectSyntax`), and a way that it finds and we do not would
/// be a way around the one who wants frontends pinned.
fn frontends(text: &str) -> Vec<String> {
    let comment = |line: &str| {
        let line = line.trim();
        let rest = line.strip_prefix('#').or_else(|| line.strip_prefix("//"))?;
        let (name, value) = rest.split_once('=')?;
        name.trim().eq_ignore_ascii_case("syntax").then(|| value.trim().to_owned())
    };
    let object: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text).ok();
    let fields = object.into_iter().flatten().filter(|(name, _)| name.eq_ignore_ascii_case("syntax"));
    let fields = fields.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    text.lines().filter_map(comment).chain(fields).collect()
}

/// Returns the words that end the here-documents of an instruction that may have some.
fn here_documents(line: &str) -> Vec<String> {
    let name = line.split_whitespace().next().unwrap_or_default().to_uppercase();
    if !matches!(name.as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    let word = |word: &str| {
        let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
        let end = rest.strip_prefix('-').unwrap_or(rest).trim_matches(['"', '\'']);
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (!end.is_empty() && end.chars().all(fine)).then(|| end.to_owned())
    };
    line.split_whitespace().filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_joined_and_divided() {
        let text = "# syntax = docker/dockerfile:1\n# escape=`\n\n# a comment\nfrom a `\n # inside\n\n as b\n\
                    COPY --from=x --link [\"a b\", \"/\"]\nRUN <<EOF cat <<'-'\nCOPY not this\nEOF\nADD c\td";
        let lines = Lines::read(text);
        assert_eq!((lines.frontends, lines.escape), (vec!["docker/dockerfile:1".to_owned()], '`'));
        let names: Vec<&str> = lines.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["FROM", "COPY", "RUN", "ADD"]);
        assert_eq!(lines.lines[0].words(), ["a", "as", "b"]);
        assert_eq!(lines.lines[1].flag("from"), Some("x"));
        assert_eq!(lines.lines[1].words(), ["a b", "/"]);
        assert_eq!(lines.lines[2].documents, "COPY not this\n");
        assert_eq!(lines.lines[3].words(), ["c", "d"]);
    }

    #[test]
    fn directives_end_with_the_first_other_line() {
        for (text, escape) in [
            ("# escape=`\nFROM a", '`'),
            ("# check=x\n#escape = `\nFROM a", '`'),
            ("# other=x\n#escape = `\nFROM a", '\\'),
            ("#!/bin/x\n# escape=`\nFROM a", '`'),
            ("# a comment\n# escape=`\nFROM a", '\\'),
            ("\n# escape=`\nFROM a", '\\'),
        ] {
            assert_eq!(Lines::read(text).escape, escape, "{text}");
        }
    }

    #[test]
    fn a_frontend_is_found_wherever_buildkit_finds_it() {
        for text in [
            "# syntax=evil\nFROM a",
            "\u{feff}#syntax = evil\nFROM a",
            "# other=x\n# SYNTAX=evil\nFROM a",
            "#!/usr/bin/env x\n# syntax=evil\r\nFROM a",
            "// syntax=evil\nFROM a",
            "{\"syntax\": \"evil\"}",
        ] {
            assert_eq!(Lines::read(text).frontends, ["evil"], "{text}");
        }
        assert_eq!(Lines::read("FROM a\nRUN x # syntax=y").frontends, [""; 0]);
    }

    #[test]
    fn a_here_document_without_its_end_is_none() {
        let lines = Lines::read("RUN cat <<EOF\nCOPY a b");
        assert_eq!(lines.lines.len(), 2);
    }
}
