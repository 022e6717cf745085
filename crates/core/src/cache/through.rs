//! A cache that others share, with one of our own in front.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::Cache;
use crate::{Context, ErrorKind, Level, Result};

/// How long the far cache may take to answer, by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a near cache, then a far one, and puts into both.
///
/// What the far one has is kept in the near one too. The far one is a help and never a condition: once it failed or
/// took too long, a warning says so and the rest of the run goes on without it.
///
/// ```
/// use std::sync::Arc;
/// use shipway_core::{MemoryCache, WrittenThrough};
///
/// // Where the far one is `shipway_oci::RegistryCache`, several machines share what they built.
/// let cache = WrittenThrough::new(Arc::new(MemoryCache::new()), Arc::new(MemoryCache::new()));
/// # drop(cache);
/// ```
#[derive(Clone, Debug)]
pub struct WrittenThrough {
    near: Arc<dyn Cache>,
    far: Arc<dyn Cache>,
    patience: Duration,
}

impl WrittenThrough {
    /// Returns the cache of the two, of which the far one may take 10 s for each answer.
    #[must_use]
    pub fn new(near: Arc<dyn Cache>, far: Arc<dyn Cache>) -> Self {
        Self { near, far, patience: PATIENCE }
    }

    /// Sets how long the far one may take for an answer.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Returns what the far one says in time, or `None` once it is given up: a login that may only read must
    /// not keep us from reading, so this is so for each use by itself.
    async fn ask_far<T>(
        &self,
        cx: &Context,
        hurried: &Context,
        using: Use,
        asking: impl Future<Output = Result<T>> + Send,
    ) -> Option<T> {
        // Several may be in use at a time, each by its place.
        let key = format!("{using:?} {:p}", Arc::as_ptr(&self.far));
        let given_up = cx.once(&key, async { Ok(GivenUp::default()) }).await.ok()?;
        if given_up.0.load(Ordering::Relaxed) {
            return None;
        }
        let answer = tokio::select! {
            biased;
            answer = asking => answer,
            error = hurried.stopped() => Err(error),
        };
        match answer {
            Ok(answer) => Some(answer),
            // It is we who stop.
            Err(_) if cx.check_stopped().is_err() => None,
            Err(error) if error.kind() == ErrorKind::Cancelled => None,
            Err(error) => {
                if !given_up.0.swap(true, Ordering::Relaxed) {
                    let what = match using {
                        Use::Get => "read",
                        Use::Put => "written",
                    };
                    cx.message(
                        Level::Warning,
                        format!("the shared cache is not {what} any more in this run: {error}"),
                    );
                }
                None
            }
        }
    }
}

/// What the far one is used for.
#[derive(Clone, Copy, Debug)]
enum Use {
    Get,
    Put,
}

/// Whether the far one is not used any more in a run.
#[derive(Debug, Default)]
struct GivenUp(AtomicBool);

#[async_trait]
impl Cache for WrittenThrough {
    async fn get(&self, cx: &Context, key: &str) -> Result<Option<Bytes>> {
        let near = self.near.get(cx, key).await;
        if matches!(near, Ok(Some(_))) {
            return near;
        }
        let hurried = cx.within(Some(self.patience));
        let far = self.ask_far(cx, &hurried, Use::Get, self.far.get(&hurried, key)).await;
        let Some(value) = far.flatten() else { return near };
        // It was found; that it is not kept here makes the next one slower.
        let _ = self.near.put(cx, key, value.clone()).await;
        Ok(Some(value))
    }

    async fn put(&self, cx: &Context, key: &str, value: Bytes) -> Result<()> {
        let near = self.near.put(cx, key, value.clone()).await;
        let hurried = cx.within(Some(self.patience));
        self.ask_far(cx, &hurried, Use::Put, self.far.put(&hurried, key, value)).await;
        near
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::{Cancel, Error, EventKind, MemoryCache, Record, RunContext, World};

    /// Fails, hangs or does neither, and counts how often it is asked.
    #[derive(Debug, Default)]
    struct Far {
        fails: bool,
        hangs: bool,
        takes_nothing: bool,
        asked: AtomicU32,
        inner: MemoryCache,
    }

    impl Far {
        async fn answer(&self, fails: bool) -> Result<()> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match (self.hangs, fails) {
                (true, _) => std::future::pending().await,
                (_, true) => Err(Error::new(ErrorKind::Unavailable, "it is away")),
                _ => Ok(()),
            }
        }
    }

    #[async_trait]
    impl Cache for Far {
        async fn get(&self, cx: &Context, key: &str) -> Result<Option<Bytes>> {
            self.answer(self.fails).await?;
            self.inner.get(cx, key).await
        }

