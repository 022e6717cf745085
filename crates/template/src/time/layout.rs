//! Go's layouts: a moment of reference, written as the moment is to be written.

use std::fmt::Write as _;

use shipway_core::Timestamp;

use super::{Zone, moment};

/// A part of a layout that stands for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    Upper,
    Lower,
    Abbreviation,
    Offset { z: bool, colon: bool, size: Size },
    Fraction { separator: char, digits: usize, trim: bool },
}

/// How much of an offset is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Hours,
    Minutes,
    Seconds,
}

const OFFSETS: [(&str, bool, Size); 5] = [
    ("070000", false, Size::Seconds),
    ("07:00:00", true, Size::Seconds),
    ("0700", false, Size::Minutes),
    ("07:00", true, Size::Minutes),
    ("07", false, Size::Hours),
];

/// Writes a moment in a zone by a layout of Go's, such as `2006-01-02_15-04-05.999_MST`.
///
/// What is no part of Go's moment of reference (Monday, 2 January 2006, 15:04:05, seven hours west) stays
/// as it is.
///
/// ```
/// use shipway_core::Timestamp;
/// use shipway_template::{Zone, format_time};
///
/// let at = Timestamp(1_700_000_000_120);
/// assert_eq!(format_time("2006-01-02_15-04-05.999_MST", at, &Zone::utc()), "2023-11-14_22-13-20.12_UTC");
/// ```
#[must_use]
pub fn format_time(layout: &str, at: Timestamp, zone: &Zone) -> String {
    let at = moment(at);
    let (abbreviation, offset) = zone.at(at);
    let clock = offset.to_datetime(at);
    let (month, weekday) = (clock.month(), clock.weekday());
    let hour = clock.hour();
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let mut out = String::new();
    let mut rest = layout;
    while !rest.is_empty() {
        let Some((before, part, after)) = next(rest) else {
            out.push_str(rest);
            break;
        };
        out.push_str(before);
        rest = after;
        // Writing to a text does not fail.
        let _ = match part {
            Part::LongMonth => write!(out, "{}", MONTHS[usize::from(month.unsigned_abs()) - 1]),
            Part::Month => write!(out, "{}", &MONTHS[usize::from(month.unsigned_abs()) - 1][..3]),
            Part::NumMonth => write!(out, "{month}"),
            Part::ZeroMonth => write!(out, "{month:02}"),
            Part::LongWeekday => {
                write!(out, "{}", WEEKDAYS[usize::from(weekday.to_sunday_zero_offset().unsigned_abs())])
            }
            Part::Weekday => {
                write!(out, "{}", &WEEKDAYS[usize::from(weekday.to_sunday_zero_offset().unsigned_abs())][..3])
            }
            Part::Day => write!(out, "{}", clock.day()),
            Part::UnderDay => write!(out, "{:2}", clock.day()),
            Part::ZeroDay => write!(out, "{:02}", clock.day()),
            Part::UnderYearDay => write!(out, "{:3}", clock.day_of_year()),
            Part::ZeroYearDay => write!(out, "{:03}", clock.day_of_year()),
            Part::Hour => write!(out, "{hour:02}"),
            Part::Hour12 => write!(out, "{hour12}"),
            Part::ZeroHour12 => write!(out, "{hour12:02}"),
            Part::Minute => write!(out, "{}", clock.minute()),
            Part::ZeroMinute => write!(out, "{:02}", clock.minute()),
            Part::Second => write!(out, "{}", clock.second()),
            Part::ZeroSecond => write!(out, "{:02}", clock.second()),
            Part::LongYear => write!(out, "{:04}", clock.year()),
            Part::Year => write!(out, "{:02}", clock.year() % 100),
            Part::Upper => write!(out, "{}", if hour >= 12 { "PM" } else { "AM" }),
            Part::Lower => write!(out, "{}", if hour >= 12 { "pm" } else { "am" }),
            Part::Abbreviation => write!(out, "{abbreviation}"),
            Part::Offset { z: true, .. } if offset.seconds() == 0 => write!(out, "Z"),
            Part::Offset { colon, size, .. } => write!(out, "{}", offset_text(offset.seconds(), colon, size)),
            Part::Fraction { separator, digits, trim } => {
                write!(out, "{}", fraction(clock.subsec_nanosecond(), separator, digits, trim))
            }
        };
    }
    out
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

fn offset_text(seconds: i32, colon: bool, size: Size) -> String {
    // The sign is that of the minutes, as in Go: half a minute west of Greenwich is `+0000`.
    let sign = if seconds / 60 < 0 { '-' } else { '+' };
    let total = seconds.unsigned_abs();
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    let between = if colon { ":" } else { "" };
    match size {
        Size::Hours => format!("{sign}{hours:02}"),
        Size::Minutes => format!("{sign}{hours:02}{between}{minutes:02}"),
        Size::Seconds => format!("{sign}{hours:02}{between}{minutes:02}{between}{seconds:02}"),
    }
}

fn fraction(nanoseconds: i32, separator: char, digits: usize, trim: bool) -> String {
    let all = format!("{nanoseconds:09}");
    let kept = &all[..digits.min(9)];
    let kept = if trim { kept.trim_end_matches('0') } else { kept };
    if trim && kept.is_empty() { String::new() } else { format!("{separator}{kept}") }
}

/// Finds the next part: what is before it, and what comes after.
fn next(layout: &str) -> Option<(&str, Part, &str)> {
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        if let Some((skip, length, part)) = part(rest) {
            return Some((&layout[..at + skip], part, &rest[skip + length..]));
        }
    }
    None
}

