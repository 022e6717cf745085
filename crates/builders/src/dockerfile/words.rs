//! Words and pairs as ENV, LABEL and ARG have them; a port of BuildKit's `parseWords` and
//! `parseNameVal`. Quotes stay, for the expansion to take them away.

/// Splits at blanks that are not inside quotes.
pub(super) fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut started = false;
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if quote.is_none() && c.is_whitespace() {
            if started {
                words.push(std::mem::take(&mut word));
            }
            started = false;
            continue;
        }
        started = true;
        if c == escape && quote != Some('\'') {
            // An escape at the very end is dropped.
            if let Some(escaped) = rest.next() {
                word.extend([c, escaped]);
            }
            continue;
        }
        match quote {
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Reads `name=value …`, or the old form `name value`, in which the value is the rest of the line.
pub(super) fn pairs(text: &str, escape: char) -> Result<Vec<(String, String)>, String> {
    let text = text.trim();
    let words = split(text, escape);
    if !words.first().is_some_and(|word| word.contains('=')) {
        return match text.split_once(char::is_whitespace) {
            Some((name, value)) => Ok(vec![(name.to_owned(), value.trim_start().to_owned())]),
            None => Err(format!("has no value for `{text}`")),
        };
    }
    let pair = |word: &String| match word.split_once('=') {
        Some(("", _)) => Err(format!("has no name in `{word}`")),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(format!("has no `=` in `{word}`")),
    };
    words.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_quotes_and_escapes() {
        let table: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("a b", &["a", "b"]),
            ("a='b c' d", &["a='b c'", "d"]),
            (r#"a="b \" c" d"#, &[r#"a="b \" c""#, "d"]),
            (r"a=b\ c d", &[r"a=b\ c", "d"]),
            (r"a='b\' c", &[r"a='b\'", "c"]),
            ("a=\"\" b", &["a=\"\"", "b"]),
            (r"a\", &["a"]),
        ];
        for (text, words) in table {
            assert_eq!(split(text, '\\'), words, "{text}");
        }
    }

    #[test]
    fn the_old_form_takes_the_rest_of_the_line() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs("a  b c=d ", '\\').unwrap(), [pair("a", "b c=d")]);
        assert_eq!(pairs("a=b c='d e'", '\\').unwrap(), [pair("a", "b"), pair("c", "'d e'")]);
        assert_eq!(pairs("a=b c", '\\').unwrap_err(), "has no `=` in `c`");
        assert_eq!(pairs("a", '\\').unwrap_err(), "has no value for `a`");
        assert_eq!(pairs("=a", '\\').unwrap_err(), "has no name in `=a`");
    }
}
