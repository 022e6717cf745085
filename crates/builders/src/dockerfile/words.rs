//! Words, pairs and flags as instructions have them; a port of BuildKit's `parseWords`, `parseNameVal`
//! and `extractBuilderFlags`. Quotes stay in words, for the expansion to take them away.

/// What BuildKit splits words at.
pub(super) const BLANKS: [char; 5] = ['\t', '\u{b}', '\u{c}', '\r', ' '];

/// Splits at blanks, whatever is quoted.
pub(super) fn plain(text: &str) -> Vec<String> {
    text.split(BLANKS).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

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

/// Does the same, and joins `<<` and a word after blanks.
pub(super) fn split_at_heredocs(text: &str) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for word in split(text, '\\') {
        match joined.last_mut() {
            Some(last) if last.ends_with("<<") || last.ends_with("<<-") => last.push_str(&word),
            _ => joined.push(word),
        }
    }
    joined
}

/// Returns one word without its quotes and escapes, or `None` when there are several or none.
pub(super) fn unquote(text: &str) -> Option<String> {
    let [word] = split(text, '\\').try_into().ok()?;
    let (mut plain, mut quote) = (String::new(), None);
    let mut rest = word.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => plain.extend(rest.next()),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, _) => plain.push(c),
        }
    }
    Some(plain).filter(|plain| !plain.is_empty() && quote.is_none())
}

/// Takes the flags in front of an instruction's arguments; also returns where in the text each begins,
/// and where the arguments do.
pub(super) fn flags(text: &str, escape: char) -> (Vec<(usize, String)>, usize) {
    let mut flags = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if !text[at..].starts_with("--") {
            return (flags, at);
        }
        let (mut word, mut quote, mut end) = (String::new(), None, text.len());
        let mut rest = text[at..].char_indices();
        while let Some((offset, c)) = rest.next() {
            match (c, quote) {
                (c, None) if c.is_whitespace() => {
                    end = at + offset;
                    break;
                }
                (c, quote) if c == escape && quote != Some('\'') => word.extend(rest.next().map(|(_, c)| c)),
                ('\'' | '"', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, _) => word.push(c),
            }
        }
        // What follows `--` alone are arguments.
        if word == "--" {
            return (flags, end);
        }
        flags.push((at, word));
        at = end;
    }
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

    #[test]
    fn flags_come_first_and_lose_their_quotes() {
        let flag = |at: usize, text: &str| (at, text.to_owned());
        assert_eq!(flags("a --b", '\\'), (vec![], 0));
        assert_eq!(flags("--a=b  --c d", '\\'), (vec![flag(0, "--a=b"), flag(7, "--c")], 11));
        assert_eq!(flags(r#"--a="b c"'d' --e\ f"#, '\\'), (vec![flag(0, "--a=b cd"), flag(13, "--e f")], 19));
        assert_eq!(flags("--a -- --b", '\\'), (vec![flag(0, "--a")], 6));
        assert_eq!(unquote("'a b'").as_deref(), Some("a b"));
        assert_eq!((unquote("a b"), unquote(""), unquote("'a")), (None, None, None));
    }
}
