//! Times and amounts, short enough for a line among others.

use std::time::Duration;

use shipway_core::Unit;

/// Returns how long something has gone on: it changes once a second.
pub(super) fn going(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Returns how long something took.
pub(super) fn took(time: Duration) -> String {
    if time < Duration::from_secs(60) {
        let tenths = time.as_millis() / 100;
        format!("{}.{}s", tenths / 10, tenths % 10)
    } else {
        going(time)
    }
}

/// Returns how much is done, of how much if that is known.
pub(super) fn amount(done: u64, total: Option<u64>, unit: Unit) -> String {
    match (unit, total) {
        (Unit::Bytes, total) => {
            let (size, name) = scale(total.unwrap_or(done));
            let scaled = |bytes: u64| {
                if size == 1 { bytes.to_string() } else { format!("{:.1}", bytes as f64 / size as f64) }
            };
            match total {
                Some(total) => format!("{}/{} {name}", scaled(done), scaled(total)),
                None => format!("{} {name}", scaled(done)),
            }
        }
        (_, Some(total)) => format!("{done}/{total}"),
        (_, None) => done.to_string(),
    }
}

/// Returns the largest unit of which there is one (IEC 80000-13), in bytes and by its name.
fn scale(bytes: u64) -> (u64, &'static str) {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    units.into_iter().find(|(size, _)| bytes >= *size).unwrap_or((1, "B"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (millis, live, ended) in [
            (0, "0s", "0.0s"),
            (3_290, "3s", "3.2s"),
            (59_999, "59s", "59.9s"),
            (65_000, "1m05s", "1m05s"),
            (3_725_000, "1h02m", "1h02m"),
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!((going(time).as_str(), took(time).as_str()), (live, ended));
        }
    }

    #[test]
    fn amounts_have_one_unit() {
        for (done, total, unit, text) in [
            (3, Some(12), Unit::Items, "3/12"),
            (3, None, Unit::Items, "3"),
            (0, Some(0), Unit::Bytes, "0/0 B"),
            (512, Some(1023), Unit::Bytes, "512/1023 B"),
            (512, Some(2048), Unit::Bytes, "0.5/2.0 KiB"),
            (12_900_000, Some(41_943_040), Unit::Bytes, "12.3/40.0 MiB"),
            (5 << 30, None, Unit::Bytes, "5.0 GiB"),
            (1, Some(u64::MAX), Unit::Bytes, "0.0/16777216.0 TiB"),
        ] {
            assert_eq!(amount(done, total, unit), text);
        }
    }
}
