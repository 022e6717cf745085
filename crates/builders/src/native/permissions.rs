//! Owners and modes of files, as `--chown` and `--chmod` and the builder's options write them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use shipway_core::{Error, Result};

/// The numbers of a user and a group, written `user` or `user:group`; by default both are 0.
///
/// A user alone is in the group of the same number, as Docker has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct Owner {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

impl Owner {
    /// Returns this user in this group.
    #[must_use]
    pub fn new(user: u32, group: u32) -> Self {
        Self { user, group }
    }
}

impl FromStr for Owner {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |word: &str| {
            let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
            word.parse().ok().filter(|_| digits).ok_or_else(|| {
                Error::config(format!("`{text}` is not the number of a user, or of a user and a group"))
                    .hint("write numbers, such as `65532:65532`: names are not looked up in the image")
            })
        };
        match text.split_once(':') {
            Some((user, group)) => Ok(Self::new(number(user)?, number(group)?)),
            None => number(text).map(|both| Self::new(both, both)),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

/// Permission bits with setuid, setgid and sticky, written as an octal text such as `0755`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u32);

impl Mode {
    /// Returns the mode of these bits.
    ///
    /// # Errors
    /// `Config` when there are other bits than `0o7777`.
    pub fn new(bits: u32) -> Result<Self> {
        if bits > 0o7777 {
            return Err(Error::config(format!("`{bits:o}` is not a mode"))
                .hint("a mode is octal, from `0` to `7777`, such as `0755`"));
        }
        Ok(Self(bits))
    }

    /// Returns the bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let bits = u32::from_str_radix(text, 8).ok().filter(|_| octal).ok_or_else(|| {
            Error::config(format!("`{text}` is not a mode"))
                .hint("a mode is octal, from `0` to `7777`, such as `0755`")
        })?;
        Self::new(bits)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

text!(Owner);
text!(Mode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_modes_are_numbers() {
        assert_eq!("1:2".parse::<Owner>().unwrap(), Owner::new(1, 2));
        assert_eq!("65532".parse::<Owner>().unwrap(), Owner::new(65532, 65532));
        for bad in ["", ":", "1:", ":1", "app", "1:app", "-1", "+1", "4294967296", "1:2:3"] {
            assert!(bad.parse::<Owner>().is_err(), "{bad}");
        }
        assert_eq!("755".parse::<Mode>().unwrap().to_string(), "0755");
        assert_eq!("7777".parse::<Mode>().unwrap().bits(), 0o7777);
        for bad in ["", "8", "u+x", "10000", "+7", "0o755", "77777777777"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad}");
        }
    }
}
