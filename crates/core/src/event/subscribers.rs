//! Events for any number of readers, each at a pace of its own. Nobody who reads slowly, or not at all, holds the run
//! up or fills the memory: what tells the course of the run is kept for all, output in a buffer with a limit.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{Event, EventKind, Sink};

/// Hands events to whoever subscribed, and never waits for one of them.
///
/// There is one buffer for all, so a thousand subscribers cost what one does. Those events that [`Event::may_drop`]
/// allows are kept up to a limit, of which the oldest go first; a reader who was too slow for them is told how many it
/// missed, and where. All others are kept until every reader has had them: those are few for each task.
///
/// ```
/// use std::sync::Arc;
/// use shipway_core::{Cancel, Driver, EventKind, Pipeline, Received, Subscribers, World};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let subscribers = Arc::new(Subscribers::new());
/// let mut events = subscribers.subscribe();
/// let reading = tokio::spawn(async move {
///     let mut kinds = Vec::new();
///     while let Some(received) = events.receive().await {
///         match received {
///             Received::Event(event) => kinds.push(event.kind.clone()),
///             Received::Dropped(count) => eprintln!("{count} lines of output were not shown"),
///         }
///     }
///     kinds
/// });
/// let driver = Driver::new(World::host("/src").sink(subscribers));
/// driver.run(&Pipeline::new("nothing"), &Cancel::new()).await?;
/// // The events end when nobody can emit any more.
/// drop(driver);
/// assert!(matches!(reading.await.unwrap()[..], [EventKind::RunStarted { .. }, EventKind::RunFinished { .. }]));
/// # Ok::<_, shipway_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Subscribers {
    shared: Arc<Shared>,
    limit: usize,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// An event; all readers share it.
    Event(Arc<Event>),
    /// So many events came here that may be dropped, and they were: the reader was too slow for them.
    Dropped(u64),
}

/// Reads the events since it was made, each once and in their order; dropped, it is forgotten.
///
/// In asynchronous code with [`Subscription::receive`], elsewhere as an iterator, which blocks its thread between
/// events. Both end once the [`Subscribers`] are dropped and all is read.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    reader: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// For those who wait in asynchronous code, and for threads that do.
    news: (Notify, Condvar),
}

#[derive(Debug, Default)]
struct State {
    /// How many events there were, which is the place of the next one.
    count: u64,
    /// The events that must not be dropped and those that may, with their places.
    kept: VecDeque<(u64, Arc<Event>)>,
    droppable: VecDeque<(u64, Arc<Event>)>,
    /// How much memory those that may be dropped take.
    bytes: usize,
    /// For each reader the place of the event that it has not had.
    readers: BTreeMap<u64, u64>,
    subscribed: u64,
    /// At how many kept events it is looked again which of them everybody has had.
    crowded: usize,
    ended: bool,
}

impl Default for Subscribers {
    fn default() -> Self {
        Self::new()
    }
}

impl Subscribers {
    /// How much output is kept by default, in bytes.
    pub const LIMIT: usize = 4 << 20;
    /// What an event takes besides its text, about.
    const EVENT: usize = 256;

    /// Returns a sink to which nobody has subscribed.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::default(), limit: Self::LIMIT }
    }

    /// Sets how many bytes the events may take that may be dropped; 4 MiB by default.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Returns a reader of the events from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        let mut state = self.shared.state();
        let (reader, place) = (state.subscribed, state.count);
        state.subscribed += 1;
        state.readers.insert(reader, place);
        drop(state);
        Subscription { shared: Arc::clone(&self.shared), reader }
    }
}

impl Sink for Subscribers {
    fn emit(&self, event: &Event) {
        let mut state = self.shared.state();
        if state.readers.is_empty() {
            return;
        }
        state.push(event, self.limit);
        drop(state);
        self.shared.tell();
    }
}

impl Drop for Subscribers {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.tell();
    }
}

impl Subscription {
    /// Returns the next event, or how many were dropped before it, once there is one; `None` after the last.
    ///
    /// When it is cancelled, nothing is lost.
    pub async fn receive(&mut self) -> Option<Received> {
        loop {
            // Made before it is looked: what comes after that wakes it.
            let news = self.shared.news.0.notified();
            {
                let mut state = self.shared.state();
                let received = state.take(self.reader);
                if received.is_some() || state.ended {
                    return received;
                }
            }
            news.await;
        }
    }
}

impl Iterator for Subscription {
    type Item = Received;

    fn next(&mut self) -> Option<Received> {
        let mut state = self.shared.state();
        loop {
            let received = state.take(self.reader);
            if received.is_some() || state.ended {
                return received;
            }
            state = self.shared.news.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.readers.remove(&self.reader);
        state.forget();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.news.0.notify_waiters();
        self.news.1.notify_all();
    }
}

impl State {
    fn push(&mut self, event: &Event, limit: usize) {
        let entry = (self.count, Arc::new(event.clone()));
        self.count += 1;
        if !event.may_drop() {
            self.kept.push_back(entry);
            if self.kept.len() >= self.crowded {
                self.forget();
            }
            return;
        }
        self.bytes += size(event);
        self.droppable.push_back(entry);
        while self.bytes > limit {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, event)) = self.droppable.pop_front() {
            self.bytes -= size(&event);
        }
    }

    /// Forgets what every reader has had.
    fn forget(&mut self) {
        let had = self.readers.values().copied().min().unwrap_or(self.count);
        while self.kept.front().is_some_and(|(place, _)| *place < had) {
            self.kept.pop_front();
        }
        while self.droppable.front().is_some_and(|(place, _)| *place < had) {
            self.drop_oldest();
        }
        // So that looking costs little for each event, however many are kept for one who does not read.
        self.crowded = 256.max(self.kept.len() * 2);
    }

    /// Takes what comes next for a reader.
    fn take(&mut self, reader: u64) -> Option<Received> {
        let at = self.readers.get_mut(&reader)?;
        let next = |events: &VecDeque<(u64, Arc<Event>)>| {
            events.get(events.partition_point(|(place, _)| *place < *at)).cloned()
        };
        let first =
            [next(&self.kept), next(&self.droppable)].into_iter().flatten().min_by_key(|(place, _)| *place);
        let place = first.as_ref().map_or(self.count, |(place, _)| *place);
        let missed = place - *at;
        if missed > 0 {
            *at = place;
            return Some(Received::Dropped(missed));
        }
        let (_, event) = first?;
        *at += 1;
        Some(Received::Event(event))
    }
}

/// Returns about how much memory an event takes that may be dropped.
fn size(event: &Event) -> usize {
    let text = match &event.kind {
        EventKind::Output { line, .. } => line.len(),
        EventKind::Progress { what, .. } => what.len(),
        _ => 0,
    };
    Subscribers::EVENT + text
}
