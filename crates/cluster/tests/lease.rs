//! Two holders never hold a lease at once, whatever the order of what they do, and whatever is lost.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use shipway_cluster::{Api, Apply, Lease, LeaseRequest, List, MemoryCluster, Selector, Served};
use shipway_core::{
    Cancel, Clock, Context, Error, ErrorKind, FixedCredentials, ObjectId, Result, RunContext, Timestamp,
    World,
};

/// A clock that the test moves; each holder's has its own beginning.
#[derive(Clone, Debug)]
struct Hands {
    now: Arc<AtomicU64>,
    begun: u64,
}

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Timestamp {
        // Wrong by hours, and the same again and again.
        Timestamp(self.begun * 1000 + self.now.load(Ordering::Relaxed) / 3000 * 3000)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.begun + self.now.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.elapsed() + duration;
        // The schedule asks again and again; nobody need be woken.
        std::future::poll_fn(|_| if self.elapsed() >= until { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// Pending once: a place where the schedule may let somebody else go on, for any time.
async fn gap() {
    let mut passed = false;
    std::future::poll_fn(
        |_| if std::mem::replace(&mut passed, true) { Poll::Ready(()) } else { Poll::Pending },
    )
    .await;
}

/// The one object of a cluster to which requests take time, and from which answers take time, and on the
/// way to and from which things get lost. Small, because it is asked millions of times.
#[derive(Clone, Debug)]
struct Far(Arc<Mutex<Store>>);

#[derive(Debug)]
struct Store {
    object: Option<Value>,
    version: u64,
    faults: Random,
    often: u64,
}

impl Far {
    async fn call<T>(&self, work: impl FnOnce(&mut Store) -> Result<T> + Send) -> Result<T> {
        gap().await;
        let answer = {
            let mut store = self.0.lock().unwrap();
            let (dice, often) = (store.faults.below(u64::MAX), store.often);
            match dice % often {
                0 => Err(lost()),
                1 => work(&mut store).and(Err(lost())),
                _ => work(&mut store),
            }
        };
        gap().await;
        answer
    }

    async fn write(&self, object: &Value, new: bool) -> Result<Value> {
        self.call(|store| {
            let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
            let known = store.object.as_ref().map(version);
            if new && known.is_some() || !new && known.as_ref() != Some(&version(object)) {
                return Err(Error::conflict("another version"));
            }
            if store.object.as_ref() != Some(object) {
                store.version += 1;
                let object = store.object.insert(object.clone());
                object["metadata"]["resourceVersion"] = store.version.to_string().into();
            }
            Ok(store.object.clone().unwrap())
        })
        .await
    }
}

#[async_trait]
impl Api for Far {
    async fn get(&self, _: &Context, _: &ObjectId) -> Result<Option<Value>> {
        self.call(|store| Ok(store.object.clone())).await
    }

    async fn create(&self, _: &Context, _: &str, object: &Value) -> Result<Value> {
        self.write(object, true).await
    }

    async fn update(&self, _: &Context, _: &str, object: &Value) -> Result<Value> {
        self.write(object, false).await
    }

    async fn list(&self, _: &Context, _: &Selector) -> Result<List> {
        Err(Error::unsupported("list"))
    }

    async fn apply(&self, _: &Context, _: &str, _: &Value, _: Apply) -> Result<Value> {
        Err(Error::unsupported("apply"))
    }

    async fn delete(&self, _: &Context, _: &ObjectId, _: Option<&str>) -> Result<()> {
        Err(Error::unsupported("delete"))
    }

    async fn served(&self, _: &Context, _: &str, _: Option<&str>, _: &str) -> Result<Option<Served>> {
        Err(Error::unsupported("served"))
    }

    async fn may(&self, _: &Context, _: &str, _: &str, _: &str, _: Option<&str>) -> Result<bool> {
        Err(Error::unsupported("may"))
    }
}

/// xorshift64*, which is enough for schedules.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end
    }
}

fn context(clock: impl Clock) -> Context {
    let world = World::host("/").clock(clock).credentials(FixedCredentials::new());
    RunContext::new(world, "test").context(None, None, Cancel::new())
}

fn request(holder: &str) -> LeaseRequest {
    LeaseRequest::new("shop", "release", holder)
        .duration(Duration::from_secs(4))
        .patience(Duration::from_secs(60))
}

/// Who is in the middle of a step of the work, and since when by the shared clock.
type Inside = Arc<Mutex<Vec<(usize, u64)>>>;

/// Takes the lease, works under it for a while, and gives it back; from the beginning when that fails.
async fn holder(
    number: usize,
    cx: Context,
    api: Arc<dyn Api>,
    inside: Inside,
    now: Arc<AtomicU64>,
    work: Duration,
) {
    for attempt in 0.. {
        let Ok(mut lease) = Lease::acquire(&cx, &api, &request(&format!("run-{number}-{attempt}"))).await
        else {
            continue;
        };
        let until = cx.clock().elapsed() + work;
        let working = async {
            // Each step of the work is a write that nobody else may do at the same time.
            while cx.clock().elapsed() < until {
                inside.lock().unwrap().push((number, now.load(Ordering::Relaxed)));
                gap().await;
                inside.lock().unwrap().retain(|(other, _)| *other != number);
                gap().await;
            }
            Ok(())
        };
        let held = lease.hold(&cx, working).await;
        // What is dropped in the middle of a step leaves it.
        inside.lock().unwrap().retain(|(other, _)| *other != number);
        if held.is_ok() && lease.release(&cx).await.is_ok() {
            return;
        }
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Unavailable, "lost")
}

/// One schedule: three holders, of whom any may stall, be killed or lose requests and answers. Returns how
/// many came to the end of their work.
fn schedule(seed: u64) -> usize {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let now = Arc::new(AtomicU64::new(0));
    let often = 10 + random.below(50);
    let store = Store { object: None, version: 0, faults: Random(seed | 1 << 40), often };
    let far = Far(Arc::new(Mutex::new(store)));
    let inside = Inside::default();
    let mut holders: Vec<Option<Pin<Box<dyn Future<Output = ()>>>>> = (0..3)
        .map(|number| {
            let cx = context(Hands { now: Arc::clone(&now), begun: random.below(100_000) });
            let api: Arc<dyn Api> = Arc::new(far.clone());
            let work = Duration::from_millis(random.below(3000));
            let holder: Pin<Box<dyn Future<Output = ()>>> =
                Box::pin(holder(number, cx, api, Arc::clone(&inside), Arc::clone(&now), work));
            Some(holder)
        })
        .collect();
    let mut task = Task::from_waker(Waker::noop());
    let mut ended = 0;
    for _ in 0..400 {
        let number = usize::try_from(random.below(3)).unwrap();
        if random.below(1000) == 0 {
            // Killed: it never says that it is gone.
            holders[number] = None;
            inside.lock().unwrap().retain(|(other, _)| *other != number);
        }
        if let Some(holder) = &mut holders[number]
            && holder.as_mut().poll(&mut task).is_ready()
        {
            ended += 1;
            holders[number] = None;
        }
        let inside = inside.lock().unwrap();
        assert!(inside.len() <= 1, "seed {seed}: {inside:?} hold the lease at once");
        // Any time passes between steps; but a step of the work that has begun is over within a second,
        // which is how much sooner its holder gives up than anybody else may take the lease.
        let most = [50, 500, 6000][usize::try_from(random.below(3)).unwrap()];
        let time = now.load(Ordering::Relaxed);
        let left = inside.first().map_or(u64::MAX, |(_, begun)| begun + 900 - time);
        now.store(time + random.below(most).min(left), Ordering::Relaxed);
    }
    ended
}

#[tokio::test]
async fn two_never_hold_it_at_once_in_ten_thousand_schedules() {
    let mut ended = 0;
    for seed in 0..10_000 {
        ended += schedule(seed);
        // Lets go of what the contexts began and nobody waits for.
        tokio::task::yield_now().await;
    }
    // They do get it: a lease that nobody gets would be safe too.
    assert!(ended > 5000, "only {ended} of 30000 came to their end");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_waited_for_renewed_and_given_back() {
    let cluster = MemoryCluster::new();
    let api: Arc<dyn Api> = Arc::new(cluster.clone());
    let now = Arc::new(AtomicU64::new(0));
    let cx = context(Hands { now: Arc::clone(&now), begun: 0 });
    let mut first = Lease::acquire(&cx, &api, &request("a")).await.unwrap();
    let taken = first.resource_version().to_owned();
    assert!(first.is_sure(&cx));

    let impatient = request("b").patience(Duration::ZERO);
    let error = Lease::acquire(&cx, &api, &impatient).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("held by `a`"), "{error}");

    // Renewed at the same moment of the wall clock, it is not held for longer: nobody could see it.
    now.store(2000, Ordering::Relaxed);
    first.renew(&cx).await.unwrap();
    now.store(3500, Ordering::Relaxed);
    assert!(!first.is_sure(&cx));
    first.renew(&cx).await.unwrap();
    assert!(first.is_sure(&cx) && first.resource_version() != taken);

    // The same holder has it already, as after a crash.
    let again = Lease::acquire(&cx, &api, &request("a")).await.unwrap();
    first.renew(&cx).await.unwrap();
    drop(again);

    first.release(&cx).await.unwrap();
    let mut second = Lease::acquire(&cx, &api, &impatient).await.unwrap();
    let id = ObjectId::new("coordination.k8s.io/v1", "Lease", "release").namespace("shop".to_owned());
    let object = cluster.get(&id).unwrap().unwrap();
    assert_eq!(object["spec"]["holderIdentity"], "b");
    assert_eq!(object["spec"]["leaseDurationSeconds"], 4);
    assert_eq!(object["spec"]["leaseTransitions"], 1);

    // Somebody took it by force: the work ends.
    let mut taken = object.clone();
    taken["spec"]["holderIdentity"] = "c".into();
    cluster.update("somebody", &taken).unwrap();
    assert_eq!(second.renew(&cx).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(!second.is_sure(&cx));
    second.release(&cx).await.unwrap();
    assert_eq!(cluster.get(&id).unwrap().unwrap()["spec"]["holderIdentity"], "c");
}
