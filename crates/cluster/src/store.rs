//! The in-memory cluster: an object store with the API server's semantics.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use shipway_core::{Error, ObjectId, Result};
use tokio::sync::watch;

use crate::{
    api::group,
    apply::{self, Owned},
    fault::{Call, Fault, Faults, Operation},
    managed,
    object::{check, content, without_nulls},
    selector::Selector,
    watch::{Change, History, Watch, WatchEvent},
};

/// How many changes are remembered for watchers.
const HISTORY: usize = 1000;

/// How to apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apply {
    /// Take fields from others that own them.
    pub force: bool,
    /// Answer as if, and change nothing.
    pub dry_run: bool,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The object is new.
    Created,
    /// The object or its owners changed.
    Changed,
    /// All was so already; not even the version moved.
    Unchanged,
}

/// The answer to a write.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Applied {
    /// The object as it is now.
    pub object: Value,
    /// What the write did.
    pub effect: Effect,
}

/// The answer to a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct List {
    /// The objects, by their identity.
    pub items: Vec<Value>,
    /// The version of the cluster, from which a watch misses nothing. Only a cluster knows what it means.
    pub resource_version: String,
}

/// An object store with the API server's semantics, in memory; clones are handles to the same.
///
/// Objects are plain JSON. Kinds are not defined first, versions of one kind are not converted, there
/// are no defaults, admission, finalizers, garbage collection or controllers, and no clock, so no times.
/// `status` is always a subresource: only [`update_status`](Self::update_status) writes it. An object
/// with a `spec` has a `generation`, which counts its changes outside metadata and status.
#[derive(Clone)]
pub struct MemoryCluster(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    faults: Faults,
    moved: watch::Sender<u64>,
}

struct State {
    objects: BTreeMap<ObjectId, Stored>,
    version: u64,
    made: u64,
    history: History,
}

#[derive(Clone)]
struct Stored {
    owned: Owned,
    /// The whole object, with its owners, as it is read.
    whole: Arc<Value>,
}

impl Default for MemoryCluster {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCluster {
    /// Returns an empty cluster.
    #[must_use]
    pub fn new() -> Self {
        Self::with_history(HISTORY)
    }

