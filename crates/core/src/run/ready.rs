//! The tasks that may start: in which order, on so many slots, with so many of each named resource.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{Action, Task};

/// The tasks, by their index, whose needs are met, and what those that run hold.
///
/// Those that use the same resources stand in one queue, and each queue shows its first. So who waits for a
/// resource is passed by in one look, however many wait for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ready {
    slots: usize,
    /// How many slots are taken.
    taken: usize,
    resources: Vec<Resource>,
    queues: Vec<Queue>,
    /// Of each task, its queue and its place there.
    places: Vec<(usize, Place)>,
    /// The first of each queue that takes a slot.
    working: BTreeSet<Place>,
    /// The first of each queue that only waits.
    waiting: BTreeSet<Place>,
}

/// The longest chain after a task comes first, then the order of the tasks; the index tells which it is.
type Place = (Reverse<usize>, usize);

#[derive(Clone, Debug)]
struct Resource {
    limit: u32,
    used: u32,
}

#[derive(Clone, Debug)]
struct Queue {
    resources: Vec<usize>,
    /// Whether its tasks only wait, so that they take no slot.
    waits: bool,
    places: BTreeSet<Place>,
}

impl Ready {
    /// Returns that none of these tasks may start yet; each comes with the length of the longest chain after it.
    pub(super) fn new<'a>(tasks: impl IntoIterator<Item = (&'a Task, usize)>, slots: usize) -> Self {
        let mut ready = Self { slots: slots.max(1), ..Self::default() };
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        let mut queues: BTreeMap<(Vec<usize>, bool), usize> = BTreeMap::new();
        for (index, (task, chain)) in tasks.into_iter().enumerate() {
            let mut resources = Vec::with_capacity(task.limits.len());
            for (name, &limit) in &task.limits {
                let resource = *names.entry(name).or_insert_with(|| {
                    ready.resources.push(Resource { limit, used: 0 });
                    ready.resources.len() - 1
                });
                let smallest = &mut ready.resources[resource].limit;
                *smallest = limit.min(*smallest).max(1);
                resources.push(resource);
            }
            // Health is a look now and then: what is ready in a while keeps nobody from working.
            let waits = task.action.is_pause() || task.action == Action::Health;
            // The names come sorted, so the same names are the same key.
            let queue = *queues.entry((resources.clone(), waits)).or_insert_with(|| {
                ready.queues.push(Queue { resources, waits, places: BTreeSet::new() });
                ready.queues.len() - 1
            });
            ready.places.push((queue, (Reverse(chain), index)));
        }
        ready
    }

    /// Lets a task start.
    pub(super) fn insert(&mut self, task: usize) {
        self.change(task, |queue, place| queue.insert(place));
    }

    /// Lets a task start no longer.
    pub(super) fn remove(&mut self, task: usize) {
        self.change(task, |queue, place| queue.remove(&place));
    }

    /// Changes a task's queue and shows the first that is there then.
    fn change(&mut self, task: usize, change: impl FnOnce(&mut BTreeSet<Place>, Place) -> bool) {
        let (queue, place) = self.places[task];
        let queue = &mut self.queues[queue];
        let heads = if queue.waits { &mut self.waiting } else { &mut self.working };
        if let Some(head) = queue.places.first() {
            heads.remove(head);
        }
        change(&mut queue.places, place);
        heads.extend(queue.places.first());
    }

    /// Starts the first task that has a slot and its resources, if there is one: it holds them until it is
    /// [released](Self::release).
    pub(super) fn start(&mut self) -> Option<usize> {
        let first = |heads: &BTreeSet<Place>| heads.iter().find(|(_, task)| self.is_free(*task)).copied();
        let working = if self.taken < self.slots { first(&self.working) } else { None };
        let (_, task) = working.into_iter().chain(first(&self.waiting)).min()?;
        self.remove(task);
        let queue = &self.queues[self.places[task].0];
        self.taken += usize::from(!queue.waits);
        for &resource in &queue.resources {
            self.resources[resource].used += 1;
        }
        Some(task)
    }

    fn is_free(&self, task: usize) -> bool {
        let resources = &self.queues[self.places[task].0].resources;
        resources.iter().all(|&resource| self.resources[resource].used < self.resources[resource].limit)
    }

    /// Gives back what a task that was started held.
    pub(super) fn release(&mut self, task: usize) {
        let queue = &self.queues[self.places[task].0];
        self.taken -= usize::from(!queue.waits);
        for &resource in &queue.resources {
            self.resources[resource].used -= 1;
        }
    }
}
