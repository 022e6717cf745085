//! Variables in texts, as Go's `os.Expand` puts them in, and files of variables.

use std::collections::BTreeMap;

use shipway_core::{Error, Location, Result};

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// Puts variables in the place of `$NAME` and `${NAME}`; one that is not set is nothing (Go, os/env.go).
pub(super) fn expand(text: &str, variables: &Variables) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, width) = name(after);
        match (name, width) {
            // A `$` that no name follows stays; broken syntax goes.
            ("", 0) => out.push('$'),
            (name, _) => out.push_str(variables.get(name).map_or("", String::as_str)),
        }
        rest = &after[width..];
    }
    out.push_str(rest);
    out
}

/// Returns the name that a text begins with, and how many bytes it takes.
fn name(text: &str) -> (&str, usize) {
    let special = |c: char| matches!(c, '*' | '#' | '$' | '@' | '!' | '?' | '-' | '0'..='9');
    let Some(first) = text.chars().next() else { return ("", 0) };
    if first == '{' {
        let inside = &text[1..];
        if inside.starts_with(special) && inside[1..].starts_with('}') {
            return (&inside[..1], 3);
        }
        return match inside.find('}') {
            // `${}` is eaten whole, and without an end the `${` is.
            Some(0) => ("", 2),
            Some(end) => (&inside[..end], end + 2),
            None => ("", 1),
        };
    }
    if special(first) {
        return (&text[..1], 1);
    }
    let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let end = text.find(|c| !word(c)).unwrap_or(text.len());
    (&text[..end], end)
}

/// Reads a file of variables as the real tool's reader does (joho/godotenv): `NAME=value` or
/// `NAME: value` on each line, `export` before it, comments, quotes, and variables set before in values.
///
/// # Errors
/// `Config` with the line, also for a quoted value that goes on in the next line.
pub(super) fn env_file(path: &str, text: &str) -> Result<Variables> {
    let mut variables = Variables::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let wrong = |why: &str| {
            Error::config(format!("the variable file has a line that {why}")).at(Location::new(
                path,
                index + 1,
                0,
            ))
        };
        let Some(at) = line.find(['=', ':']) else { return Err(wrong("is not `NAME=value`")) };
        let (name, value) = (line[..at].trim(), line[at + 1..].trim());
        let word = |c: char| c == '_' || c == '.' || c.is_alphanumeric();
        if name.is_empty() || !name.chars().all(word) {
            return Err(wrong("names no variable"));
        }
        let quoted = |quote: char| value.strip_prefix(quote);
        let value = match (quoted('\''), quoted('"')) {
            (Some(inside), _) => match inside.find('\'') {
                Some(end) => inside[..end].to_owned(),
                None => return Err(wrong("has a quote without end")),
            },
            (_, Some(inside)) => {
                let Some(inside) = unquote(inside) else { return Err(wrong("has a quote without end")) };
                expand(&inside, &variables)
            }
            (None, None) => {
                // A comment begins after a blank.
                let end = value.find(" #").or(value.starts_with('#').then_some(0)).unwrap_or(value.len());
                expand(value[..end].trim_end(), &variables)
            }
        };
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// Returns the text up to the closing `"`, with its escapes undone.
fn unquote(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some(out),
            '\\' => match characters.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_are_put_in_as_go_does() {
        let variables = variables(&[("A", "1"), ("AB", "2"), ("*", "star"), ("a b", "odd")]);
        // Each was asked of Go's `os.Expand`.
        for (text, expanded) in [
            ("", ""),
            ("$A", "1"),
            ("$AB-$A", "2-1"),
            ("${A}B", "1B"),
            ("$NONE.", "."),
            ("$", "$"),
            ("a$", "a$"),
            ("$$A", "A"),
            ("$.", "$."),
            ("${}", ""),
            ("${A", "A"),
            ("${", ""),
            ("$*", "star"),
            ("${*}", "star"),
            ("${*x}", ""),
            ("$1A", "A"),
            ("${a b}", "odd"),
            ("$é", "$é"),
            ("$A$A", "11"),
        ] {
            assert_eq!(expand(text, &variables), expanded, "{text}");
        }
    }

    #[test]
    fn files_of_variables_are_read() {
        let text =
            "# comment\n\nA=1\nexport B = two # why\nC: 'a $A # b'\nD=\"x\\n$A\"\nE=${A}/$B\nF=\nG=a#b\n";
        assert_eq!(
            env_file("x.env", text).expect("valid"),
            variables(&[
                ("A", "1"),
                ("B", "two"),
                ("C", "a $A # b"),
                ("D", "x\n1"),
                ("E", "1/two"),
                ("F", ""),
                ("G", "a#b"),
            ])
        );
        for (text, wrong) in [
            ("A=1\nB", "x.env:2: the variable file has a line that is not `NAME=value`"),
            ("=1", "x.env:1: the variable file has a line that names no variable"),
            ("a b=1", "x.env:1: the variable file has a line that names no variable"),
            ("A=\"1", "x.env:1: the variable file has a line that has a quote without end"),
        ] {
            assert_eq!(env_file("x.env", text).expect_err(text).report().to_string(), wrong);
        }
    }
}
