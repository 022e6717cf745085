//! Whose logs those of a release by way of git are: the inner deployer's.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use shipway_core::{Catalog, Context, Deployment, Level, LogReader, LogRequest, Part, PluginConfig, Result};

/// The options of the deployer `gitops`, as far as they say whose logs are read.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct GitopsLogsConfig {
    /// The deployer that applies; logs are read by the log reader of its kind, where there is one.
    pub deployer: Part,
}

/// Reads the logs of what another deployer applied.
#[derive(Clone, Debug)]
pub struct GitopsLogs(Option<Arc<dyn LogReader>>);

impl PluginConfig for GitopsLogsConfig {
    const KIND: &'static str = "gitops";
    type Plugin = GitopsLogs;

    fn into_plugin(self, catalog: &Catalog) -> Result<GitopsLogs> {
        let kinds = catalog.kinds();
        let known = kinds.get("log reader").is_some_and(|kinds| kinds.contains(&self.deployer.kind.as_str()));
        known.then(|| catalog.log_reader(&self.deployer)).transpose().map(GitopsLogs)
    }
}

#[async_trait]
impl LogReader for GitopsLogs {
    async fn read(&self, cx: &Context, deployment: &Deployment, request: &LogRequest) -> Result<()> {
        match &self.0 {
            Some(reader) => reader.read(cx, deployment, request).await,
            None => {
                cx.message(Level::Info, "the deployer that applies keeps no logs");
                Ok(())
            }
        }
    }
}
