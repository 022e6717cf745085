//! What `native` builds beside what buildkitd builds of the same Dockerfiles: unpacked, both images are
//! alike, but for what `cases::DIFFERENCES` lists with reasons.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test looks at the real disk")]
#![expect(clippy::print_stdout, reason = "who runs the test alone sees that it was skipped")]

mod bases;
mod bed;
mod cases;
mod context;
#[path = "../support/skip.rs"]
mod skip;
mod unpacked;

use std::collections::BTreeSet;

use shipway_core::Platform;

use crate::{
    bed::Bed,
    cases::{CASES, Case, DIFFERENCES, REFUSED, STRICTER},
};

#[tokio::test(flavor = "multi_thread")]
async fn images_equal_those_of_buildkit() {
    let Some(bed) = Bed::find("images_equal_those_of_buildkit").await else { return };
    let (mut problems, mut used) = (Vec::new(), BTreeSet::new());
    for case in CASES {
        for line in compare(&bed, case).await {
            let known =
                |(name, start, _): &&(&str, &str, &str)| *name == case.name && line.starts_with(start);
            match DIFFERENCES.iter().position(|difference| known(&difference)) {
                Some(at) => drop(used.insert(at)),
                None => problems.push(format!("{}: {line}", case.name)),
            }
        }
    }
    let unused = DIFFERENCES.iter().enumerate().filter(|(at, _)| !used.contains(at));
    problems.extend(unused.map(|(_, (name, line, _))| format!("{name}: no longer differs in `{line}`")));
    let compared = CASES.len();
    println!("{compared} Dockerfiles compared, {} differences listed", DIFFERENCES.len());
    assert!(compared >= 40, "too few Dockerfiles");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_buildkit_refuses_is_refused() {
    let Some(bed) = Bed::find("what_buildkit_refuses_is_refused").await else { return };
    for (name, dockerfile) in REFUSED {
        let case = Case { name, dockerfile, ..Case::NONE };
        let theirs = bed.buildkit(&case).await;
        let ours = bed.native(&case).await;
        let theirs = theirs.map(drop).expect_err(name);
        // A flag that it does not know is no reason that says anything of ours.
        assert!(*name == "refused-flag" || !theirs.contains("unknown flag"), "{name}: {theirs}");
        assert!(ours.is_err(), "{name}: native builds it, buildkitd says {theirs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_native_alone_refuses_is_listed() {
    let Some(bed) = Bed::find("what_native_alone_refuses_is_listed").await else { return };
    for (name, dockerfile, reason) in STRICTER {
        let case = Case { name, dockerfile, ..Case::NONE };
        assert!(bed.buildkit(&case).await.is_ok(), "{name}: buildkitd refuses it too");
        assert!(bed.native(&case).await.is_err(), "{name}: native builds it, although {reason}");
    }
}

/// Returns a line for each difference.
async fn compare(bed: &Bed, case: &Case) -> Vec<String> {
    let theirs = match bed.buildkit(case).await {
        Ok(built) => built,
        Err(error) => return vec![format!("buildkitd refuses it: {error}")],
    };
    let ours = match bed.native(case).await {
        Ok(built) => built,
        Err(error) => return vec![format!("native refuses it: {error}")],
    };
    let mut lines = Vec::new();
    let platforms: Vec<Option<Platform>> = match case.platforms {
        [] => vec![None],
        platforms => platforms.iter().map(|platform| Some(platform.parse().unwrap())).collect(),
    };
    for platform in platforms {
        let ours = unpacked::read(&ours, platform.as_ref()).await;
        let theirs = unpacked::read(&theirs, platform.as_ref()).await;
        lines.extend(unpacked::differences(&ours, &theirs));
    }
    lines
}
