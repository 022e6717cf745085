//! The output of a container: frames of a kind, a length and bytes (Engine API, "Attach to a
//! container", "Stream format").

use bytes::{Bytes, BytesMut};
use shipway_core::{Error, Result, Stream};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most bytes that are handed on at once, however long a frame says it is.
const PIECE: u64 = 32 * 1024;

/// Reads frames.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    from: R,
    stream: Stream,
    left: u64,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, stream: Stream::Stdout, left: 0 }
    }

    /// Returns the next piece, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(Stream, Bytes)>> {
        while self.left == 0 {
            let mut header = [0; 8];
            if self.from.read(&mut header[..1]).await.map_err(cut)? == 0 {
                return Ok(None);
            }
            self.from.read_exact(&mut header[1..]).await.map_err(cut)?;
            self.stream = match header[0] {
                0 | 1 => Stream::Stdout,
                2 => Stream::Stderr,
                // What the engine itself says about a broken stream (moby, stdcopy, `Systemerr`).
                3 => Stream::Stderr,
                _ => return Err(Error::bad_output("the engine's stream of output has a wrong form")),
            };
            self.left = u64::from(u32::from_be_bytes([header[4], header[5], header[6], header[7]]));
        }
        let mut piece = BytesMut::with_capacity(self.left.min(PIECE) as usize);
        let mut now = (&mut self.from).take(self.left.min(PIECE));
        if now.read_buf(&mut piece).await.map_err(cut)? == 0 {
            return Err(cut(std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.left -= piece.len() as u64;
        Ok(Some((self.stream, piece.freeze())))
    }
}

fn cut(error: std::io::Error) -> Error {
    Error::new(shipway_core::ErrorKind::Unavailable, "the engine's stream of output was cut").source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u32, text: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind, 0, 0, 0];
        frame.extend(length.to_be_bytes());
        frame.extend(text);
        frame
    }

    #[tokio::test]
    async fn frames_are_told_apart_and_a_cut_is_an_error() {
        let bytes = [frame(1, 2, b"ab"), frame(2, 0, b""), frame(2, 1, b"c")].concat();
        let mut frames = Frames::new(bytes.as_slice());
        let mut seen = Vec::new();
        while let Some((stream, bytes)) = frames.next().await.unwrap() {
            seen.push((stream, String::from_utf8(bytes.to_vec()).unwrap()));
        }
        assert_eq!(seen, [(Stream::Stdout, "ab".to_owned()), (Stream::Stderr, "c".to_owned())]);
        // A frame that claims 4 GiB and ends early, one without a whole header, one of no kind.
        for bytes in [frame(1, u32::MAX, b"ab"), vec![1, 0, 0], frame(9, 1, b"x")] {
            let mut frames = Frames::new(bytes.as_slice());
            let mut last = frames.next().await;
            while let Ok(Some(_)) = last {
                last = frames.next().await;
            }
            assert!(last.is_err(), "{bytes:?}");
        }
    }
}
