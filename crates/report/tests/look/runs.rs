//! Runs under test.

use std::time::Duration;

use shipway_core::{
    Action, Aim, Answer, Case, CaseOutcome, Change, ChangeSet, Decision, Deployment, Desired, Digest, Error,
    Fingerprint, Image, JournalEntry, Manifest, Manifests, ObjectId, Outcome, Output, Plan, Policy, Reason,
    Release, RunOutcome, Store, Tag, Task, TaskId, TestReport, Timestamp, Trace, Verb, Verdict, When,
};

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::parse(text).unwrap()
}

pub(crate) fn at(millis: u64) -> Option<Timestamp> {
    Some(Timestamp(1_795_229_036_120 + millis))
}

pub(crate) fn fingerprint() -> Fingerprint {
    Fingerprint::parse("0123456789abcdef".repeat(4)).unwrap()
}

fn task(text: &str, action: Action, needs: &[&str]) -> Task {
    let part = text.split_once(':').map_or(text, |(_, part)| part);
    Task::new(id(text), action, part).needs(needs.iter().map(|need| id(need)).collect::<Vec<_>>())
}

/// Two artifacts and a release of them, with its way back.
pub(crate) fn plan() -> Plan {
    let build = || Action::Build { store: Store::Registry };
    let aim = |aim| Action::Diff { aim };
    let after_failure = Policy::new().when(When::Failed);
    Plan::new("shop").tasks([
        task("build:base", build(), &[]).verdict(Verdict::Reuse(fingerprint())),
        task("build:web", build(), &["build:base"])
            .verdict(Verdict::Run(vec![Reason::Changed("file web/main.rs".into())]))
            .policy(Policy::new().retries(3_u32)),
        task("test:web", Action::Test { tester: "shell".into() }, &["build:web"]),
        task("push:web", Action::Push { to: Store::Registry, tagged: true }, &["build:web", "test:web"]),
        task("render:shop", Action::Render, &["build:base", "build:web", "push:web"]),
        task("diff:shop", aim(Aim::Release(100)), &["render:shop"]),
        task("gate:shop", Action::Gate { text: "may it go?".into() }, &["diff:shop"]),
        task("apply:shop", Action::Apply, &["diff:shop", "gate:shop"]),
        task("health:shop", Action::Health, &["apply:shop"]),
        task("diff:shop/undo", aim(Aim::Restore), &["apply:shop", "health:shop"]).policy(after_failure),
        task("apply:shop/undo", Action::Apply, &["diff:shop/undo"]),
    ])
}

fn image(name: &str) -> Output {
    let digest = Digest::parse(format!("sha256:{}", "ab".repeat(32))).unwrap();
    let image = Image::new(name, Store::Registry, format!("localhost:5000/{name}"), digest);
    Output::Image(image.tag(Tag::parse("v1").unwrap()))
}

/// A run of that plan in which the release does not become healthy.
pub(crate) fn failed() -> Vec<JournalEntry> {
    let started = |task: &str, millis| JournalEntry::Started {
        task: id(task),
        fingerprint: None,
        reasons: Vec::new(),
        at: at(millis),
    };
    let finished = |task: &str, millis, outcome, output, trace: Trace| JournalEntry::Finished {
        task: id(task),
        outcome,
        output,
        trace: trace.at(at(millis)),
    };
    let object = ObjectId::new("apps/v1", "Deployment", "web").namespace("shop".to_owned());
    let manifests = Manifests::new(Release::new("shop").namespace("shop".to_owned()))
        .objects([Manifest::new(object.clone(), "kind: Deployment\n")]);
    let change = Change::new(object, Verb::Update).diff(" spec:\n-  image: web:1\n+  image: web:2");
    let changes =
        ChangeSet::new(Desired::Released { manifests: manifests.clone(), share: 100 }).changes([change]);
    let cases = TestReport::new().cases([
        Case::new("starts", CaseOutcome::Passed).duration(Duration::from_millis(20)),
        Case::new("shell", CaseOutcome::Skipped("no engine".into())),
    ]);
    let unhealthy = Error::new(shipway_core::ErrorKind::Unhealthy, "release `shop` is not healthy")
        .note("web: the container cannot start")
        .hint("look at its command")
        .into_report();
    let deployment = Deployment::new(manifests, "7", Timestamp(1_795_229_038_120));
    let approved = Decision::new(Answer::Approved, "ann", Timestamp(1_795_229_037_800)).why("tests are fine");
    let quiet = Trace::new;
    vec![
        JournalEntry::Planned { plan: plan(), at: at(0) },
        started("build:base", 1),
        finished("build:base", 4, Outcome::Reused, image("base"), quiet()),
        JournalEntry::Started {
            task: id("build:web"),
            fingerprint: Some(fingerprint()),
            reasons: vec![Reason::Changed("file web/main.rs".into())],
            at: at(5),
        },
        finished(
            "build:web",
            1205,
            Outcome::Succeeded,
            image("web"),
            Trace::new()
                .retries(1_u32)
                .lines([
                    "warning: trying again in 500ms: away".to_owned(),
                    "\u{1b}[32mpacked\u{1b}[0m".to_owned(),
                ])
                .omitted(3_u64),
        ),
        started("test:web", 1300),
        finished("test:web", 1500, Outcome::Succeeded, Output::Report(cases), quiet()),
        started("push:web", 1501),
        finished("push:web", 1600, Outcome::Succeeded, image("web"), quiet()),
        started("render:shop", 1601),
        finished("render:shop", 1610, Outcome::Succeeded, Output::Nothing, quiet()),
        started("diff:shop", 1611),
        finished("diff:shop", 1620, Outcome::Succeeded, Output::Changes(changes), quiet()),
        started("gate:shop", 1621),
        finished("gate:shop", 1690, Outcome::Succeeded, Output::Decision(approved), quiet()),
        started("apply:shop", 1700),
        finished("apply:shop", 2000, Outcome::Succeeded, Output::Deployment(deployment), quiet()),
        started("health:shop", 2001),
        finished("health:shop", 3000, Outcome::Failed { error: unhealthy }, Output::Nothing, quiet()),
        JournalEntry::Ended { outcome: RunOutcome::Failed, at: at(3010) },
    ]
}
