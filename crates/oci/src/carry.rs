//! How an [`Error`] travels through a stream, whose own error can only be [`io::Error`].

use std::io;

use shipway_core::{Error, ErrorKind};

/// Returns the error inside of one that a stream can give.
pub(crate) fn carry(error: Error) -> io::Error {
    io::Error::other(error)
}

/// Returns the error that a stream carried; when it carried none, the stream's own as the reason why
/// `what` could not be done.
pub(crate) fn unpack(error: io::Error, what: &str) -> Error {
    let own = |error| Error::new(ErrorKind::Unavailable, format!("cannot {what}")).retry(false).source(error);
    error.downcast().unwrap_or_else(own)
}
