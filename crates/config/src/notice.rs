//! What a file says that has no effect here.

use std::{fmt, fmt::Write as _};

use shipway_core::{Location, Plain};

/// Something in a file that a run does without, to be shown to who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// Where it is written.
    pub location: Location,
    /// What becomes of it: a lower-case fragment.
    pub message: String,
}

impl Notice {
    /// Returns the notice.
    pub fn new(location: Location, message: impl Into<String>) -> Self {
        Self { location, message: message.into() }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Plain(f), "{}: {}", self.location, self.message)
    }
}
