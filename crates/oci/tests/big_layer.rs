//! L3 of the reliability standard: one big layer, made of a file that is never on disk and sent to a registry that keeps
//! nothing, both in streams. The registry is in this process and the client in another one, whose memory is measured.
//! `SHIPWAY_BIG=5` makes it 5 GB instead of a quarter.

mod support;

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use shipway_core::{
    Cancel, Context, Entry, EntryKind, Error, Files, HostFiles, OpenFile, Result, RunContext, World,
};
use shipway_oci::{Client, Compression, LayerEntry, LayerSummary, write_layer};
use support::noise;
use tokio::net::TcpListener;

const HOST: &str = "SHIPWAY_TEST_SINK_REGISTRY";
const BIG: &str = "SHIPWAY_BIG";

/// What the client may use beyond what it has when it begins, in KiB.
const MEMORY: u64 = 64 << 10;

/// How many bytes the file has.
#[expect(clippy::disallowed_methods, reason = "whoever runs the long tests says so there")]
fn size() -> u64 {
    std::env::var(BIG).map_or(256 << 20, |gigabytes| gigabytes.parse::<u64>().expect("a number") << 30)
}

/// A registry that hashes what it gets and keeps none of it.
#[derive(Default)]
struct Sink {
    uploads: Mutex<BTreeMap<String, (Sha256, u64)>>,
    taken: AtomicU64,
    /// After how many bytes of an upload the connection breaks, once.
    cut: AtomicU64,
    /// How many bytes were taken after that.
    after_cut: AtomicU64,
}

type Answer = Response<Full<Bytes>>;

fn plain(status: u16, headers: &[(&str, &str)]) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::default()).expect("an answer")
}

impl Sink {
    async fn start() -> (String, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let sink = Arc::new(Self::default());
        let serving = Arc::clone(&sink);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let sink = Arc::clone(&sink);
                    async move { sink.answer(request).await }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        (host, sink)
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Answer> {
        let (head, mut body) = request.into_parts();
        let place = head.uri.path().to_owned();
        let id = place.rsplit('/').next().unwrap_or_default().to_owned();
        match head.method.as_str() {
            "POST" => {
                let mut uploads = self.uploads.lock().expect("not poisoned");
                let id = uploads.len().to_string();
                let place = format!("{}/{id}", place.trim_end_matches('/'));
                uploads.insert(id, Default::default());
                return Ok(plain(202, &[("location", &place), ("range", "0-0")]));
            }
            "HEAD" => return Ok(plain(404, &[])),
            _ => {}
        }
        let mut have = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
            self.taken.fetch_add(data.len() as u64, Ordering::SeqCst);
            let mut uploads = self.uploads.lock().expect("not poisoned");
            let (hasher, length) = uploads.get_mut(&id).expect("it began");
            hasher.update(&data);
            *length += data.len() as u64;
            have = *length;
            drop(uploads);
            let cut = self.cut.load(Ordering::SeqCst);
            if cut > 0 && have >= cut {
                self.cut.store(0, Ordering::SeqCst);
                self.after_cut.store(self.taken.load(Ordering::SeqCst), Ordering::SeqCst);
                return Err(io::Error::other("on purpose"));
            }
        }
        let uploads = self.uploads.lock().expect("not poisoned");
        let (hasher, length) = uploads.get(&id).expect("it began");
        have = have.max(*length);
        let range = format!("0-{}", have.saturating_sub(1));
        Ok(match head.method.as_str() {
            "PUT" => {
                let hex: String =
                    hasher.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                let wanted = head.uri.query().unwrap_or_default().replace("%3A", ":");
                let right = wanted.contains(&format!("digest=sha256:{hex}"));
                plain(if right { 201 } else { 400 }, &[])
            }
            "PATCH" => plain(202, &[("location", &place), ("range", &range)]),
            _ => plain(204, &[("location", &place), ("range", &range)]),
        })
    }
}

/// A door to sources that makes their content while it is read, and counts.
#[derive(Clone, Debug)]
struct Made {
    noise: Arc<Vec<u8>>,
    opened: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
}

impl Made {
    fn made(cx: &Context, path: &str) -> Result<Entry> {
        let size = path.strip_prefix("of-").and_then(|size| size.parse().ok());
        let size: u64 = size.ok_or_else(|| Error::not_found(format!("there is no `{path}`")))?;
        // As any other entry but for these.
        let mut entry = HostFiles.entry(cx, Path::new("/"), "tmp")?.expect("it is there");
        (entry.path, entry.kind, entry.mode, entry.size) = (path.to_owned(), EntryKind::File, 0o644, size);
        Ok(entry)
    }
}

impl Files for Made {
    fn walk_each(&self, _cx: &Context, _root: &Path, _ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        Err(Error::unsupported("it is not walked"))
    }

    fn entry(&self, cx: &Context, _root: &Path, path: &str) -> Result<Option<Entry>> {
        Self::made(cx, path).map(Some)
    }

