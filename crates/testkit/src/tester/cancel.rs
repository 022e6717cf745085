//! S4: what a tester leaves when it is stopped.

use shipway_core::Cancel;

use super::{Testers, site::Site};
use crate::{
    clause::Trouble,
    cut::Cut,
    suite::Bench,
    tripwire::{Tripwire, cuts},
};

pub(super) async fn nothing_is_left_after_cancel(bench: Bench<Testers>) -> Result<(), Trouble> {
    let mut site = Site::new(&bench).await?;
    let (world, wire) = Tripwire::across(site.room.world.clone(), u64::MAX, Cancel::new());
    site.room.world = world;
    site.test(site.tester().as_ref(), &site.passes).await?;
    for at in cuts(wire.uses()) {
        cut(&Site::new(&bench).await?, at).await?;
    }
    Ok(())
}

/// Cuts one test at a use of a door, and looks at what it says and leaves: nothing, however it ended.
async fn cut(site: &Site, at: u64) -> Result<(), Trouble> {
    let tester = site.tester();
    let cut = Cut::new(&site.room, at)?;
    let cx = cut.context();
    cut.finishes("judged", tester.test(&cx, &site.passes)).await?;
    drop(cx);
    cut.leaves_nothing("tests").await
}
