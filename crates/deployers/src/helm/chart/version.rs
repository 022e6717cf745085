//! Versions and ranges of them, as helm takes both: by the rules of `github.com/Masterminds/semver/v3`, which knows
//! more forms than SemVer (`v1.2`, `1.x`, `~1.2 || ^2`, `1.0 - 2.0`).

use std::{cmp::Ordering, sync::LazyLock};

use regex::Regex;

/// The most bytes of a version (version.go, `MaxVersionLen`).
const LONGEST_VERSION: usize = 256;

/// The most bytes of a range, and the most that `||` joins (constraints.go).
const LONGEST_RANGE: usize = 512;
const MOST_GROUPS: usize = 32;

/// What a range compares by, before a version (constraints.go, `ops`).
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

/// A version within a range (constraints.go, `cvRegex`). That `|` stands in the classes is how it is there.
const PATTERN: &str = concat!(
    r"v?([0-9|xX*]+)(\.[0-9|xX*]+)?(\.[0-9|xX*]+)?",
    r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?",
    r"(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?"
);

/// What Go's `\s` is.
const BLANK: &str = r"[\t\n\f\r ]";

/// One version; what is after a `+` does not count when two are compared.
#[derive(Clone, Debug)]
pub(super) struct Version {
    numbers: [u64; 3],
    /// What is after the `-`.
    before: String,
}

impl Version {
    /// Reads a version, with or without a `v`, a minor and a patch; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        static FORM: LazyLock<Regex> = LazyLock::new(|| {
            let ids = r"([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*)";
            regex(&format!(r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-{ids})?(?:\+{ids})?$"))
        });
        if text.len() > LONGEST_VERSION {
            return None;
        }
        let parts = FORM.captures(text)?;
        let number = |at: usize| parts.get(at).map_or(Some(0), |part| part.as_str().parse().ok());
        let before = parts.get(4).map_or("", |part| part.as_str());
        // SemVer 9: a number has no zeros before it.
        if before.split('.').any(|id| id.len() > 1 && id.starts_with('0') && is_digits(id)) {
            return None;
        }
        Some(Self { numbers: [number(1)?, number(2)?, number(3)?], before: before.to_owned() })
    }

    /// Whether a text is one version and no range: `1.2` is short for `1.2.x`.
    pub(super) fn is_exact(text: &str) -> bool {
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        Self::parse(text).is_some() && numbers.split('.').count() == 3
    }

    fn is_prerelease(&self) -> bool {
        !self.before.is_empty()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let before = || match (self.is_prerelease(), other.is_prerelease()) {
            (true, true) => compare_ids(&self.before, &other.before),
            (one, two) => two.cmp(&one),
        };
        self.numbers.cmp(&other.numbers).then_with(before)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

/// A range of versions, such as `^1.2 || >=3 <4`.
#[derive(Clone, Debug)]
pub(super) struct Range {
    /// One of them must hold.
    groups: Vec<Group>,
}

/// Limits that all must hold.
#[derive(Clone, Debug)]
struct Group {
    limits: Vec<Limit>,
    /// Whether versions before a release fit: where one of the limits names one.
    prereleases: bool,
}

#[derive(Clone, Debug)]
struct Limit {
    operator: Operator,
    version: Version,
    known: Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Same,
    Other,
    More,
    Less,
    AtLeast,
    AtMost,
    Tilde,
    Caret,
}

/// How much of a limit's version is written, and not `x` or left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Nothing,
    Major,
    Minor,
    All,
}

impl Range {
    /// Reads a range; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        static SPAN: LazyLock<Regex> =
            LazyLock::new(|| regex(&format!("{BLANK}*({PATTERN}){BLANK}+-{BLANK}+({PATTERN}){BLANK}*")));
        static FORM: LazyLock<Regex> = LazyLock::new(|| {
            let limit = format!("(?:{OPERATORS}){BLANK}*(?:{PATTERN}){BLANK}*");
            regex(&format!("^{BLANK}*{limit}(?:(?:{BLANK}+|,{BLANK}*){limit})*$"))
        });
        static LIMIT: LazyLock<Regex> = LazyLock::new(|| regex(&format!("({OPERATORS}){BLANK}*({PATTERN})")));
        if text.len() > LONGEST_RANGE {
            return None;
        }
        let mut plain = text.to_owned();
        for span in SPAN.captures_iter(text) {
            let [from, to] = [1, 11].map(|at| span.get(at).map_or("", |part| part.as_str()));
            plain = plain.replacen(&span[0], &format!(">= {from}, <= {to} "), 1);
        }
        let groups: Vec<&str> = plain.split("||").collect();
        if groups.len() > MOST_GROUPS {
            return None;
        }
        let group = |text: &&str| {
            if !FORM.is_match(text) {
                return None;
            }
            let limits: Option<Vec<Limit>> =
                LIMIT.captures_iter(text).map(|limit| Limit::new(&limit[1], &limit)).collect();
            let limits = limits?;
            let prereleases = limits.iter().any(|limit| limit.version.is_prerelease());
            Some(Group { limits, prereleases })
        };
        Some(Self { groups: groups.iter().map(group).collect::<Option<_>>()? })
    }

    /// Whether a version is in the range. One before a release is only where the range names such a one.
    pub(super) fn holds(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            (group.prereleases || !version.is_prerelease())
                && group.limits.iter().all(|limit| limit.holds(version))
        })
    }
}

