//! What is written to a disk outlasts kills, power cuts and failures: the rows F2, F3, I1 and I2 of the project's
//! standard, and that the fakes find what does not.

#![expect(clippy::print_stdout, reason = "the tests print their figures")]

mod cache;
mod images;
mod journal;
mod limit;
mod model;
mod publish;

/// Tells an error that says what to do from a defect.
fn assert_told(error: &shipway_core::Error, place: &str) {
    assert_ne!(error.kind(), shipway_core::ErrorKind::Internal, "{place}: {error:?}");
}
