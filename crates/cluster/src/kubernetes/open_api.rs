//! The cluster's own schemas of its kinds ("OpenAPI V3", `/openapi/v3`).

use serde_json::Value;
use shipway_core::{Context, Result};

use super::{Cluster, failure::Asked, request::Call, target};

impl Cluster {
    /// Returns the OpenAPI document, of version 3, of a group and version such as `apps/v1`, with the schemas of its kinds;
    /// `None` of one that the cluster has not.
    ///
    /// # Errors
    /// As every request: `Auth`, `Unavailable`, `Timeout`; `Config` for what is no `apiVersion`.
    pub async fn open_api(&self, cx: &Context, api_version: &str) -> Result<Option<Value>> {
        let path = format!("/openapi/v3{}", target::of_version(api_version)?);
        let call = Call::get(path, Asked::new("read", format!("the schemas of `{api_version}`")));
        let answer = self.call(cx, &call).await?;
        if answer.code == 404 {
            return Ok(None);
        }
        answer.good(&call.asked).map(Some)
    }
}
