//! The regular expressions that ignore patterns become, run without backtracking.
//!
//! They are flat: a row of characters, classes, stars over one of those, `(.*/)?` and assertions, and
//! alternatives of such rows.
//! The syntax is Go's regexp/syntax, as far as a pattern can lead to it.

use std::{iter::Peekable, str::Chars};

use super::index::Literal;

/// Alternatives, of which one has to match.
#[derive(Clone, Debug)]
pub(super) struct Expression(Vec<Vec<Item>>);

#[derive(Clone, Debug)]
enum Item {
    /// A character of the class; `skip` allows none, `stay` allows several.
    Class {
        class: Class,
        skip: bool,
        stay: bool,
    },
    /// `(.*/)?`
    Folders,
    Assert(Assertion),
}

#[derive(Clone, Copy, Debug)]
enum Assertion {
    Start,
    End,
    Boundary(bool),
}

/// Characters by ranges of code points, sorted by nothing.
#[derive(Clone, Debug, Default)]
struct Class {
    negated: bool,
    ranges: Vec<(u32, u32)>,
}

type Parsed<T> = Result<T, &'static str>;

/// More items than any honest pattern has; `{1000}` a hundred times over is none.
const MAX_ITEMS: usize = 20_000;

impl Expression {
    /// Reads the translation of a whole pattern, without the `^` and `$` that moby puts around it.
    pub(super) fn new(text: &str) -> Parsed<Self> {
        let mut alternatives = vec![Vec::new()];
        let mut total = 0;
        let mut rest = text.chars().peekable();
        // A repetition of a repetition is refused by Go.
        let mut repeated = false;
        // Before the first item there is moby's `^`, which may be repeated; after a `|` there is nothing.
        let mut repeatable = true;
        while let Some(c) = rest.next() {
            let items = alternatives.last_mut().expect("there is one from the start");
            if c == '{'
                && let Some((least, most)) = repetition(&mut rest)
            {
                if !repeatable || repeated {
                    return Err("there is nothing that `{…}` could repeat");
                }
                total += repeat(items, least, most)?;
                repeated = true;
            } else if c == '|' {
                alternatives.push(Vec::new());
                (repeated, repeatable) = (false, false);
            } else {
                items.push(item(c, &mut rest)?);
                repeated = matches!(items.last(), Some(Item::Folders | Item::Class { skip: true, .. }));
                repeatable = true;
                total += 1;
            }
            if total > MAX_ITEMS {
                return Err("it is too large");
            }
        }
        // The `^` and the `$` belong to the first and the last alternative alone.
        let last = alternatives.len() - 1;
        let anything =
            || Item::Class { class: Class { negated: true, ranges: vec![] }, skip: true, stay: true };
        for (index, items) in alternatives.iter_mut().enumerate() {
            if index > 0 {
                items.insert(0, anything());
            }
            if index < last {
                items.push(anything());
            }
        }
        Ok(Self(alternatives))
    }

    /// Returns whether the whole text matches; in time linear in the text and the expression.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|items| alternative_matches(items, text))
    }

    /// Returns of how many items it is made: what it costs in memory, and for each character of a path.
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Returns the literal texts that whatever matches has in it, in their order.
    pub(super) fn literals(&self) -> Vec<Literal> {
        let [items] = self.0.as_slice() else { return Vec::new() };
        let mut literals = Vec::new();
        let mut at = 0;
        for run in items.split_inclusive(|item| item.literal().is_none()) {
            let text: String = run.iter().filter_map(Item::literal).collect();
            let (at_start, ended) = (at == 0, at + text.chars().count());
            at += run.len();
            if !text.is_empty() {
                literals.push(Literal { text, at_start, at_end: ended == items.len() });
            }
        }
        literals
    }
}

