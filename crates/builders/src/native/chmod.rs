//! What `--chmod` says: an octal mode, or changes as chmod(1) writes them; BuildKit takes both
//! (`dchapes-mode`, a port of BSD's `setmode`).

use std::str::FromStr;

use shipway_core::{Error, Result};

/// A change of modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ModeChange {
    To(u32),
    By(Vec<Step>),
}

/// One of the steps that `u=rwX,go=u-w` is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Set(u32),
    Clear(u32),
    /// `X`: where it is a folder or somebody may execute it already.
    Execute(u32),
    /// Copies the bits of the class that is so far to the left to those of `who`, as the operator says.
    Copy {
        class: u32,
        who: u32,
        operator: char,
    },
}

/// All that a change without a class is about; the sticky bit is not.
const STANDARD: u32 = 0o6777;
const STICKY: u32 = 0o1000;

impl ModeChange {
    /// Returns the mode that comes of `mode`.
    pub(super) fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        let steps = match self {
            Self::To(mode) => return *mode,
            Self::By(steps) => steps,
        };
        steps.iter().fold(mode, |now, step| match *step {
            Step::Set(bits) => now | bits,
            Step::Clear(bits) => now & !bits,
            Step::Execute(bits) if is_folder || mode & 0o111 != 0 => now | bits,
            Step::Execute(_) => now,
            Step::Copy { class, who, operator } => {
                let bits = (now >> class) & 0o7;
                let classes = [6, 3, 0].into_iter().filter(|class| who == 0 || who & (0o4 << class) != 0);
                classes.fold(now, |now, class| match operator {
                    '+' => now | bits << class,
                    '-' => now & !(bits << class),
                    _ => now & !(0o7 << class) | bits << class,
                })
            }
        })
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
        let mut steps = Vec::new();
        for clause in text.split(',') {
            steps_of(clause, &mut steps).ok_or_else(|| {
                Error::config(format!("`{text}` is not a mode"))
                    .hint("write it in octal, such as `0755`, or as chmod has it, such as `u=rwX,go=rX`")
            })?;
        }
        Ok(Self::By(steps))
    }
}

fn steps_of(clause: &str, steps: &mut Vec<Step>) -> Option<()> {
    let mut rest = clause.chars().peekable();
    let mut who = 0;
    while let Some(c) = rest.next_if(|c| "augo".contains(*c)) {
        who |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o0007,
            _ => STANDARD,
        };
    }
    rest.peek()?;
    while let Some(operator) = rest.next() {
        if !"+-=".contains(operator) {
            return None;
        }
        who &= !STICKY;
        let (mut bits, mut execute, mut copied) = (0, 0, false);
        while let Some(c) = rest.next_if(|c| !"+-=".contains(*c)) {
            // Of the others alone these two mean nothing.
            let special = who == 0 || who & !0o7 != 0;
            match c {
                'r' => bits |= 0o444,
                'w' => bits |= 0o222,
                'x' => bits |= 0o111,
                'X' if operator == '-' => bits |= 0o111,
                'X' => execute |= 0o111,
                's' if special => bits |= 0o6000,
                't' if special => (who, bits) = (who | STICKY, bits | STICKY),
                's' | 't' => {}
                'u' | 'g' | 'o' => {
                    steps.extend(steps_to(operator, who, bits, execute));
                    (bits, execute, copied) = (0, 0, true);
                    let class = match c {
                        'u' => 6,
                        'g' => 3,
                        _ => 0,
                    };
                    steps.push(Step::Copy { class, who, operator });
                }
                _ => return None,
            }
        }
        // `u=` clears, and so does what comes after a copy: `u=gr` is `u=r`.
        if operator == '=' && bits == 0 && !copied {
            steps.push(Step::Clear(among(who, STANDARD)));
        }
        steps.extend(steps_to(operator, who, bits, execute));
    }
    Some(())
}

/// Returns the steps that lead to these bits.
fn steps_to(operator: char, who: u32, bits: u32, execute: u32) -> impl Iterator<Item = Step> {
    let clear = match operator {
        '=' if bits != 0 => among(who, STANDARD | (who & STICKY)),
        '-' => among(who, bits),
        _ => 0,
    };
    let set = if operator == '-' { 0 } else { among(who, bits) };
    [Step::Clear(clear), Step::Set(set), Step::Execute(among(who, execute))].into_iter()
}

/// Returns those of the bits that belong to a class, or all where no class is named.
fn among(who: u32, bits: u32) -> u32 {
    if who == 0 { bits } else { bits & who }
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
            ("u=gr", 0o4755, false, 0o455),
            ("g=uX", 0o2750, true, 0o2770),
            ("+rwxst", 0o755, false, 0o1755),
            ("-X", 0o755, false, 0o644),
            ("=", 0o6755, false, 0),
        ] {
            let change: ModeChange = text.parse().expect(text);
            assert_eq!(change.apply(mode, is_folder), expected, "{text}");
        }
        for bad in ["", "u", "x", "u+q", "8", "10000", "u+x,", "077777", "u x"] {
            assert!(bad.parse::<ModeChange>().is_err(), "{bad}");
        }
    }
}
