//! What the plug-ins of a simulation work on: images, a target, volumes, and who is at work. It outlasts processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use shipway::{
    Clock, Context, Deployment, Digest, Error, Image, Images, ObjectId, Result, Store, Target, Timestamp,
};
use tokio::time::Instant;

use crate::random::Random;

/// The state of all that is outside of the processes.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// References to digests.
    pub(crate) images: BTreeMap<String, Digest>,
    pub(crate) objects: BTreeMap<ObjectId, String>,
    pub(crate) history: BTreeMap<String, Vec<Deployment>>,
    pub(crate) settled: BTreeMap<String, Vec<String>>,
    pub(crate) volumes: BTreeSet<String>,
    /// How many calls of plug-ins are under way, and how many were at most.
    pub(crate) at_work: usize,
    pub(crate) most_at_work: usize,
    pub(crate) in_use: BTreeMap<&'static str, usize>,
    pub(crate) most_in_use: BTreeMap<&'static str, usize>,
    /// What was done in each run, task and aim.
    pub(crate) done: BTreeMap<String, u64>,
}

#[derive(Debug)]
pub(crate) struct Land {
    pub(crate) random: Random,
    /// Of a hundred calls of plug-ins, how many meet trouble.
    pub(crate) trouble: u64,
    state: Mutex<State>,
}

impl Land {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let random = Random::new(seed);
        let trouble = [0, 2, 10][usize::try_from(random.below(3)).unwrap_or(0)];
        Arc::new(Self { random, trouble, state: Mutex::default() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, what: String) {
        *self.state().done.entry(what).or_default() += 1;
    }
}

/// Counts a call while its future lives.
pub(crate) struct AtWork {
    land: Arc<Land>,
    resource: Option<&'static str>,
    /// How many slots it takes.
    slots: usize,
}

impl AtWork {
    /// Counts one that takes a slot.
    pub(crate) fn new(land: &Arc<Land>, resource: Option<&'static str>) -> Self {
        Self::taking(1, land, resource)
    }

    /// Counts one that looks at a target, which takes no slot.
    pub(crate) fn looking(land: &Arc<Land>, resource: Option<&'static str>) -> Self {
        Self::taking(0, land, resource)
    }

    fn taking(slots: usize, land: &Arc<Land>, resource: Option<&'static str>) -> Self {
        let mut state = land.state();
        state.at_work += slots;
        state.most_at_work = state.most_at_work.max(state.at_work);
        if let Some(resource) = resource {
            let used = state.in_use.entry(resource).or_default();
            *used += 1;
            let used = *used;
            let most = state.most_in_use.entry(resource).or_default();
            *most = used.max(*most);
        }
        drop(state);
        Self { land: Arc::clone(land), resource, slots }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut state = self.land.state();
        state.at_work -= self.slots;
        if let Some(used) = self.resource.and_then(|resource| state.in_use.get_mut(resource)) {
            *used -= 1;
        }
    }
}

/// The runtime's own clock, which stands still while there is something to do and is put on when there is not.
#[derive(Debug)]
pub(crate) struct Paused(pub(crate) Instant, pub(crate) u64);

#[async_trait]
impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp(self.1 + u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The images of a land.
#[derive(Clone, Debug)]
pub(crate) struct Shelf(pub(crate) Arc<Land>);

#[async_trait]
impl Images for Shelf {
    async fn find(&self, _cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        let digest = self.0.state().images.get(reference).cloned();
        Ok(digest.map(|digest| Image::new(reference, store.clone(), reference, digest)))
    }

    async fn copy(&self, cx: &Context, image: &Image, to: &Target) -> Result<Image> {
        cx.clock().sleep(Duration::from_millis(self.0.random.below(500))).await;
        let mut state = self.0.state();
        // I3: what a tag points to is there before the tag.
        if !state.images.contains_key(&format!("{}@{}", image.repository, image.digest)) {
            return Err(Error::not_found(format!("there is no image {}", image.digest)));
        }
        state.images.insert(format!("{}@{}", to.repository, image.digest), image.digest.clone());
        state.images.insert(to.reference(), image.digest.clone());
        Ok(Image::new(image.name.as_str(), to.store.clone(), to.repository.as_str(), image.digest.clone())
            .tag(to.tag.clone()))
    }

    async fn join(&self, cx: &Context, images: &[Image], to: &Target) -> Result<Image> {
        self.copy(cx, &images[0], to).await
    }
}
