//! Makes the stages of a plan: trees for all whose files count, and layers for those that the image has,
//! straight into the target's store while they are compressed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use shipway_core::{Context, Error, Result};
use shipway_oci::{
    Compression, Descriptor, Distribution, History, ImageConfig, LayerEntry, LayerSummary, created_at,
    write_layer,
};

use super::{
    apply,
    assembly::{Change, Copy, From, Step},
    contents::Contents,
    context::Root,
    images::Images,
    plan::{Plan, PlanBase},
    tree::{Node, Tree, What},
    users,
};

/// What the layers of all platforms are made with.
pub(super) struct Maker<'a> {
    pub(super) cx: &'a Context,
    pub(super) into: &'a dyn Distribution,
    pub(super) compression: Compression,
    pub(super) epoch: u64,
    pub(super) images: &'a mut Images,
    pub(super) contents: Contents,
    pub(super) context: Root,
    pub(super) context_tree: Arc<Tree>,
    /// What the commands made.
    pub(super) prepared: Option<(Root, Arc<Tree>)>,
    /// The layers so far, where another platform may have the same.
    pub(super) made: Option<Vec<(Vec<LayerEntry>, LayerSummary)>>,
}

/// An image whose layers are in the store.
pub(super) struct Made {
    pub(super) config: ImageConfig,
    pub(super) layers: Vec<Descriptor>,
}

