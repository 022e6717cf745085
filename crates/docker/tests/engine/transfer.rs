//! The transfer of files in a session, with the receiver's part played here: it gets what is offered and
//! nothing else, whatever it asks for.

#![expect(clippy::disallowed_methods, reason = "a test with sources on the disk")]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::{Duration, UNIX_EPOCH},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    Request,
    body::{Body, Frame, Incoming},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use shipway_core::{Cancel, Context, Entry, Files, HostFiles, OpenFile, RunContext, Tree, World};
use shipway_docker::{BuildSpec, Daemon, SessionOffer, SharedFolder, tar_stream};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    sync::{mpsc, oneshot},
};

/// fsutil's `Packet` and `Stat`.
#[derive(Clone, PartialEq, Message)]
struct Packet {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(message, optional, tag = "2")]
    stat: Option<Stat>,
    #[prost(uint32, tag = "3")]
    id: u32,
    #[prost(bytes = "bytes", tag = "4")]
    data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Stat {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(int64, tag = "5")]
    size: i64,
}

const REQUEST: i32 = 1;
const DATA: i32 = 2;
const FINISH: i32 = 3;
const ERROR: i32 = 4;

fn packet(kind: i32, id: u32) -> Bytes {
    let message = Packet { kind, id, ..Packet::default() }.encode_to_vec();
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed.into()
}

struct Sent(mpsc::UnboundedReceiver<Bytes>);

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Opens a session with these files, and returns how it is asked.
async fn session(folder: SharedFolder) -> (SendRequest<Sent>, TempDir) {
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (give, wire) = oneshot::channel();
    tokio::spawn(async move {
        let mut give = Some(give);
        let mut held = Vec::new();
        while let Ok((mut wire, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                wire.read_buf(&mut head).await.unwrap();
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            if head.contains("/_ping") {
                let pong = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK";
                wire.write_all(pong).await.unwrap();
            } else if head.contains("/session") {
                assert!(head.contains("/moby.filesync.v1.filesync/diffcopy"), "{head}");
                let switch = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
                wire.write_all(switch).await.unwrap();
                let _ = give.take().unwrap().send(wire);
            } else {
                // The build goes on for as long as the test.
                held.push(wire);
            }
        }
    });
    let daemon = Daemon::open(&format!("unix://{}", socket.display())).unwrap();
    let mut offer = SessionOffer::default();
    offer.folders = BTreeMap::from([("context".to_owned(), folder)]);
    let mut spec = BuildSpec::new("Dockerfile");
    spec.session = Some(offer);
    tokio::spawn(async move {
        let _ = daemon.build(&crate::context(), &spec, tar_stream(|_| Ok(())).unwrap()).await;
    });
    let wire = wire.await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(wire)).await.unwrap();
    tokio::spawn(connection);
    (sender, sockets)
}

/// A transfer under way.
struct Transfer {
    ask: mpsc::UnboundedSender<Bytes>,
    body: Incoming,
    buffer: BytesMut,
    code: Option<String>,
}

impl Transfer {
    async fn begin(sender: &mut SendRequest<Sent>, folder: &str, followed: &[&str]) -> Self {
        let (ask, sent) = mpsc::unbounded_channel();
        let mut request = Request::post("http://session/moby.filesync.v1.FileSync/DiffCopy")
            .header("content-type", "application/grpc")
            .header("dir-name", folder);
        for path in followed {
            request = request.header("followpaths", *path);
        }
        let answer = sender.send_request(request.body(Sent(sent)).unwrap()).await.unwrap();
        Self { ask, body: answer.into_body(), buffer: BytesMut::new(), code: None }
    }

    async fn next(&mut self) -> Option<Packet> {
        loop {
            if self.buffer.len() >= 5 {
                let length = u32::from_be_bytes(self.buffer[1..5].try_into().unwrap()) as usize;
                if self.buffer.len() >= 5 + length {
                    self.buffer.advance(5);
                    return Some(Packet::decode(self.buffer.split_to(length).freeze()).unwrap());
                }
            }
            // What should have ended, and goes on, waits for more requests.
            let frame = tokio::time::timeout(Duration::from_secs(20), self.body.frame());
            match frame.await.expect("more, or the end")?.unwrap().into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap();
                    self.code = Some(trailers["grpc-status"].to_str().unwrap().to_owned());
                }
            }
        }
    }

    async fn stats(&mut self) -> Vec<String> {
        let mut paths = Vec::new();
        while let Some(stat) = self.next().await.and_then(|packet| packet.stat) {
            paths.push(stat.path);
        }
        paths
    }

    async fn content(&mut self, id: u32) -> Vec<u8> {
        self.ask.send(packet(REQUEST, id)).unwrap();
        let mut content = Vec::new();
        loop {
            let piece = self.next().await.unwrap();
            assert_eq!((piece.kind, piece.id), (DATA, id));
            if piece.data.is_empty() {
                return content;
            }
            content.extend(piece.data);
        }
    }

    /// Returns how it ends, and what comes before that.
    async fn end(mut self) -> (Option<String>, Vec<i32>) {
        let mut kinds = Vec::new();
        while let Some(packet) = self.next().await {
            kinds.push(packet.kind);
        }
        (self.code, kinds)
    }
}

fn sources(files: &[(&str, &[u8])]) -> (TempDir, Context) {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let world = World::host(folder.path()).files(Rewritten(HostFiles));
    (folder, RunContext::new(world, "transfer").context(None, None, Cancel::new()))
}

/// The machine's files, of which `rewritten` is written over while it is read.
#[derive(Debug)]
struct Rewritten(HostFiles);

