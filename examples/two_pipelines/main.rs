//! Two pipelines at once in one process, which share nothing: each has its own catalog of plug-ins, its own cache, clock,
//! environment and target. There are no globals that they could meet in.
//!
//! ```text
//! cargo run --example two_pipelines
//! ```

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which makes the projects that it builds"
)]

mod side;

use shipway::{Error, Result, Timestamp};

use self::side::Side;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| Error::io("make", &std::env::temp_dir(), error))?;
    let new_year = Timestamp(1_798_761_600_000);
    // One takes its tag from the moment, the other from a plug-in of its own that only its catalog has.
    let north = Side::new(folder.path(), "north", new_year, "dateTime").await?;
    let south = Side::new(folder.path(), "south", Timestamp(0), "team").await?;
    let (first, second) = tokio::join!(north.run(), south.run());
    for (side, report) in [(&north, first?), (&south, second?)] {
        println!("{}:\n\n{report}", side.name);
        side.check(&report)?;
    }
    // What one side has built, the other has not: each cache is its own.
    let (first, second) = tokio::join!(north.run(), south.run());
    for (side, report) in [(&north, first?), (&south, second?)] {
        side.check_reused(&report)?;
    }
    println!("Both again: each side found what it had built itself.");
    Ok(())
}
