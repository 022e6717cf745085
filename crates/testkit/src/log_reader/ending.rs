//! L2: when reading ends, and how.

use shipway_core::{Cancel, CancelReason, LogRequest, Stage};

use super::{
    LogReaders,
    reading::Reading,
    stand::{Printed, Stand, ensure_told, known},
};
use crate::{
    GRACE,
    clause::{Trouble, broken, kind_and_text},
    suite::Bench,
};

pub(super) async fn ends_well(bench: Bench<LogReaders>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let once = LogRequest::new();
    well_in_time(&mut stand.read(&once), "without `follow`, before anything was printed,").await?;
    let mut printed = stand.print_each(1).await;
    let mut reading = stand.read(&once);
    well_in_time(&mut reading, "without `follow`").await?;
    ensure_all(&reading, &printed, "without `follow`")?;

    let follow = LogRequest::new().follow(true);
    let mut reading = stand.read(&follow);
    for number in 2..=4 {
        reading.hear(|told| known(told, &printed).len() >= printed.len()).await;
        ensure_goes_on(&mut reading).await?;
        printed.extend(stand.print_each(number).await);
    }
    reading.hear(|told| known(told, &printed).len() >= printed.len()).await;
    ensure_goes_on(&mut reading).await?;
    reading.ask_to_stop();
    well_in_time(&mut reading, "with `follow`, after cancellation was requested,").await?;
    ensure_all(&reading, &printed, "with `follow`")?;

    // Who is asked to stop before it begins.
    let cancel = Cancel::new();
    cancel.escalate(Stage::Requested, CancelReason::Asked);
    let mut reading = Reading::begin(&stand, stand.reader(), &follow, cancel);
    well_in_time(&mut reading, "with `follow`, cancellation being requested before it began,").await
}

async fn ensure_goes_on(reading: &mut Reading) -> Result<(), Trouble> {
    match reading.end(std::time::Duration::ZERO).await {
        None => Ok(()),
        Some(Ok(())) => broken("with `follow` it ended, and nobody had asked it to"),
        Some(Err(error)) => broken(format!("with `follow` it failed: {}", kind_and_text(error.report()))),
    }
}

async fn well_in_time(reading: &mut Reading, when: &str) -> Result<(), Trouble> {
    match reading.end(GRACE).await {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => broken(format!("{when} its answer is {}", kind_and_text(error.report()))),
        None => broken(format!("{when} it did not end within {GRACE:?}")),
    }
}

fn ensure_all(reading: &Reading, printed: &[Printed], when: &str) -> Result<(), Trouble> {
    let mut expected: Vec<&str> = printed.iter().map(|one| one.text.as_str()).collect();
    expected.sort_unstable();
    ensure_told(&known(&reading.lines(), printed), &expected, when)
}
