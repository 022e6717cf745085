//! Events: their form as JSON lines, the state that they fold to, and that no secret is in them.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use shipway_core::{
    Cancel, CancelReason, Context, Error, ErrorKind, Event, EventKind, JsonLines, Level, Outcome, Phase,
    Reason, Record, RunContext, RunOutcome, RunState, Secret, Sink, Stage, Stream, TaskId, TaskStatus,
    TextLines, Timeline, Timestamp, Unit, World,
};

const CANARY: &str = "canary-secret-1234";

/// One of each kind, with the canary in every text that may come from outside.
fn every_kind(text: &str) -> Vec<EventKind> {
    let id: TaskId = "build:web".parse().unwrap();
    let error = || {
        let cause = std::io::Error::other(text.to_owned());
        Error::config(text).note(text).hint(text).source(cause).into_report()
    };
    vec![
        EventKind::RunStarted {
            run: "1".to_owned(),
            pipeline: "shop".to_owned(),
            tasks: BTreeMap::from([(id.clone(), Vec::new())]),
        },
        EventKind::TaskStarted {
            reasons: vec![
                Reason::First,
                Reason::Gone(text.to_owned()),
                Reason::Changed(text.to_owned()),
                Reason::Upstream(id),
            ],
            fingerprint: None,
        },
        EventKind::Output { stream: Stream::Stderr, line: text.to_owned() },
        EventKind::Progress { what: text.to_owned(), done: 1, total: Some(2), unit: Unit::Bytes },
        EventKind::Message { level: Level::Warning, text: text.to_owned() },
        EventKind::Asking { text: text.to_owned(), expires: Some(Timestamp(1)) },
        EventKind::Health { phase: Phase::Failed, waiting_for: vec![text.to_owned()] },
        EventKind::TaskFinished {
            outcome: Outcome::FailureAllowed { error: error() },
            made: text.to_owned(),
        },
        EventKind::TaskFinished { outcome: Outcome::Failed { error: error() }, made: text.to_owned() },
        EventKind::Cancelling { stage: Stage::Forced, reason: CancelReason::Asked },
        EventKind::RunFinished { outcome: RunOutcome::Failed, took_millis: 1500 },
    ]
}

fn context(sink: Arc<dyn Sink>) -> (RunContext, Context) {
    let run = RunContext::new(World::host("/nowhere").sink(sink), "1");
    let cx = run.context("build:web".parse().ok(), None, Cancel::new());
    (run, cx)
}

