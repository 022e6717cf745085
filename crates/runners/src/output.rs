//! What a command writes: handed on line by line, or kept whole.

use shipway_core::{Command, Context, Error, Printed, Result, Stream};

/// What became of one stream of a command's output.
#[derive(Debug)]
pub(crate) enum Output<'a> {
    Printed(Printed<'a>),
    Captured(Vec<u8>),
}

impl<'a> Output<'a> {
    pub(crate) fn new(cx: &'a Context, stream: Stream, command: &Command) -> Self {
        match command.capture && stream == Stream::Stdout {
            true => Self::Captured(Vec::new()),
            false => Self::Printed(Printed::new(cx, stream, command)),
        }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// `BadOutput` when more is captured than may be.
    pub(crate) fn take(&mut self, piece: &[u8], program: &str) -> Result<()> {
        let captured = match self {
            Self::Printed(printed) => {
                printed.take(piece);
                return Ok(());
            }
            Self::Captured(captured) => captured,
        };
        captured.extend_from_slice(piece);
        match captured.len() > Command::CAPTURE_LIMIT {
            true => Err(Error::bad_output(format!(
                "`{program}` wrote more than {} bytes",
                Command::CAPTURE_LIMIT
            ))),
            false => Ok(()),
        }
    }

    /// Ends the stream and returns what was kept.
    ///
    /// # Errors
    /// `BadOutput` when what is captured is not UTF-8.
    pub(crate) fn end(self, program: &str) -> Result<String> {
        match self {
            Self::Printed(printed) => Ok(printed.end()),
            Self::Captured(captured) => String::from_utf8(captured)
                .map_err(|_| Error::bad_output(format!("the output of `{program}` is not UTF-8"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Cancel, FixedCredentials, RunContext, SecretId, World};

    use super::*;

    /// What an exit keeps of the end.
    const KEPT: usize = 4096;

    fn context() -> Context {
        let credentials = FixedCredentials::new().secret("key", "the very secret key");
        RunContext::new(World::host("/").credentials(credentials), "test").context(None, None, Cancel::new())
    }

    #[tokio::test]
    async fn no_cut_leaves_half_a_secret() {
        let cx = context();
        cx.secret(&SecretId::parse("key").unwrap()).await.unwrap();
        // Wherever the end begins, and wherever a long line is split.
        for before in [64 * 1024 - 8, 64 * 1024 - 1, 3] {
            let mut output = Output::new(&cx, Stream::Stdout, &Command::new("x"));
            output.take("x".repeat(before).as_bytes(), "x").unwrap();
            output.take(b"the very secret key", "x").unwrap();
            output.take("y".repeat(KEPT - 10).as_bytes(), "x").unwrap();
            let kept = output.end("x").unwrap();
            assert!(kept.len() <= KEPT && kept.ends_with('y'), "{}", kept.len());
            assert!(!kept.contains("key") && kept.contains("***"), "{before}: {}", &kept[..40]);
        }
    }

    #[test]
    fn what_is_captured_is_whole_or_an_error() {
        let cx = context();
        let command = Command::new("x").capture(true);
        let mut output = Output::new(&cx, Stream::Stdout, &command);
        let piece = vec![b'x'; Command::CAPTURE_LIMIT];
        output.take(&piece, "x").unwrap();
        assert!(output.take(b"y", "x").is_err());
        let mut output = Output::new(&cx, Stream::Stdout, &command);
        output.take(&[0xff], "x").unwrap();
        assert!(output.end("x").is_err());
    }
}
