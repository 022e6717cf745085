//! Volumes: named folders of the engine.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use shipway_core::{Context, Result};

use crate::{
    Daemon,
    exchange::Ask,
    query::{Query, escape},
};

impl Daemon {
    /// Makes a volume; one of this name that is there already is left as it is.
    pub async fn create_volume(
        &self,
        cx: &Context,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<()> {
        let ask = Ask::new(Method::POST, "/volumes/create", &Query::new())
            .json(json!({"Name": name, "Labels": labels}));
        self.finish(cx, ask, &format!("make the volume `{name}`")).await.map(drop)
    }

    /// Removes a volume, also after the task was stopped; one that is gone already is fine.
    ///
    /// # Errors
    /// `Conflict` while a container uses it.
    pub async fn remove_volume(&self, name: &str) -> Result<()> {
        let path = format!("/volumes/{}", escape(name, ""));
        let ask = Ask::new(Method::DELETE, &path, &Query::new().flag("force", true));
        self.clean(ask, &format!("remove the volume `{name}`")).await
    }

    /// Returns the names of all volumes with a label, with their labels.
    pub async fn labelled_volumes(
        &self,
        cx: &Context,
        label: &str,
    ) -> Result<Vec<(String, BTreeMap<String, String>)>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Listed {
            volumes: Option<Vec<One>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct One {
            name: String,
            labels: Option<BTreeMap<String, String>>,
        }
        let query = Query::new().set("filters", json!({"label": [label]}).to_string());
        let answer = self.quick(cx, Ask::new(Method::GET, "/volumes", &query), "list volumes").await?;
        let listed: Listed = answer.json(self.endpoint(), "the volumes").await?;
        let one = |one: One| (one.name, one.labels.unwrap_or_default());
        Ok(listed.volumes.unwrap_or_default().into_iter().map(one).collect())
    }
}
