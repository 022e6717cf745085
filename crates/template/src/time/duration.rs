//! Durations as Go writes them.

/// Returns the whole seconds of a duration as Go writes it (`time.ParseDuration`), such as `1h20m` or `90s`, without a sign
/// and without fractions; milliseconds count for nothing.
///
/// ```
/// use shipway_template::whole_seconds;
///
/// assert_eq!(whole_seconds("1h20m"), Some(4800));
/// assert_eq!(whole_seconds("1s500ms"), Some(1));
/// assert_eq!(whole_seconds("20"), None);
/// ```
#[must_use]
pub fn whole_seconds(text: &str) -> Option<u64> {
    let (mut rest, mut all) = (text, 0_u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let (of, length) = match unit.as_bytes() {
            [b'm', b's', ..] => (0, 2),
            [b'h', ..] => (3600, 1),
            [b'm', ..] => (60, 1),
            [b's', ..] => (1, 1),
            _ => return None,
        };
        all = all.checked_add(number.checked_mul(of)?)?;
        rest = &unit[length..];
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::whole_seconds;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, read) in [
            ("20m", Some(1200)),
            ("1h20m", Some(4800)),
            ("90s", Some(90)),
            ("1s500ms", Some(1)),
            ("0s", Some(0)),
            ("20", None),
            ("m", None),
            ("", None),
            ("-1m", None),
            ("1é", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(whole_seconds(text), read, "{text}");
        }
    }
}