    fn open(&self, cx: &Context, _root: &Path, path: &str) -> Result<OpenFile> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let entry = Self::made(cx, path)?;
        let left = entry.size;
        Ok(OpenFile::new(entry, Content { made: self.clone(), at: 0, left }))
    }
}

/// Content that is the same each time and cannot be compressed much.
struct Content {
    made: Made,
    at: u64,
    left: u64,
}

const PIECE: u64 = 64 << 10;

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let noise = &self.made.noise;
        let of_piece = self.at % PIECE;
        let begin =
            usize::try_from(self.at / PIECE * 7919).expect("64 bits") % (noise.len() - PIECE as usize);
        let most = (PIECE - of_piece).min(self.left).min(buffer.len() as u64) as usize;
        buffer[..most].copy_from_slice(&noise[begin + of_piece as usize..][..most]);
        self.at += most as u64;
        self.left -= most as u64;
        self.made.read.fetch_add(most as u64, Ordering::SeqCst);
        Ok(most)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
#[expect(clippy::disallowed_methods, reason = "the client runs in a process of its own")]
async fn a_big_layer_takes_little_memory_is_read_once_and_goes_on_after_a_cut() {
    let (host, sink) = Sink::start().await;
    let push = |host: String| async move {
        let child = tokio::task::spawn_blocking(move || {
            let program = std::env::current_exe().expect("this program");
            let args = ["--exact", "the_client", "--ignored", "--nocapture", "--test-threads=1"];
            Command::new(program).args(args).env(HOST, host).output().expect("runs")
        });
        let output = child.await.expect("no panic");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        move |name: &str| -> u64 {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            let line = found.unwrap_or_else(|| panic!("{text}"));
            line.trim().parse().expect("a number")
        }
    };
    let start = Instant::now();
    let figure = push(host.clone()).await;
    let took = start.elapsed().as_secs_f64();
    let (memory, layer) = (figure("memory:"), figure("layer:"));
    println!(
        "L3: a file of {} MiB as a layer of {} MiB in {took:.1} s: {} MiB of memory more, opened {} and read {:.2} times",
        size() >> 20,
        layer >> 20,
        memory >> 10,
        figure("opened:"),
        figure("read:") as f64 / size() as f64
    );
    assert!(memory <= MEMORY, "{memory} KiB");
    assert_eq!((figure("opened:"), figure("read:")), (1, size()));
    assert!(sink.taken.load(Ordering::SeqCst) < layer + layer / 20 + (4 << 20));

    sink.cut.store(layer / 2, Ordering::SeqCst);
    let figure = push(host).await;
    let after = sink.taken.load(Ordering::SeqCst) - sink.after_cut.load(Ordering::SeqCst);
    let sent = after as f64 / layer as f64;
    println!(
        "L3: cut at 50 %, {:.0} % of it were sent after that, {} MiB of memory more, read {:.2} times",
        sent * 100.0,
        figure("memory:") >> 10,
        figure("read:") as f64 / size() as f64
    );
    assert_eq!(sink.cut.load(Ordering::SeqCst), 0, "it was cut");
    assert!((0.4..=0.6).contains(&sent), "{sent}");
    assert!(figure("memory:") <= MEMORY);
    assert_eq!((figure("opened:"), figure("read:")), (1, size()));
}

/// Not a test of its own: the process that the one above measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs within another test"]
#[expect(clippy::print_stdout, reason = "it tells the other process")]
#[expect(clippy::disallowed_methods, reason = "the registry's address comes from the other process")]
async fn the_client() {
    let Ok(host) = std::env::var(HOST) else { return };
    let made = Made { noise: Arc::new(noise(7, 2 << 20)), opened: Arc::default(), read: Arc::default() };
    // What is used once by all: connections, the runtime's buffers, TLS's tables.
    push(&made, &host, 1 << 10).await.expect("pushed");
    let (opened, read) = (made.opened.swap(0, Ordering::SeqCst), made.read.swap(0, Ordering::SeqCst));
    assert_eq!((opened, read), (1, 1 << 10));
    let before = memory("VmRSS:");
    let layer = push(&made, &host, size()).await.expect("pushed");
    let memory = memory("VmHWM:").saturating_sub(before);
    let (opened, read) = (made.opened.load(Ordering::SeqCst), made.read.load(Ordering::SeqCst));
    println!("\nmemory: {memory}\nlayer: {}\nopened: {opened}\nread: {read}", layer.size);
}

async fn push(made: &Made, host: &str, size: u64) -> Result<LayerSummary> {
    let world = World::host("/").files(made.clone());
    let cx = RunContext::new(world, "test").context(None, None, Cancel::new());
    let repository = Client::new().repository(&cx, &format!("{host}/web"))?;
    let entry = LayerEntry::file("big", Path::new("/"), format!("of-{size}"), size);
    write_layer(&cx, vec![entry], Compression::default())?.write_to(&repository).await
}

#[expect(clippy::disallowed_methods, reason = "the test measures its own process")]
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("a figure");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
