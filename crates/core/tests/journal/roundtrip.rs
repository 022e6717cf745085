//! Any entry comes back as it was.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use shipway_core::{
    Answer, Decision, DiskJournal, Exit, Fingerprint, HostDisk, Journal, JournalEntry, Manifest, Manifests,
    ObjectId, Outcome, Output, Reason, Release, RunOutcome, State, TaskId, Timestamp, Trace,
};

/// Short, long, and around where long begins.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,20}", "[a-c]{1020,1028}", Just("\u{0}\n\r\u{2028}é\"\\".repeat(300))]
}

/// With objects that look like references to long texts.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let key = prop_oneof![Just("$text"), Just("$$text"), Just("text"), Just("entry"), Just("synced")];
        let object = proptest::collection::btree_map(key.prop_map(str::to_owned), inner.clone(), 0..3);
        prop_oneof![
            proptest::collection::vec(inner, 0..3).prop_map(Value::from),
            object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn output() -> impl Strategy<Value = Output> {
    let manifests = (text(), text(), json()).prop_map(|(kind, text, state)| {
        let object = ObjectId::new("v1", kind, "a");
        Manifests::new(Release::new("web"))
            .objects([Manifest::new(object, text)])
            .state(State::new(1, &state).expect("plain"))
    });
    prop_oneof![
        Just(Output::Nothing),
        manifests.prop_map(Output::Manifests),
        (any::<i32>(), text(), text()).prop_map(|(code, stdout, result)| {
            Output::Exit(Exit::new(code).stdout(stdout).result(result))
        }),
        (text(), any::<u64>())
            .prop_map(|(who, at)| { Output::Decision(Decision::new(Answer::Approved, who, Timestamp(at))) }),
    ]
}

fn entry() -> impl Strategy<Value = JournalEntry> {
    let task = || "[a-zé:$/]{1,20}".prop_map(|text| TaskId::parse(text).expect("an id"));
    let error = text().prop_map(|text| shipway_core::Error::internal(text).into_report());
    let outcome = prop_oneof![Just(Outcome::Succeeded), error.prop_map(|error| Outcome::Failed { error })];
    let fingerprint =
        proptest::option::of("[0-9a-f]{64}".prop_map(|hex| Fingerprint::parse(hex).expect("one")));
    let at = || proptest::option::of(any::<u64>().prop_map(Timestamp));
    let trace = (at(), any::<u32>(), proptest::collection::vec(text(), 0..3))
        .prop_map(|(at, retries, lines)| Trace::new().at(at).retries(retries).lines(lines));
    prop_oneof![
        (task(), fingerprint, at(), text()).prop_map(|(task, fingerprint, at, reason)| {
            JournalEntry::Started { task, fingerprint, reasons: vec![Reason::Changed(reason)], at }
        }),
        (task(), any::<u64>()).prop_map(|(task, at)| JournalEntry::Waiting { task, until: Timestamp(at) }),
        (task(), outcome, output(), trace).prop_map(|(task, outcome, output, trace)| {
            JournalEntry::Finished { task, outcome, output, trace }
        }),
        at().prop_map(|at| JournalEntry::Ended { outcome: RunOutcome::Waiting, at }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_entries_come_back(entries in proptest::collection::vec(entry(), 0..8), again in 0_usize..8) {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let journal = DiskJournal::new(Arc::new(HostDisk), folder.path());
            let mut open = journal.open("a").await.expect("opened");
            for (at, entry) in entries.iter().enumerate() {
                if at == again {
                    drop(open);
                    open = journal.open("a").await.expect("opened");
                }
                open.writer.append(entry, false).await.expect("appended");
            }
            assert_eq!(journal.read("a").await.expect("read"), entries);
        });
    }
}
