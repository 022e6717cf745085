//! The runner that runs commands in pods of a cluster.

mod config;
mod objects;
mod run;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use shipway_cluster::Cluster;
use shipway_core::{Capabilities, Context, Exit, Feature, Result, RunRequest, Runner, StoreKind, Volume};

pub use self::config::KubernetesJobConfig;

/// Runs commands in a cluster, each in a pod of its own, which a job owns that is removed when the command
/// ends, and by the cluster itself where nobody is left to do so.
///
/// A small program that the pod brings along waits until somebody listens, and then becomes the command, so
/// that its two streams of output are told apart and none of it is missed. A command without a program, which
/// means the image's own, begins at once: its output is the log's, one stream that counts as standard output.
///
/// Secrets and texts are files of a secret that the job owns, which is gone with it. A volume is a claim of the cluster,
/// as the option `volumeClaim` says; without that there is none, since nothing else outlasts a pod.
#[derive(Clone, Debug)]
pub struct KubernetesJob {
    options: KubernetesJobConfig,
}

impl KubernetesJob {
    /// Returns the runner with these options; connects to nothing yet.
    ///
    /// # Errors
    /// `Config` when the options do not fit together.
    pub fn new(options: KubernetesJobConfig) -> Result<Self> {
        options.check()?;
        Ok(Self { options })
    }

    async fn cluster(&self, cx: &Context) -> Result<Cluster> {
        Cluster::open(cx, &self.options.context).await
    }

    fn namespace_in<'a>(&'a self, cluster: &'a Cluster) -> &'a str {
        self.options.namespace.as_deref().unwrap_or(cluster.namespace())
    }
}

#[async_trait]
impl Runner for KubernetesJob {
    fn capabilities(&self) -> Capabilities {
        let commands = self.options.concurrency;
        let limits = commands.map(|commands| (format!("kubernetes_job {}", self.options.context), commands));
        let mut features = BTreeSet::from([Feature::Images]);
        if self.options.volume_claim.is_some() {
            features.insert(Feature::Mounts);
        }
        Capabilities::new()
            .limits(limits.into_iter().collect::<BTreeMap<_, _>>())
            .reads(BTreeSet::from([StoreKind::Registry]))
            .features(features)
    }

    async fn open(&self, cx: &Context, volume: &Volume) -> Result<()> {
        cx.check_stopped()?;
        self.open_volume(cx, volume).await
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        cx.check_stopped()?;
        self.run_job(cx, request).await
    }

    async fn close(&self, cx: &Context, volume: &Volume) -> Result<()> {
        self.close_volume(cx, volume).await
    }
}
