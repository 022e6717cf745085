//! S1 and S2: what a tester says.

use std::collections::BTreeSet;

use shipway_core::{CaseOutcome, TestReport};

use super::{Testers, site::Site};
use crate::{
    clause::{Trouble, broken, ensure, kind_and_text},
    suite::Bench,
};

pub(super) async fn a_failing_case_is_a_report(bench: Bench<Testers>) -> Result<(), Trouble> {
    let site = Site::new(&bench).await?;
    let tester = site.tester();
    let passed = site.test(tester.as_ref(), &site.passes).await?;
    ensure(!passed.cases.is_empty(), || "its report has no case, so that nothing was judged".to_owned())?;
    if let Some(case) = passed.failed().next() {
        return broken(format!(
            "on what all cases should pass on, `{}` failed: {:?}",
            case.name, case.outcome
        ));
    }
    let failed = match tester.test(&site.context(), &site.fails).await {
        Ok(report) => report,
        Err(error) => {
            let answer = kind_and_text(error.report());
            return broken(format!("on what a case should fail on, the answer is no report but {answer}"));
        }
    };
    let why = |case: &CaseOutcome| matches!(case, CaseOutcome::Failed(why) if why.trim().is_empty());
    match failed.failed().next() {
        None => broken("on what a case should fail on, none failed"),
        Some(_) => match failed.cases.iter().find(|case| why(&case.outcome)) {
            Some(case) => broken(format!("`{}` failed without a word", case.name)),
            None => Ok(()),
        },
    }
}

pub(super) async fn uniquely_named(bench: Bench<Testers>) -> Result<(), Trouble> {
    let site = Site::new(&bench).await?;
    let tester = site.tester();
    for subject in [&site.passes, &site.fails] {
        let Ok(report) = site.test(tester.as_ref(), subject).await else { continue };
        let mut seen = BTreeSet::new();
        for case in &report.cases {
            ensure(!case.name.trim().is_empty(), || "a case has no name".to_owned())?;
            ensure(seen.insert(&case.name), || format!("two cases are called `{}`", case.name))?;
        }
        // Who compares one run with the next finds each case again.
        let again = site.test(site.tester().as_ref(), subject).await?;
        ensure(names(&report) == names(&again), || {
            format!("the cases were called {:?}, and the next time {:?}", names(&report), names(&again))
        })?;
        let again = site.test(tester.as_ref(), subject).await?;
        ensure(names(&report) == names(&again), || {
            format!("the cases were called {:?}, and the next time {:?}", names(&report), names(&again))
        })?;
    }
    Ok(())
}

fn names(report: &TestReport) -> Vec<&str> {
    report.cases.iter().map(|case| case.name.as_str()).collect()
}