fn alternative_matches(items: &[Item], text: &str) -> bool {
    // Where we may be: before an item, or in the middle of its `(.*/)?`.
    let (mut before, mut inside) = (vec![false; items.len() + 1], vec![false; items.len()]);
    let (mut next_before, mut next_inside) = (before.clone(), inside.clone());
    before[0] = true;
    let mut previous = None;
    let mut rest = text.chars();
    loop {
        let next = rest.clone().next();
        for (index, item) in items.iter().enumerate() {
            let skipped = match item {
                Item::Class { skip, .. } => *skip,
                Item::Folders => true,
                Item::Assert(assertion) => assertion.holds(previous, next),
            };
            if before[index] && skipped {
                before[index + 1] = true;
            }
        }
        let Some(c) = rest.next() else { return before[items.len()] };
        next_before.fill(false);
        next_inside.fill(false);
        let mut alive = false;
        for (index, item) in items.iter().enumerate() {
            match item {
                Item::Class { class, stay, .. } if before[index] && class.contains(c) => {
                    next_before[if *stay { index } else { index + 1 }] = true;
                }
                Item::Folders if (before[index] || inside[index]) && c != '\n' => {
                    next_inside[index] = true;
                    next_before[index + 1] |= c == '/';
                }
                _ => continue,
            }
            alive = true;
        }
        if !alive {
            return false;
        }
        std::mem::swap(&mut before, &mut next_before);
        std::mem::swap(&mut inside, &mut next_inside);
        previous = Some(c);
    }
}

/// Reads one item that begins with `c`.
fn item(c: char, rest: &mut Peekable<Chars<'_>>) -> Parsed<Item> {
    let class = match c {
        '(' => {
            // Only `(.*/)?` opens a group: the pattern's own parentheses are escaped.
            rest.by_ref().take("(.*/)?".len() - 1).for_each(drop);
            return Ok(Item::Folders);
        }
        '^' => return Ok(Item::Assert(Assertion::Start)),
        '.' => Class { negated: true, ranges: vec![(10, 10)] },
        '[' => class(rest)?,
        '\\' => {
            let assertion = match rest.peek() {
                Some('A') => Assertion::Start,
                Some('z') => Assertion::End,
                Some(letter @ ('b' | 'B')) => Assertion::Boundary(*letter == 'b'),
                _ => {
                    let class = escape(rest)?;
                    return Ok(Item::Class { class, skip: false, stay: false });
                }
            };
            rest.next();
            return Ok(Item::Assert(assertion));
        }
        c => Class::of(c),
    };
    let star = rest.next_if_eq(&'*').is_some();
    Ok(Item::Class { class, skip: star, stay: star })
}

/// Reads `{n}`, `{n,}` or `{n,m}` after its `{`; anything else leaves the `{` as itself.
fn repetition(rest: &mut Peekable<Chars<'_>>) -> Option<(usize, Option<usize>)> {
    let mut ahead = rest.clone();
    let text: String = ahead.by_ref().take_while(|c| *c != '}').take(64).collect();
    let count = |text: &str| {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        // A number that is too large for us is refused as too large for Go.
        (plain && !text.is_empty()).then(|| text.parse().unwrap_or(usize::MAX))
    };
    let found = match text.split_once(',') {
        None => count(&text).map(|n| (n, Some(n)))?,
        Some((least, "")) => (count(least)?, None),
        Some((least, most)) => (count(least)?, Some(count(most)?)),
    };
    // The `}` must really be there.
    if rest.clone().nth(text.chars().count()) != Some('}') {
        return None;
    }
    *rest = ahead;
    Some(found)
}

/// Repeats the last item and returns how many items that added.
fn repeat(items: &mut Vec<Item>, least: usize, most: Option<usize>) -> Parsed<usize> {
    // Go's limit.
    if least > 1000 || most.is_some_and(|most| most > 1000 || most < least) {
        return Err("`{…}` repeats too often, or more than at most");
    }
    match items.pop() {
        Some(Item::Class { class, .. }) => {
            let before = items.len();
            let of = |skip, stay| Item::Class { class: class.clone(), skip, stay };
            items.extend((0..least).map(|_| of(false, false)));
            match most {
                Some(most) => items.extend((least..most).map(|_| of(true, false))),
                None => items.push(of(true, true)),
            }
            return Ok(items.len() - before);
        }
        // An assertion holds as often as one likes.
        Some(assertion) if least > 0 => items.push(assertion),
        _ => {}
    }
    Ok(0)
}

