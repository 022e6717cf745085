//! Several requests under way at once.

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesOrdered};
use shipway_core::Result;

/// How many: an API server answers no faster with more.
const MOST: usize = 8;

/// Does all of it, begun in order, and returns what came of each. Once one has failed no other is begun, and what
/// is under way is finished.
pub(crate) async fn at_once<T>(work: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    let mut ended = Vec::with_capacity(work.len());
    let (mut waiting, mut under_way) = (work.into_iter(), FuturesOrdered::new());
    under_way.extend(waiting.by_ref().take(MOST));
    while let Some(one) = under_way.next().await {
        if one.is_ok() {
            under_way.extend(waiting.next());
        } else {
            waiting = Vec::new().into_iter();
        }
        ended.push(one);
    }
    ended.into_iter().collect()
}
