//! What a journal keeps of how tasks went, for people who look at the run later.

use std::sync::Arc;

use async_trait::async_trait;
use shipway_core::{
    Capabilities, Command, Context, Driver, Exit, Journal, JournalEntry, MemoryJournal, Outcome, Pipeline,
    Policy, Reason, Result, RunRequest, Runner, Secret, Step, Stream, Trace, Volume,
};

use crate::{
    fakes::{Quirk, bench, build},
    steps::Quick,
};

/// Prints a secret and takes it in hand only then.
#[derive(Debug)]
struct Late;

#[async_trait]
impl Runner for Late {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }

    async fn run(&self, cx: &Context, _request: &RunRequest) -> Result<Exit> {
        cx.output(Stream::Stdout, "the word is open sesame");
        cx.mask(&Secret::from("open sesame".to_owned()));
        Ok(Exit::new(0))
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

fn trace<'a>(entries: &'a [JournalEntry], id: &str) -> (&'a Outcome, &'a Trace) {
    let of = |entry: &'a JournalEntry| match entry {
        JournalEntry::Finished { task, outcome, trace, .. } if task.as_str() == id => Some((outcome, trace)),
        _ => None,
    };
    entries.iter().find_map(of).unwrap()
}

#[tokio::test]
async fn a_journal_keeps_moments_reasons_tries_and_the_last_lines() {
    let bench = bench();
    let journal = MemoryJournal::new();
    let policy = Policy::default().retries(3_u32);
    let pipeline = Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::FailsAtFirst(2))).policy(policy))
        .step(Step::run("late", Arc::new(Late), RunRequest::new(Command::new("late"))));
    let driver = Driver::new(bench.world().clock(Quick::new())).journal(Arc::new(journal.clone()));
    let report = driver.run(&pipeline, &bench.cancel).await.unwrap();
    let entries = journal.read(&report.state.run).await.unwrap();

    let (outcome, build) = trace(&entries, "build:web");
    assert_eq!((outcome, build.retries, build.lines.len()), (&Outcome::Succeeded, 2, 2), "{report}");
    assert!(build.lines[0].starts_with("warning: trying again in 500ms: the registry is away"), "{build:?}");
    let reasons = entries.iter().find_map(|entry| match entry {
        JournalEntry::Started { task, reasons, .. } if task.as_str() == "build:web" => Some(reasons),
        _ => None,
    });
    assert_eq!(reasons.unwrap()[..], [Reason::First]);

    let moments: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            JournalEntry::Planned { at, .. }
            | JournalEntry::Started { at, .. }
            | JournalEntry::Ended { at, .. } => at.unwrap(),
            JournalEntry::Finished { trace, .. } => trace.at.unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(moments.is_sorted() && moments[0].0 > 0, "{moments:?}");

    let (_, late) = trace(&entries, "run:late");
    assert_eq!(late.lines.len(), 1);
    assert!(!late.lines[0].contains("sesame"), "a secret is in the journal: {late:?}");
}
