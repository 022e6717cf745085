//! `.helmignore`, as helm's `pkg/ignore` reads it: like `.gitignore` and yet not. There is no `**`, the first rule that
//! matches decides, and `!` leaves out all that its pattern does not match.

use shipway_core::{Error, Location, Result, glob_matches};

/// The file of a chart's rules.
pub(super) const FILE: &str = ".helmignore";

/// What helm leaves out besides: hidden files beside templates (`Rules.AddDefaults`).
const DEFAULT: &str = "templates/.?*";

/// More are not what somebody wrote, and each is compared with each file.
const MOST_RULES: usize = 1000;

/// What a chart leaves out.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignored(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    pattern: String,
    negated: bool,
    /// Whether it is for folders alone.
    folders: bool,
    /// Whether it is compared with the name alone, whatever folder that is in.
    name: bool,
}

impl Ignored {
    /// Reads the rules, and adds helm's own.
    ///
    /// # Errors
    /// `Config`, with its line of `file`, for a pattern that is malformed or has `**` in it.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self> {
        let mut rules = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().chain([DEFAULT]).enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(error) = check(line) {
                return Err(error.at(Location::new(file, number + 1, 1)));
            }
            if rules.len() > MOST_RULES {
                return Err(Error::config(format!("`{file}` has more than {MOST_RULES} patterns")));
            }
            rules.push(Rule::new(line));
        }
        Ok(Self(rules))
    }

    /// Whether a path below the chart's folder is left out; of a folder with all that is in it.
    pub(super) fn leaves_out(&self, path: &str, is_folder: bool) -> bool {
        for rule in &self.0 {
            let matches = || rule.matches(path);
            match rule.negated {
                true if rule.folders && !is_folder || !matches() => return true,
                true => {}
                false if rule.folders && !is_folder => {}
                false if matches() => return true,
                false => {}
            }
        }
        false
    }
}

impl Rule {
    fn new(line: &str) -> Self {
        let (negated, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (folders, pattern) = match pattern.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let name = !pattern.contains('/');
        let pattern = pattern.strip_prefix('/').unwrap_or(pattern).to_owned();
        Self { pattern, negated, folders, name }
    }

    fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        // A pattern that is malformed without its slash matches nothing, as in helm.
        glob_matches(&self.pattern, if self.name { name } else { path }).unwrap_or(false)
    }
}

fn check(line: &str) -> Result<()> {
    if line.contains("**") {
        return Err(Error::config(format!("`{line}` has `**` in it, which helm does not know"))
            .hint("`*` matches within one folder; write a pattern for each depth"));
    }
    glob_matches(line, "abc").map(|_| ())
}
