//! Every kind of entry and output, as the golden journals hold them.

use std::time::Duration;

use serde_json::json;
use shipway_core::{
    Action, Aim, Allow, Answer, Case, CaseOutcome, Change, ChangeSet, Decision, Deployment, Desired, Digest,
    Error, Exit, Fingerprint, Image, JournalEntry, Location, Manifest, Manifests, ObjectId, Outcome, Output,
    Plan, Platform, Policy, Reason, Release, RunOutcome, State, Store, Tag, Task, TaskId, TestReport,
    Timestamp, Trace, Verb, Verdict, When,
};

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("an id")
}

pub(crate) fn finished(task: &str, output: Output) -> JournalEntry {
    JournalEntry::Finished { task: id(task), outcome: Outcome::Succeeded, output, trace: Trace::default() }
}

/// Longer than what is kept in its place.
pub(crate) fn long(word: &str) -> String {
    format!("{word}: \"é\n\u{1}\"\n").repeat(150)
}

fn fingerprint() -> Fingerprint {
    Fingerprint::parse("0123456789abcdef".repeat(4)).expect("a fingerprint")
}

fn image() -> Image {
    Image::new(
        "web",
        Store::Registry,
        "localhost:5000/web",
        Digest::parse(format!("sha256:{}", "ab".repeat(32))).expect("a digest"),
    )
    .tag(Tag::parse("1.2.3").expect("a tag"))
    .platforms(["linux/amd64", "linux/arm/v7"].map(|text| text.parse::<Platform>().expect("a platform")))
}

fn object(kind: &str) -> ObjectId {
    ObjectId::new("v1", kind, "web").namespace("shop".to_owned())
}

pub(crate) fn manifests() -> Manifests {
    let release = Release::new("web")
        .namespace("shop".to_owned())
        .images([image()])
        .labels([("team".to_owned(), "shop".to_owned())]);
    let state = json!({
        "a": [null, true, -1, 18_446_744_073_709_551_615_u64, 0.1, 1e300, "é"],
        "$text": { "$text": "no reference" },
        "one": { "$$text": ["x"] },
    });
    Manifests::new(release)
        .objects([
            Manifest::new(object("Secret"), "password: open sesame\n"),
            Manifest::new(object("ConfigMap"), long("config")),
        ])
        .state(State::new(3, &state).expect("plain"))
}

pub(crate) fn deployment() -> Deployment {
    Deployment::new(manifests(), "7", Timestamp(1_795_229_036_120))
        .share(25)
        .state(State::new(1, &long("state")).expect("plain"))
}

fn plan() -> Plan {
    let reasons = vec![
        Reason::First,
        Reason::Gone("x".into()),
        Reason::Changed("file a".into()),
        Reason::Upstream(id("a:b")),
    ];
    let policy = |allow| {
        Policy::new().retries(2_u32).timeout(Duration::from_millis(1500)).allow(allow).when(When::Failed)
    };
    let task = |action, part: &str| Task::new(id(part), action, part);
    Plan::new("shop").tasks([
        task(Action::Tag, "tag:web"),
        task(Action::Build { store: Store::Layout("/layout".into()) }, "build:web")
            .verdict(Verdict::Run(reasons))
            .fingerprint(fingerprint())
            .limits([("gpu".to_owned(), 1)]),
        task(Action::Test { tester: "structure".into() }, "test:web")
            .needs([id("build:web")])
            .verdict(Verdict::Reuse(fingerprint())),
        task(Action::Push { to: Store::Daemon("unix:///x".into()), tagged: true }, "push:web")
            .verdict(Verdict::Open(vec![id("build:web")])),
        task(Action::Render, "render:web").policy(policy(Allow::Failure)),
        task(Action::Diff { aim: Aim::Release(25) }, "diff:web").policy(policy(Allow::Codes([1, 2].into()))),
        task(Action::Diff { aim: Aim::Settle }, "diff:a"),
        task(Action::Diff { aim: Aim::Restore }, "diff:b"),
        task(Action::Diff { aim: Aim::Remove }, "diff:c"),
        task(Action::Apply, "apply:web"),
        task(Action::Health, "health:web"),
        task(Action::Verify { tester: "command".into() }, "verify:web"),
        task(Action::Run, "run:step"),
        task(Action::Gate { text: "ship?".into() }, "gate:web"),
        task(Action::Wait { time: Duration::from_secs(60) }, "wait:step"),
        task(Action::Open, "open:v"),
        task(Action::Close, "close:v"),
    ])
}