impl Maker<'_> {
    pub(super) async fn make(&mut self, plan: &Plan) -> Result<Made> {
        let (chain, with_files) = (plan.chain(), plan.with_files());
        let mut made = Made { config: plan.stages[&plan.target].assembly.config.clone(), layers: Vec::new() };
        (made.config.diff_ids, made.config.history) = (Vec::new(), Vec::new());
        if let Some(PlanBase::Image(number)) = chain.first().map(|first| plan.stages[first].base) {
            let base = &self.images.opened(number).image;
            made.layers.clone_from(&base.manifest.layers);
            made.config.diff_ids.clone_from(&base.config.diff_ids);
            made.config.history.clone_from(&base.config.history);
        }
        let mut trees: BTreeMap<usize, Arc<Tree>> = BTreeMap::new();
        for (index, stage) in &plan.stages {
            let into = chain.contains(index).then_some(&mut made);
            if !with_files.contains(index) {
                if let Some(made) = into {
                    let steps = stage.assembly.steps.iter();
                    made.config.history.extend(steps.map(|step| self.history(step).without_layer()));
                }
                continue;
            }
            let tree = match stage.base {
                PlanBase::Nothing => Tree::default(),
                PlanBase::Stage(base) => trees.get(&base).map(|tree| Tree::clone(tree)).unwrap_or_default(),
                PlanBase::Image(number) => self.images.tree(number).await?,
            };
            let tree = self.stage(plan, &stage.assembly.steps, tree, &trees, into).await?;
            trees.insert(*index, Arc::new(tree));
        }
        made.config.created = Some(created_at(self.epoch));
        Ok(made)
    }

    async fn stage(
        &mut self,
        plan: &Plan,
        steps: &[Step],
        mut tree: Tree,
        trees: &BTreeMap<usize, Arc<Tree>>,
        mut into: Option<&mut Made>,
    ) -> Result<Tree> {
        for step in steps {
            let (done, at) = match &step.change {
                Change::Nothing => (Ok(tree), None),
                Change::Folder { path, user, at } => (self.folder(tree, path, user).await, at.as_ref()),
                Change::Copy(copy) => (self.copy(plan, copy, tree, trees).await, copy.at.as_ref()),
            };
            tree = done.map_err(|error| match at {
                Some(at) => super::error_at(error, at),
                None => error,
            })?;
            let changes = tree.take_changes()?;
            let Some(made) = into.as_deref_mut() else { continue };
            let history = self.history(step);
            if changes.is_empty() {
                made.config.history.push(history.without_layer());
                continue;
            }
            let layer = self.layer(changes).await?;
            made.config.add_layer(layer.diff_id.clone(), history);
            made.layers.push(layer.descriptor());
        }
        Ok(tree)
    }

    fn history(&self, step: &Step) -> History {
        History::new(step.text.as_str()).created(created_at(self.epoch))
    }

    async fn folder(&mut self, mut tree: Tree, path: &str, user: &str) -> Result<Tree> {
        let place = tree.resolve("", path)?;
        if !tree.node(&place)?.is_some_and(|node| node.is_folder()) {
            // BuildKit gives the folder to the user that the image runs as.
            let owner = match user {
                "" => None,
                user => Some(users::owner(self.cx, self.images, &mut self.contents, &tree, user).await?),
            };
            tree.make_folders(&place, 0o755, owner)?;
        }
        Ok(tree)
    }

    async fn copy(
        &mut self,
        plan: &Plan,
        copy: &Copy,
        mut tree: Tree,
        trees: &BTreeMap<usize, Arc<Tree>>,
    ) -> Result<Tree> {
        let (mut root, mut from) = (self.context.clone(), Arc::clone(&self.context_tree));
        match &copy.from {
            From::Context => {}
            From::Prepared => {
                let prepared = self.prepared.clone().ok_or_else(|| {
                    Error::config("`{output}` names files that no command makes")
                        .hint("add a command to `prepare`")
                })?;
                (root, from) = prepared;
            }
            From::Stage(stage) => from = trees.get(stage).map(Arc::clone).unwrap_or_default(),
            From::Image(name) => {
                let number = plan.images.get(name).copied();
                let number = number.ok_or_else(|| Error::internal(format!("`{name}` was not opened")))?;
                from = Arc::new(self.images.tree(number).await?);
            }
        }
        let owner = match &copy.owner {
            None => None,
            Some(text) => Some(users::owner(self.cx, self.images, &mut self.contents, &tree, text).await?),
        };
        let copy = copy.clone();
        self.cx
            .blocking(move |cx| {
                apply::copy(cx, &copy, &from, &root, &mut tree, owner)?;
                Ok(tree)
            })
            .await
    }

    /// Writes the layer of these changes.
    async fn layer(&mut self, changes: Vec<(String, Arc<Node>)>) -> Result<LayerSummary> {
        self.contents.bring(self.cx, self.images, changes.iter().map(|(_, node)| node)).await?;
        let mut names: HashMap<usize, String> = HashMap::new();
        let mut entries = Vec::with_capacity(changes.len());
        for (path, node) in changes {
            if path.is_empty() {
                continue;
            }
            let mut entry = match &node.what {
                What::Folder => LayerEntry::folder(path),
                What::Link(text) => LayerEntry::link(path, text.as_str()),
                What::Device(device) => LayerEntry::device(path, *device),
                What::File(body) => match names.get(&Arc::as_ptr(&node).addr()) {
                    Some(first) => LayerEntry::hard_link(path, first.as_str()),
                    None => {
                        // The tree has it once; only one that it has more than once has another name.
                        if Arc::strong_count(&node) > 2 {
                            names.insert(Arc::as_ptr(&node).addr(), path.clone());
                        }
                        let mut entry = LayerEntry::bytes(path, "");
                        entry.content = self.contents.content(body);
                        entry
                    }
                },
                What::Odd => {
                    return Err(Error::internal(format!("`{path}` is of a kind that no image has")));
                }
            };
            entry = entry.mode(node.mode).owner(node.uid, node.gid).mtime(self.epoch);
            if !matches!(entry.content, shipway_oci::Content::HardLink(_)) {
                entry = entry.xattrs(node.xattrs.clone());
            }
            entries.push(entry);
        }
        if let Some(made) = &self.made
            && let Some((_, layer)) = made.iter().find(|(same, _)| *same == entries)
        {
            return Ok(layer.clone());
        }
        let remembered = self.made.is_some().then(|| entries.clone());
        let layer = write_layer(self.cx, entries, self.compression)?.write_to(self.into).await?;
        if let (Some(made), Some(entries)) = (&mut self.made, remembered) {
            made.push((entries, layer.clone()));
        }
        Ok(layer)
    }
}
