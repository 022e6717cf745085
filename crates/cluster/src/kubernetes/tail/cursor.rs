//! How far a log was read, so that reading it again from there gives each line once.
//!
//! A log is read again from a whole second on, so that lines come twice. They are told apart by what they
//! are: those of the last seconds are remembered, as often as they came.

use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

/// Of how many seconds lines are remembered: the two that are read again, and one more, because the line
/// from which they are read may be followed by an earlier one.
const SECONDS: usize = 3;

/// How many lines came that look the same.
type Lines = HashMap<u64, usize>;

/// How far a log was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// From where on it was wanted at first.
    first: Option<String>,
    /// The lines that came, by their second.
    seen: BTreeMap<String, Lines>,
    /// Those of them that did not come again since the log was opened again.
    again: Lines,
    /// Whether the line before was one that came again.
    dropped: bool,
    /// The moment of the line before.
    at: String,
}

impl Cursor {
    pub(super) fn new(first: Option<String>) -> Self {
        Self { first, ..Self::default() }
    }

    /// Returns from which moment on the log is to be read, which begins anew.
    pub(super) fn reopen(&mut self) -> Option<String> {
        self.again.clear();
        for (line, count) in self.seen.values().flatten() {
            *self.again.entry(*line).or_default() += count;
        }
        self.dropped = false;
        // From the last second but one: a line may be a little earlier than the one before it.
        let seconds = &mut self.seen.keys().rev();
        let last = seconds.next();
        seconds.next().or(last).cloned().or_else(|| self.first.clone())
    }

    /// Returns whether nothing came yet.
    pub(super) fn is_new(&self) -> bool {
        self.seen.is_empty()
    }

    /// Takes a line with its moment before it, and returns the two, unless it came before.
    pub(super) fn take<'a>(&'a mut self, line: &'a str) -> Option<(&'a str, &'a str)> {
        let Some((at, second, text)) = parts(line) else {
            // The rest of a very long line goes where its beginning went.
            return (!self.dropped).then_some((self.at.as_str(), line));
        };
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(count) = self.again.get_mut(&hash).filter(|count| **count > 0) {
            *count -= 1;
            self.dropped = true;
            return None;
        }
        self.dropped = false;
        at.clone_into(&mut self.at);
        *self.seen.entry(second).or_default().entry(hash).or_default() += 1;
        while self.seen.len() > SECONDS {
            self.seen.pop_first();
        }
        Some((at, text))
    }
}

/// Returns the moment of a line, its whole second, and its text.
fn parts(line: &str) -> Option<(&str, String, &str)> {
    let (at, text) = line.split_once(' ').unwrap_or((line, ""));
    let (day, time) = at.split_once('T')?;
    let digits = |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit() || b == b':');
    let (clock, rest) = time.split_at_checked(8)?;
    if day.len() != 10 || !digits(clock) {
        return None;
    }
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    Some((at, format!("{day}T{clock}{zone}"), text))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn the_moment_is_apart_from_the_line() {
        let line = "2026-11-21T18:10:45.123456789Z a b";
        assert_eq!(
            parts(line),
            Some(("2026-11-21T18:10:45.123456789Z", "2026-11-21T18:10:45Z".to_owned(), "a b"))
        );
        let line = "2026-11-21T18:10:45+01:00 ";
        assert_eq!(
            parts(line),
            Some(("2026-11-21T18:10:45+01:00", "2026-11-21T18:10:45+01:00".to_owned(), ""))
        );
        for line in ["", "a", "a b", "T", "2026-11-21T", "2026-11-21Tx8:10:45Z a", "2026-11-21T18:10:4é"] {
            assert_eq!(parts(line), None, "{line}");
        }
    }

    #[test]
    fn the_rest_of_a_long_line_goes_where_its_beginning_went() {
        let (line, mut cursor) = ("2026-11-21T18:10:45.5Z begin", Cursor::new(None));
        assert!(cursor.reopen().is_none() && cursor.is_new());
        assert_eq!(cursor.take(line), Some(("2026-11-21T18:10:45.5Z", "begin")));
        assert_eq!(cursor.take("rest"), Some(("2026-11-21T18:10:45.5Z", "rest")));
        assert_eq!(cursor.reopen().as_deref(), Some("2026-11-21T18:10:45Z"));
        assert_eq!(cursor.take(line), None);
        assert_eq!(cursor.take("rest"), None);
    }

    proptest! {
        /// A log whose moments go forward, but for what two streams swap within half a second, is read in
        /// pieces, each cut off anywhere; the kubelet gives what is not before the second that is asked for.
        #[test]
        fn each_line_comes_once_wherever_the_connection_breaks(
            steps in vec((0u64..700, 0u64..500, 0u8..3), 0..60),
            cuts in vec(0usize..40, 0..12),
        ) {
            let mut now = 1000;
            let log: Vec<(u64, String)> = steps.iter().map(|(step, back, text)| {
                now += step;
                let at = now - back;
                let second = at / 1000;
                let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
                (second, format!("2026-11-21T{clock}.{:03}000000Z {text}", at % 1000))
            }).collect();
            let of_second = |moment: &str| -> u64 {
                let part = |from: usize| moment[from..from + 2].parse::<u64>().unwrap();
                part(11) * 3600 + part(14) * 60 + part(17)
            };
            let (mut cursor, mut read) = (Cursor::new(None), Vec::new());
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let since = cursor.reopen().map_or(0, |moment| of_second(&moment));
                // The kubelet looks for the first line that is not too early, and gives all from there on.
                let from = log.iter().position(|(second, _)| *second >= since).unwrap_or(log.len());
                for (_, line) in log[from..].iter().take(cut) {
                    if let Some((at, text)) = cursor.take(line) {
                        read.push(format!("{at} {text}"));
                    }
                }
            }
            let whole: Vec<String> = log.into_iter().map(|(_, line)| line).collect();
            prop_assert_eq!(read, whole);
        }
    }
}
