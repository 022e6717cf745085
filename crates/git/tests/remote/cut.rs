//! Connections that break in the middle of a push.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use shipway_core::ErrorKind;
use shipway_git::Remote;

use crate::{context, empty, new, server::Git};

/// Where a push is cut: after so many bytes of what is sent, or of what is answered.
#[derive(Clone, Copy, Debug)]
enum At {
    Sent(usize),
    Answered(usize),
}

/// Stands between us and a server, and cuts the first push.
struct Wire {
    port: u16,
    /// How many bytes the pushes that were not cut had, and their answers.
    seen: Arc<Mutex<(usize, usize)>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    fn new(server: u16, cut: Option<At>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, stop) = (Arc::<Mutex<(usize, usize)>>::default(), Arc::new(AtomicBool::new(false)));
        let (counts, stopped, cut) = (Arc::clone(&seen), Arc::clone(&stop), Arc::new(Mutex::new(cut)));
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (counts, cut) = (Arc::clone(&counts), Arc::clone(&cut));
                std::thread::spawn(move || carry(client.unwrap(), server, &cut, &counts));
            }
        });
        Self { port, seen, stop, thread: Some(thread) }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Carries one connection, of one request.
fn carry(client: TcpStream, server: u16, cut: &Mutex<Option<At>>, seen: &Mutex<(usize, usize)>) {
    let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
    let mut first = [0; 64];
    let count = client.peek(&mut first).unwrap_or(0);
    let is_push = String::from_utf8_lossy(&first[..count]).starts_with("POST /env.git/git-receive-pack");
    let cut = if is_push { cut.lock().unwrap().take() } else { None };
    let (sent, answered) = match cut {
        Some(At::Sent(limit)) => (limit, usize::MAX),
        Some(At::Answered(limit)) => (usize::MAX, limit),
        None => (usize::MAX, usize::MAX),
    };
    std::thread::scope(|scope| {
        let up = scope.spawn(|| pass(&client, &server, sent));
        let down = pass(&server, &client, answered);
        // Whichever side ended, the other hears of it.
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        let up = up.join().unwrap();
        if is_push && cut.is_none() {
            *seen.lock().unwrap() = (up, down);
        }
    });
}

/// Passes bytes on until one side ends or so many went, and returns how many.
fn pass(mut from: &TcpStream, mut to: &TcpStream, limit: usize) -> usize {
    let (mut buffer, mut passed) = ([0; 1024], 0);
    while passed < limit {
        let most = buffer.len().min(limit - passed);
        let count = from.read(&mut buffer[..most]).unwrap_or(0);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            return passed;
        }
        passed += count;
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    passed
}

/// Pushes one commit of a run over such a wire, then again over one that holds; returns how long the push was.
async fn push(cut: Option<At>) -> (usize, usize) {
    let git = Git::new();
    git.commit("zero", &[("zero".to_owned(), "0".to_owned())]);
    let (cx, wire) = (context(&git), Wire::new(git.server.port, cut));
    let ours = empty(&git, &cx, "ours.git");
    let remote = Remote::new(&format!("http://127.0.0.1:{}/env.git", wire.port), true).unwrap();
    let seen = ours.clone();
    let content = "1 2 3 4\n".repeat(2_000);
    let make = move |parent| match parent {
        Some(parent) if seen.file(parent, "run", 1 << 20)?.is_some() => Ok(None),
        _ => Ok(Some(new("run 7", "run", &content))),
    };
    let pushed = remote.commit_onto(&cx, &ours, "candidate", make.clone()).await;
    if cut.is_some() {
        let error = pushed.expect_err("it was cut");
        assert!(error.kind() == ErrorKind::Unavailable && error.may_retry(), "{cut:?}: {error}");
        remote.commit_onto(&cx, &ours, "candidate", make).await.unwrap().unwrap();
    } else {
        pushed.unwrap().unwrap();
    }
    assert_eq!(git.bare(&["log", "--format=%s", "candidate"]), "run 7\nzero", "{cut:?}");
    assert_eq!(git.bare(&["fsck", "--strict", "--no-dangling"]), "", "{cut:?}");
    *wire.seen.lock().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_cut_anywhere_and_repeated_makes_one_commit() {
    let (sent, answered) = push(None).await;
    assert!(sent > 200 && answered > 50, "{sent}, {answered}");
    // Not at the very last byte: a pack with another moment in it, or an answer that git cuts up otherwise, may be a few
    // bytes shorter than the first.
    for part in [0, 1, 100, sent / 2, sent - 40] {
        push(Some(At::Sent(part))).await;
    }
    for part in [0, 1, answered / 2, answered - 12] {
        push(Some(At::Answered(part))).await;
    }
}
