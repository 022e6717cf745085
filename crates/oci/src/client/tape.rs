//! Content that is pushed while it is read, and the last of what was read, so that a push that broke
//! off goes on with what the registry did not get.

use std::{
    collections::VecDeque,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context as TaskContext, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use shipway_core::{Digest, Result};
use tokio::io::ReadBuf;

use crate::{BlobReader, Descriptor, Hasher, carry::unpack};

/// How much is read at a time.
const CHUNK: usize = 128 * 1024;

/// How much of what was sent is kept: more than lies in the buffers of a connection (on Linux 4 MiB on
/// our side and 6 MiB on the other's, by default), which is what a registry may not have got although it
/// was sent.
pub(super) const WINDOW: u64 = 12 * 1024 * 1024;

/// How much of it is kept where the content can soon be read again.
pub(super) const SMALL_WINDOW: u64 = 1024 * 1024;

/// The most pieces that are kept, which counts where a source gives its content in crumbs.
const PIECES: usize = 1024;

/// The content of one push, which outlives the requests that send it.
#[derive(Clone, Debug)]
pub(super) struct Tape(Arc<Mutex<Content>>);

struct Content {
    source: BlobReader,
    buffer: Box<[u8]>,
    /// What was read and is kept, the oldest first.
    pieces: VecDeque<Bytes>,
    /// Where the first piece begins, what is sent next, where the last piece ends.
    start: u64,
    at: u64,
    end: u64,
    /// How much was ever sent.
    sent: u64,
    /// What comes from here on is kept, however much it is.
    held: u64,
    window: u64,
    /// None where the digest is known.
    hasher: Option<Hasher>,
    known: Option<(Digest, u64)>,
    state: State,
    /// Which of the bodies is the one that sends; one of an earlier request may still be asked.
    turn: u64,
    /// Grows whenever a body is asked for more.
    moves: u64,
    starved: bool,
}

#[derive(Debug)]
enum State {
    Reading,
    Whole(Digest, u64),
    /// None once the error was told.
    Failed(Option<io::Error>),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("at", &self.at).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Tape {
    /// Returns the tape of content that is hashed while it is read, or, if it is `known`, that its
    /// reader checks; of what was sent, the last `window` bytes are kept.
    pub(super) fn new(source: BlobReader, known: Option<&Descriptor>, window: u64) -> Self {
        Self(Arc::new(Mutex::new(Content {
            source,
            buffer: vec![0; CHUNK].into(),
            pieces: VecDeque::new(),
            start: 0,
            at: 0,
            end: 0,
            sent: 0,
            held: u64::MAX,
            window,
            hasher: known.is_none().then(Hasher::new),
            known: known.map(|known| (known.digest.clone(), known.size)),
            state: State::Reading,
            turn: 0,
            moves: 0,
            starved: false,
        })))
    }

    /// Returns a body of what comes next, up to this place in the content; `exact` if there is as much.
    pub(super) fn body(&self, until: u64, exact: bool) -> Outgoing {
        let mut content = self.lock();
        content.turn += 1;
        Outgoing { tape: self.clone(), turn: content.turn, until, exact }
    }

    /// Keeps all that is sent from here on, until this is called again: a chunk goes whole or not at all.
    pub(super) fn hold(&self) {
        let mut content = self.lock();
        content.held = content.at;
    }

    /// Returns what is sent next.
    pub(super) fn at(&self) -> u64 {
        self.lock().at
    }

    /// Returns digest and size once all of it was read.
    pub(super) fn whole(&self) -> Option<(Digest, u64)> {
        match &self.lock().state {
            State::Whole(digest, size) => Some((digest.clone(), *size)),
            _ => None,
        }
    }

    /// Returns the error that reading the source ended with, if it did.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        match &mut self.lock().state {
            State::Failed(error) => error.take(),
            _ => None,
        }
    }

    /// Returns a number that is another one when a body moved, or none while it waits for its own
    /// source, which is no fault of the registry.
    pub(super) fn moves(&self) -> Option<u64> {
        let content = self.lock();
        (!content.starved).then_some(content.moves)
    }

    /// Returns how much was ever sent.
    pub(super) fn sent(&self) -> u64 {
        self.lock().sent
    }

    /// Goes to a place in the content that was sent before; returns whether what is there is kept.
    pub(super) fn rewind(&self, to: u64) -> bool {
        let mut content = self.lock();
        let kept = (content.start..=content.end).contains(&to) && !matches!(content.state, State::Failed(_));
        if kept {
            content.at = to;
            content.turn += 1;
        }
        kept
    }

    /// Begins with the same content anew; what is before `at` is read and not sent.
    pub(super) fn reopen(&self, source: BlobReader, at: u64) {
        let mut content = self.lock();
        content.source = source;
        content.pieces.clear();
        (content.start, content.at, content.end) = (0, at, 0);
        content.state = State::Reading;
        content.turn += 1;
    }

    /// Reads ahead until this much is there to be sent, and returns how much is: less at the end.
    pub(super) async fn ahead(&self, length: u64) -> Result<u64> {
        let read = std::future::poll_fn(|cx| {
            let mut content = self.lock();
            while matches!(content.state, State::Reading)
                && content.ready().saturating_sub(content.at) < length
            {
                ready!(content.fill(cx));
            }
            match &mut content.state {
                State::Failed(error) => Poll::Ready(Err(error.take().unwrap_or_else(told))),
                _ => Poll::Ready(Ok(content.ready().saturating_sub(content.at).min(length))),
            }
        });
        read.await.map_err(|error| unpack(error, "read what is to be pushed"))
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// Returns the place up to which the content may be sent: a piece is sent only when the one after
    /// it, or the end, was read. So content that turns out to be wrong at its end is never sent whole.
    fn ready(&self) -> u64 {
        match self.state {
            State::Whole(..) => self.end,
            _ => self.end - self.pieces.back().map_or(0, |piece| piece.len() as u64),
        }
    }

    /// Returns what is sent next, if it was read.
    fn next(&mut self, until: u64) -> Option<Bytes> {
        let ready = self.ready().min(until);
        if self.at >= ready {
            return None;
        }
        let mut begin = self.end;
        let piece = self.pieces.iter().rev().find(|piece| {
            begin -= piece.len() as u64;
            begin <= self.at
        })?;
        let skipped = usize::try_from(self.at - begin).ok()?;
        let length = usize::try_from((ready - begin).min(piece.len() as u64)).ok()?;
        let piece = piece.slice(skipped..length);
        self.at += piece.len() as u64;
        self.sent = self.sent.max(self.at);
        self.forget();
        Some(piece)
    }

    /// Forgets what is too long ago.
    fn forget(&mut self) {
        while let Some(first) = self.pieces.front() {
            let length = first.len() as u64;
            let beyond = self.end - self.start > self.window || self.pieces.len() > PIECES;
            if !beyond || self.start + length > self.at.min(self.held) {
                return;
            }
            self.start += length;
            self.pieces.pop_front();
        }
    }

    /// Reads a piece.
    fn fill(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        let read = ready!(self.source.as_mut().poll_read(cx, &mut buffer));
        let piece = Bytes::copy_from_slice(buffer.filled());
        match read {
            Err(error) => self.state = State::Failed(Some(error)),
            Ok(()) if piece.is_empty() => {
                if let Some(hasher) = self.hasher.take() {
                    self.known = Some(hasher.finish());
                }
                if let Some((digest, size)) = self.known.clone() {
                    self.state = State::Whole(digest, size);
                }
            }
            Ok(()) => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&piece);
                }
                self.end += piece.len() as u64;
                self.pieces.push_back(piece);
                self.forget();
            }
        }
        Poll::Ready(())
    }
}

