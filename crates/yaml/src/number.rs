//! Numbers as Go's `strconv` reads them.

/// Reads an integer in Go's base 0: decimal, `0x`, `0o`, `0b`, and octal after a leading 0, within the
/// range of `i64` with a sign and of `u64` without.
pub(crate) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some(start) if start.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    radix_integer(digits, radix, negative).filter(|value| {
        // `ParseInt` takes a sign, `ParseUint` does not.
        *value <= i128::from(i64::MAX) || !text.starts_with('+')
    })
}

/// Reads digits of a radix, without any sign of their own.
pub(crate) fn radix_integer(digits: &str, radix: u32, negative: bool) -> Option<i128> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok().map(i128::from)?;
    let value = if negative { -value } else { value };
    (value >= i128::from(i64::MIN)).then_some(value)
}

/// Whether a text has the form `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
pub(crate) fn is_yaml_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = match number.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(number),
    };
    number && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
}

/// Reads a decimal float; one that is too large for a double is none, as for Go's `ParseFloat`.
pub(crate) fn float(text: &str) -> Option<f64> {
    is_yaml_float(text).then(|| text.parse::<f64>().ok())?.filter(|value| value.is_finite())
}