pub(crate) fn entries() -> Vec<JournalEntry> {
    let error = || {
        Error::bad_output("not what it must be")
            .at(Location::new("a.yaml", 1, 2))
            .note("a note")
            .hint("a hint")
            .source(std::io::Error::other("a cause"))
            .into_report()
    };
    let ended = |task: &str, outcome| JournalEntry::Finished {
        task: id(task),
        outcome,
        output: Output::Nothing,
        trace: Trace::default(),
    };
    let changes = |desired| {
        let change = |kind, verb| Change::new(object(kind), verb).diff(long("+ line"));
        let changes = [
            change("ConfigMap", Verb::Create),
            change("Pod", Verb::Update),
            change("Job", Verb::Delete),
            change("Secret", Verb::Update),
        ];
        Output::Changes(ChangeSet::new(desired).changes(changes).state(State::new(1, &()).expect("plain")))
    };
    let report = TestReport::new().cases([
        Case::new("a", CaseOutcome::Passed).duration(Duration::from_nanos(1)),
        Case::new("b", CaseOutcome::Failed(long("output"))),
        Case::new("c", CaseOutcome::Skipped("why".into())),
    ]);
    let exit = Exit::new(3).stdout(long("out")).stderr("err".to_owned()).result("made".to_owned());
    let decision = |answer| Output::Decision(Decision::new(answer, "ann", Timestamp(1)).why("because"));
    vec![
        JournalEntry::Planned { plan: plan(), at: None },
        JournalEntry::Started { task: id("tag:web"), fingerprint: None, reasons: Vec::new(), at: None },
        JournalEntry::Started {
            task: id("build:web"),
            fingerprint: Some(fingerprint()),
            reasons: Vec::new(),
            at: None,
        },
        JournalEntry::Waiting { task: id("wait:step"), until: Timestamp(1_795_229_036_120) },
        finished("a:nothing", Output::Nothing),
        finished("a:tag", Output::Tag(Tag::parse("1.2.3").expect("a tag"))),
        finished("a:image", Output::Image(image())),
        finished("a:report", Output::Report(report)),
        finished("a:manifests", Output::Manifests(manifests())),
        finished("a:released", changes(Desired::Released { manifests: manifests(), share: 25 })),
        finished("a:settled", changes(Desired::Settled(deployment()))),
        finished("a:restored", changes(Desired::Restored(deployment()))),
        finished("a:absent", changes(Desired::Absent(deployment()))),
        finished("a:deployment", Output::Deployment(deployment())),
        finished("a:exit", Output::Exit(exit)),
        finished("a:yes", decision(Answer::Approved)),
        finished("a:no", decision(Answer::Rejected)),
        ended("b:reused", Outcome::Reused),
        ended("b:failed", Outcome::Failed { error: error() }),
        ended("b:allowed", Outcome::FailureAllowed { error: error() }),
        ended("b:skipped", Outcome::Skipped { because: Some(id("b:failed")) }),
        ended("b:never", Outcome::Skipped { because: None }),
        ended("b:cancelled", Outcome::Cancelled),
        ended("b:waiting", Outcome::Waiting),
        JournalEntry::Ended { outcome: RunOutcome::Waiting, at: None },
        JournalEntry::Ended { outcome: RunOutcome::Cancelled, at: None },
        JournalEntry::Ended { outcome: RunOutcome::Failed, at: None },
        JournalEntry::Ended { outcome: RunOutcome::Succeeded, at: None },
    ]
}

/// What a journal gives back: no secrets.
pub(crate) fn withheld(entries: &[JournalEntry]) -> Vec<JournalEntry> {
    entries.iter().map(|entry| entry.withheld().into_owned()).collect()
}

/// What was added to the form since: moments, reasons, and how tasks went.
pub(crate) fn traced() -> Vec<JournalEntry> {
    let at = |millis: u64| Some(Timestamp(1_795_229_036_120 + millis));
    let reasons = vec![Reason::Changed("file web/main.rs".into()), Reason::Upstream(id("build:base"))];
    let trace = Trace::new()
        .at(at(2500))
        .retries(2_u32)
        .lines(["step 1".to_owned(), "warning: \u{1b}[1mé".to_owned(), "x".repeat(1000)])
        .omitted(31_u64);
    vec![
        JournalEntry::Planned { plan: plan(), at: at(0) },
        JournalEntry::Started {
            task: id("build:web"),
            fingerprint: Some(fingerprint()),
            reasons,
            at: at(10),
        },
        JournalEntry::Finished {
            task: id("build:web"),
            outcome: Outcome::Succeeded,
            output: Output::Image(image()),
            trace,
        },
        JournalEntry::Ended { outcome: RunOutcome::Succeeded, at: at(2600) },
    ]
}
