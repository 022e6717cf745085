//! What was written down is hostile: none of it becomes markup, and none of it makes the page grow without end.

use std::time::Duration;

use proptest::prelude::*;
use shipway_core::{
    Action, Answer, Case, CaseOutcome, Change, ChangeSet, Decision, Deployment, Desired, Digest, Error, Exit,
    Image, JournalEntry, Location, Manifest, Manifests, ObjectId, Outcome, Output, Plan, Policy, Reason,
    Release, RunOutcome, Store, Task, TaskId, TestReport, Timestamp, Trace, Verb, Verdict,
};
use shipway_report::{History, HistoryLine, PastRun, PlanGraph};

use crate::strict;

/// Texts that would be markup somewhere.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<script>alert(1)</script>"),
        Just("</title></style></script>"),
        Just("\" onload=\"alert(1)"),
        Just("' autofocus onfocus='alert(1)"),
        Just("<!-- -->]]><![CDATA["),
        Just("&lt;&#x3c;&"),
        Just("\\\";a->b;\""),
        Just("javascript:alert(1)"),
        Just("\u{202e}\u{2066}\u{200f}\u{61c}\u{feff}"),
        Just("\u{1b}[31m\u{1b}]0;x\u{7}\u{9b}2J\u{0}\u{7f}"),
        Just("+ a\n- b\n\r\t"),
        Just("warning: <b>"),
        Just("é中👩\u{200d}🚀"),
        Just("x"),
    ];
    let any = prop_oneof![3 => piece.prop_map(str::to_owned), 1 => ".{0,12}"];
    proptest::collection::vec(any, 0..5).prop_map(|pieces| pieces.concat())
}

fn task_id() -> impl Strategy<Value = TaskId> {
    text().prop_map(|text| {
        let word: String = text.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
        TaskId::parse(format!("a{word}")).unwrap()
    })
}

fn output(text: &str) -> Vec<Output> {
    let object = ObjectId::new(text, text, text).namespace(text.to_owned());
    let digest = Digest::parse(format!("sha256:{}", "0".repeat(64))).unwrap();
    let image = Image::new(text, Store::Daemon(text.into()), text, digest);
    let release = Release::new(text).namespace(text.to_owned()).images([image.clone()]);
    let manifests = Manifests::new(release).objects([Manifest::new(object.clone(), text)]);
    let change = Change::new(object, Verb::Update).diff(text);
    vec![
        Output::Image(image),
        Output::Manifests(manifests.clone()),
        Output::Changes(
            ChangeSet::new(Desired::Released { manifests: manifests.clone(), share: 9 }).changes([change]),
        ),
        Output::Deployment(Deployment::new(manifests, text, Timestamp(u64::MAX))),
        Output::Report(TestReport::new().cases([
            Case::new(text, CaseOutcome::Failed(text.into())).duration(Duration::MAX),
            Case::new(text, CaseOutcome::Skipped(text.into())),
        ])),
        Output::Exit(Exit::new(3).stdout(text).stderr(text.to_owned()).result(text.to_owned())),
        Output::Decision(Decision::new(Answer::Rejected, text, Timestamp(1)).why(text)),
    ]
}