    /// Returns an empty cluster that remembers this many changes for watchers.
    #[must_use]
    pub fn with_history(limit: usize) -> Self {
        let history = History { limit, changes: std::collections::VecDeque::new(), forgotten: 0 };
        let state = State { objects: BTreeMap::new(), version: 0, made: 0, history };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            faults: Faults::default(),
            moved: watch::Sender::new(0),
        }))
    }

    /// Calls `hook` before each call from now on; it says whether the call fails. It may use the cluster,
    /// and is then not called itself.
    pub fn set_faults(&self, hook: impl FnMut(&Call) -> Fault + Send + 'static) {
        self.0.faults.set(Some(Box::new(hook)));
    }

    /// Lets all calls pass again.
    pub fn clear_faults(&self) {
        self.0.faults.set(None);
    }

    /// Returns the object, if it is there.
    ///
    /// # Errors
    /// Only what [`set_faults`](Self::set_faults) says.
    pub fn get(&self, id: &ObjectId) -> Result<Option<Value>> {
        self.call(Operation::Get, Some(id), false, |state| {
            Ok(state.objects.get(id).map(|stored| stored.whole.as_ref().clone()))
        })
    }

    /// Returns the objects that the selector takes.
    ///
    /// # Errors
    /// Only what [`set_faults`](Self::set_faults) says.
    pub fn list(&self, selector: &Selector) -> Result<List> {
        self.call(Operation::List, None, false, |state| {
            let taken = state.objects.iter().filter(|(id, stored)| selector.takes(id, &stored.whole));
            Ok(List {
                items: taken.map(|(_, stored)| stored.whole.as_ref().clone()).collect(),
                resource_version: state.version.to_string(),
            })
        })
    }

    /// Lays the manager's configuration over the object, which is made if it is not there: server-side
    /// apply.
    ///
    /// Maps merge; lists merge where Kubernetes' types say so; fields that the manager applied before,
    /// not now, and nobody else owns are removed; the manager owns what it applies, with others who
    /// apply the same value.
    ///
    /// # Errors
    /// `Conflict` when a field would change that somebody else owns (unless forced), or when the
    /// configuration has a `resourceVersion` or `uid` that the object has not; `Config` when the object
    /// is not one.
    pub fn apply(&self, manager: &str, config: &Value, how: Apply) -> Result<Applied> {
        let id = check(config)?;
        if manager.is_empty() {
            return Err(Error::config(format!("{id} is applied without a field manager"))
                .hint("name who applies, always by the same name"));
        }
        if config.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
            return Err(Error::config(format!("the configuration of {id} has `metadata.managedFields`"))
                .hint("leave them out: they say what was applied, not what to apply"));
        }
        self.call(Operation::Apply, Some(&id), !how.dry_run, |state| {
            let live = state.objects.get(&id);
            precondition(&id, config, live)?;
            let next = apply::apply(live.map(|stored| &stored.owned), config, manager, how.force)?;
            if how.dry_run { Ok(state.preview(&id, next)) } else { Ok(self.commit(state, &id, next)) }
        })
    }

    /// Makes an object that is not there.
    ///
    /// # Errors
    /// `Conflict` when it is there already; `Config` when the object is not one.
    pub fn create(&self, manager: &str, object: &Value) -> Result<Applied> {
        let id = check(object)?;
        self.call(Operation::Create, Some(&id), true, |state| {
            if state.objects.contains_key(&id) {
                return Err(Error::conflict(format!("{id} exists already")));
            }
            let next = apply::update(None, &content(object), manager, false)?;
            Ok(self.commit(state, &id, next))
        })
    }

    /// Replaces an object, all but its status; with a `metadata.resourceVersion`, only that version.
    /// The manager owns what changes.
    ///
    /// # Errors
    /// `NotFound` when it is not there; `Conflict` when it has another version or `uid`.
    pub fn update(&self, manager: &str, object: &Value) -> Result<Applied> {
        self.replace(Operation::Update, manager, object)
    }

    /// Replaces the status of an object, and nothing else; otherwise as [`update`](Self::update).
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn update_status(&self, manager: &str, object: &Value) -> Result<Applied> {
        self.replace(Operation::UpdateStatus, manager, object)
    }

    fn replace(&self, operation: Operation, manager: &str, object: &Value) -> Result<Applied> {
        let id = check(object)?;
        self.call(operation, Some(&id), true, |state| {
            let live =
                state.objects.get(&id).ok_or_else(|| Error::not_found(format!("{id} is not there")))?;
            precondition(&id, object, Some(live))?;
            let status = operation == Operation::UpdateStatus;
            let next = apply::update(Some(&live.owned), &without_nulls(object), manager, status)?;
            Ok(self.commit(state, &id, next))
        })
    }

    /// Removes the object and returns it as it last was, or `None` if it was not there.
    ///
    /// # Errors
    /// `Conflict` when a `uid` is given and the object is another of the same name.
    pub fn delete(&self, id: &ObjectId, uid: Option<&str>) -> Result<Option<Value>> {
        self.call(Operation::Delete, Some(id), true, |state| {
            let Some(stored) = state.objects.get(id) else { return Ok(None) };
            let live = stored.whole.pointer("/metadata/uid").and_then(Value::as_str);
            if uid.is_some() && uid != live {
                return Err(Error::conflict(format!("{id} is another object of the same name")));
            }
            let before = Arc::clone(&stored.whole);
            state.objects.remove(id);
            state.version += 1;
            let mut last = before.as_ref().clone();
            last["metadata"]["resourceVersion"] = state.version.to_string().into();
            self.remember(state, id, Some(before), Arc::new(last.clone()), true);
            Ok(Some(last))
        })
    }

    /// Returns a watch of what happens to the objects that the selector takes after this version: a
    /// list's, an event's, or `0` for all from the beginning.
    ///
    /// # Errors
    /// `Config` when it is no version of this cluster.
    pub fn watch(&self, selector: &Selector, from: &str) -> Result<Watch> {
        let seen = from
            .parse()
            .map_err(|_| Error::config(format!("`{from}` is no version of the cluster to watch from")))?;
        Ok(Watch { cluster: self.clone(), selector: selector.clone(), seen, moved: self.0.moved.subscribe() })
    }

    /// Returns the version of the objects of a kind, if there are any.
    pub(crate) fn version_of(&self, of: &str, kind: &str) -> Option<String> {
        let state = self.state();
        let found = state.objects.keys().find(|id| id.kind == kind && group(&id.api_version) == of);
        found.map(|id| id.api_version.clone())
    }

    pub(crate) fn after(&self, seen: u64, selector: &Selector) -> Result<(Option<WatchEvent>, u64)> {
        self.state().history.after(seen, selector)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics half-way through a change, so that a poisoned state is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(
        &self,
        operation: Operation,
        object: Option<&ObjectId>,
        writes: bool,
        work: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        match self.0.faults.before(operation, object, writes) {
            Fault::None => work(&mut self.state()),
            Fault::Refuse(error) => Err(error),
            Fault::Lose(error) => work(&mut self.state()).and(Err(error)),
        }
    }

    fn commit(&self, state: &mut State, id: &ObjectId, mut next: Owned) -> Applied {
        let live = state.objects.get(id);
        let answer = state.preview(id, next.clone());
        if answer.effect == Effect::Unchanged {
            return answer;
        }
        let before = live.map(|stored| Arc::clone(&stored.whole));
        if live.is_none() {
            state.made += 1;
            next.object["metadata"]["uid"] = format!("00000000-0000-4000-8000-{:012x}", state.made).into();
        }
        set_generation(live.map(|stored| &stored.owned.object), &mut next.object);
        state.version += 1;
        next.object["metadata"]["resourceVersion"] = state.version.to_string().into();
        let whole = Arc::new(whole(&next));
        state.objects.insert(id.clone(), Stored { owned: next, whole: Arc::clone(&whole) });
        self.remember(state, id, before, Arc::clone(&whole), false);
        Applied { object: whole.as_ref().clone(), ..answer }
    }

    fn remember(
        &self,
        state: &mut State,
        id: &ObjectId,
        before: Option<Arc<Value>>,
        object: Arc<Value>,
        deleted: bool,
    ) {
        let version = state.version;
        state.history.push(Change { id: id.clone(), version, before, object, deleted });
        self.0.moved.send_replace(version);
    }
}

