//! Versions and constraints, as Masterminds/semver (3.3) reads them.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc, sync::LazyLock};

use gotmpl::Value;
use regex::Regex;

use super::{Answer, Function, bounds::UNPRINTED, function};

pub(super) const ALL: &[Function] = &[
    function("semver", 1, 1, |a| parts(a.text(0)?)),
    function("semverCompare", 2, 2, |a| {
        let alternatives = constraints(a.text(0)?)?;
        let version = Version::read(a.text(1)?)?;
        let holds = |all: &Vec<Constraint>| all.iter().all(|constraint| constraint.holds(&version));
        Ok(Value::Bool(alternatives.iter().any(holds)))
    }),
];

/// What a constraint or a version may be long: each is looked at many times.
const LONGEST: usize = 256;

const EXTRAS: &str = r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const PLACES: &str = r"v?([0-9|xX*]+)(\.[0-9|xX*]+)?(\.[0-9|xX*]+)?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
/// White space of Go's patterns.
const BLANK: &str = r"[\t\n\f\r ]";

static VERSION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?{EXTRAS}$")).ok());
static FOUND: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("({OPERATORS}){BLANK}*({PLACES}{EXTRAS})")).ok());
static ONE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("^{BLANK}*({OPERATORS}){BLANK}*({PLACES}{EXTRAS}){BLANK}*$")).ok());
static RANGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let version = format!("({PLACES}{EXTRAS})");
    Regex::new(&format!("{BLANK}*{version}{BLANK}+-{BLANK}+{version}{BLANK}*")).ok()
});
static VALID: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let one = format!("({OPERATORS}){BLANK}*({PLACES}{EXTRAS}){BLANK}*");
    Regex::new(&format!("^({BLANK}*{one})((?:{BLANK}+|,{BLANK}*){one})*$")).ok()
});

fn no_version() -> String {
    "the text is no version".to_owned()
}

fn no_constraint() -> String {
    "the text is no constraint of versions, such as `>=1.2, <2`".to_owned()
}

#[derive(Clone, PartialEq, Eq)]
struct Version {
    /// Major, minor, patch.
    numbers: [u64; 3],
    prerelease: String,
    metadata: String,
}

impl Version {
    fn read(whole: &str) -> Result<Self, String> {
        let pattern = VERSION.as_ref().filter(|_| whole.len() <= LONGEST).ok_or_else(no_version)?;
        let found = pattern.captures(whole).ok_or_else(no_version)?;
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        let mut numbers = [0; 3];
        for (number, at) in numbers.iter_mut().zip(1..) {
            match part(at).trim_start_matches('.') {
                "" => {}
                digits => *number = digits.parse().map_err(|_| no_version())?,
            }
        }
        let (prerelease, metadata) = (part(5).to_owned(), part(8).to_owned());
        let zero = |part: &str| {
            part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if prerelease.split('.').any(zero) {
            return Err(no_version());
        }
        Ok(Self { numbers, prerelease, metadata })
    }

    fn shown(&self) -> String {
        let [major, minor, patch] = self.numbers;
        let mut out = format!("{major}.{minor}.{patch}");
        for (mark, part) in [('-', &self.prerelease), ('+', &self.metadata)] {
            if !part.is_empty() {
                out.push(mark);
                out.push_str(part);
            }
        }
        out
    }

    /// The next version at this place.
    fn next(&self, at: usize) -> String {
        let mut next = Self { prerelease: String::new(), metadata: String::new(), ..self.clone() };
        // What came before a patch's release goes to that patch.
        if at < 2 || self.prerelease.is_empty() {
            next.numbers[at] = next.numbers[at].wrapping_add(1);
            next.numbers[at + 1..].fill(0);
        }
        next.shown()
    }

    fn compared(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compared(&self.prerelease, &other.prerelease),
            }
        })
    }
}

