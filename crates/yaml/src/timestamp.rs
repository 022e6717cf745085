//! The timestamps that Go's YAML libraries know. They stay texts; what matters is that a value that is one
//! is no number, and which one it is.

/// A moment or a date, in the parts that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    date: (u16, u8, u8),
    time: (u8, u8, u8, u32),
    /// Minutes east of UTC.
    zone: i32,
}

impl Timestamp {
    /// Reads the four forms of yaml.v3 (resolve.go, `allowedTimestampFormats`).
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (year, rest) = text.split_once('-')?;
        if year.len() != 4 {
            return None;
        }
        let (month, rest) = rest.split_once('-')?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (day, rest) = rest.split_at(end);
        let date = (digits(year, 4)? as u16, digits(month, 2)? as u8, digits(day, 2)? as u8);
        let days = match date.1 {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if date.0.is_multiple_of(4) && (!date.0.is_multiple_of(100) || date.0.is_multiple_of(400)) => {
                29
            }
            2 => 28,
            _ => return None,
        };
        if date.2 == 0 || date.2 > days {
            return None;
        }
        let Some(separator) = rest.chars().next() else {
            return Some(Self { date, time: (0, 0, 0, 0), zone: 0 });
        };
        let rest = &rest[separator.len_utf8()..];
        let (clock, zone) = match separator {
            ' ' => (rest, 0),
            'T' | 't' => zone(rest)?,
            _ => return None,
        };
        Some(Self { date, time: time(clock)?, zone })
    }
}

fn digits(text: &str, most: usize) -> Option<u32> {
    let fine = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    fine.then(|| text.parse().ok())?
}

/// Splits `15:4:5Z` or `15:4:5+02:00` into the clock and the minutes east.
fn zone(text: &str) -> Option<(&str, i32)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let at = text.rfind(['+', '-'])?;
    let sign = if text[at..].starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 24 && minutes < 60).then(|| (&text[..at], sign * (hours * 60 + minutes) as i32))
}

fn time(text: &str) -> Option<(u8, u8, u8, u32)> {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, fraction),
        None => (text, "0"),
    };
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (hours, minutes, seconds) = (digits(hours, 2)?, digits(minutes, 2)?, digits(seconds, 2)?);
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = digits(&format!("{fraction:0<9}")[..9], 9)?;
    Some((hours as u8, minutes as u8, seconds as u8, nanos))
}

/// As `time.RFC3339Nano` writes it.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ((year, month, day), (hours, minutes, seconds, nanos)) = (self.date, self.time);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}")?;
        if nanos > 0 {
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        match self.zone {
            0 => f.write_str("Z"),
            east => {
                let sign = if east < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", east.abs() / 60, east.abs() % 60)
            }
        }
    }
}
