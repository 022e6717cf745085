//! F5 of the reliability standard: networks that fall silent, cut, or let through almost nothing, in the middle of pushes
//! and pulls. Between the client and a registry that is well stands a wire that is not. Time is tokio's, and passes as
//! fast as nothing happens.

#![expect(
    clippy::disallowed_methods,
    reason = "the wire and the clock go by tokio's time, which the tests let pass"
)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{Cancel, Clock, Context, Error, ErrorKind, Result, RunContext, Tag, Timestamp, World};
use shipway_oci::{Client, Distribution, Label, RemoteRepository};
use support::{
    CONFIG, LAYER, OCI_MANIFEST, descriptor, digest,
    faulty::{Act, Faulty},
    manifest, noise, reader,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::Instant,
};

/// Tokio's time as a context's clock.
#[derive(Debug)]
struct Paused(Instant);

#[async_trait]
impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(self.0.elapsed().as_millis()).expect("not so long"))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn context(deadline: Option<Duration>) -> Context {
    let world = World::host("/").clock(Paused(Instant::now()));
    RunContext::new(world, "test").context(None, deadline, Cancel::new())
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Nothing comes through any more, either way, and nobody says so.
    Partition,
    /// It is cut, and what was under way is lost.
    Reset,
    /// The registry's side ends, and the client's stays open.
    HalfOpen,
    /// What the client sends is taken no more, and what comes to it still does.
    Deaf,
    /// A byte comes through each second.
    Trickle,
}

const FAULTS: [Fault; 5] = [Fault::Partition, Fault::Reset, Fault::HalfOpen, Fault::Deaf, Fault::Trickle];

/// A wire to a registry: whose first connections go wrong after so many bytes, of both ways together.
struct Wire {
    host: String,
    connections: Arc<AtomicU64>,
    /// How many bytes the client sent, also those that were lost.
    sent: Arc<AtomicU64>,
}

impl Wire {
    async fn start(to: &str, fault: Fault, after: impl Fn(u64) -> Option<u64> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let connections = Arc::new(AtomicU64::new(0));
        let sent = Arc::new(AtomicU64::new(0));
        let (count, up, to) = (Arc::clone(&connections), Arc::clone(&sent), to.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let after = after(count.fetch_add(1, Ordering::SeqCst)).unwrap_or(u64::MAX);
                let registry = TcpStream::connect(&to).await.expect("it is there");
                tokio::spawn(carry(client, registry, fault, after, Arc::clone(&up)));
            }
        });
        Self { host, connections, sent }
    }
}

/// Carries bytes both ways until the fault comes.
async fn carry(client: TcpStream, registry: TcpStream, fault: Fault, after: u64, sent: Arc<AtomicU64>) {
    let (carried, _) = watch::channel(0u64);
    let (from_client, to_client) = client.into_split();
    let (from_registry, to_registry) = registry.into_split();
    let middle = Middle { carried: carried.clone(), fault, after };
    let mut up = tokio::spawn(middle.clone().carry(from_client, to_registry, Some(sent)));
    let mut down = tokio::spawn(middle.carry(from_registry, to_client, None));
    let mut seen = carried.subscribe();
    let ended = tokio::select! {
        _ = seen.wait_for(|carried| *carried >= after) => false,
        () = async { let _ = tokio::join!(&mut up, &mut down); } => true,
    };
    if ended {
        return;
    }
    match fault {
        // Each way sees to it by itself, and whoever waits finds the connection open.
        Fault::Partition | Fault::Deaf | Fault::Trickle => {
            let _ = tokio::join!(up, down);
        }
        Fault::HalfOpen => {
            down.abort();
            let _ = up.await;
        }
        Fault::Reset => {
            up.abort();
            down.abort();
        }
    }
}

/// When the fault comes, and what it is.
#[derive(Clone)]
struct Middle {
    carried: watch::Sender<u64>,
    fault: Fault,
    after: u64,
}

impl Middle {
    /// Carries bytes one way, and counts those of the client.
    async fn carry(self, mut from: OwnedReadHalf, to: OwnedWriteHalf, sent: Option<Arc<AtomicU64>>) {
        let Self { carried, fault, after } = self;
        let to_client = sent.is_none();
        let mut to = Ending { to: Some(to), fault };
        let mut piece = vec![0; 16 * 1024];
        loop {
            let faulty = *carried.borrow() >= after;
            let most = match fault {
                _ if !faulty => piece.len(),
                Fault::Deaf if to_client => piece.len(),
                // Whatever was lost, nothing comes after it.
                Fault::Partition | Fault::Deaf | Fault::Reset | Fault::HalfOpen => {
                    std::future::pending().await
                }
                Fault::Trickle => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    1
                }
            };
            let count = match from.read(&mut piece[..most]).await {
                Ok(count) if count > 0 => count,
                _ => return,
            };
            if let Some(sent) = &sent {
                sent.fetch_add(count as u64, Ordering::SeqCst);
            }
            let before = *carried.borrow();
            let most = usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX);
            // What came in the same piece as the fault is lost with it.
            let through = if faulty || fault == Fault::Deaf { count } else { count.min(most.max(1)) };
            if to.writer().write_all(&piece[..through]).await.is_err() {
                return;
            }
            if through < count && fault == Fault::Trickle {
                for byte in &piece[through..count] {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if to.writer().write_all(&[*byte]).await.is_err() {
                        return;
                    }
                }
            }
            carried.send_modify(|carried| *carried += count as u64);
        }
    }
}