#[test]
fn no_kind_of_event_and_no_error_tells_a_secret() {
    let record = Arc::new(Record::new());
    let (run, cx) = context(Arc::<Record>::clone(&record));
    cx.mask(&Secret::from(CANARY));
    for kind in every_kind(&format!("before {CANARY} after")) {
        cx.emit(kind);
    }
    let json = serde_json::to_string(&record.events()).unwrap();
    assert!(!json.contains(CANARY), "{json}");
    assert_eq!(json.matches("before *** after").count(), 7 + 2 * 5, "{json}");
    let report = run.report(Error::internal(CANARY).note(CANARY));
    assert!(!format!("{report:?}").contains(CANARY));
    assert!(!format!("{:?}", Secret::from(CANARY)).contains(CANARY));
    assert!(!Secret::from(CANARY).version().contains(CANARY));
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn json_lines_have_their_form_and_are_read_back() {
    let written = Shared::default();
    let sink = JsonLines::new(written.clone());
    let events: Vec<Event> = (0..)
        .zip(every_kind("text"))
        .map(|(seq, kind)| Event::new(seq, Timestamp(1_000 + seq), "build:web".parse().ok(), kind))
        .collect();
    for event in &events {
        sink.emit(event);
    }
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let back: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(back, events);
    // Whoever reads the lines relies on this form: a change of it needs another `Event::SCHEMA`.
    insta::assert_snapshot!(text, @r#"
    {"schema":1,"seq":0,"at":1000,"task":"build:web","event":"run_started","run":"1","pipeline":"shop","tasks":{"build:web":[]}}
    {"schema":1,"seq":1,"at":1001,"task":"build:web","event":"task_started","reasons":["first",{"gone":"text"},{"changed":"text"},{"upstream":"build:web"}]}
    {"schema":1,"seq":2,"at":1002,"task":"build:web","event":"output","stream":"stderr","line":"text"}
    {"schema":1,"seq":3,"at":1003,"task":"build:web","event":"progress","what":"text","done":1,"total":2,"unit":"bytes"}
    {"schema":1,"seq":4,"at":1004,"task":"build:web","event":"message","level":"warning","text":"text"}
    {"schema":1,"seq":5,"at":1005,"task":"build:web","event":"asking","text":"text","expires":1}
    {"schema":1,"seq":6,"at":1006,"task":"build:web","event":"health","phase":"failed","waiting_for":["text"]}
    {"schema":1,"seq":7,"at":1007,"task":"build:web","event":"task_finished","outcome":{"kind":"failure_allowed","error":{"kind":"config","message":"text","notes":["text"],"hint":"text","retry":false,"causes":["text"]}},"made":"text"}
    {"schema":1,"seq":8,"at":1008,"task":"build:web","event":"task_finished","outcome":{"kind":"failed","error":{"kind":"config","message":"text","notes":["text"],"hint":"text","retry":false,"causes":["text"]}},"made":"text"}
    {"schema":1,"seq":9,"at":1009,"task":"build:web","event":"cancelling","stage":"forced","reason":"asked"}
    {"schema":1,"seq":10,"at":1010,"task":"build:web","event":"run_finished","outcome":"failed","took_millis":1500}
    "#);
}

#[test]
fn text_lines_tell_what_a_person_wants_to_see_and_steer_no_terminal() {
    let written = Shared::default();
    let sink = TextLines::new(written.clone());
    for (seq, kind) in (0..).zip(every_kind("te\u{1b}[2Jxt\nof two lines\r")) {
        let task = if matches!(kind, EventKind::Cancelling { .. }) { None } else { "build:web".parse().ok() };
        sink.emit(&Event::new(seq, Timestamp(seq), task, kind));
    }
    for kind in [
        EventKind::Message { level: Level::Info, text: "hello".to_owned() },
        EventKind::Health { phase: Phase::Progressing, waiting_for: vec!["a".to_owned(), "b".to_owned()] },
        EventKind::TaskFinished { outcome: Outcome::Succeeded, made: "an image".to_owned() },
        EventKind::TaskFinished { outcome: Outcome::Succeeded, made: String::new() },
        EventKind::TaskFinished { outcome: Outcome::Reused, made: "an image".to_owned() },
        EventKind::TaskFinished { outcome: Outcome::Skipped { because: None }, made: String::new() },
        EventKind::TaskFinished { outcome: Outcome::Cancelled, made: String::new() },
        EventKind::Cancelling { stage: Stage::Requested, reason: CancelReason::Asked },
    ] {
        sink.emit(&Event::new(0, Timestamp(0), "apply:shop".parse().ok(), kind));
    }
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    insta::assert_snapshot!(text, @r"
    build:web: begins, because never built before, `te�[2Jxt
        of two lines�` is gone, te�[2Jxt
        of two lines� changed, build:web runs
    build:web: te�[2Jxt
        of two lines�
    build:web: warning: te�[2Jxt
        of two lines�
    build:web: asks: te�[2Jxt
        of two lines�
    build:web: failed, which is allowed: te�[2Jxt
        of two lines�
          because: te�[2Jxt
        of two lines�
          note: te�[2Jxt
                of two lines�
          hint: te�[2Jxt
        of two lines�
    build:web: failed: te�[2Jxt
        of two lines�
          because: te�[2Jxt
        of two lines�
          note: te�[2Jxt
                of two lines�
          hint: te�[2Jxt
        of two lines�
    stopping at once: somebody asked to stop
    apply:shop: hello
    apply:shop: waits for a, b
    apply:shop: done: an image
    apply:shop: reused: an image
    apply:shop: stopped
    apply:shop: stopping once what is under way has ended: somebody asked to stop
    ");
}

#[test]
fn the_state_is_a_fold_of_the_events() {
    let events: Vec<Event> = (0..)
        .zip(every_kind("text"))
        .map(|(seq, kind)| Event::new(seq, Timestamp(1_000 + seq), "build:web".parse().ok(), kind))
        .collect();
    let state = RunState::after(&events);
    let task = &state.tasks[&"build:web".parse().unwrap()];
    assert!(matches!(task.status, TaskStatus::Ended(Outcome::Failed { .. })));
    assert_eq!((task.lines, task.reasons.len()), (1, 4));
    assert_eq!(task.health, Some((Phase::Failed, vec!["text".to_owned()])));
    assert_eq!((state.outcome, state.took), (Some(RunOutcome::Failed), Duration::from_millis(1500)));
    // In the middle of a run, too, there is something to show.
    let half = RunState::after(&events[..3]);
    assert!(Timeline(&half).to_string().starts_with("running   build:web"));
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<RunState>(&json).unwrap(), state);
}

#[test]
fn lines_of_the_course_of_a_run_are_not_held_back() {
    let written = Shared::default();
    let sink = JsonLines::new(std::io::BufWriter::with_capacity(1 << 20, written.clone()));
    let of = |seq, kind| Event::new(seq, Timestamp(seq), None, kind);
    let output = || EventKind::Output { stream: Stream::Stdout, line: "line".to_owned() };
    sink.emit(&of(0, output()));
    assert!(written.0.lock().unwrap().is_empty(), "output may wait");
    sink.emit(&of(1, EventKind::RunFinished { outcome: RunOutcome::Succeeded, took_millis: 1 }));
    assert_eq!(written.0.lock().unwrap().iter().filter(|byte| **byte == b'\n').count(), 2);
}

#[test]
fn a_timeline_of_whatever_events_is_told_without_harm() {
    let error = || {
        let error =
            Error::new(ErrorKind::ToolFailed, "registry says \u{1b}]0;title\u{7}").note("two\nlines\u{8}");
        error.hint("\u{1b}[2Jtry\u{9b}again").into_report()
    };
    let id: TaskId = "build:web".parse().unwrap();
    let finished = EventKind::TaskFinished {
        outcome: Outcome::Failed { error: error() },
        made: "a \u{1b}[31mred\u{1b}[0m tag".to_owned(),
    };
    let events = [
        Event::new(
            0,
            Timestamp(0),
            Some(id.clone()),
            EventKind::TaskStarted { reasons: vec![], fingerprint: None },
        ),
        Event::new(1, Timestamp(u64::MAX), Some(id), finished),
    ];
    let shown = Timeline(&RunState::after(&events)).to_string();
    for text in [shown.as_str(), &error().to_string()] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.contains("two\n") && text.contains("try\u{fffd}again"), "{text:?}");
    }
}

#[test]
fn a_timeline_of_many_tasks_grows_with_them_alone() {
    let mut state = RunState::default();
    for index in 0..20_000_u32 {
        let id: TaskId = format!("build:{index}").parse().unwrap();
        let finished = EventKind::TaskFinished { outcome: Outcome::Succeeded, made: String::new() };
        state.apply(&Event::new(u64::from(index), Timestamp(0), Some(id), finished));
    }
    // As many steps as pairs would take minutes.
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || send.send(Timeline(&state).to_string().lines().count()));
    assert_eq!(receive.recv_timeout(Duration::from_secs(20)).expect("told in time"), 20_001);
}