/// A run in which every text is this one.
fn run(ids: &[TaskId], text: &str, moments: [u64; 4]) -> (Plan, PastRun) {
    let error = || {
        Error::internal(text)
            .at(Location::new(text, 1, 2))
            .note(text)
            .note(format!("{text}\n{text}"))
            .hint(text)
            .source(std::io::Error::other(text.to_owned()))
            .into_report()
    };
    let actions = [
        Action::Gate { text: text.into() },
        Action::Test { tester: text.into() },
        Action::Build { store: Store::Layout(text.into()) },
        Action::Push { to: Store::Daemon(text.into()), tagged: true },
        Action::Run,
    ];
    let reasons =
        || vec![Reason::Changed(text.into()), Reason::Gone(text.into()), Reason::Upstream(ids[0].clone())];
    let tasks = ids.iter().enumerate().map(|(n, id)| {
        Task::new(id.clone(), actions[n % actions.len()].clone(), text)
            .needs(ids[..n].to_vec())
            .verdict(if n % 2 == 0 { Verdict::Run(reasons()) } else { Verdict::Open(ids.to_vec()) })
            .policy(Policy::new().retries(u32::MAX - 1))
    });
    let plan = Plan::new(text).tasks(tasks.collect::<Vec<_>>());
    let mut entries = vec![JournalEntry::Planned { plan: plan.clone(), at: Some(Timestamp(moments[0])) }];
    for (n, (id, output)) in ids.iter().zip(output(text).into_iter().cycle()).enumerate() {
        entries.push(JournalEntry::Started {
            task: id.clone(),
            fingerprint: None,
            reasons: reasons(),
            at: Some(Timestamp(moments[1])),
        });
        if n == 1 {
            entries.push(JournalEntry::Planned { plan: plan.clone(), at: Some(Timestamp(moments[3])) });
        }
        let outcome = match n % 4 {
            0 => Outcome::Failed { error: error() },
            1 => Outcome::FailureAllowed { error: error() },
            2 => Outcome::Skipped { because: Some(ids[0].clone()) },
            _ => Outcome::Succeeded,
        };
        let trace =
            Trace::new().at(Timestamp(moments[2])).lines(vec![text.to_owned(); 3]).omitted(u64::MAX - 300);
        entries.push(JournalEntry::Finished {
            task: id.clone(),
            outcome,
            output,
            trace: trace.retries(u32::MAX - 1),
        });
    }
    entries.push(JournalEntry::Ended { outcome: RunOutcome::Failed, at: Some(Timestamp(moments[3])) });
    (plan, PastRun::of(text, &entries))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_becomes_markup(
        ids in proptest::collection::vec(task_id(), 1..9),
        text in text(),
        moments in proptest::array::uniform4(prop_oneof![0..5000_u64, any::<u64>()]),
    ) {
        let (plan, run) = run(&ids, &text, moments);
        let page = run.page();
        let elements = strict::elements(&page);
        prop_assert!(elements.is_ok(), "{}\n{page}", elements.unwrap_err());
        let count = |name: &str| elements.as_ref().unwrap().iter().filter(|other| *other == name).count();
        prop_assert_eq!((count("script"), count("style"), count("title") > 0), (1, 1, true));
        prop_assert_eq!(page.matches("<script").count(), 1);
        prop_assert_eq!(&page, &run.page(), "the same run, the same page");

        let svg = PlanGraph(&plan).svg();
        prop_assert!(strict::elements(&svg).is_ok(), "{svg}");
        let steers = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
        let text = PlanGraph(&plan).text(60);
        prop_assert!(!steers(&text) && text.lines().all(|line| line.chars().count() <= 60), "{text}");
        let dot = PlanGraph(&plan).dot();
        prop_assert!(!steers(&dot), "{dot}");
        for line in dot.lines() {
            prop_assert!(quotes_are_paired(line), "{line}");
        }
        let told = History(&[HistoryLine::of(&run)]).to_string();
        prop_assert!(!steers(&told) && told.lines().count() == 2, "{told}");
    }
}

/// Returns whether every quotation mark that is opened is closed in the line, by Graphviz' rules.
fn quotes_are_paired(line: &str) -> bool {
    let (mut open, mut escaped) = (false, false);
    for c in line.chars() {
        if c == '"' && !escaped {
            open = !open;
        }
        escaped = open && c == '\\' && !escaped;
    }
    !open
}

#[test]
fn a_page_stays_small_whatever_was_written_down() {
    let id = |n: usize| TaskId::parse(format!("run:{}{n}", "long".repeat(100))).unwrap();
    let task = |n: usize| {
        Task::new(id(n), Action::Run, "a").needs((n.saturating_sub(3)..n).map(id).collect::<Vec<_>>())
    };
    let plan = Plan::new("p".repeat(100_000)).tasks((0..8000).map(task).collect::<Vec<_>>());
    let mut entries = vec![JournalEntry::Planned { plan, at: Some(Timestamp(0)) }];
    for n in 0..300 {
        entries.push(JournalEntry::Started {
            task: id(n),
            fingerprint: None,
            reasons: Vec::new(),
            at: Some(Timestamp(1)),
        });
        let trace = Trace::new().at(Timestamp(2)).lines(vec!["<".repeat(1000); 100]);
        let outcome = Outcome::Failed { error: Error::internal("\n".repeat(50_000)).into_report() };
        entries.push(JournalEntry::Finished { task: id(n), outcome, output: Output::Nothing, trace });
    }
    let page = PastRun::of("run", &entries).page();
    assert!(page.len() < 64 << 20, "{} bytes", page.len());
    assert!(page.contains("The log and the changes are left out: the page is large."));
    assert!(page.contains("And 3000 more tasks.") && page.contains("The graph of 8000 tasks is not drawn"));
}