/// The end of a wire, which is cut where the fault says so.
struct Ending {
    to: Option<OwnedWriteHalf>,
    fault: Fault,
}

impl Ending {
    fn writer(&mut self) -> &mut OwnedWriteHalf {
        self.to.as_mut().expect("until it is dropped")
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(to) = self.to.take() else { return };
        if self.fault == Fault::Reset {
            let _ = to.as_ref().set_zero_linger();
            // Without the end that a shutdown would send before.
            to.forget();
        }
    }
}

const SIZE: usize = 4 << 20;

fn repository(cx: &Context, host: &str) -> RemoteRepository {
    Client::new().repository(cx, &format!("{host}/web")).expect("a repository")
}

/// What is done over the wire.
#[derive(Clone, Copy, Debug)]
enum Work {
    PushMade,
    PushKnown,
    Pull,
    PullManifest,
}

const WORKS: [Work; 4] = [Work::PushMade, Work::PushKnown, Work::Pull, Work::PullManifest];

async fn work(work: Work, cx: &Context, host: &str, content: &[u8]) -> Result<()> {
    let (repository, blob) = (repository(cx, host), descriptor(LAYER, content));
    match work {
        Work::PushMade => {
            let (pushed, _) = repository.write_new_blob(reader(content.to_vec())).await?;
            assert_eq!(pushed, digest(content));
        }
        Work::PushKnown => repository.write_blob(&blob, reader(content.to_vec())).await?,
        Work::Pull => {
            let mut read = Vec::new();
            let pulled = repository.read_blob(&blob).await?.read_to_end(&mut read).await;
            pulled.map_err(|error| error.downcast::<Error>().expect("one of ours"))?;
            assert!(read == content);
        }
        Work::PullManifest => {
            let found = repository.manifest(&Label::Tag(Tag::parse("1")?)).await?;
            assert!(found.is_some());
        }
    }
    Ok(())
}

/// A registry that has what is pulled, and of which nothing is wrong.
async fn healthy(content: &[u8]) -> Faulty {
    let server = Faulty::start(|_| Act::Serve).await;
    let repository = repository(&context(None), &server.host);
    let bytes = manifest(&descriptor(CONFIG, b"{}"), &[descriptor(LAYER, content)]);
    repository
        .write_manifest(OCI_MANIFEST, bytes, Some(&Tag::parse("1").expect("a tag")))
        .await
        .expect("put");
    server
}

