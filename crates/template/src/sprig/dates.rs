//! Moments, as whole seconds since 1970 in UTC: a template has no clock of its own, and who renders it may give `now`.

use gotmpl::Value;
use shipway_core::Timestamp;

use super::{Answer, Function, arguments::Arguments, function, text};
use crate::{Zone, format_time, whole_seconds};

const DAY: &str = "2006-01-02";

pub(super) const ALL: &[Function] = &[
    function("date", 2, 2, |a| written(a.text(0)?, moment(a, 1)?, &Zone::utc())),
    function("dateInZone", 3, 3, |a| written(a.text(0)?, moment(a, 1)?, &zone(a.text(2)?))),
    function("date_in_zone", 3, 3, |a| written(a.text(0)?, moment(a, 1)?, &zone(a.text(2)?))),
    function("htmlDate", 1, 1, |a| written(DAY, moment(a, 0)?, &Zone::utc())),
    function("htmlDateInZone", 2, 2, |a| written(DAY, moment(a, 0)?, &zone(a.text(1)?))),
    function("unixEpoch", 1, 1, |a| text(moment(a, 0)?.to_string())),
    function("dateModify", 2, 2, modified),
    function("date_modify", 2, 2, modified),
    function("mustDateModify", 2, 2, modified),
    function("must_date_modify", 2, 2, modified),
];

/// A moment: a whole number, or a text of its digits, as a variable has it.
fn moment(a: &Arguments, index: usize) -> Result<u64, String> {
    let seconds = match a.any(index) {
        Value::Int(seconds) => u64::try_from(*seconds).ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    seconds.ok_or_else(|| format!("argument {} is no moment: seconds since 1970", index + 1))
}

fn written(layout: &str, seconds: u64, zone: &Zone) -> Answer {
    text(format_time(layout, Timestamp(seconds.saturating_mul(1000)), zone))
}

/// One that nobody knows is UTC, as in sprig.
fn zone(name: &str) -> Zone {
    Zone::known(name).unwrap_or_else(Zone::utc)
}

/// Adds a duration such as `-1h30m`; one that is none changes nothing, as in sprig.
fn modified(a: &Arguments) -> Answer {
    let at = i64::try_from(moment(a, 1)?).map_err(|_| "so far away is no moment".to_owned())?;
    let by = duration(a.text(0)?).unwrap_or(0);
    Ok(Value::Int(at.saturating_add(by)))
}

/// Returns the seconds of a duration, which may have a sign; parts of a second are none.
fn duration(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    Some(sign * i64::try_from(whole_seconds(rest)?).ok()?)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use crate::{Given, Template};

    fn render(template: &str) -> Result<String, String> {
        let now: Given = Arc::new(|_| Ok("1700000000".to_owned()));
        let template = Template::parse_with(template, &BTreeMap::from([("now", now)]));
        template
            .and_then(|template| template.render([("EPOCH", "1609459200")]))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn moments_are_written_as_sprig_writes_them() {
        for (template, expected) in [
            (r#"{{ now | date "2006-01-02T15:04:05-0700" }}"#, "2023-11-14T22:13:20+0000"),
            (r#"{{ date "2006" now }}-{{ now | unixEpoch }}"#, "2023-1700000000"),
            (r#"{{ default now .EPOCH | date "2006-01-02" }}"#, "2021-01-01"),
            (r#"{{ default now .GONE | date "2006-01-02" }}"#, "2023-11-14"),
            (r#"{{ dateInZone "15:04 MST" now "Europe/Paris" }}"#, "23:13 CET"),
            (r#"{{ dateInZone "15:04 MST" now "nowhere" }}"#, "22:13 UTC"),
            (r#"{{ now | htmlDate }} {{ htmlDateInZone now "Asia/Tokyo" }}"#, "2023-11-14 2023-11-15"),
            (r#"{{ now | dateModify "-24h30m" | date "02 15:04" }}"#, "13 21:43"),
            (r#"{{ now | date_modify "soon" | date "02" }}"#, "14"),
        ] {
            assert_eq!(render(template).as_deref(), Ok(expected), "{template}");
        }
        assert!(render(r#"{{ date "2006" "yesterday" }}"#).is_err_and(|error| error.contains("no moment")));
    }
}
