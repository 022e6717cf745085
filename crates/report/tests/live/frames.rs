//! What is seen of a run that is under way, at some sizes.

use shipway_core::{CancelReason, EventKind, Phase, Reason, Stage, Timestamp, Unit};
use shipway_report::{LiveView, TerminalSize};

use crate::events::{Events, START, id};

/// A run with all that tasks may show.
fn busy() -> LiveView {
    let mut view = LiveView::default();
    let mut events = Events::default();
    let tasks = [
        "build:api",
        "build:web",
        "push:gcr.io/a-team/with-a-long-name/api",
        "test:web/structure",
        "gate:shop",
        "apply:shop",
        "health:shop",
    ];
    view.apply(&events.run("shop", &tasks));
    view.apply(&events.start("build:api", &[Reason::First]));
    events.time = 12_300;
    view.apply(&events.done("build:api", "registry.example/api@sha256:0123"));
    view.apply(&events.start("build:web", &[Reason::Changed("file web/main.rs".into()), Reason::First]));
    for n in 1..=7 {
        view.apply(
            &events.print("build:web", &format!("\u{1b}[1m=> step {n}\u{1b}[0m of 9 with some more words")),
        );
    }
    view.apply(&events.start(tasks[2], &[]));
    for (what, done) in [("layer a", 3 << 20), ("layer b", 9 << 20)] {
        let (what, total) = (what.to_owned(), Some(20 << 20));
        let progress = EventKind::Progress { what, done, total, unit: Unit::Bytes };
        view.apply(&events.make(Some(id(tasks[2])), progress));
    }
    view.apply(&events.start("health:shop", &[]));
    let waiting_for = vec!["Deployment/web: 1 of 3 are ready".to_owned(), "Job/migrate".to_owned()];
    let health = EventKind::Health { phase: Phase::Progressing, waiting_for };
    view.apply(&events.make(Some(id("health:shop")), health));
    view.apply(&events.print("health:shop", "looks"));
    events.time = 60_000;
    view.apply(&events.start("gate:shop", &[]));
    let text = "ship it to 日本 and all the others?".to_owned();
    view.apply(&events.make(Some(id("gate:shop")), EventKind::Asking { text, expires: None }));
    view
}

fn shown(view: &LiveView, columns: usize, rows: usize) -> String {
    view.frame(TerminalSize::new(columns, rows), Timestamp(START + 64_000)).join("\n")
}

#[test]
fn a_busy_run_at_many_widths() {
    let view = busy();
    insta::assert_snapshot!(shown(&view, 120, 24), @r"
    shop  1m04s  1 of 7 done, 4 running
    asking    gate:shop                                    4s  ship it to 日本 and all the others?
    running   build:web                                   51s  because file web/main.rs changed
              │ => step 5 of 9 with some more words
              │ => step 6 of 9 with some more words
              │ => step 7 of 9 with some more words
    running   health:shop                                 51s  waits for Deployment/web: 1 of 3 are ready, Job/migrate
              │ looks
    running   push:gcr.io/a-team/with-a-long-name/api     51s  12.0/40.0 MiB
    ");
    insta::assert_snapshot!(shown(&view, 80, 24), @r"
    shop  1m04s  1 of 7 done, 4 running
    asking    gate:shop                       4s  ship it to 日本 and all the other…
    running   build:web                      51s  because file web/main.rs changed
              │ => step 5 of 9 with some more words
              │ => step 6 of 9 with some more words
              │ => step 7 of 9 with some more words
    running   health:shop                    51s  waits for Deployment/web: 1 of 3 …
              │ looks
    running   push:gcr.io/…long-name/api     51s  12.0/40.0 MiB
    ");
    insta::assert_snapshot!(shown(&view, 40, 24), @r"
    shop 1/7 done 1m04s, 4 running
    gate:shop 4s asking ship it to 日本 and…
    build:web 51s because file web/main.rs …
     │ => step 5 of 9 with some more words
     │ => step 6 of 9 with some more words
     │ => step 7 of 9 with some more words
    health:shop 51s waits for Deployment/we…
     │ looks
    push:g…me/api 51s 12.0/40.0 MiB
    ");
    insta::assert_snapshot!(shown(&view, 20, 24), @r"
    shop 1/7 done 1m04s…
    gate:shop 4s asking
    build:web 51s becau…
     │ => step 5 of 9 w…
     │ => step 6 of 9 w…
     │ => step 7 of 9 w…
    heal…:shop 51s wait…
     │ looks
    push…e/api 51s 12.0…
    ");
}

#[test]
fn a_busy_run_at_many_heights() {
    let view = busy();
    insta::assert_snapshot!(shown(&view, 60, 8), @r"
    shop  1m04s  1 of 7 done, 4 running
    asking    gate:shop                 4s  ship it to 日本 and…
    running   build:web                51s  because file web/ma…
              │ => step 7 of 9 with some more words
    running   health:shop              51s  waits for Deploymen…
              │ looks
    running   push:gcr.…g-name/api     51s  12.0/40.0 MiB
    ");
    insta::assert_snapshot!(shown(&view, 60, 5), @r"
    shop  1m04s  1 of 7 done, 4 running
    asking    gate:shop                 4s  ship it to 日本 and…
    running   build:web                51s  because file web/ma…
    … 2 more running
    ");
    insta::assert_snapshot!(shown(&view, 60, 3), @r"
    shop  1m04s  1 of 7 done, 4 running
    asking    gate:shop                 4s  ship it to 日本 and…
    ");
    insta::assert_snapshot!(shown(&view, 60, 2), @"shop  1m04s  1 of 7 done, 4 running");
    assert_eq!((shown(&view, 60, 1), shown(&view, 60, 0), shown(&view, 0, 0)), Default::default());
}

#[test]
fn stopping_is_said_in_the_header() {
    let mut view = LiveView::default();
    let mut events = Events::default();
    assert_eq!(shown(&view, 80, 24), "", "no run is under way");
    view.apply(&events.run("shop", &["a", "b"]));
    view.apply(&events.start("a", &[]));
    for (stage, header) in [
        (Stage::Requested, "shop  1m04s  0 of 2 done, 1 running, stopping"),
        (Stage::Forced, "shop  1m04s  0 of 2 done, 1 running, stopping at once"),
    ] {
        view.apply(&events.make(None, EventKind::Cancelling { stage, reason: CancelReason::Asked }));
        assert_eq!(shown(&view, 80, 24).lines().next().unwrap(), header);
    }
    view.apply(&events.finish());
    assert_eq!(shown(&view, 80, 24), "");
}

#[test]
fn what_will_not_run_is_no_part_of_the_whole() {
    let mut view = LiveView::default();
    let mut events = Events::default();
    view.apply(&events.run("shop", &["a", "b", "c"]));
    view.apply(&events.start("a", &[]));
    view.apply(&events.fail("a", shipway_core::Error::internal("broken")));
    view.apply(&events.end("b", shipway_core::Outcome::Skipped { because: Some(id("a")) }, ""));
    assert_eq!(shown(&view, 80, 24), "shop  1m04s  0 of 2 done, 1 failed");
    assert_eq!(shown(&view, 40, 24), "shop 0/2 done, 1 failed 1m04s");
}