/// After how many bytes the fault comes: in the middle, or of what is short in the head of the answer.
fn middle(work: Work) -> u64 {
    match work {
        Work::PullManifest => 300,
        _ => SIZE as u64 / 2,
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
async fn after_one_connection_that_went_wrong_in_the_middle_all_goes_on() {
    let content = noise(31, SIZE);
    let (mut good, mut all, mut most) = (0, 0, 0.0_f64);
    for fault in FAULTS {
        for what in WORKS {
            // Bytes that trickle are slow and not idle: only a deadline ends that.
            if fault == Fault::Trickle {
                continue;
            }
            let server = healthy(&content).await;
            if matches!(what, Work::Pull | Work::PullManifest) {
                server.put("web", content.clone());
            }
            let after = middle(what);
            let wire =
                Wire::start(&server.host, fault, move |connection| (connection == 0).then_some(after)).await;
            let cx = context(None);
            all += 1;
            let done =
                tokio::time::timeout(Duration::from_secs(3600), work(what, &cx, &wire.host, &content)).await;
            match done.expect("it ends") {
                Ok(()) => good += 1,
                Err(error) => println!("F5: {fault:?} {what:?}: {error:?}"),
            }
            // The whole is there, and half of it was sent twice at most.
            if matches!(what, Work::PushMade | Work::PushKnown) {
                assert!(
                    server.blob("web", &content).is_some_and(|found| found == content),
                    "{fault:?} {what:?}"
                );
                most = most.max(wire.sent.load(Ordering::SeqCst) as f64 / SIZE as f64);
            }
            assert!(cx.clock().elapsed() < Duration::from_secs(300), "{fault:?} {what:?}");
        }
    }
    println!(
        "F5: {good} of {all} pushes and pulls went on after a connection that failed; {most:.2} x the bytes sent at most"
    );
    assert_eq!(good, all);
    assert!(most <= 1.6, "{most}");
}

#[tokio::test(start_paused = true)]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
async fn what_never_gets_better_ends_at_its_deadline_and_says_so() {
    let content = noise(32, SIZE);
    let (mut all, mut latest) = (0, 0.0_f64);
    for fault in FAULTS {
        for what in WORKS {
            for seconds in [5, 100] {
                // What was asked for before comes to whoever is not heard any more.
                if fault == Fault::Deaf && matches!(what, Work::Pull | Work::PullManifest) {
                    continue;
                }
                let server = healthy(&content).await;
                if matches!(what, Work::Pull | Work::PullManifest) {
                    server.put("web", content.clone());
                }
                let after = middle(what);
                // The first comes to its middle, the others nowhere.
                let wire = Wire::start(&server.host, fault, move |connection| {
                    Some(if connection == 0 { after } else { 1 })
                })
                .await;
                let deadline = Duration::from_secs(seconds);
                let cx = context(Some(deadline));
                let ended =
                    tokio::time::timeout(Duration::from_secs(3600), work(what, &cx, &wire.host, &content));
                let ended = ended.await.unwrap_or_else(|_| panic!("{fault:?} {what:?}: it never ends"));
                let late = cx.clock().elapsed().as_secs_f64() - deadline.as_secs_f64();
                let error = ended.expect_err("it never gets better");
                let kind = error.kind();
                // What breaks at once may be given up before.
                let right = match kind {
                    ErrorKind::Timeout => late >= -1.0,
                    ErrorKind::Unavailable => error.may_retry(),
                    _ => false,
                };
                assert!(right, "{fault:?} {what:?} of {seconds} s: {late} s late, {error:?}");
                // What is given up there is told to a registry for some seconds more.
                assert!(late <= 1.0, "{fault:?} {what:?} of {seconds} s: {late} s late, {error:?}");
                assert!(
                    server.blob("web", &content).is_none() || matches!(what, Work::Pull | Work::PullManifest)
                );
                assert!(wire.connections.load(Ordering::SeqCst) < 40, "{fault:?} {what:?}");
                (all, latest) = (all + 1, latest.max(late));
            }
        }
    }
    println!(
        "F5: {all} of {all} pushes and pulls over a wire that never gets better end, {latest:.3} s after their deadline at most"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_silence_ends_too() {
    let content = noise(33, SIZE);
    for what in WORKS {
        let server = healthy(&content).await;
        if matches!(what, Work::Pull | Work::PullManifest) {
            server.put("web", content.clone());
        }
        let after = middle(what);
        let wire = Wire::start(&server.host, Fault::Partition, move |connection| {
            Some(if connection == 0 { after } else { 1 })
        })
        .await;
        let cx = context(None);
        let ended =
            tokio::time::timeout(Duration::from_secs(3600), work(what, &cx, &wire.host, &content)).await;
        let error = ended.unwrap_or_else(|_| panic!("{what:?}: it never ends")).expect_err("silence");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{what:?}: {error:?}");
        assert!(error.may_retry());
        assert!(cx.clock().elapsed() < Duration::from_secs(600), "{what:?}: {:?}", cx.clock().elapsed());
    }
}

/// Says its answers a byte at a time.
#[tokio::test(start_paused = true)]
async fn answers_that_come_a_byte_at_a_time_end_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = client.read(&mut request).await;
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 4194303\r\n\r\n";
                for byte in head.iter().chain(std::iter::repeat(&b'x')) {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if client.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    for seconds in [20, 90] {
        for what in WORKS {
            let deadline = Duration::from_secs(seconds);
            let cx = context(Some(deadline));
            let content = noise(34, SIZE);
            let ended =
                tokio::time::timeout(Duration::from_secs(3600), work(what, &cx, &host, &content)).await;
            let error = ended.unwrap_or_else(|_| panic!("{what:?}: it never ends")).expect_err("slow");
            let late = cx.clock().elapsed().as_secs_f64() - deadline.as_secs_f64();
            assert!(late <= 1.0, "{what:?} of {seconds} s: {late} {error:?}");
            assert!(
                matches!(error.kind(), ErrorKind::Timeout | ErrorKind::BadOutput | ErrorKind::Unsupported),
                "{what:?}: {error:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_knows_is_one_error_that_names_it() {
    let cx = context(Some(Duration::from_secs(300)));
    let host = "registry.invalid";
    // The name of a host that is no loopback is spoken to with TLS, for which the system's certificates are read.
    let options = shipway_oci::HostOptions::new().plain_http();
    let client = Client::builder().attempts(2).host(host, options).build().expect("a client");
    let repository = client.repository(&cx, &format!("{host}/web")).expect("a repository");
    let error = repository.has_blob(&descriptor(LAYER, b"x")).await.expect_err("unknown");
    assert_eq!((error.kind(), error.may_retry()), (ErrorKind::Unavailable, true), "{error:?}");
    assert!(error.to_string().contains(host), "{error}");
    assert!(cx.clock().elapsed() <= Duration::from_secs(301));
}
