//! The runner that runs commands in containers of a Docker engine.

mod container;
mod files;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{
    Capabilities, Catalog, Context, Error, Exit, Feature, PluginConfig, Result, RunRequest, Runner,
    StoreKind, Volume,
};
use shipway_docker::Daemon;

/// The label of everything that is made, with the run's id as its value.
const LABEL: &str = "dev.shipway.run";

/// Runs commands in containers, each in one of its own that is removed when the command ends.
///
/// The image comes from wherever it is: one of the engine is used as it is, another is copied into the
/// engine by the context's door to images. Volumes are volumes of the engine; secrets and texts are
/// files of the container with mode 0400 (a text 0444), for the user that the command runs as. A path
/// of the host is one of the engine's machine.
///
/// All that is made carries the label `dev.shipway.run` with the run's id, so that
/// [`Docker::remove_leftovers`] finds what a killed process left.
#[derive(Clone, Debug)]
pub struct Docker {
    daemon: Daemon,
    options: DockerConfig,
}

/// The options of the runner `docker`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct DockerConfig {
    /// Where the engine listens; `unix:///var/run/docker.sock` by default.
    pub endpoint: String,
    /// The image of commands that name none, as a reference that the engine knows.
    pub image: Option<String>,
    /// The network of containers, such as `none`, `host` or a name; the engine's default when absent.
    pub network: Option<String>,
    /// The user that commands run as, by name or number; the image's when absent.
    pub user: Option<String>,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self { endpoint: "unix:///var/run/docker.sock".to_owned(), image: None, network: None, user: None }
    }
}

impl DockerConfig {
    /// Sets where the engine listens.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// Sets the image of commands that name none.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Sets the network of containers.
    #[must_use]
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// Sets the user that commands run as.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }
}

impl PluginConfig for DockerConfig {
    const KIND: &'static str = "docker";

    type Plugin = Docker;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Docker> {
        Docker::new(self)
    }
}

impl Docker {
    /// Returns the runner with these options; connects to nothing yet.
    ///
    /// # Errors
    /// `Config` when the endpoint has a wrong form.
    pub fn new(options: DockerConfig) -> Result<Self> {
        Ok(Self { daemon: Daemon::open(&options.endpoint)?, options })
    }

    /// Removes the containers and volumes that a run with this id left, and returns how many there
    /// were. For a run whose process was killed; not while it still runs.
    ///
    /// # Errors
    /// `Unavailable` when the engine cannot be reached.
    pub async fn remove_leftovers(&self, cx: &Context, run: &str) -> Result<usize> {
        let label = format!("{LABEL}={run}");
        let containers = self.daemon.labelled_containers(cx, &label).await?;
        for (id, _) in &containers {
            self.daemon.remove_container(id).await?;
        }
        let volumes = self.daemon.labelled_volumes(cx, &label).await?;
        for (name, _) in &volumes {
            self.daemon.remove_volume(name).await?;
        }
        Ok(containers.len() + volumes.len())
    }

    fn labels(cx: &Context) -> BTreeMap<String, String> {
        BTreeMap::from([(LABEL.to_owned(), cx.run_id().to_owned())])
    }
}

#[async_trait]
impl Runner for Docker {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .limits([("docker-daemon".to_owned(), 4)])
            .reads(BTreeSet::from([StoreKind::Daemon, StoreKind::Registry, StoreKind::Layout]))
            .features(BTreeSet::from([Feature::Images, Feature::Mounts]))
    }

    async fn open(&self, cx: &Context, volume: &Volume) -> Result<()> {
        // A task of its own: a volume that is half filled when this is dropped would be taken for open.
        let (this, cx, volume) = (self.clone(), cx.clone(), volume.clone());
        let opened = tokio::spawn(async move { this.open_volume(&cx, &volume).await });
        opened.await.map_err(|error| Error::internal("opening a volume failed").source(error))?
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        cx.check_stopped()?;
        self.run_container(cx, request).await
    }

    async fn close(&self, cx: &Context, volume: &Volume) -> Result<()> {
        self.close_volume(cx, volume).await
    }
}
