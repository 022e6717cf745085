//! The logs of a release's pods.

use std::collections::BTreeSet;

use async_trait::async_trait;
use shipway_cluster::Selector;
use shipway_core::{Context, Deployment, LogReader, LogRequest, Result};

use super::{INSTANCE, Kubectl};
use crate::{
    logs::read_logs,
    releases::{MANAGED_BY, MANAGER},
};

#[async_trait]
impl LogReader for Kubectl {
    async fn read(&self, cx: &Context, deployment: &Deployment, request: &LogRequest) -> Result<()> {
        let cluster = self.cluster(cx).await?;
        let objects = &deployment.manifests.objects;
        // Pods are where what makes them is; objects without a namespace are in the deployer's.
        let namespaces: BTreeSet<&str> = objects
            .iter()
            .map(|manifest| manifest.object.namespace.as_deref())
            .map(|namespace| namespace.unwrap_or_else(|| self.namespace_in(&cluster)))
            .collect();
        let release = &deployment.manifests.release.name;
        let pods = |namespace: &str| {
            // Labels that a rendered release gives to all that it has, pods' templates too.
            Selector::new()
                .kind("v1", "Pod")
                .namespace(namespace)
                .label(MANAGED_BY, MANAGER)
                .label(INSTANCE, release.as_str())
        };
        read_logs(cx, &cluster, namespaces.into_iter().map(pods).collect(), request).await
    }
}
