//! A Dockerfile as lines of instructions, read as far as it says what a build reaches. What is wrong
//! with it is the engine's to say.

/// One instruction: its name in capitals, its flags, and the rest of its line as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) flags: Vec<String>,
    pub(super) rest: String,
    /// The content of its here-documents.
    pub(super) documents: String,
}

/// A Dockerfile.
#[derive(Debug)]
pub(super) struct Lines {
    /// The frontend that a `# syntax=` line names.
    pub(super) syntax: Option<String>,
    pub(super) escape: char,
    pub(super) lines: Vec<Line>,
}

impl Lines {
    pub(super) fn read(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut syntax, mut escape) = (None, '\\');
        // Directives come first, before any other line, also before other comments.
        for line in text.lines() {
            let directive = line.trim().strip_prefix('#').and_then(|rest| rest.split_once('='));
            let Some((name, value)) = directive.map(|(name, value)| (name.trim(), value.trim())) else {
                break;
            };
            match name.to_lowercase().as_str() {
                "syntax" => syntax = Some(value.to_owned()),
                "escape" if matches!(value, "`" | "\\") => escape = value.chars().next().unwrap_or('\\'),
                "check" => {}
                _ => break,
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
                for line in rest.by_ref().take_while(|line| line.trim_start_matches('\t') != end) {
                    documents.push_str(line);
                    documents.push('\n');
                }
            }
            lines.push(Line::new(joined.trim(), documents));
        }
        Self { syntax, escape, lines }
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
    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find_map(|flag| flag.strip_prefix(name)?.strip_prefix('='))
    }

    /// Returns the words of the rest: of a JSON list, or divided by blanks.
    pub(super) fn words(&self) -> Vec<String> {
        serde_json::from_str(&self.rest)
            .unwrap_or_else(|_| self.rest.split_whitespace().map(str::to_owned).collect())
    }
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
        assert_eq!((lines.syntax.as_deref(), lines.escape), (Some("docker/dockerfile:1"), '`'));
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
        assert_eq!(Lines::read("# a comment\n# syntax=x\nFROM a").syntax, None);
        assert_eq!(Lines::read("\n# syntax=x\nFROM a").syntax, None);
        assert_eq!(Lines::read("#syntax=x\nFROM a").syntax.as_deref(), Some("x"));
    }
}
