//! Regular expressions: Go's syntax (RE2) is that of the crate `regex`, and neither backtracks.

use gotmpl::Value;
use regex::{NoExpand, Regex, RegexBuilder};

use super::{Answer, Function, MAX_TEXT, arguments::Arguments, function, list, text};

pub(super) const ALL: &[Function] = &[
    // It says no where `mustRegexMatch` says that the pattern is wrong.
    function("regexMatch", 2, 2, |a| {
        let (pattern, whole) = (a.text(0)?, a.text(1)?);
        Ok(Value::Bool(compiled(pattern).is_ok_and(|pattern| pattern.is_match(whole))))
    }),
    function("mustRegexMatch", 2, 2, |a| Ok(Value::Bool(pattern(a)?.is_match(a.text(1)?)))),
    function("regexFind", 2, 2, find),
    function("mustRegexFind", 2, 2, find),
    function("regexFindAll", 3, 3, find_all),
    function("mustRegexFindAll", 3, 3, find_all),
    function("regexReplaceAll", 3, 3, replace_all),
    function("mustRegexReplaceAll", 3, 3, replace_all),
    function("regexReplaceAllLiteral", 3, 3, replace_all_literal),
    function("mustRegexReplaceAllLiteral", 3, 3, replace_all_literal),
    function("regexSplit", 3, 3, split),
    function("mustRegexSplit", 3, 3, split),
    function("regexQuoteMeta", 1, 1, |a| text(quoted(a.text(0)?))),
];

fn compiled(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(1024 * 1024)
        .build()
        // The error would show the pattern, in which a variable's value may be.
        .map_err(|_| "the pattern is wrong, or too large".to_owned())
}

fn pattern(a: &Arguments) -> Result<Regex, String> {
    compiled(a.text(0)?)
}

fn find(a: &Arguments) -> Answer {
    text(pattern(a)?.find(a.text(1)?).map_or("", |found| found.as_str()))
}

fn most(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn find_all(a: &Arguments) -> Answer {
    let (pattern, whole) = (pattern(a)?, a.text(1)?);
    Ok(list(pattern.find_iter(whole).take(most(a.int(2)?)).map(|found| found.as_str())))
}

fn bounded(a: &Arguments, pattern: &Regex) -> Result<(), String> {
    let (whole, replacement) = (a.text(1)?, a.text(2)?);
    // A replacement may hold the whole text as often as it has room for `$0`.
    let one = replacement.len().saturating_mul(whole.len() + 1);
    if pattern.find_iter(whole).count().saturating_mul(one) > 64 * MAX_TEXT {
        return Err("too much may come out".to_owned());
    }
    Ok(())
}

fn replace_all(a: &Arguments) -> Answer {
    let pattern = pattern(a)?;
    bounded(a, &pattern)?;
    text(pattern.replace_all(a.text(1)?, a.text(2)?))
}

fn replace_all_literal(a: &Arguments) -> Answer {
    let pattern = pattern(a)?;
    bounded(a, &pattern)?;
    text(pattern.replace_all(a.text(1)?, NoExpand(a.text(2)?)))
}

fn split(a: &Arguments) -> Answer {
    let (pattern, whole, count) = (pattern(a)?, a.text(1)?, a.int(2)?);
    if count == 0 {
        return Ok(list(Vec::<Value>::new()));
    }
    Ok(list(pattern.splitn(whole, most(count))))
}

/// Go's `regexp.QuoteMeta`.
fn quoted(whole: &str) -> String {
    let mut out = String::new();
    for c in whole.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