fn told() -> io::Error {
    io::Error::other("the content could not be read")
}

/// A request's body that is read while it is sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    tape: Tape,
    turn: u64,
    until: u64,
    exact: bool,
}

impl Outgoing {
    /// Returns the tape that it is of.
    pub(super) fn tape(&self) -> Tape {
        self.tape.clone()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut content = self.tape.lock();
        if content.turn != self.turn {
            return Poll::Ready(Some(Err(io::Error::other("another request sends the content now"))));
        }
        loop {
            if let Some(piece) = content.next(self.until) {
                content.moves += 1;
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match content.state {
                State::Failed(_) => return Poll::Ready(Some(Err(told()))),
                State::Whole(..) => return Poll::Ready(None),
                State::Reading if content.at >= self.until => return Poll::Ready(None),
                State::Reading => {}
            }
            let filled = content.fill(cx);
            content.moves += 1;
            content.starved = filled.is_pending();
            ready!(filled);
        }
    }

    fn size_hint(&self) -> SizeHint {
        if !self.exact {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.until.saturating_sub(self.tape.lock().at))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::digest_of;

    async fn rest(tape: &Tape) -> Vec<u8> {
        tape.body(u64::MAX, false).collect().await.expect("read").to_bytes().to_vec()
    }

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at / 1000) as u8).collect()
    }

    #[tokio::test]
    async fn what_was_sent_lately_is_sent_again_and_the_digest_is_of_all() {
        let bytes = content(3 * WINDOW as usize);
        let tape = Tape::new(Box::pin(io::Cursor::new(bytes.clone())), None, WINDOW);
        assert!(rest(&tape).await == bytes);
        assert_eq!(tape.whole(), Some((digest_of(&bytes), bytes.len() as u64)));
        let end = bytes.len() as u64;
        for back in [0, 1, 1_000_000, WINDOW - CHUNK as u64] {
            assert!(tape.rewind(end - back), "{back}");
            assert!(rest(&tape).await == bytes[bytes.len() - back as usize..]);
        }
        assert!(!tape.rewind(0) && !tape.rewind(end - 2 * WINDOW) && !tape.rewind(end + 1));
        tape.reopen(Box::pin(io::Cursor::new(bytes.clone())), 5);
        assert!(rest(&tape).await == bytes[5..]);
        let content = tape.lock();
        assert!(content.end - content.start <= WINDOW + CHUNK as u64);
    }

    #[tokio::test]
    async fn a_body_of_an_earlier_request_takes_nothing() {
        let tape = Tape::new(Box::pin(&b"abcdef"[..]), None, WINDOW);
        let mut old = tape.body(u64::MAX, false);
        let new = tape.body(3, false);
        assert!(old.frame().await.expect("a frame").is_err());
        assert_eq!(new.collect().await.expect("read").to_bytes(), "abc");
        assert_eq!((tape.at(), tape.ahead(10).await.expect("read")), (3, 3));
        assert_eq!(tape.body(6, true).size_hint().exact(), Some(3));
    }

    #[tokio::test]
    async fn content_that_is_wrong_at_its_end_is_not_sent_whole() {
        let descriptor = Descriptor::new("a/b", digest_of(b"right"), 5);
        let tape =
            Tape::new(crate::verified(Box::pin(&b"wrong"[..]), &descriptor), Some(&descriptor), WINDOW);
        let mut body = tape.body(5, true);
        assert!(body.frame().await.expect("a frame").is_err());
        assert_eq!(tape.sent(), 0);
        assert!(tape.take_error().is_some() && tape.take_error().is_none());
        assert!(!tape.rewind(0));
    }
}