/// Compares prereleases: numbers by their size and before words, fewer parts before more.
fn compared(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (left.parse::<u64>(), right.parse::<u64>()) {
                (Ok(left), Ok(right)) => left.cmp(&right),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => left.cmp(right),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// A version as a dict of what its methods say in Go. As it is, it cannot be printed.
fn parts(whole: &str) -> Answer {
    let version = Version::read(whole)?;
    let [major, minor, patch] = version.numbers;
    let unprinted: gotmpl::ValueFunc = Arc::new(|_| Ok(Value::Nil));
    let parts: BTreeMap<Arc<str>, Value> = [
        (UNPRINTED, Value::Function(unprinted)),
        ("Major", Value::Uint(major)),
        ("Minor", Value::Uint(minor)),
        ("Patch", Value::Uint(patch)),
        ("Prerelease", Value::from(version.prerelease.as_str())),
        ("Metadata", Value::from(version.metadata.as_str())),
        ("Original", Value::from(whole)),
        ("String", Value::from(version.shown())),
        ("IncMajor", Value::from(version.next(0))),
        ("IncMinor", Value::from(version.next(1))),
        ("IncPatch", Value::from(version.next(2))),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value))
    .collect();
    Ok(Value::from(parts))
}

struct Constraint {
    operator: String,
    version: Version,
    /// How many numbers it names; the others may be any.
    named: usize,
}

/// Reads constraints: one of several, each of which is several that all must hold.
fn constraints(whole: &str) -> Result<Vec<Vec<Constraint>>, String> {
    let patterns = (RANGE.as_ref(), VALID.as_ref(), FOUND.as_ref());
    let (Some(range), Some(valid), Some(found)) = patterns else { return Err(no_constraint()) };
    if whole.len() > LONGEST {
        return Err(no_constraint());
    }
    let ranges = range.replace_all(whole, ">= ${1}, <= ${11} ");
    let read = |all: &str| match valid.is_match(all) {
        true => found.find_iter(all).map(|one| Constraint::read(one.as_str())).collect(),
        false => Err(no_constraint()),
    };
    ranges.split("||").map(read).collect()
}

impl Constraint {
    fn read(whole: &str) -> Result<Self, String> {
        let found = ONE.as_ref().and_then(|one| one.captures(whole)).ok_or_else(no_constraint)?;
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        let open = |at: usize| matches!(part(at).trim_start_matches('.'), "" | "x" | "X" | "*");
        let (named, version) = match (3..6).find(|at| open(*at)) {
            Some(3) => (0, format!("0.0.0{}", part(6))),
            Some(4) => (1, format!("{}.0.0{}", part(3), part(6))),
            Some(_) => (2, format!("{}{}.0{}", part(3), part(4), part(6))),
            None => (3, part(2).to_owned()),
        };
        let version = Version::read(&version).map_err(|_| no_constraint())?;
        Ok(Self { operator: part(1).to_owned(), version, named })
    }

    fn holds(&self, version: &Version) -> bool {
        let of = &self.version;
        let early = !version.prerelease.is_empty() && of.prerelease.is_empty();
        let order = version.compared(of);
        let ([major, minor, _], [of_major, of_minor, _]) = (version.numbers, of.numbers);
        match self.operator.as_str() {
            "!=" => self.differs(version, early),
            // A prerelease is nothing to those who do not ask for one.
            _ if early => false,
            ">" => match self.named {
                // `*` is 0.0.0 here, as it is in Go.
                0 | 3 if major == of_major => order == Ordering::Greater,
                2 if major == of_major => minor > of_minor,
                3 => order == Ordering::Greater,
                _ => major > of_major,
            },
            "<" => order == Ordering::Less,
            ">=" | "=>" => order != Ordering::Less,
            "<=" | "=<" => match self.named {
                3 => order != Ordering::Greater,
                named => major < of_major || major == of_major && (named == 1 || minor <= of_minor),
            },
            "~" | "~>" => self.tilde(version, order),
            "^" => self.caret(version, order),
            _ if self.named < 3 => self.tilde(version, order),
            _ => order == Ordering::Equal,
        }
    }

    fn differs(&self, version: &Version, early: bool) -> bool {
        let of = &self.version;
        if self.named == 3 {
            return version.compared(of) != Ordering::Equal;
        }
        if early {
            return false;
        }
        let ([major, minor, patch], [of_major, of_minor, of_patch]) = (version.numbers, of.numbers);
        match self.named {
            _ if major != of_major => true,
            1 => false,
            _ if minor != of_minor => true,
            2 => {
                (!version.prerelease.is_empty() || !of.prerelease.is_empty())
                    && compared(&version.prerelease, &of.prerelease) != Ordering::Equal
            }
            _ => patch != of_patch || version.compared(of) != Ordering::Equal,
        }
    }

    fn tilde(&self, version: &Version, order: Ordering) -> bool {
        let of = &self.version;
        if order == Ordering::Less {
            return false;
        }
        if of.numbers == [0; 3] && !matches!(self.named, 1 | 2) {
            return true;
        }
        version.numbers[0] == of.numbers[0] && (self.named == 1 || version.numbers[1] == of.numbers[1])
    }

    fn caret(&self, version: &Version, order: Ordering) -> bool {
        let ([major, minor, patch], [of_major, of_minor, of_patch]) = (version.numbers, self.version.numbers);
        if order == Ordering::Less || major != of_major {
            return false;
        }
        match self.named {
            _ if of_major > 0 => true,
            1 => true,
            _ if minor != of_minor => false,
            _ => of_minor > 0 || self.named == 2 || patch == of_patch,
        }
    }
}
