//! The cluster in memory answers as the API server does.

mod suite;

use shipway_cluster::MemoryCluster;
use shipway_core::{Cancel, RunContext, World};

#[tokio::test]
async fn the_cluster_in_memory_answers_as_the_api_server() {
    let cx = RunContext::new(World::host("/"), "test").context(None, None, Cancel::new());
    let cluster = MemoryCluster::new();
    suite::run(&suite::Bench { cx: &cx, api: &cluster, namespace: "suite" }).await;
}
