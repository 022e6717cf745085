//! The floor: a tar of the files, its SHA-256, libdeflate over all cores, the SHA-256 of what comes out; then
//! the same bytes to the registry in one request.

use std::{
    io::{self, Write},
    num::NonZero,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest, Sha256};

use crate::raw::{Connection, named};

/// Each thread compresses this much at a time, as Shipway's do.
const PIECE: usize = 1024 * 1024;

pub(crate) fn run(host: &str, repository: &str, sources: &Path, level: i32) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (pieces, hash) = thread::scope(|scope| {
        let (mut to, mut from) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let (send, receive) = sync_channel::<Vec<u8>>(1);
            let (send_out, receive_out) = sync_channel::<Vec<u8>>(1);
            scope.spawn(move || compress(level, &receive, &send_out));
            to.push(send);
            from.push(receive_out);
        }
        let taken = scope.spawn(move || {
            let (mut pieces, mut hasher) = (Vec::new(), Sha256::new());
            for piece in from.iter().cycle().map_while(|thread| thread.recv().ok()) {
                hasher.update(&piece);
                pieces.push(piece);
            }
            (pieces, hasher.finalize())
        });
        let mut tar = tar::Builder::new(Cut { buffer: Vec::new(), hasher: Sha256::new(), to, next: 0 });
        tar.append_dir_all(".", sources).expect("the files");
        tar.into_inner().expect("the end").end();
        taken.join().expect("no panic")
    });
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    Connection::to(host).push_as(repository, &named(&hash), &pieces);
}

/// Returns what the parts take one after the other, each on one core; sending takes the registry's own work too.
pub(crate) fn parts(
    host: &str,
    repository: &str,
    sources: &Path,
    level: i32,
) -> [(&'static str, Duration); 5] {
    let (tar, tarring) = timed(|| {
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_dir_all(".", sources).expect("the files");
        tar.into_inner().expect("the end")
    });
    let (_, hashing) = timed(|| Sha256::digest(&tar));
    let (pieces, deflating) = timed(|| {
        let mut compressor = Compressor::new(CompressionLvl::new(level).expect("a level"));
        tar.chunks(PIECE).map(|piece| compressed(&mut compressor, piece)).collect::<Vec<_>>()
    });
    let (hash, hashing_again) = timed(|| {
        let mut hasher = Sha256::new();
        pieces.iter().for_each(|piece| hasher.update(piece));
        hasher.finalize()
    });
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    let ((), sending) = timed(|| Connection::to(host).push_as(repository, &named(&hash), &pieces));
    [
        ("tar", tarring),
        ("its SHA-256", hashing),
        ("libdeflate", deflating),
        ("the SHA-256 of that", hashing_again),
        ("sending it", sending),
    ]
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

fn compress(level: i32, pieces: &Receiver<Vec<u8>>, out: &SyncSender<Vec<u8>>) {
    let mut compressor = Compressor::new(CompressionLvl::new(level).expect("a level"));
    for piece in pieces {
        if out.send(compressed(&mut compressor, &piece)).is_err() {
            return;
        }
    }
}

fn compressed(compressor: &mut Compressor, piece: &[u8]) -> Vec<u8> {
    let mut compressed = vec![0; compressor.gzip_compress_bound(piece.len())];
    let size = compressor.gzip_compress(piece, &mut compressed).expect("there is room");
    compressed.truncate(size);
    compressed
}

/// Takes the tar, hashes it and hands it on in pieces.
struct Cut {
    buffer: Vec<u8>,
    hasher: Sha256,
    to: Vec<SyncSender<Vec<u8>>>,
    next: usize,
}

impl Cut {
    fn hand_on(&mut self) {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.hasher.update(&piece);
        self.to[self.next % self.to.len()].send(piece).expect("it is taken");
        self.next += 1;
    }

    fn end(mut self) {
        self.hand_on();
        assert_eq!(self.hasher.finalize().len(), 32);
    }
}

impl Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == PIECE {
            self.hand_on();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
