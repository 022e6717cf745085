//! Text for people. What comes from outside (a registry's answer, a tool's output, the name of a file) may
//! hold sequences that steer a terminal; shown to people, it does not.

use std::fmt;

/// Writes text with every control character but line ends and tabs replaced.
///
/// Plans, reports and errors are shown through it; a sink of one's own that shows output should do the same.
///
/// ```
/// use std::fmt::Write;
/// use shipway_core::Plain;
///
/// let mut shown = String::new();
/// write!(Plain(&mut shown), "\u{1b}[2Jweb").unwrap();
/// assert_eq!(shown, "\u{fffd}[2Jweb");
/// ```
#[derive(Debug)]
pub struct Plain<W>(pub W);

impl<W: fmt::Write> fmt::Write for Plain<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
        let mut parts = text.split(steers);
        self.0.write_str(parts.next().unwrap_or_default())?;
        for part in parts {
            self.0.write_char(char::REPLACEMENT_CHARACTER)?;
            self.0.write_str(part)?;
        }
        Ok(())
    }
}