/// Returns the part that a layout begins with: how much before it belongs to the text, its length, and
/// what it is. The order is Go's (`nextStdChunk` in time/format.go).
fn part(rest: &str) -> Option<(usize, usize, Part)> {
    let found = |text: &str, part: Part| rest.starts_with(text).then_some((0, text.len(), part));
    let word = |text: &str, part: Part| {
        let ends = !rest.get(text.len()..)?.starts_with(|c: char| c.is_ascii_lowercase());
        found(text, part).filter(|_| ends)
    };
    match rest.as_bytes().first()? {
        b'J' => found("January", Part::LongMonth).or_else(|| word("Jan", Part::Month)),
        b'M' => found("Monday", Part::LongWeekday)
            .or_else(|| word("Mon", Part::Weekday))
            .or_else(|| found("MST", Part::Abbreviation)),
        b'0' => found("01", Part::ZeroMonth)
            .or_else(|| found("02", Part::ZeroDay))
            .or_else(|| found("03", Part::ZeroHour12))
            .or_else(|| found("04", Part::ZeroMinute))
            .or_else(|| found("05", Part::ZeroSecond))
            .or_else(|| found("06", Part::Year))
            .or_else(|| found("002", Part::ZeroYearDay)),
        b'1' => found("15", Part::Hour).or(Some((0, 1, Part::NumMonth))),
        b'2' => found("2006", Part::LongYear).or(Some((0, 1, Part::Day))),
        b'_' if rest.starts_with("_2006") => Some((1, 4, Part::LongYear)),
        b'_' => found("_2", Part::UnderDay).or_else(|| found("__2", Part::UnderYearDay)),
        b'3' => Some((0, 1, Part::Hour12)),
        b'4' => Some((0, 1, Part::Minute)),
        b'5' => Some((0, 1, Part::Second)),
        b'P' => found("PM", Part::Upper),
        b'p' => found("pm", Part::Lower),
        sign @ (b'-' | b'Z') => {
            let z = *sign == b'Z';
            OFFSETS.into_iter().find_map(|(text, colon, size)| {
                rest[1..].starts_with(text).then_some((0, 1 + text.len(), Part::Offset { z, colon, size }))
            })
        }
        separator @ (b'.' | b',') => {
            let digit = *rest.as_bytes().get(1).filter(|digit| matches!(digit, b'0' | b'9'))?;
            let digits = rest[1..].bytes().take_while(|byte| *byte == digit).count();
            let ends = !rest[1 + digits..].starts_with(|c: char| c.is_ascii_digit());
            let part = Part::Fraction { separator: char::from(*separator), digits, trim: digit == b'9' };
            ends.then_some((0, 1 + digits, part))
        }
        _ => None,
    }
}