impl Limit {
    /// Makes a limit of the groups of its form: the version and its parts begin at the second.
    fn new(operator: &str, groups: &regex::Captures<'_>) -> Option<Self> {
        let part = |at: usize| groups.get(at).map_or("", |part| part.as_str());
        let (major, minor, patch, before) = (part(3), part(4), part(5), part(6));
        let is_any = |part: &str| matches!(part.trim_start_matches('.'), "" | "x" | "X" | "*");
        let (known, version) = if is_any(major) {
            (Known::Nothing, format!("0.0.0{before}"))
        } else if is_any(minor) {
            (Known::Major, format!("{major}.0.0{before}"))
        } else if is_any(patch) {
            (Known::Minor, format!("{major}{minor}.0{before}"))
        } else {
            (Known::All, part(2).to_owned())
        };
        let operator = match operator {
            "" | "=" if known == Known::All => Operator::Same,
            "" | "=" | "~" | "~>" => Operator::Tilde,
            "!=" => Operator::Other,
            ">" => Operator::More,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::AtLeast,
            "<=" | "=<" => Operator::AtMost,
            _ => Operator::Caret,
        };
        Some(Self { operator, version: Version::parse(&version)?, known })
    }

    /// As each function of constraints.go says; `Known::Nothing` has `0.0.0`, and counts there as if it were
    /// written, but where the function asks.
    fn holds(&self, version: &Version) -> bool {
        let (own, known) = (&self.version, self.known);
        let ([major, minor, patch], [own_major, own_minor, own_patch]) = (version.numbers, own.numbers);
        match self.operator {
            Operator::Same => version == own,
            Operator::Other => match known {
                Known::All => version != own,
                _ if own_major != major => true,
                Known::Major => false,
                _ if own_minor != minor => true,
                Known::Minor => {
                    (version.is_prerelease() || own.is_prerelease())
                        && compare_ids(&version.before, &own.before) != Ordering::Equal
                }
                _ => version != own,
            },
            Operator::More => match known {
                Known::All => version > own,
                _ if major != own_major => major > own_major,
                Known::Major => false,
                Known::Minor => minor > own_minor,
                _ => version > own,
            },
            Operator::Less => version < own,
            Operator::AtLeast => version >= own,
            Operator::AtMost => match known {
                Known::All => version <= own,
                _ if major != own_major => major < own_major,
                Known::Major => true,
                _ => minor <= own_minor,
            },
            Operator::Tilde => {
                let any = own.numbers == [0; 3] && !matches!(known, Known::Major | Known::Minor);
                version >= own && (any || major == own_major && (known == Known::Major || minor == own_minor))
            }
            Operator::Caret if version < own => false,
            Operator::Caret if own_major > 0 || known == Known::Major => major == own_major,
            Operator::Caret if major > 0 => false,
            Operator::Caret if own_minor > 0 || known == Known::Minor => minor == own_minor,
            Operator::Caret => minor == 0 && patch == own_patch,
        }
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this file")
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Compares what is before a release (version.go, `comparePrerelease`): numbers come before words, and fewer parts
/// before more.
fn compare_ids(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let (one, other) = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (one, other) => (one.unwrap_or(""), other.unwrap_or("")),
        };
        let number = |id: &str| id.parse::<u64>().ok();
        let order = match (number(one), number(other)) {
            _ if one == other => Ordering::Equal,
            _ if one.is_empty() => Ordering::Less,
            _ if other.is_empty() => Ordering::Greater,
            (Some(one), Some(other)) => one.cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => one.cmp(other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
