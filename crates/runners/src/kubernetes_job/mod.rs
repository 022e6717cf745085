//! The runner that runs commands in pods of a cluster.

mod config;
mod objects;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use shipway_core::{
    Capabilities, Context, Error, Exit, Feature, Result, RunRequest, Runner, StoreKind, Volume,
};

pub use self::config::KubernetesJobConfig;

/// Runs commands in a cluster, each in a pod of its own, which a job owns that is removed when the command
/// ends, and by the cluster itself where nobody is left to do so.
///
/// A small program that the pod brings along waits until somebody listens, and then becomes the command, so
/// that its two streams of output are told apart and none of it is missed. A command without a program, which
/// means the image's own, begins at once: its output is the log's, one stream that counts as standard output.
///
/// Secrets and texts are files of a secret that the job owns, which is gone with it. There are no volumes: a
/// cluster that has none which outlasts a pod could not share it.
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
}

#[async_trait]
impl Runner for KubernetesJob {
    fn capabilities(&self) -> Capabilities {
        let commands = self.options.concurrency;
        let limits = commands.map(|commands| (format!("kubernetes_job {}", self.options.context), commands));
        Capabilities::new()
            .limits(limits.into_iter().collect::<BTreeMap<_, _>>())
            .reads(BTreeSet::from([StoreKind::Registry]))
            .features(BTreeSet::from([Feature::Images]))
    }

    async fn open(&self, _cx: &Context, volume: &Volume) -> Result<()> {
        Err(no_volumes(&volume.name))
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        cx.check_stopped()?;
        self.run_job(cx, request).await
    }

    async fn close(&self, _cx: &Context, volume: &Volume) -> Result<()> {
        Err(no_volumes(&volume.name))
    }
}

fn no_volumes(name: &str) -> Error {
    Error::unsupported(format!("runner `kubernetes_job` has no volume `{name}`"))
        .hint("use runner `docker` or `host` for commands that share files")
}
