//! `HEALTHCHECK`: its flags, and Go's way to write a time.

use shipway_oci::Healthcheck;

use super::{CommandLine, Flag};

/// Returns the check that runs this command.
pub(super) fn check(command: &CommandLine, flags: &[Flag]) -> Result<Healthcheck, String> {
    let test = match command {
        CommandLine::Exec(words) => std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect(),
        CommandLine::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
    };
    let mut check = Healthcheck::new(test);
    for flag in flags {
        let value = flag.value.as_deref().unwrap_or_default();
        match flag.name.as_str() {
            "interval" => check.interval = interval(&flag.name, value)?,
            "timeout" => check.timeout = interval(&flag.name, value)?,
            "start-period" => check.start_period = interval(&flag.name, value)?,
            "start-interval" => check.start_interval = interval(&flag.name, value)?,
            _ if value.is_empty() => {}
            _ => {
                let retries = value.parse::<i32>().ok().filter(|retries| *retries >= 0);
                check.retries = retries.ok_or_else(|| format!("`{value}` is no count of retries"))?.into();
            }
        }
    }
    Ok(check)
}

fn interval(name: &str, text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    match nanoseconds(text) {
        Some(0) => Ok(0),
        Some(time) if time >= 1_000_000 => Ok(time),
        Some(_) => Err(format!("`--{name}={text}` is less than `1ms`")),
        None => Err(format!("`--{name}={text}` is no time, such as `1m30s`")),
    }
}

/// Reads what Go's `time.ParseDuration` does, such as `1m30s` or `1.5h`.
fn nanoseconds(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[end..];
    }
    // Far from the largest number of either kind.
    (total <= 9e18).then(|| if negative { -total } else { total } as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_does() {
        for (text, expected) in [
            ("0", Some(0)),
            ("30s", Some(30_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("-1ms", Some(-1_000_000)),
            (".5s", Some(500_000_000)),
            ("", None),
            ("1", None),
            ("s", None),
            ("1d", None),
            ("1.2.3s", None),
            ("9999999999h", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }
}
