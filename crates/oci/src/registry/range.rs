//! A part of a blob: the `Range` header (RFC 9110, section 14; OCI distribution-spec, "Pulling blobs").

use hyper::{HeaderMap, header::RANGE};

/// What a request wants of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// From one byte to another, both included.
    Part(u64, u64),
    /// What it does not have.
    Nothing,
}

/// Reads the header. Several ranges, another unit and what is no range are answered as if there were
/// no header, as RFC 9110 allows.
pub(super) fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let Some((from, to)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>();
    match (from.trim(), to.trim()) {
        ("", last) => match number(last) {
            Ok(0) => Wanted::Nothing,
            Ok(_) if size == 0 => Wanted::Nothing,
            Ok(last) => Wanted::Part(size.saturating_sub(last), size - 1),
            Err(_) => Wanted::Whole,
        },
        (from, to) => match (number(from), if to.is_empty() { Ok(u64::MAX) } else { number(to) }) {
            (Ok(from), Ok(to)) if from > to => Wanted::Whole,
            (Ok(from), Ok(_)) if from >= size => Wanted::Nothing,
            (Ok(from), Ok(to)) => Wanted::Part(from, to.min(size - 1)),
            _ => Wanted::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_within_the_size_or_nothing() {
        for (range, size, expected) in [
            ("bytes=0-3", 10, Wanted::Part(0, 3)),
            ("bytes=4-", 10, Wanted::Part(4, 9)),
            ("bytes=4-99", 10, Wanted::Part(4, 9)),
            ("bytes=-3", 10, Wanted::Part(7, 9)),
            ("bytes=-99", 10, Wanted::Part(0, 9)),
            ("bytes=9-9", 10, Wanted::Part(9, 9)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=-1", 0, Wanted::Nothing),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=3-1", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("lines=0-1", 10, Wanted::Whole),
            ("bytes=18446744073709551616-", 10, Wanted::Whole),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, range.parse().expect("a header"));
            assert_eq!(wanted(&headers, size), expected, "{range} of {size}");
        }
        assert_eq!(wanted(&HeaderMap::new(), 10), Wanted::Whole);
    }
}
