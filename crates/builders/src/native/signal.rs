//! The signals that `STOPSIGNAL` may name.

use shipway_core::{Error, Result};

const NAMES: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// Checks that it is a signal of Linux, by name or number (moby/sys/signal, `ParseSignal`).
pub(super) fn check(text: &str) -> Result<()> {
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |prefix: &str, most: u32| {
        let number = name.strip_prefix(prefix).and_then(|number| number.parse::<u32>().ok());
        number.is_some_and(|number| (1..=most).contains(&number))
    };
    let known = NAMES.contains(&name) || real_time("RTMIN+", 15) || real_time("RTMAX-", 14);
    if known || text.parse::<i32>().is_ok_and(|number| number != 0) {
        return Ok(());
    }
    Err(Error::config(format!("`{text}` is not a signal"))
        .hint("write its name or number, such as `SIGTERM` or `15`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for good in ["SIGTERM", "term", "9", "RTMIN+15", "SIGRTMAX-14"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "0", "SIG", "NONE", "RTMIN+16", "RTMAX-0", "RTMIN-1"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