        async fn put(&self, cx: &Context, key: &str, value: Bytes) -> Result<()> {
            self.answer(self.fails || self.takes_nothing).await?;
            self.inner.put(cx, key, value).await
        }
    }

    fn through(far: Far) -> (WrittenThrough, Arc<Far>, Arc<MemoryCache>) {
        let (near, far) = (Arc::new(MemoryCache::new()), Arc::new(far));
        let cache = WrittenThrough::new(Arc::<MemoryCache>::clone(&near), Arc::<Far>::clone(&far));
        (cache.patience(Duration::from_millis(20)), far, near)
    }

    fn run() -> (Context, Arc<Record>) {
        let record = Arc::new(Record::new());
        let world = World::host("/").sink(Arc::<Record>::clone(&record));
        (RunContext::new(world, "test").context(None, None, Cancel::new()), record)
    }

    fn warnings(record: &Record) -> Vec<String> {
        let events = record.events().into_iter();
        let texts = events.filter_map(|event| match event.kind {
            EventKind::Message { level: Level::Warning, text } => Some(text),
            _ => None,
        });
        texts.collect()
    }

    const VALUE: Bytes = Bytes::from_static(b"value");

    #[tokio::test]
    async fn what_one_put_another_gets_and_keeps() {
        let (cx, record) = run();
        let far: Arc<dyn Cache> = Arc::new(MemoryCache::new());
        let near = || Arc::new(MemoryCache::new());
        let (here, there) = (near(), near());
        let ours = WrittenThrough::new(Arc::<MemoryCache>::clone(&here), Arc::clone(&far));
        let theirs = WrittenThrough::new(Arc::<MemoryCache>::clone(&there), Arc::clone(&far));
        assert_eq!(theirs.get(&cx, "a").await.expect("asked"), None);
        ours.put(&cx, "a", VALUE).await.expect("kept");
        assert_eq!(here.get(&cx, "a").await.expect("asked"), Some(VALUE));
        assert_eq!(there.get(&cx, "a").await.expect("asked"), None);
        assert_eq!(theirs.get(&cx, "a").await.expect("asked"), Some(VALUE));
        assert_eq!(there.get(&cx, "a").await.expect("asked"), Some(VALUE), "kept on the way");
        // What is near is asked first.
        far.put(&cx, "a", Bytes::from_static(b"newer")).await.expect("kept");
        assert_eq!(ours.get(&cx, "a").await.expect("asked"), Some(VALUE));
        assert_eq!(warnings(&record), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_far_one_that_fails_or_hangs_is_told_of_once_and_not_asked_again() {
        for far in [Far { fails: true, ..Far::default() }, Far { hangs: true, ..Far::default() }] {
            let hangs = far.hangs;
            let (cache, far, near) = through(far);
            let (cx, record) = run();
            for key in ["a", "b", "c"] {
                assert_eq!(cache.get(&cx, key).await.expect("no failure"), None);
                cache.put(&cx, key, VALUE).await.expect("no failure");
                assert_eq!(near.get(&cx, key).await.expect("asked"), Some(VALUE));
                assert_eq!(cache.get(&cx, key).await.expect("no failure"), Some(VALUE));
            }
            assert_eq!(far.asked.load(Ordering::Relaxed), 2, "one for each use");
            let why = if hangs { "the task's deadline passed" } else { "it is away" };
            let told = |what| format!("the shared cache is not {what} any more in this run: {why}");
            assert_eq!(warnings(&record), [told("read"), told("written")]);
            // Another run tries again.
            let (cx, record) = run();
            assert_eq!(cache.get(&cx, "d").await.expect("no failure"), None);
            assert_eq!(warnings(&record), [told("read")]);
        }
    }

    #[tokio::test]
    async fn one_that_may_only_be_read_is_read() {
        let (cache, far, _) = through(Far { takes_nothing: true, ..Far::default() });
        let (cx, record) = run();
        far.inner.put(&cx, "theirs", VALUE).await.expect("kept");
        cache.put(&cx, "ours", VALUE).await.expect("no failure");
        assert_eq!(cache.get(&cx, "theirs").await.expect("asked"), Some(VALUE));
        assert_eq!(warnings(&record).len(), 1);
    }

    #[tokio::test]
    async fn who_must_stop_does_not_wait_for_it_and_says_nothing_of_it() {
        let (cache, _, _) = through(Far { hangs: true, ..Far::default() });
        let cache = cache.patience(Duration::from_secs(600));
        let (cx, record) = run();
        let late = cx.within(Some(Duration::from_millis(5)));
        assert_eq!(cache.get(&late, "a").await.expect("no failure"), None);
        assert_eq!(warnings(&record), Vec::<String>::new());
    }
}
