//! The lines of a body as it comes.

use bytes::Bytes;
use http_body_util::BodyExt;
use kube::client::Body;
use shipway_core::{Error, ErrorKind, Result};

/// Splits a body into lines, each with a limit.
#[derive(Debug)]
pub(super) struct Lines {
    body: Body,
    /// What has come and was not given out.
    held: Vec<u8>,
    /// Up to where there is no end of a line in it.
    searched: usize,
    limit: usize,
    ended: bool,
}

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// The part of a line that fits.
    Part(Vec<u8>),
    /// What came of a line before the body's end.
    Last(Vec<u8>),
}

impl Lines {
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self { body, held: Vec::new(), searched: 0, limit, ended: false }
    }

    /// Returns the next line, or `None` at the end. May be dropped while it waits; nothing is lost then.
    ///
    /// # Errors
    /// `Unavailable` when the body breaks off; what came before that was given out.
    pub(super) async fn next(&mut self) -> Result<Option<Line>> {
        loop {
            if let Some(at) = self.held[self.searched..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.take(self.searched + at + 1);
                line.pop();
                return Ok(Some(Line::Whole(line)));
            }
            self.searched = self.held.len();
            if self.held.len() >= self.limit {
                return Ok(Some(Line::Part(self.take(self.limit))));
            }
            if self.ended {
                return Ok(Some(self.take(self.held.len())).filter(|rest| !rest.is_empty()).map(Line::Last));
            }
            match self.body.frame().await {
                None => self.ended = true,
                Some(Ok(frame)) => {
                    self.held.extend_from_slice(&frame.into_data().unwrap_or_else(|_| Bytes::new()));
                }
                Some(Err(error)) => {
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        "the connection to the API server broke off",
                    )
                    .source(error));
                }
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.held.split_off(count);
        self.searched = 0;
        std::mem::replace(&mut self.held, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &str, limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(Body::from(text.as_bytes().to_vec()), limit);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.expect("a body") {
            found.push(line);
        }
        found
    }

    #[tokio::test]
    async fn lines_are_split_and_limited() {
        let whole = |text: &str| Line::Whole(text.into());
        let part = |text: &str| Line::Part(text.into());
        assert_eq!(all("a\n\nbc\n", 10).await, [whole("a"), whole(""), whole("bc")]);
        let last = |text: &str| Line::Last(text.into());
        assert_eq!(all("a\nbc", 10).await, [whole("a"), last("bc")]);
        assert_eq!(all("abcdef\ng\n", 4).await, [whole("abcdef"), whole("g")]);
        assert_eq!(all("abcdef", 4).await, [part("abcd"), last("ef")]);
        assert_eq!(all("", 4).await, []);
    }
}
