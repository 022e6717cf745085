//! A site: a room with the tests, and the two subjects that they judge.

use std::{path::PathBuf, sync::Arc};

use shipway_core::{
    Context, Image, Inputs, Platform, Snapshot, Store, StoreKind, Subject, Tag, TestReport, Tester,
};
use shipway_oci::{Registry, Stores};

use super::Testers;
use crate::{
    clause::{Trouble, unchecked},
    folder,
    image::{ImageFile, write_image},
    room::Room,
    suite::Bench,
};

#[derive(Debug)]
pub(super) struct Site {
    pub(super) room: Room,
    pub(super) role: Testers,
    pub(super) passes: Subject,
    pub(super) fails: Subject,
    /// Stops when the site goes.
    _registry: Option<Registry>,
}

impl Site {
    pub(super) async fn new(bench: &Bench<Testers>) -> Result<Self, Trouble> {
        let room = bench.room_with(|world| world.images(Stores::new()))?;
        let role = bench.role.clone();
        let reads = (role.factory)().capabilities().reads;
        let (store, host, registry) = if reads.is_empty() || reads.contains(&StoreKind::Layout) {
            (Store::Layout(room.store.join("images")), String::new(), None)
        } else if reads.contains(&StoreKind::Registry) {
            let registry = Registry::start(room.store.join("registry"), Arc::clone(&room.world.disk)).await?;
            (Store::Registry, format!("{}/", registry.host()), Some(registry))
        } else if let Some((passes, fails)) = role.subjects.clone() {
            return Ok(Self { room, role, passes, fails, _registry: None });
        } else {
            return unchecked("it reads from no store that the kit has: name what it judges with `subjects`");
        };
        let subject = async |name: &str, files: &[ImageFile]| {
            let repository = format!("{host}conformance/{name}");
            let into = Stores::new().open(&room.context(), &store, &repository)?;
            let tag = Tag::parse(name)?;
            let digest = write_image(into.as_ref(), files, &[], &[Platform::linux_here()], &tag).await?;
            let image = Image::new("fixture", store.clone(), repository, digest);
            Ok::<_, Trouble>(Subject::Image(image.tag(tag).platforms(vec![Platform::linux_here()])))
        };
        let (passes, fails) = match role.subjects.clone() {
            Some(subjects) => subjects,
            None => (subject("passes", &role.passes_on).await?, subject("fails", &role.fails_on).await?),
        };
        Ok(Self { room, role, passes, fails, _registry: registry })
    }

    pub(super) fn tester(&self) -> Arc<dyn Tester> {
        (self.role.factory)()
    }

    pub(super) fn context(&self) -> Context {
        self.room.context()
    }

    /// Judges as core does, with a context of its own.
    pub(super) async fn test(&self, tester: &dyn Tester, subject: &Subject) -> Result<TestReport, Trouble> {
        Ok(tester.test(&self.context(), subject).await?)
    }

    /// Asks what is declared, and takes the snapshot as core does.
    pub(super) async fn declare(&self, tester: &dyn Tester) -> Result<(Inputs, Snapshot), Trouble> {
        let cx = self.context();
        let inputs = tester.inputs(&cx).await?;
        let snapshot = Snapshot::take(&cx, &inputs).await?;
        Ok((inputs, snapshot))
    }

    /// Returns the files of the fixture, below its root, that are declared, and those that are not.
    pub(super) fn files(&self, inputs: &Inputs) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Trouble> {
        let cx = self.context();
        let mut declared: Vec<PathBuf> = Vec::new();
        for one in std::iter::once(inputs).chain(inputs.listed_by.as_deref()) {
            declared.extend(one.files.iter().map(|file| self.room.root.join(file)));
            for tree in &one.trees {
                let entries = cx.files().walk(&cx, tree)?;
                declared
                    .extend(entries.iter().map(|entry| self.room.root.join(&tree.root).join(&entry.path)));
            }
        }
        // Compared by steps, so that `./a` is `a`.
        let is_declared = |path: &PathBuf| {
            declared.iter().any(|one| one.components().eq(self.room.root.join(path).components()))
        };
        let all = folder::files(&self.room.root)?.into_iter().map(PathBuf::from);
        Ok(all.partition(is_declared))
    }
}
