//! L3: what is left out because it is not wanted.

use std::time::Duration;

use shipway_core::{LogRequest, Timestamp};

use super::{
    LogReaders,
    stand::{Printed, Stand, ensure_told, known},
};
use crate::{
    clause::{Trouble, unchecked},
    suite::Bench,
};

pub(super) async fn only_what_is_wanted(bench: Bench<LogReaders>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let mut printed = Vec::new();
    for number in 1..=5 {
        printed.extend(stand.print_each(number).await);
    }
    if printed.windows(2).any(|two| two[0].at >= two[1].at) {
        return unchecked("the target's lines have moments that are not later one after the other");
    }
    // Some programs have printed three lines since then, and some two.
    let middle = Some(printed[2 * stand.programs().len() + 1].at);
    for (lines, since) in [
        (Some(0), None),
        (Some(2), None),
        (Some(9), None),
        (None, middle),
        (Some(1), middle),
        (Some(9), middle),
    ] {
        let due = due(&printed, lines, since);
        let request = LogRequest::new().lines(lines).since(since);
        let told = stand.read(&request).told(|told| known(told, &printed).len() >= due.len()).await?;
        ensure_told(&known(&told, &printed), &due, &words(&request))?;
    }
    for (lines, since) in [(Some(2), None), (None, middle)] {
        what_comes_is_told(&stand, &mut printed, &LogRequest::new().follow(true).lines(lines).since(since))
            .await?;
    }
    Ok(())
}

/// Follows, and lets the programs print more lines than are wanted of what is there.
async fn what_comes_is_told(
    stand: &Stand,
    printed: &mut Vec<Printed>,
    request: &LogRequest,
) -> Result<(), Trouble> {
    let there: Vec<String> =
        due(printed, request.lines, request.since).into_iter().map(str::to_owned).collect();
    let mut reading = stand.read(request);
    reading.hear(|told| known(told, printed).len() >= there.len()).await;
    let number = printed.len() / stand.programs().len();
    let mut come = Vec::new();
    for more in 1..=3 {
        come.extend(stand.print_each(number + more).await);
    }
    let mut expected: Vec<&str> =
        there.iter().map(String::as_str).chain(come.iter().map(|one| one.text.as_str())).collect();
    expected.sort_unstable();
    let all: Vec<Printed> = printed.iter().chain(&come).cloned().collect();
    reading.hear(|told| known(told, &all).len() >= expected.len()).await;
    // Whether it goes on, and tells each line once while it does, are matters of others.
    if reading.end(Duration::ZERO).await.is_none() {
        let told = reading.told(|_| true).await?;
        let mut told = known(&told, &all);
        told.dedup();
        ensure_told(&told, &expected, &words(request))?;
    }
    printed.extend(come);
    Ok(())
}

/// Returns what is to be told of what was printed, sorted.
fn due(printed: &[Printed], lines: Option<u64>, since: Option<Timestamp>) -> Vec<&str> {
    let wanted = |one: &&Printed| since.is_none_or(|since| one.at >= since);
    let mut due = Vec::new();
    for program in 0..=printed.iter().map(|one| one.program).max().unwrap_or_default() {
        let own: Vec<&Printed> = printed.iter().filter(|one| one.program == program).filter(wanted).collect();
        let most = lines.map_or(own.len(), |lines| usize::try_from(lines).unwrap_or(usize::MAX));
        due.extend(own[own.len().saturating_sub(most)..].iter().map(|one| one.text.as_str()));
    }
    due.sort_unstable();
    due
}

/// Returns what is asked for, in words.
fn words(request: &LogRequest) -> String {
    let mut words = vec![if request.follow { "with `follow`" } else { "without `follow`" }.to_owned()];
    words.extend(request.lines.map(|lines| format!("with `lines` of {lines}")));
    words.extend(request.since.map(|since| format!("with `since` of {since}")));
    words.join(", ")
}
