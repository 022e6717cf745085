//! Fifty pipelines at once in one process, each with its own catalog, cache, clock and environment: nothing is mixed up.

#![expect(clippy::disallowed_methods, reason = "the test prepares real sources")]

#[path = "../examples/two_pipelines/side.rs"]
mod side;

use shipway::Timestamp;
use side::Side;
use tokio::task::JoinSet;

const DAY: u64 = 86_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_pipelines_at_once_share_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut runs = JoinSet::new();
    for at in 0..50_u64 {
        let path = folder.path().to_owned();
        runs.spawn(async move {
            let tagger = if at.is_multiple_of(2) { "dateTime" } else { "team" };
            let side = Side::new(&path, &format!("side-{at}"), Timestamp(at * DAY), tagger).await.unwrap();
            side.check(&side.run().await.unwrap()).unwrap();
            side.check_reused(&side.run().await.unwrap()).unwrap();
            side.name
        });
    }
    let mut names = runs.join_all().await;
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 50);
}
