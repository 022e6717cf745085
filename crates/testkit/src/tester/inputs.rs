//! S3: what a tester declares.

use shipway_core::{CaseOutcome, TestReport};

use super::{Testers, site::Site};
use crate::{
    clause::{Trouble, broken, ensure, unchecked},
    folder,
    suite::Bench,
};

pub(super) async fn own_files_decide(bench: Bench<Testers>) -> Result<(), Trouble> {
    let site = Site::new(&bench).await?;
    let (inputs, before) = site.declare(site.tester().as_ref()).await?;
    let elsewhere = Site::new(&bench).await?;
    let (_, same) = elsewhere.declare(elsewhere.tester().as_ref()).await?;
    let reasons: Vec<String> = same.reasons(&before).iter().map(ToString::to_string).collect();
    ensure(reasons.is_empty(), || format!("for the same files in another folder: {}", reasons.join(", ")))?;

    undeclared_files_do_not_count(&bench, &site).await?;

    let (declared, _) = site.files(&inputs)?;
    let Some(file) = site.role.touch.clone().or_else(|| declared.first().cloned()) else {
        return match folder::files(&site.room.root)?.is_empty() {
            true => unchecked("there is no fixture with its files"),
            false => unchecked("it declares no file of the fixture: name one with `touch`"),
        };
    };
    folder::touch(&site.room.root.join(&file))?;
    let after = match site.declare(site.tester().as_ref()).await {
        Ok((_, after)) => after,
        Err(Trouble::Broken(why)) => {
            return unchecked(format!("a line end more in `{}` makes it unreadable: {why}", file.display()));
        }
        Err(other) => return Err(other),
    };
    ensure(after.fingerprint() != before.fingerprint(), || {
        format!("`{}` changed, and the fingerprint stayed", file.display())
    })
}

/// Takes away what is not declared, in a room of its own, which must not change the report.
async fn undeclared_files_do_not_count(bench: &Bench<Testers>, site: &Site) -> Result<(), Trouble> {
    let changed = Site::new(bench).await?;
    let files = match &site.role.undeclared {
        Some(file) => vec![file.clone()],
        None => {
            let (inputs, _) = changed.declare(changed.tester().as_ref()).await?;
            changed.files(&inputs)?.1
        }
    };
    for file in &files {
        let path = changed.room.root.join(file);
        if path.is_file() { folder::remove(&path)? } else { folder::touch(&path)? }
    }
    let before = outcomes(&site.test(site.tester().as_ref(), &site.passes).await?);
    let names: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
    let depends =
        |how: &str| broken(format!("without {}, which it does not declare, {how}", names.join(" and ")));
    let after = match changed.test(changed.tester().as_ref(), &changed.passes).await {
        Ok(report) => outcomes(&report),
        Err(Trouble::Broken(why)) => return depends(&format!("it cannot judge: {why}")),
        Err(other) => return Err(other),
    };
    if before == after {
        return Ok(());
    }
    let again = Site::new(bench).await?;
    if outcomes(&again.test(again.tester().as_ref(), &again.passes).await?) != before {
        return unchecked("its reports about the same subject are not the same");
    }
    depends("the report is another")
}

/// Returns the cases without how long they took.
fn outcomes(report: &TestReport) -> Vec<(String, CaseOutcome)> {
    report.cases.iter().map(|case| (case.name.clone(), case.outcome.clone())).collect()
}
