//! A run on a terminal while it goes on: what has ended scrolls up as a log, what is under way is drawn below it.
//!
//! [`LiveView`] is the fold of a run's events and the lines that are to be seen of it, and knows no terminal; [`Live`]
//! draws them.

mod frame;
mod line;
mod log;
mod printed;
mod quantity;
mod screen;
mod sink;
mod view;

pub use self::{sink::Live, view::LiveView};

/// How much room a terminal has.
///
/// ```
/// let size = shipway_report::TerminalSize::new(80, 24);
/// assert_eq!((size.columns, size.rows), (80, 24));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TerminalSize {
    /// How many cells a row has; a wide letter takes two.
    pub columns: usize,
    /// How many rows there are.
    pub rows: usize,
}

impl TerminalSize {
    /// Returns a size.
    #[must_use]
    pub const fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows }
    }
}
