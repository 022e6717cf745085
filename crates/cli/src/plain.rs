//! Text for a terminal.

use std::fmt::Write as _;

use shipway::Plain;

/// Returns a text that cannot steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::new();
    let _ = write!(Plain(&mut shown), "{text}");
    shown
}
