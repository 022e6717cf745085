//! A process by its number and the moment of its start, so that a number that is used again is not taken
//! for it.

use std::{fmt, fs, process, str::FromStr};

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) pid: u32,
    /// In ticks since the machine's start.
    started: u64,
}

impl Owner {
    /// Returns this process.
    pub(super) fn here() -> Option<Self> {
        Self::of(process::id())
    }

    /// Returns the process of this number, unless it has ended.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name, in parentheses, may hold anything.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        // A zombie has ended.
        if fields.next()? == "Z" {
            return None;
        }
        Some(Self { pid, started: fields.nth(18)?.parse().ok()? })
    }

    /// Returns whether it still runs.
    pub(super) fn lives(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Returns for how many seconds it has been running.
    pub(super) fn seconds(&self) -> Option<u64> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let seconds: f64 = uptime.split(' ').next()?.parse().ok()?;
        // Linux' `USER_HZ` is 100 on every machine that we run on.
        self.lives().then_some((seconds as u64).saturating_sub(self.started / 100))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.started)
    }
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (pid, started) = text.trim().split_once(':').ok_or("a process is `PID:START`")?;
        let number = |_| format!("`{text}` is no `PID:START`");
        Ok(Self { pid: pid.parse().map_err(number)?, started: started.parse().map_err(number)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let here = Owner::here().unwrap();
        assert!(here.lives() && here.seconds().is_some());
        assert_eq!(here.to_string().parse(), Ok(here));
        let before = Owner { started: here.started - 1, ..here };
        assert!(!before.lives() && before.seconds().is_none());
        assert!("12".parse::<Owner>().is_err());
    }
}
