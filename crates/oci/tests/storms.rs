//! M7 of the reliability standard: registries that fail often, are too busy, or never answer. Time is
//! tokio's, and passes as fast as nothing happens.

mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Cancel, CancelReason, Clock, Context, ErrorKind, RunContext, Stage, Tag, Timestamp, World,
};
use shipway_oci::{Client, Distribution, Label, RemoteRepository};
use support::{
    CONFIG, LAYER, OCI_MANIFEST, descriptor, digest,
    faulty::{Act, Faulty},
    manifest, noise, reader,
};
use tokio::{io::AsyncReadExt, net::TcpListener, time::Instant};

/// Tokio's time as a context's clock; the wall clock begins at a moment of 1994.
#[derive(Debug)]
struct Paused(Instant);

const START: u64 = 784_111_777;

#[async_trait]
#[expect(clippy::disallowed_methods, reason = "this is a clock")]
impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp(START * 1000 + u64::try_from(self.0.elapsed().as_millis()).expect("not so long"))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn context(deadline: Option<Duration>, cancel: Cancel) -> Context {
    let world = World::host("/").clock(Paused(Instant::now()));
    RunContext::new(world, "test").context(None, deadline, cancel)
}

fn repository(cx: &Context, host: &str) -> RemoteRepository {
    Client::new().repository(cx, &format!("{host}/web")).expect("a repository")
}

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
async fn a_fifth_of_all_requests_may_fail() {
    const IMAGES: u64 = 25;
    let (mut failed, mut content, mut taken, mut requests) = (0u64, 0u64, 0u64, 0u64);
    let faults = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    for seed in 1..=IMAGES {
        let dice = Mutex::new(Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let count = Arc::clone(&faults);
        let server = Faulty::start(move |arrived| {
            let mut dice = dice.lock().expect("not poisoned");
            if dice.roll(5) > 0 {
                return Act::Serve;
            }
            let act = match dice.roll(7) {
                0 => Act::Refuse(503, Vec::new()),
                1 => Act::Refuse(429, vec![("retry-after", "1".to_owned())]),
                2 => Act::Refuse(500, Vec::new()),
                3 => Act::Hangup,
                4 => Act::Mute,
                5 if matches!(arrived.method.as_str(), "PATCH" | "PUT") => Act::Take(1 + dice.roll(6 << 20)),
                5 => Act::Hangup,
                _ if arrived.method == "GET" => Act::Cut(1 + dice.roll(1 << 20)),
                _ => Act::Refuse(502, Vec::new()),
            };
            let name = format!("{act:?}");
            let name = name.split(['(', ' ']).next().unwrap_or_default().to_owned();
            *count.lock().expect("not poisoned").entry(name).or_default() += 1;
            act
        })
        .await;
        let result = image_goes_and_comes_back(&server, seed).await;
        content += result.as_ref().copied().unwrap_or_default();
        failed += u64::from(result.is_err());
        if let Err(error) = result {
            println!("seed {seed}: {error:?}");
        }
        taken += server.taken();
        requests += server.log().len() as u64;
    }
    let factor = taken as f64 / content as f64;
    let faults = faults.lock().expect("not poisoned");
    let injected = faults.values().sum::<u64>() as f64 / requests as f64;
    println!(
        "M7: {IMAGES} images pushed and pulled, {requests} requests, {:.0} % of them failed ({faults:?}): {failed} \
         images failed, {factor:.2} x the bytes sent",
        injected * 100.0
    );
    assert_eq!(failed, 0);
    assert!(factor <= 1.2 && (0.17..0.25).contains(&injected), "{factor} {injected}");
}

/// Pushes an image of layers that are made and layers that are known, pulls it, and returns its bytes.
async fn image_goes_and_comes_back(server: &Faulty, seed: u64) -> shipway_core::Result<u64> {
    let cx = context(None, Cancel::new());
    let repository = repository(&cx, &server.host);
    let made = noise(seed * 8, 6 << 20);
    let known = noise(seed * 8 + 2, 3 << 20);
    let (layer, _) = repository.write_new_blob(reader(made.clone())).await?;
    assert_eq!(layer, digest(&made));
    repository.write_blob(&descriptor(LAYER, &known), reader(known.clone())).await?;
    repository.write_blob(&descriptor(CONFIG, b"{}"), reader("{}")).await?;
    let layers = [descriptor(LAYER, &made), descriptor(LAYER, &known)];
    let bytes = manifest(&descriptor(CONFIG, b"{}"), &layers);
    let tag = Tag::parse("1")?;
    repository.write_manifest(OCI_MANIFEST, bytes.clone(), Some(&tag)).await?;
    let found = repository.manifest(&Label::Tag(tag)).await?.expect("there");
    assert_eq!(found.bytes, bytes);
    for (layer, content) in layers.iter().zip([&made, &known]) {
        let mut read = Vec::new();
        let pulled = repository.read_blob(layer).await?.read_to_end(&mut read).await;
        pulled.map_err(|error| error.downcast::<shipway_core::Error>().expect("one of ours"))?;
        assert!(read == *content);
    }
    Ok((made.len() + known.len() + bytes.len() + 2) as u64)
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_says_when_is_asked_then_and_not_before() {
    let until = "Sun, 06 Nov 1994 08:49:57 GMT";
    for (words, now, least, most) in [
        ("7", None, 7.0, 8.0),
        ("x", None, 0.0, 0.2),
        // The registry's calendar is what counts: ours may be wrong, by however much.
        (until, Some("Sun, 06 Nov 1994 08:49:37 GMT"), 20.0, 21.0),
        ("Tue, 19 Jan 2038 03:14:28 GMT", Some("Tue, 19 Jan 2038 03:14:08 GMT"), 20.0, 21.0),
        ("Thu, 01 Jan 1970 00:00:30 GMT", Some("Thu, 01 Jan 1970 00:00:10 GMT"), 20.0, 21.0),
        // Without one that can be read it is ours.
        (until, Some("today"), 20.0, 21.0),
    ] {
        let server = Faulty::start(move |arrived| match arrived.count {
            0 => {
                let now = now.map(|now| ("date", now.to_owned()));
                Act::Refuse(429, [("retry-after", words.to_owned())].into_iter().chain(now).collect())
            }
            _ => Act::Serve,
        })
        .await;
        let since = Instant::now();
        let repository = repository(&context(None, Cancel::new()), &server.host);
        assert!(!repository.has_blob(&descriptor(LAYER, b"x")).await.expect("asked"));
        let waited = since.elapsed().as_secs_f64();
        assert!((least..most).contains(&waited), "{words}: {waited} s");
        assert_eq!(server.log().len(), 2);
    }
    // Longer than anybody waits, or than the task has.
    for (words, deadline) in [("3600", None), ("30", Some(Duration::from_secs(20)))] {
        let server = Faulty::start(move |_| Act::Refuse(503, vec![("retry-after", words.to_owned())])).await;
        let since = Instant::now();
        let repository = repository(&context(deadline, Cancel::new()), &server.host);
        let error = repository.has_blob(&descriptor(LAYER, b"x")).await.expect_err("too busy");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.report().notes.iter().any(|note| note.contains(words)), "{error:?}");
        assert!(since.elapsed() < Duration::from_secs(1));
        assert_eq!(server.log().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
async fn a_registry_that_stays_busy_is_given_up_at_the_deadline() {
    let busy = Faulty::start(|_| Act::Refuse(503, Vec::new())).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = silent.local_addr().map(|address| (silent, address.to_string())).expect("an address");
    for (host, seconds) in [(&busy.host, 2), (&silent.1, 20), (&silent.1, 100)] {
        let deadline = Duration::from_secs(seconds);
        let cx = context(Some(deadline), Cancel::new());
        let client = Client::builder().attempts(1000).build().expect("a client");
        let repository = client.repository(&cx, &format!("{host}/web")).expect("a repository");
        let errors = [
            ("pull", repository.has_blob(&descriptor(LAYER, b"x")).await.map(|_| ())),
            ("push", repository.write_new_blob(reader("x")).await.map(|_| ())),
        ];
        let late = cx.clock().elapsed().as_secs_f64() - deadline.as_secs_f64();
        for (what, result) in errors {
            let error = result.expect_err("never");
            assert_eq!(error.kind(), ErrorKind::Timeout, "{what}: {error:?}");
        }
        println!("M7: deadline of {seconds} s, given up {late:.3} s after it");
        assert!(late.abs() <= 1.0);
    }
    // Without a deadline it ends too.
    let since = Instant::now();
    let repository = repository(&context(None, Cancel::new()), &busy.host);
    assert!(repository.has_blob(&descriptor(LAYER, b"x")).await.is_err());
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_asked_to_end_waits_for_no_further_attempt() {
    let busy = Faulty::start(|_| Act::Refuse(503, Vec::new())).await;
    for stage in [Stage::Requested, Stage::Forced] {
        let cancel = Cancel::new();
        let cx = context(None, cancel.clone());
        let repository = repository(&cx, &busy.host);
        let stop = async {
            cx.clock().sleep(Duration::from_millis(1)).await;
            cancel.escalate(stage, CancelReason::Asked);
        };
        let blob = descriptor(LAYER, b"x");
        let (answer, ()) = tokio::join!(repository.has_blob(&blob), stop);
        assert_eq!(answer.expect_err("stopped").kind(), ErrorKind::Cancelled);
        assert!(cx.clock().elapsed() < Duration::from_secs(1));
    }
}

/// The answer that begins an upload comes to nobody: the upload is given up all the same.
#[tokio::test]
async fn an_upload_that_begins_for_nobody_is_given_up() {
    let (begun, gone) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (begins, goes) = (Arc::clone(&begun), Arc::clone(&gone));
    let server = Faulty::start(move |arrived| {
        begins.fetch_add(u64::from(arrived.method == "POST"), Ordering::SeqCst);
        goes.fetch_add(u64::from(arrived.method == "DELETE"), Ordering::SeqCst);
        Act::Serve
    })
    .await;
    let repository = support::context();
    let repository = self::repository(&repository, &server.host);
    let pushing = tokio::spawn(async move { repository.write_new_blob(reader("x")).await });
    let until = async |count: &AtomicU64| {
        let wait = async {
            while count.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("in time");
    };
    until(&begun).await;
    pushing.abort();
    until(&gone).await;
    assert_eq!(server.uploads(), 0);
}
