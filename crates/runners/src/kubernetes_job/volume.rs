//! Volumes: claims of the cluster, filled when they are opened and read back when they are closed, each by a pod that
//! has the claim and waits meanwhile.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use shipway_cluster::{Api, Apply, Cluster, PodFiles, PodJob};
use shipway_core::{Context, Error, ErrorKind, ObjectId, Result, Snapshot, Volume};
use shipway_docker::{ArchiveReader, tar_stream};
use tokio::io::duplex;

use super::{
    KubernetesJob,
    objects::{HOLDER, STAGING, VOLUME, holder},
    run::unlike,
};
use crate::unpack::unpack;

/// Who makes claims, and who says that they are filled.
const MANAGER: &str = "shipway";
const MARKER: &str = "shipway-volume";

/// Says that a claim holds what it was opened with.
const FILLED: &str = "dev.shipway/filled";

/// How often it is looked whether a claim is gone, and the longest that it may take.
const LOOK: Duration = Duration::from_millis(100);
const GONE: Duration = Duration::from_secs(30);

impl KubernetesJob {
    pub(super) async fn open_volume(&self, cx: &Context, volume: &Volume) -> Result<()> {
        let claim = self.options.volume_claim.as_ref().ok_or_else(|| {
            Error::unsupported(format!("runner `kubernetes_job` has no volume `{}`", volume.name)).hint(
                "say with `volumeClaim` what a claim's `spec` is, or use runner `docker` or `host` for commands that \
                 share files",
            )
        })?;
        let cluster = self.cluster(cx).await?;
        let id = self.claim(cx, &cluster, &volume.name);
        let there = match cluster.get(cx, &id).await? {
            Some(there) => there,
            None => {
                let object = json!({
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": claim,
                    "metadata": {"name": id.name, "namespace": id.namespace,
                        "labels": {"app.kubernetes.io/managed-by": "shipway"},
                        "annotations": {"dev.shipway/run": cx.run_id(), "dev.shipway/volume": volume.name}},
                });
                cluster.create(cx, MANAGER, &object).await?
            }
        };
        // One that was made and not filled, by a process that was killed, is filled now.
        if there["metadata"]["annotations"][FILLED] == "true" {
            return Ok(());
        }
        let filled = self.fill(cx, &cluster, &id, volume).await;
        if filled.is_err() {
            // The reason why it was not filled is the better one.
            let _ = remove(&cx.for_cleanup(), &cluster, &id).await;
        }
        filled
    }

    async fn fill(&self, cx: &Context, cluster: &Cluster, id: &ObjectId, volume: &Volume) -> Result<()> {
        let (from, held, owned) = (volume.from.clone(), cx.clone(), self.options.run_as_user.is_none());
        let tar = tar_stream(move |tar| {
            if owned {
                // Whoever runs in an image may write: the volume is what they share.
                tar.folder("./", 0o777, (0, 0))?;
            }
            from.iter().try_for_each(|tree| tar.tree(&held, tree, (0, 0)))
        })?;
        let done = format!("{STAGING}/done");
        let (job, pod) = self.hold(cx, cluster, id).await?;
        let filled = files(&job, id, &pod).put(cx, tar, VOLUME, &done).await;
        let removed = job.remove().await;
        filled.and(removed)?;
        let mut mark = json!({
            "apiVersion": id.api_version, "kind": id.kind,
            "metadata": {"name": id.name, "namespace": id.namespace, "annotations": {}},
        });
        mark["metadata"]["annotations"][FILLED] = "true".into();
        // It is nobody's but ours.
        cluster.apply(cx, MARKER, &mark, Apply { force: true, dry_run: false }).await.map(drop)
    }

    pub(super) async fn close_volume(&self, cx: &Context, volume: &Volume) -> Result<()> {
        if self.options.volume_claim.is_none() {
            return Ok(());
        }
        let cluster = self.cluster(cx).await?;
        let id = self.claim(cx, &cluster, &volume.name);
        if cluster.get(cx, &id).await?.is_none() {
            return Ok(());
        }
        let copied = match &volume.into {
            Some(into) => self.copy_back(cx, &cluster, &id, into).await,
            None => Ok(()),
        };
        remove(&cx.for_cleanup(), &cluster, &id).await?;
        copied
    }

    async fn copy_back(&self, cx: &Context, cluster: &Cluster, id: &ObjectId, into: &Path) -> Result<()> {
        let (job, pod) = self.hold(cx, cluster, id).await?;
        let (writer, reader) = duplex(256 * 1024);
        let archive = ArchiveReader::new(Box::pin(reader) as shipway_docker::Reader);
        let files = files(&job, id, &pod);
        let (read, wrote) = tokio::join!(files.get(cx, VOLUME, writer), unpack(cx, archive, cx.path(into)));
        job.remove().await?;
        match (read, wrote) {
            (Err(error), Err(wrote)) if error.kind() == ErrorKind::Cancelled => Err(wrote),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(()),
        }
    }

    /// Makes a pod that has the claim and waits, and returns its name.
    async fn hold(&self, cx: &Context, cluster: &Cluster, id: &ObjectId) -> Result<(PodJob, String)> {
        let (name, namespace) = (unlike(cx, "volume"), id.namespace.as_deref().unwrap_or_default());
        let job = holder(&self.options, &name, namespace, cx.run_id(), &id.name);
        let opened = PodJob::open(cx, cluster, job, None).await?;
        match opened.begun(cx, HOLDER).await {
            Ok(pod) => Ok((opened, pod)),
            Err(error) => {
                let _ = opened.remove().await;
                Err(error)
            }
        }
    }

    /// Returns the claim of a volume: of the run, so that a run that is resumed finds it again.
    pub(super) fn claim(&self, cx: &Context, cluster: &Cluster, volume: &str) -> ObjectId {
        let mut parts = Snapshot::default();
        parts.set("run", cx.run_id());
        parts.set("volume", volume);
        let name = format!("volume-{}", &parts.fingerprint().as_str()[..32]);
        ObjectId::new("v1", "PersistentVolumeClaim", name).namespace(self.namespace_in(cluster).to_owned())
    }
}

fn files<'a>(job: &'a PodJob, id: &'a ObjectId, pod: &'a str) -> PodFiles<'a> {
    PodFiles::new(job.cluster(), id.namespace.as_deref().unwrap_or_default(), pod, HOLDER, STAGING)
}

/// Removes a claim, and returns when it is gone: a pod that has it may go a moment later.
async fn remove(cx: &Context, cluster: &Cluster, id: &ObjectId) -> Result<()> {
    let there: Option<Value> = cluster.get(cx, id).await?;
    let Some(uid) = there.as_ref().and_then(|there| there["metadata"]["uid"].as_str()) else { return Ok(()) };
    cluster.delete(cx, id, Some(uid)).await?;
    let begun = cx.clock().elapsed();
    while cluster.get(cx, id).await?.is_some_and(|there| there["metadata"]["uid"] == uid) {
        if cx.clock().elapsed() - begun > GONE {
            return Err(Error::timeout(format!("{id} does not go")).hint("see which pod has it"));
        }
        cx.sleep(LOOK).await?;
    }
    Ok(())
}
