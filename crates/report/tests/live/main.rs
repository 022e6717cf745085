//! A run on a terminal: what is drawn of it, and what is left there.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod drawing;
mod events;
mod frames;
mod hostile;
mod logs;
mod terminal;
