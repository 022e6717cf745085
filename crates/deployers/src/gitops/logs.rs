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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Says nothing.
    #[derive(Debug, Deserialize)]
    struct Quiet {}

    #[async_trait]
    impl LogReader for Quiet {
        async fn read(&self, _cx: &Context, _deployment: &Deployment, _request: &LogRequest) -> Result<()> {
            Ok(())
        }
    }

    impl PluginConfig for Quiet {
        const KIND: &'static str = "quiet";
        type Plugin = Self;

        fn into_plugin(self, _catalog: &Catalog) -> Result<Self> {
            Ok(self)
        }
    }

    #[test]
    fn logs_are_those_of_the_inner_deployers_kind_where_it_has_some() {
        let catalog = Catalog::new().with_log_reader::<Quiet>().with_log_reader::<GitopsLogsConfig>();
        let reads = |kind: &str, inner: &str| {
            let options =
                json!({"deployer": {"kind": inner, "options": {}}, "environment": "../environment"});
            let part = Part::with_options(kind, &options).expect("a part");
            format!("{:?}", catalog.log_reader(&part).expect("made"))
        };
        assert_eq!(reads("gitops", "quiet"), "GitopsLogs(Some(Quiet))");
        assert_eq!(reads("gitops", "memory"), "GitopsLogs(None)");
    }
}
