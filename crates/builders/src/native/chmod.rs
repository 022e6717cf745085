//! What `--chmod` says: an octal mode, or changes as chmod(1) writes them; BuildKit takes both
//! (`dchapes-mode`, a port of BSD's `setmode`).

use std::str::FromStr;

use shipway_core::{Error, Result};

/// A change of modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ModeChange {
    To(u32),
    By(Vec<Change>),
}

/// One `u+x`, for all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The bits that it may touch.
    who: u32,
    operator: char,
    bits: u32,
    /// `X`: execution, where it is a folder or somebody may execute it already.
    execute: bool,
    /// The class whose bits are copied: how far they are shifted to the left.
    copied: Option<u32>,
}

impl ModeChange {
    /// Returns the mode that comes of `mode`.
    pub(super) fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        let changes = match self {
            Self::To(mode) => return *mode,
            Self::By(changes) => changes,
        };
        let mut now = mode;
        for change in changes {
            let mut bits = change.bits;
            if change.execute && (is_folder || mode & 0o111 != 0) {
                bits |= 0o111;
            }
            if let Some(shift) = change.copied {
                let class = (now >> shift) & 0o7;
                bits |= class << 6 | class << 3 | class;
            }
            bits &= change.who;
            now = match change.operator {
                '+' => now | bits,
                '-' => now & !bits,
                _ => now & !change.who | bits,
            };
        }
        now
    }

    /// Returns the mode of folders that are made on the way.
    pub(super) fn of_new_folders(&self) -> u32 {
        match self {
            Self::To(mode) => mode & 0o777,
            Self::By(_) => 0o755,
        }
    }
}

impl FromStr for ModeChange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Self::To(text.parse::<super::Mode>()?.bits()));
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            changes.extend(clause_of(clause).ok_or_else(|| {
                Error::config(format!("`{text}` is not a mode"))
                    .hint("write it in octal, such as `0755`, or as chmod has it, such as `u=rwX,go=rX`")
            })?);
        }
        Ok(Self::By(changes))
    }
}

fn clause_of(clause: &str) -> Option<Vec<Change>> {
    let mut rest = clause.chars().peekable();
    let mut who = 0;
    while let Some(c) = rest.next_if(|c| "augo".contains(*c)) {
        who |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o0007,
            _ => 0o6777,
        };
    }
    let all = who == 0;
    let mut changes = Vec::new();
    while let Some(operator) = rest.next() {
        if !"+-=".contains(operator) {
            return None;
        }
        let who = if all { 0o6777 } else { who };
        let mut change = Change { who, operator, bits: 0, execute: false, copied: None };
        while let Some(c) = rest.next_if(|c| !"+-=".contains(*c)) {
            match c {
                'r' => change.bits |= 0o444,
                'w' => change.bits |= 0o222,
                'x' => change.bits |= 0o111,
                'X' => change.execute = true,
                's' => change.bits |= 0o6000,
                't' => {
                    // Of the others alone it means nothing.
                    if all || who & !0o7 != 0 {
                        change.bits |= 0o1000;
                        change.who |= 0o1000;
                    }
                }
                'u' => change.copied = Some(6),
                'g' => change.copied = Some(3),
                'o' => change.copied = Some(0),
                _ => return None,
            }
        }
        changes.push(change);
    }
    Some(changes).filter(|changes| !changes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_as_chmod_has_them() {
        for (text, mode, is_folder, expected) in [
            ("0755", 0o600, false, 0o755),
            ("4711", 0o600, false, 0o4711),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("go-rwx", 0o777, false, 0o700),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("u=rwX,go=rX", 0o710, false, 0o755),
            ("a=r", 0o4755, false, 0o444),
            ("u+s,g+s", 0o755, false, 0o6755),
            ("g=u", 0o740, false, 0o770),
            ("o=g-w", 0o660, false, 0o664),
            ("+t", 0o777, true, 0o1777),
            ("u=", 0o777, false, 0o077),
        ] {
            let change: ModeChange = text.parse().expect(text);
            assert_eq!(change.apply(mode, is_folder), expected, "{text}");
        }
        for bad in ["", "u", "x", "u+q", "8", "10000", "u+x,", "077777", "u x"] {
            assert!(bad.parse::<ModeChange>().is_err(), "{bad}");
        }
    }
}