impl Files for Rewritten {
    fn walk_each(
        &self,
        cx: &Context,
        root: &Path,
        ignore: &[Vec<String>],
    ) -> shipway_core::Result<Vec<Vec<Entry>>> {
        self.0.walk_each(cx, root, ignore)
    }

    fn entry(&self, cx: &Context, root: &Path, path: &str) -> shipway_core::Result<Option<Entry>> {
        self.0.entry(cx, root, path)
    }

    fn open(&self, cx: &Context, root: &Path, path: &str) -> shipway_core::Result<OpenFile> {
        let opened = self.0.open(cx, root, path)?;
        if path == "rewritten" {
            let place = cx.path(root).join(path);
            let times = fs::FileTimes::new().set_modified(UNIX_EPOCH);
            fs::File::options().write(true).open(place).unwrap().set_times(times).unwrap();
        }
        Ok(opened)
    }
}

fn shared(cx: &Context) -> SharedFolder {
    let entries = cx.files().walk(cx, &Tree::new("")).unwrap();
    SharedFolder::new(cx, "", entries, BTreeMap::new()).unwrap()
}

#[tokio::test]
async fn a_receiver_gets_what_it_asks_for_of_what_is_offered() {
    let large = vec![b'x'; 300_000];
    let (_files, cx) = sources(&[("a/b", &large), ("a-c", b"c"), (".dockerignore", b"x")]);
    let folder = shared(&cx);
    let (mut sender, _sockets) = session(folder.clone()).await;
    let mut transfer = Transfer::begin(&mut sender, "context", &[]).await;
    assert_eq!(transfer.stats().await, [".dockerignore", "a", "a/b", "a-c"]);
    assert_eq!(transfer.content(2).await, large);
    assert_eq!(transfer.content(3).await, b"c");
    transfer.ask.send(packet(FINISH, 0)).unwrap();
    assert_eq!(transfer.end().await, (Some("0".to_owned()), vec![FINISH]));
    let sent = folder.sent();
    assert_eq!((sent.files, sent.bytes), (2, 300_001));

    // The ignore file alone, before the rest.
    let mut transfer = Transfer::begin(&mut sender, "context", &[".dockerignore"]).await;
    assert_eq!(transfer.stats().await, [".dockerignore"]);
    assert_eq!(transfer.content(0).await, b"x");
}

#[tokio::test]
async fn a_receiver_gets_nothing_that_is_not_offered() {
    let (_files, cx) = sources(&[("a/b", b"b")]);
    let (mut sender, _sockets) = session(shared(&cx)).await;
    for name in ["other", "", "../context", "/"] {
        let transfer = Transfer::begin(&mut sender, name, &[]).await;
        assert_eq!(transfer.end().await, (Some("5".to_owned()), vec![]), "{name}");
    }
    // A folder, what is not there, and a message that says nothing.
    for asked in [packet(REQUEST, 0), packet(REQUEST, 2), packet(REQUEST, u32::MAX), packet(DATA, 1)] {
        let mut transfer = Transfer::begin(&mut sender, "context", &[]).await;
        assert_eq!(transfer.stats().await, ["a", "a/b"]);
        transfer.ask.send(asked).unwrap();
        assert_eq!(transfer.end().await.0.as_deref(), Some("3"));
    }
    // The same again.
    let mut transfer = Transfer::begin(&mut sender, "context", &[]).await;
    transfer.stats().await;
    assert_eq!(transfer.content(1).await, b"b");
    transfer.ask.send(packet(REQUEST, 1)).unwrap();
    assert_eq!(transfer.end().await.0.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_file_that_is_another_by_now_is_not_sent_as_what_it_was() {
    let (files, cx) = sources(&[("a", b"as it was"), ("b", b"b"), ("c", b"c"), ("rewritten", b"d")]);
    let (mut sender, _sockets) = session(shared(&cx)).await;
    fs::write(files.path().join("a"), b"as it is!").unwrap();
    fs::remove_file(files.path().join("b")).unwrap();
    fs::remove_file(files.path().join("c")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", files.path().join("c")).unwrap();
    for id in 0..4 {
        let mut transfer = Transfer::begin(&mut sender, "context", &[]).await;
        transfer.stats().await;
        transfer.ask.send(packet(REQUEST, id)).unwrap();
        let (code, kinds) = transfer.end().await;
        assert_eq!((code.as_deref(), kinds.last()), (Some("2"), Some(&ERROR)), "{id}");
    }
}

#[tokio::test]
async fn many_files_are_asked_for_at_once() {
    let names: Vec<String> = (0..500).map(|number| format!("f/{number:03}")).collect();
    let all: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let (_files, cx) = sources(&all);
    let folder = Arc::new(shared(&cx));
    let (mut sender, _sockets) = session(folder.as_ref().clone()).await;
    let mut transfer = Transfer::begin(&mut sender, "context", &[]).await;
    // Asked for before all are told of.
    for id in 1..=500 {
        transfer.ask.send(packet(REQUEST, id)).unwrap();
    }
    let (mut content, mut told, mut ended) = (BTreeMap::<u32, Vec<u8>>::new(), 0, 0);
    while told < 501 || ended < 500 {
        let packet = transfer.next().await.unwrap();
        match (packet.kind, packet.stat) {
            (DATA, _) if packet.data.is_empty() => ended += 1,
            (DATA, _) => content.entry(packet.id).or_default().extend(packet.data),
            (_, stat) => told += usize::from(stat.is_some()),
        }
    }
    for (id, name) in (1..).zip(&names) {
        assert_eq!(content[&id], name.as_bytes());
    }
}
