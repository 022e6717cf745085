//! Volumes of the engine: filled when they are opened, and read back when they are closed.

use shipway_core::{Context, Error, Result, Volume};
use shipway_docker::{ArchiveReader, ContainerMount, ContainerSpec, tar_stream};

use super::{Docker, container::Container};
use crate::unpack::unpack;

/// Where a volume is in the container that is made to reach it, which never runs.
const PLACE: &str = "/volume";

impl Docker {
    pub(super) async fn open_volume(&self, cx: &Context, volume: &Volume) -> Result<()> {
        let name = volume_name(cx, &volume.name)?;
        if self.is_open(cx, &name).await? {
            return Ok(());
        }
        self.daemon.create_volume(cx, &name, &Self::labels(cx)).await?;
        let filled = self.fill(cx, volume, &name).await;
        if filled.is_err() {
            // The reason why it was not filled is the better one.
            let _ = self.daemon.remove_volume(&name).await;
        }
        filled
    }

    async fn fill(&self, cx: &Context, volume: &Volume, name: &str) -> Result<()> {
        let container = self.holder(cx, name).await?;
        let (from, held) = (volume.from.clone(), cx.clone());
        let tar = tar_stream(move |tar| {
            // Whoever runs in an image may write: the volume is what they share.
            tar.folder("./", 0o777, (0, 0))?;
            from.iter().try_for_each(|tree| tar.tree(&held, tree, (0, 0)))
        })?;
        let put = self.daemon.put_archive(cx, &container.id, PLACE, tar).await;
        let removed = container.remove().await;
        put.and(removed)
    }

    /// Returns whether a volume of this name was opened by this run.
    pub(super) async fn is_open(&self, cx: &Context, name: &str) -> Result<bool> {
        let label = format!("{}={}", super::LABEL, cx.run_id());
        Ok(self.daemon.labelled_volumes(cx, &label).await?.iter().any(|(one, _)| one == name))
    }

    pub(super) async fn close_volume(&self, cx: &Context, volume: &Volume) -> Result<()> {
        let name = volume_name(cx, &volume.name)?;
        if !self.is_open(cx, &name).await? {
            return Ok(());
        }
        let copied = match &volume.into {
            Some(into) => self.copy_back(cx, &name, into).await,
            None => Ok(()),
        };
        self.daemon.remove_volume(&name).await?;
        copied
    }

    async fn copy_back(&self, cx: &Context, name: &str, into: &std::path::Path) -> Result<()> {
        let container = self.holder(cx, name).await?;
        let copied = async {
            let archive = self.daemon.get_archive(cx, &container.id, PLACE).await?;
            let archive = archive.ok_or_else(|| Error::not_found(format!("the volume `{name}` is gone")))?;
            let folder = cx.path(into);
            let work = unpack(cx, ArchiveReader::new(archive), folder);
            tokio::select! {
                biased;
                error = cx.stopped() => Err(error),
                unpacked = work => unpacked,
            }
        };
        let copied = copied.await;
        let removed = container.remove().await;
        copied.and(removed)
    }

    /// Makes a container that has the volume and never runs.
    async fn holder(&self, cx: &Context, name: &str) -> Result<Container> {
        let mut spec = ContainerSpec::new(self.daemon.empty_image(cx).await?.to_string());
        spec.args = vec!["never-run".to_owned()];
        spec.mounts = vec![ContainerMount::volume(name, PLACE)];
        spec.labels = Self::labels(cx);
        Container::create(&self.daemon, cx, spec).await
    }
}

/// Returns the engine's name of a volume: of the run, so that a run that is resumed finds it again.
pub(super) fn volume_name(cx: &Context, name: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Error::config(format!("`{name}` is not the name of a volume"))
            .hint("use letters, digits, `-`, `_` and `.`"));
    }
    let run: String = cx.run_id().chars().map(|c| if plain(c) { c } else { '-' }).collect();
    Ok(format!("shipway-{run}-{name}"))
}
