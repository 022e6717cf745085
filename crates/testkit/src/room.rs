//! A room: one copy of the fixture with a world around it, a store for what is built, and a record of
//! every event.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use shipway_core::{Cancel, Context, Record, RunContext, TaskId, World};

use crate::{clause::Trouble, folder};

/// The variable by which the kit knows its own children again.
pub(crate) const MARK: &str = "SHIPWAY_TESTKIT_ROOM";

#[derive(Debug)]
pub(crate) struct Room {
    /// The copied fixture.
    pub(crate) root: PathBuf,
    /// The folder in which scratch folders are made.
    pub(crate) scratch: PathBuf,
    /// A folder for a store.
    pub(crate) store: PathBuf,
    /// Text that is unlike for every room, and in the environment of every child.
    pub(crate) mark: String,
    /// Every event.
    pub(crate) record: Arc<Record>,
    /// Every door, as the author changed them.
    pub(crate) world: World,
}

impl Room {
    pub(crate) fn new(
        folder: &Path,
        fixture: Option<&Path>,
        change: &dyn Fn(World) -> World,
    ) -> Result<Self, Trouble> {
        let [root, scratch, store] = ["sources", "scratch", "store"].map(|name| folder.join(name));
        for path in [&root, &scratch, &store] {
            folder::make(path)?;
        }
        if let Some(fixture) = fixture {
            folder::copy(fixture, &root)?;
        }
        let record = Arc::new(Record::new());
        let world = World::host(&root).scratch(&scratch).sink(Arc::<Record>::clone(&record));
        let mut world = change(world);
        let mark = folder.to_string_lossy().into_owned();
        world.env.insert(MARK.to_owned(), mark.clone());
        Ok(Self { root, scratch, store, mark, record, world })
    }

    /// Returns a text that no other room has, in no other process, fit for a repository's name.
    pub(crate) fn number(&self) -> String {
        let text = self.mark.to_lowercase();
        text.chars().filter(char::is_ascii_alphanumeric).fold(String::from("-"), |mut name, c| {
            name.push(c);
            name
        })
    }

    /// Returns the surroundings of a run in this world.
    pub(crate) fn run(&self) -> RunContext {
        RunContext::new(self.world.clone(), "conformance")
    }

    /// Returns a context for a task in this world.
    pub(crate) fn context(&self) -> Context {
        self.run().context(task(), None, Cancel::new())
    }
}

/// Returns the id of the task that every check runs as.
pub(crate) fn task() -> Option<TaskId> {
    TaskId::parse("conformance:check").ok()
}