impl State {
    /// Returns what writing the object would answer.
    fn preview(&self, id: &ObjectId, mut next: Owned) -> Applied {
        let live = self.objects.get(id).map(|stored| &stored.owned);
        let effect = match live {
            None => Effect::Created,
            Some(live) if *live == next => Effect::Unchanged,
            Some(_) => Effect::Changed,
        };
        set_generation(live.map(|live| &live.object), &mut next.object);
        Applied { object: whole(&next), effect }
    }
}

fn whole(owned: &Owned) -> Value {
    let mut object = owned.object.clone();
    managed::write(&owned.owners, &mut object);
    object
}

fn set_generation(live: Option<&Value>, next: &mut Value) {
    if next.get("spec").is_none() {
        return;
    }
    let number = live.and_then(|live| live.pointer("/metadata/generation")).and_then(Value::as_u64);
    let generation = match (live, number) {
        (Some(live), Some(number)) if same_content(live, next) => number,
        (_, number) => number.unwrap_or(0) + 1,
    };
    next["metadata"]["generation"] = generation.into();
}

fn same_content(a: &Value, b: &Value) -> bool {
    let content = |object: &Value| {
        let mut map = object.as_object().cloned().unwrap_or_default();
        map.remove("metadata");
        map.remove("status");
        map
    };
    content(a) == content(b)
}

/// Checks the version and identity that the writer expects, if it says ("Kubernetes API Concepts",
/// "Resource versions"; optimistic concurrency).
fn precondition(id: &ObjectId, object: &Value, live: Option<&Stored>) -> Result<()> {
    // An apply with a version makes what is not there all the same; one with a `uid` does not.
    let fields: &[&str] = if live.is_some() { &["resourceVersion", "uid"] } else { &["uid"] };
    for field in fields {
        let expected = match object.pointer(&format!("/metadata/{field}")) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) if text.is_empty() => continue,
            expected => expected,
        };
        let found = live.and_then(|live| live.owned.object.pointer(&format!("/metadata/{field}")));
        if expected != found {
            return Err(Error::conflict(format!("{id} was changed by somebody else"))
                .note(format!("its `metadata.{field}` is not the expected one"))
                .hint("read it again and repeat the change"));
        }
    }
    Ok(())
}

impl fmt::Debug for MemoryCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryCluster")
            .field("version", &state.version)
            .field("objects", &state.objects.keys().map(ToString::to_string).collect::<Vec<_>>())
            .finish()
    }
}