impl Item {
    fn literal(&self) -> Option<char> {
        match self {
            Self::Class { class: Class { negated: false, ranges }, skip: false, stay: false } => {
                match ranges.as_slice() {
                    [(low, high)] if low == high => char::from_u32(*low),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl Assertion {
    fn holds(self, previous: Option<char>, next: Option<char>) -> bool {
        let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        match self {
            Self::Start => previous.is_none(),
            Self::End => next.is_none(),
            Self::Boundary(wanted) => (word(previous) != word(next)) == wanted,
        }
    }
}

impl Class {
    fn of(c: char) -> Self {
        Self { negated: false, ranges: vec![(c.into(), c.into())] }
    }

    fn contains(&self, c: char) -> bool {
        let c = u32::from(c);
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != self.negated
    }

    /// Returns the ranges of these ASCII characters, or of all others.
    fn ascii(set: &[(u8, u8)], negated: bool) -> Vec<(u32, u32)> {
        let set = set.iter().map(|(low, high)| (u32::from(*low), u32::from(*high)));
        if !negated {
            return set.collect();
        }
        let mut from = 0;
        let mut others = Vec::new();
        for (low, high) in set {
            if from < low {
                others.push((from, low - 1));
            }
            from = high + 1;
        }
        others.push((from, u32::from(char::MAX)));
        others
    }
}

/// Reads what follows a `\`, in or out of a class.
fn escape(rest: &mut Peekable<Chars<'_>>) -> Parsed<Class> {
    const DIGIT: &[(u8, u8)] = &[(b'0', b'9')];
    const SPACE: &[(u8, u8)] = &[(b'\t', b'\n'), (0x0c, b'\r'), (b' ', b' ')];
    const WORD: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')];
    let of = |set, negated| Ok(Class { negated: false, ranges: Class::ascii(set, negated) });
    match rest.next().ok_or("it ends with `\\`")? {
        'd' => of(DIGIT, false),
        'D' => of(DIGIT, true),
        's' => of(SPACE, false),
        'S' => of(SPACE, true),
        'w' => of(WORD, false),
        'W' => of(WORD, true),
        'a' => Ok(Class::of('\x07')),
        'f' => Ok(Class::of('\x0c')),
        'n' => Ok(Class::of('\n')),
        'r' => Ok(Class::of('\r')),
        't' => Ok(Class::of('\t')),
        'v' => Ok(Class::of('\x0b')),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(Class::of(c)),
        _ => Err("there is no such escape"),
    }
}

/// Reads a class after its `[`.
fn class(rest: &mut Peekable<Chars<'_>>) -> Parsed<Class> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let mut first = true;
    while first || rest.next_if_eq(&']').is_none() {
        first = false;
        if let Some(named) = named_class(rest)? {
            ranges.extend(named);
            continue;
        }
        let low = class_char(rest)?;
        // A `-` before the end, or after more than one character, is itself.
        let mut ahead = rest.clone();
        let range = low.len() == 1 && ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
        if !range {
            ranges.extend(low);
            continue;
        }
        rest.next();
        match (low.as_slice(), class_char(rest)?.as_slice()) {
            ([(low, _)], [(high, _)]) if low <= high => ranges.push((*low, *high)),
            _ => return Err("a range in a class goes backwards"),
        }
    }
    Ok(Class { negated, ranges })
}

fn class_char(rest: &mut Peekable<Chars<'_>>) -> Parsed<Vec<(u32, u32)>> {
    match rest.next().ok_or("a class is not closed")? {
        '\\' => Ok(escape(rest)?.ranges),
        c => Ok(Class::of(c).ranges),
    }
}

/// Reads `[:alpha:]` and the like, if that is what follows.
fn named_class(rest: &mut Peekable<Chars<'_>>) -> Parsed<Option<Vec<(u32, u32)>>> {
    let text: String = rest.clone().take(32).collect();
    let Some((name, _)) = text.strip_prefix("[:").and_then(|after| after.split_once(":]")) else {
        return Ok(None);
    };
    let (negated, plain) = match name.strip_prefix('^') {
        Some(plain) => (true, plain),
        None => (false, name),
    };
    let set: &[(u8, u8)] = match plain {
        "alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        "alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        "ascii" => &[(0, 0x7f)],
        "blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        "cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        "digit" => &[(b'0', b'9')],
        "graph" => &[(b'!', b'~')],
        "lower" => &[(b'a', b'z')],
        "print" => &[(b' ', b'~')],
        "punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        "space" => &[(b'\t', b'\r'), (b' ', b' ')],
        "upper" => &[(b'A', b'Z')],
        "word" => &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')],
        "xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return Err("there is no class of that name"),
    };
    rest.by_ref().take(name.chars().count() + 4).for_each(drop);
    Ok(Some(Class::ascii(set, negated)))
}
