//! Whatever happens in a run, and however large the terminal is: it is not garbled, and nothing steers it.

use proptest::prelude::*;
use shipway_core::{
    CancelReason, Error, EventKind, Level, Outcome, Phase, Reason, Stage, Stream, TaskId, Timestamp, Unit,
};
use shipway_report::{LiveView, TerminalSize};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::events::{Events, START, id};

/// Texts that would garble a terminal.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\u{1b}[2J\u{1b}[H\u{1b}[31m"),
        Just("\u{1b}]0;title\u{7}\u{1b}]8;;http://x\u{1b}\\"),
        Just("\u{1b}P1$r\u{1b}\\\u{1b}(0\u{1b}c\u{1b}"),
        Just("\u{9b}2J\u{0}\u{7f}\u{8}\u{b}\u{c}"),
        Just("10 %\r20 %\r"),
        Just("a\nb\r\n\tc"),
        Just("日本語한국어"),
        Just("e\u{301}\u{301}\u{301}"),
        Just("❤\u{fe0f}👩\u{200d}👩\u{200d}👧🇩🇪1\u{fe0f}\u{20e3}"),
        Just("\u{202e}\u{2066}\u{200f}\u{feff}\u{2028}"),
        Just("some words that go on for a while"),
        Just("x"),
    ];
    let any = prop_oneof![4 => piece.prop_map(str::to_owned), 1 => ".{0,12}"];
    proptest::collection::vec(any, 0..6).prop_map(|pieces| pieces.concat())
}

fn task() -> impl Strategy<Value = TaskId> {
    (0_usize..12, text()).prop_map(|(number, text)| {
        let word: String = text.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
        if number < 9 { id(&format!("task:{number}")) } else { id(&format!("task:{word}")) }
    })
}

fn kind() -> impl Strategy<Value = EventKind> {
    let error = |text: &str| Error::internal(text).note(text).hint(text).into_report();
    let unit = prop_oneof![Just(Unit::Bytes), Just(Unit::Items)];
    let phase = prop_oneof![Just(Phase::Progressing), Just(Phase::Failed), Just(Phase::Healthy)];
    let stage = prop_oneof![Just(Stage::Requested), Just(Stage::Forced)];
    let tasks = proptest::collection::btree_map(task(), Just(Vec::new()), 0..8);
    prop_oneof![
        6 => text().prop_map(|text| EventKind::TaskStarted { reasons: vec![Reason::Changed(text)], fingerprint: None }),
        6 => text().prop_map(|line| EventKind::Output { stream: Stream::Stdout, line }),
        2 => (text(), any::<u64>(), any::<Option<u64>>(), unit)
            .prop_map(|(what, done, total, unit)| EventKind::Progress { what, done, total, unit }),
        1 => (phase, proptest::collection::vec(text(), 0..3))
            .prop_map(|(phase, waiting_for)| EventKind::Health { phase, waiting_for }),
        1 => text().prop_map(|text| EventKind::Asking { text, expires: None }),
        1 => text().prop_map(|text| EventKind::Message { level: Level::Warning, text }),
        1 => stage.prop_map(|stage| EventKind::Cancelling { stage, reason: CancelReason::Asked }),
        2 => (text(), 0..5).prop_map(move |(made, outcome)| {
            let outcome = match outcome {
                0 => Outcome::Failed { error: error(&made) },
                1 => Outcome::FailureAllowed { error: error(&made) },
                2 => Outcome::Skipped { because: None },
                3 => Outcome::Reused,
                _ => Outcome::Succeeded,
            };
            EventKind::TaskFinished { outcome, made }
        }),
        1 => (text(), tasks).prop_map(|(pipeline, tasks)| EventKind::RunStarted { run: "run-2".into(), pipeline, tasks }),
    ]
}

proptest! {
    #[test]
    fn no_event_garbles_a_terminal_of_any_size(
        happened in proptest::collection::vec((proptest::option::weighted(0.9, task()), kind(), 0_u64..100_000), 0..60),
        columns in prop_oneof![0_usize..30, 0_usize..200],
        rows in 0_usize..30,
    ) {
        let (mut view, mut events) = (LiveView::default(), Events::default());
        view.apply(&events.run("shop", &["task:1"]));
        for (task, kind, time) in happened {
            events.time += time;
            view.apply(&events.make(task, kind));
            // Clocks may be set back.
            for now in [START + events.time, 0, u64::MAX] {
                let frame = view.frame(TerminalSize::new(columns, rows), Timestamp(now));
                prop_assert!(frame.len() <= rows.saturating_sub(1), "{frame:#?}");
                for row in frame {
                    // By both ways in which terminals measure.
                    let letters: usize = row.chars().map(|c| c.width().unwrap_or(0)).sum();
                    prop_assert!(letters <= columns && row.width() <= columns, "{row:?}");
                    prop_assert!(!row.contains(char::is_control), "{row:?}");
                }
            }
        }
        for line in view.take_log(columns) {
            prop_assert!(!line.contains(char::is_control), "{line:?}");
            let cut = line.starts_with("done ") || line.starts_with("reused ") || line.starts_with("FAILED ");
            prop_assert!(!cut || line.width() <= columns, "{line:?}");
        }
    }
}
