//! Digests of what flows by: of bytes, of what is written, and the check of what is read.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use sha2::{Digest as _, Sha256, Sha512};
use shipway_core::{Digest, Error};
use tokio::io::{AsyncRead, ReadBuf};

use crate::{BlobReader, Descriptor, carry::carry};

/// Returns the sha256 digest of the bytes.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finish().0
}

/// Hashes and counts what it is fed or what is written to it.
#[derive(Clone)]
pub struct Hasher {
    state: State,
    size: u64,
}

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// Returns a hasher for sha256, which is what everything new is named by.
    #[must_use]
    pub fn new() -> Self {
        Self { state: State::Sha256(Sha256::new()), size: 0 }
    }

    /// Returns a hasher for the algorithm of this digest.
    #[must_use]
    pub fn like(digest: &Digest) -> Self {
        match digest.algorithm() {
            "sha512" => Self { state: State::Sha512(Box::new(Sha512::new())), size: 0 },
            _ => Self::new(),
        }
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
        self.size += bytes.len() as u64;
    }

    /// Returns the count of bytes so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the digest and the count of bytes.
    #[must_use]
    pub fn finish(self) -> (Digest, u64) {
        let (mut text, hash) = match self.state {
            State::Sha256(state) => (String::from("sha256:"), state.finalize().to_vec()),
            State::Sha512(state) => (String::from("sha512:"), state.finalize().to_vec()),
        };
        for byte in hash {
            for nibble in [byte >> 4, byte & 0xf] {
                text.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is a digit of base 16"));
            }
        }
        (Digest::parse(text).expect("made by the grammar"), self.size)
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("size", &self.size).finish_non_exhaustive()
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a reader of the same content that fails where it is not what the descriptor says: at the
/// first byte too many, at an early end, and instead of the last piece when the digest is another.
///
/// The error inside of the reader's is an [`Error`] of kind `BadOutput`.
#[must_use]
pub fn verified(content: BlobReader, descriptor: &Descriptor) -> BlobReader {
    Box::pin(Verified {
        content,
        hasher: Some(Hasher::like(&descriptor.digest)),
        digest: descriptor.digest.clone(),
        size: descriptor.size,
    })
}

struct Verified {
    content: BlobReader,
    /// None once all of it was there and right.
    hasher: Option<Hasher>,
    digest: Digest,
    size: u64,
}

impl Verified {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let digest = &self.digest;
        let Some(hasher) = &mut self.hasher else {
            return match bytes {
                [] => Ok(()),
                _ => Err(Error::bad_output(format!("`{digest}` has more than {} bytes", self.size))),
            };
        };
        hasher.update(bytes);
        if hasher.size() > self.size {
            return Err(Error::bad_output(format!("`{digest}` has more than {} bytes", self.size)));
        }
        if hasher.size() == self.size {
            let (found, _) = self.hasher.take().unwrap_or_default().finish();
            if found != self.digest {
                return Err(Error::bad_output(format!("the content of `{digest}` is `{found}`"))
                    .hint("it was damaged or replaced; write it again"));
            }
        } else if bytes.is_empty() {
            let read = hasher.size();
            return Err(Error::bad_output(format!("`{digest}` ends after {read} of {} bytes", self.size)));
        }
        Ok(())
    }
}

impl AsyncRead for Verified {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(self.content.as_mut().poll_read(cx, buffer))?;
        let taken = self.take(&buffer.filled()[before..]);
        if taken.is_err() {
            buffer.set_filled(before);
        }
        Poll::Ready(taken.map_err(carry))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::carry::unpack;

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-2, appendix B: "abc".
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_of(b"abc").as_str(), abc);
        let mut hasher = Hasher::like(&Digest::parse(format!("sha512:{}", "0".repeat(128))).unwrap());
        hasher.update(b"abc");
        assert!(hasher.finish().0.as_str().starts_with("sha512:ddaf35a193617abacc417349ae204131"));
    }

    #[tokio::test]
    async fn a_verified_reader_gives_only_what_the_descriptor_says() {
        let right = digest_of(b"hello");
        for (content, digest, size, problem) in [
            (&b"hello"[..], &right, 5, None),
            (b"", &digest_of(b""), 0, None),
            (b"hellO", &right, 5, Some("the content of")),
            (b"hello!", &right, 5, Some("more than 5")),
            (b"hell", &right, 5, Some("ends after 4 of 5")),
            (b"hello", &right, 6, Some("ends after 5 of 6")),
            (b"", &right, 0, Some("the content of")),
        ] {
            let descriptor = Descriptor::new("text/plain", digest.clone(), size);
            let mut read = Vec::new();
            let mut reader = verified(Box::pin(content), &descriptor);
            match (reader.read_to_end(&mut read).await, problem) {
                (Ok(_), None) => assert_eq!(read, content),
                (Err(error), Some(problem)) => {
                    let error = unpack(error, "read");
                    assert_eq!(error.kind(), shipway_core::ErrorKind::BadOutput);
                    assert!(error.to_string().contains(problem), "{error}");
                }
                (result, _) => panic!("{result:?} for {content:?}"),
            }
        }
    }
}
