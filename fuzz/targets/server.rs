//! An HTTP server on this machine that answers what a target tells it to.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What is answered; the headers end with `\r\n` each.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

type Answers = Box<dyn Fn(&str, &str) -> Answer + Send>;

/// A server, which works while its thread waits for something.
pub(crate) struct Server {
    host: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server; to be called where futures are waited for.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let host = listener.local_addr().expect("an address").to_string();
        let listener = TcpListener::from_std(listener).expect("a listener");
        let nothing: Answers = Box::new(|_, _| Answer { status: 404, headers: Vec::new(), body: Vec::new() });
        let answers = Arc::new(Mutex::new(nothing));
        let asked = Arc::<AtomicUsize>::default();
        let server = Self { host, answers: Arc::clone(&answers), asked: Arc::clone(&asked) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&asked)));
            }
        });
        server
    }

    /// Returns `address:port`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Says what is answered to a method and a path from now on.
    pub(crate) fn answers(&self, answers: impl Fn(&str, &str) -> Answer + Send + 'static) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answers);
        self.asked.store(0, Ordering::Relaxed);
    }

    /// Returns how often it was asked since.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Answers what comes over one connection, until that is cut.
async fn serve(mut stream: TcpStream, answers: Arc<Mutex<Answers>>, asked: Arc<AtomicUsize>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        while read.len() < end + length.unwrap_or(0) {
            if stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        }
        let mut words = head.split_ascii_whitespace();
        let (method, path) = (words.next()?.to_uppercase(), words.next()?.to_owned());
        read.drain(..end + length.unwrap_or(0));
        asked.fetch_add(1, Ordering::Relaxed);
        let Answer { status, headers, body } =
            answers.lock().unwrap_or_else(PoisonError::into_inner)(&method, &path);
        let mut answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len()).into_bytes();
        answer.extend([&*headers, b"\r\n"].concat());
        if method != "HEAD" {
            answer.extend(body);
        }
        stream.write_all(&answer).await.ok()?;
    }
}
