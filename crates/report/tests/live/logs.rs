//! What scrolls up, and stays.

use shipway_core::{CancelReason, Error, EventKind, Level, Outcome, Stage, Stream};
use shipway_report::LiveView;

use crate::events::{Events, id};

fn log(columns: usize, happen: impl FnOnce(&mut LiveView, &mut Events)) -> String {
    let (mut view, mut events) = (LiveView::default(), Events::default());
    view.apply(&events.run("shop", &["build:web", "push:web", "gate:shop"]));
    happen(&mut view, &mut events);
    let lines = view.take_log(columns).join("\n");
    assert_eq!(view.take_log(columns), [""; 0], "all is told once");
    lines
}

fn ends(view: &mut LiveView, events: &mut Events) {
    for (outcome, made) in [
        (Outcome::Succeeded, "registry.example/team/web@sha256:0123456789abcdef"),
        (Outcome::Reused, "registry.example/team/web@sha256:0123456789abcdef"),
        (Outcome::Cancelled, ""),
        (Outcome::Skipped { because: None }, ""),
        (Outcome::Waiting, ""),
    ] {
        view.apply(&events.start("build:web", &[]));
        events.time += 3_250;
        view.apply(&events.end("build:web", outcome, made));
    }
}

#[test]
fn tasks_that_ended_are_lines() {
    insta::assert_snapshot!(log(80, ends), @r"
    done      build:web    3.2s  registry.example/team/web@sha256:0123456789abcdef
    reused    build:web    3.2s  registry.example/team/web@sha256:0123456789abcdef
    cancelled build:web    3.2s
    waiting   build:web    3.2s
    ");
    insta::assert_snapshot!(log(20, ends), @r"
    done build:web 3.2s
    reused build:web 3.…
    cancelled build:web
    waiting build:web 3…
    ");
}

#[test]
fn a_failure_is_told_with_the_end_of_what_was_printed() {
    let fails = |view: &mut LiveView, events: &mut Events| {
        view.apply(&events.start("build:web", &[]));
        for n in 1..=30 {
            view.apply(&events.print("build:web", &format!("\u{1b}[31mline {n}\u{1b}[0m\r")));
        }
        events.time += 61_000;
        // As the error of a command: it quotes what the command printed last.
        let error = Error::bad_output("`sh build.sh` failed with exit code 1").note("line 29\nline 30");
        view.apply(&events.fail("build:web", error.note("tried twice").hint("mend it")));
    };
    insta::assert_snapshot!(log(60, fails), @r"
    FAILED    build:web   1m01s
              │ … 10 lines before these
              │ line 11
              │ line 12
              │ line 13
              │ line 14
              │ line 15
              │ line 16
              │ line 17
              │ line 18
              │ line 19
              │ line 20
              │ line 21
              │ line 22
              │ line 23
              │ line 24
              │ line 25
              │ line 26
              │ line 27
              │ line 28
              │ line 29
              │ line 30
              `sh build.sh` failed with exit code 1
                note: tried twice
                hint: mend it
    ");
    let silent = |view: &mut LiveView, events: &mut Events| {
        view.apply(&events.start("build:web", &[]));
        let error = Error::internal("broken\nin two\u{1b}[2J").into_report();
        view.apply(&events.end("build:web", Outcome::FailureAllowed { error }, ""));
    };
    insta::assert_snapshot!(log(20, silent), @r"
    allowed build:web 0…
     broken
     in two�[2J
    ");
}

#[test]
fn what_is_said_and_asked_is_whole() {
    let says = |view: &mut LiveView, events: &mut Events| {
        let text = "a rather long warning that has no room in twenty columns\nand goes on".to_owned();
        view.apply(&events.make(Some(id("build:web")), EventKind::Message { level: Level::Warning, text }));
        let text = "by the way".to_owned();
        view.apply(&events.make(None, EventKind::Message { level: Level::Info, text }));
        let text = "ship it?\n1 Deployment changes".to_owned();
        view.apply(&events.make(Some(id("gate:shop")), EventKind::Asking { text, expires: None }));
        let line = "\u{1b}[1mlisted\u{1b}[m\tfiles".to_owned();
        view.apply(&events.make(None, EventKind::Output { stream: Stream::Stderr, line }));
        for stage in [Stage::Requested, Stage::Forced] {
            view.apply(&events.make(None, EventKind::Cancelling { stage, reason: CancelReason::Asked }));
        }
    };
    insta::assert_snapshot!(log(20, says), @r"
    build:web: warning: a rather long warning that has no room in twenty columns
        and goes on
    by the way
    gate:shop: asks: ship it?
        1 Deployment changes
    listed  files
    stopping once what is under way has ended: somebody asked to stop
    stopping at once: somebody asked to stop
    ");
}

#[test]
fn a_log_that_nobody_takes_has_an_end() {
    let log = log(80, |view, events| {
        for n in 0..5000 {
            let text = format!("message {n}");
            view.apply(&events.make(None, EventKind::Message { level: Level::Info, text }));
        }
    });
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 2001);
    assert_eq!(lines[0], "… 3000 messages are left out: the terminal is slower than the run");
    assert_eq!((lines[1], lines[2000]), ("message 3000", "message 4999"));
}
