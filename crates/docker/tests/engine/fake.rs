//! An engine by a script: each connection gets one reply, by the path that it asks for.

use std::sync::{Arc, Mutex};

use shipway_docker::Daemon;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

/// What a connection gets.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes, and then the connection is closed.
    Cut(Vec<u8>),
    /// These bytes, and then others again and again.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing.
    Silence,
}

/// A listening engine; it ends when it is dropped.
pub(crate) struct Engine {
    folder: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Engine {
    pub(crate) fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (reply, seen) = (Arc::new(reply), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((wire, _)) = listener.accept().await {
                let (reply, seen) = (Arc::clone(&reply), Arc::clone(&seen));
                tokio::spawn(async move {
                    let _ = serve(wire, reply.as_ref(), &seen).await;
                });
            }
        });
        Self { folder, asked, serving }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.folder.path().join("engine.sock").display())
    }

    pub(crate) fn daemon(&self) -> Daemon {
        Daemon::open(&self.endpoint()).unwrap()
    }

    /// Returns once a path was asked for.
    pub(crate) async fn asked(&self, path: &str) {
        let mut look = tokio::time::interval(std::time::Duration::from_millis(5));
        while !self.asked.lock().unwrap().iter().any(|one| one == path) {
            look.tick().await;
        }
    }
}

async fn serve(
    mut wire: UnixStream,
    reply: &(dyn Fn(&str) -> Reply + Send + Sync),
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if wire.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    // Without the version that was agreed upon.
    let path = path.strip_prefix("/v1.41").unwrap_or(path).to_owned();
    seen.lock().unwrap().push(path.clone());
    let (mut from, mut to) = wire.split();
    let write = async {
        match reply(&path) {
            Reply::Cut(bytes) => to.write_all(&bytes).await?,
            Reply::Endless(bytes, again) => {
                to.write_all(&bytes).await?;
                loop {
                    to.write_all(&again).await?;
                }
            }
            Reply::Silence => std::future::pending().await,
        }
        to.shutdown().await
    };
    // What is sent is taken, as an engine does.
    let read = async { tokio::io::copy(&mut from, &mut tokio::io::sink()).await };
    tokio::try_join!(write, read).map(drop)
}

/// Returns the greeting of Docker 20.10.
pub(crate) fn ping() -> Reply {
    Reply::Cut(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK".to_vec())
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    status(200, body)
}

pub(crate) fn status(code: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {code} Because\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Returns the beginning of an answer in chunks, of which the first one claims this length.
pub(crate) fn chunked(body: &str, length: usize) -> Vec<u8> {
    let end = if length == body.len() { "\r\n" } else { "" };
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}{end}").into_bytes()
}

/// Returns a tar archive of these files.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap()
}
