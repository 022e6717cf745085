//! Whose logs those of a release by way of git are: the inner deployer's.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use shipway_core::{Catalog, Context, Deployment, LogReader, LogRequest, Part, PluginConfig, Result};

/// The options of the deployer `gitops`, as far as they say whose logs are read.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct GitopsLogsConfig {
    /// The deployer that applies; logs are read by the log reader of its kind.
    pub deployer: Part,
}

/// Reads the logs of what another deployer applied.
#[derive(Clone, Debug)]
pub struct GitopsLogs(Arc<dyn LogReader>);

impl PluginConfig for GitopsLogsConfig {
    const KIND: &'static str = "gitops";
    type Plugin = GitopsLogs;

    fn into_plugin(self, catalog: &Catalog) -> Result<GitopsLogs> {
        catalog.log_reader(&self.deployer).map(GitopsLogs)
    }
}

#[async_trait]
impl LogReader for GitopsLogs {
    async fn read(&self, cx: &Context, deployment: &Deployment, request: &LogRequest) -> Result<()> {
        self.0.read(cx, deployment, request).await
    }
}
