//! D1 to D6: rendering, and the way from `diff` to `apply`.

use serde_json::Value;
use shipway_core::{ErrorKind, Feature, Manifests, ObjectId};

use super::{
    Deployers,
    stand::{Observed, Stand, differences, ensure_same, released},
};
use crate::{
    clause::{Trouble, broken, ensure, kind_and_text, unchecked},
    suite::Bench,
};

pub(super) async fn render_is_deterministic(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let requests = stand.target().requests().await;
    let first = stand.render(1).await?;
    let again = stand.render(1).await?;
    let elsewhere = Stand::new(&bench)?.render(1).await?;
    for (other, who) in [(&again, "the same plug-in"), (&elsewhere, "another plug-in of the same make")] {
        ensure(*other == first, || {
            let unlike = first.objects.iter().zip(&other.objects).find(|(one, two)| one != two);
            let object =
                unlike.map_or_else(|| "the manifests".to_owned(), |(one, _)| format!("`{}`", one.object));
            format!("rendered again by {who}, {object} came out otherwise")
        })?;
    }
    let asked = stand.target().requests().await - requests;
    let offline = stand.deployer().capabilities().claims(Feature::OfflineRender);
    ensure(!offline || asked == 0, || {
        format!("it claims to render offline, and asked the target {asked} times")
    })
}

pub(super) async fn diff_changes_nothing(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let manifests = stand.render(1).await?;
    let before = stand.observe().await;
    stand.diff(&released(manifests)).await?;
    ensure_same(&before, &stand.observe().await, "after `diff` to a first release")?;
    let deployment = stand.deploy(1).await?;
    let manifests = stand.render(2).await?;
    let before = stand.observe().await;
    stand.diff(&released(manifests)).await?;
    ensure_same(&before, &stand.observe().await, "after `diff` to a second release")?;
    stand.diff(&shipway_core::Desired::Absent(deployment)).await?;
    ensure_same(&before, &stand.observe().await, "after `diff` to nothing")
}

pub(super) async fn empty_applies_to_nothing(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let deployment = stand.deploy(1).await?;
    let changes = stand.diff(&released(deployment.manifests)).await?;
    ensure(changes.changes.is_empty(), || {
        let objects: Vec<String> =
            changes.changes.iter().map(|change| format!("{} {}", change.verb, change.object)).collect();
        format!("to what is there already, `diff` would `{}`", objects.join("`, `"))
    })?;
    let before = stand.observe().await;
    stand.apply(&changes).await?;
    ensure_same(&before, &stand.observe().await, "after an empty change set was applied")
}

pub(super) async fn twice_is_once(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    for edition in [1, 2] {
        let changes = stand.diff(&released(stand.render(edition).await?)).await?;
        let first = stand.apply(&changes).await?;
        let before = stand.observe().await;
        let second = stand.apply(&changes).await?;
        ensure_same(&before, &stand.observe().await, "after the same change set was applied again")?;
        ensure(first.revision == second.revision, || {
            format!("applied again, revision `{}` became `{}`", first.revision, second.revision)
        })?;
    }
    Ok(())
}

pub(super) async fn stale_is_a_conflict(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let ahead = Stand::new(&bench)?;
    ahead.deploy(1).await?;
    let second = ahead.render_second().await?;
    let first_state = ahead.observe().await;
    ahead.deploy(2).await?;
    let second_state = ahead.observe().await;
    let Some((object, path)) = what_changes(&second, &first_state, &second_state) else {
        return unchecked("the second release changes no text of an object that the first has");
    };

    let stand = Stand::new(&bench)?;
    stand.deploy(1).await?;
    let changes = stand.diff(&released(second)).await?;
    let mut value = stand.observe().await.remove(&object).unwrap_or_default();
    let theirs = Value::from("somebody-elses-value");
    if let Some(field) = value.pointer_mut(&path) {
        *field = theirs.clone();
    }
    stand.target().put(&object, value).await;
    match stand.apply(&changes).await {
        Ok(_) => {
            return broken(format!("`{path}` of `{object}` was changed after `diff`, and `apply` went on"));
        }
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        Err(error) => {
            let answer = kind_and_text(error.report());
            return broken(format!(
                "`{path}` of `{object}` was changed after `diff`, and the answer is {answer}"
            ));
        }
    }
    let after = stand.observe().await;
    ensure(after.get(&object).and_then(|value| value.pointer(&path)) == Some(&theirs), || {
        format!("`apply` said that there is a conflict, and changed `{path}` of `{object}` all the same")
    })
}

/// Returns a text that goes from one state to the next, in an object of the manifests.
fn what_changes(manifests: &Manifests, before: &Observed, after: &Observed) -> Option<(ObjectId, String)> {
    let mut found: Option<(ObjectId, String)> = None;
    for manifest in &manifests.objects {
        let (Some(old), Some(new)) = (before.get(&manifest.object), after.get(&manifest.object)) else {
            continue;
        };
        for (path, old, new) in differences(old, new) {
            if !(old.is_string() && new.is_string()) {
                continue;
            }
            // What runs rather than a label or an annotation, which may be the deployer's own record.
            if !path.starts_with("/metadata/") {
                return Some((manifest.object.clone(), path));
            }
            found.get_or_insert((manifest.object.clone(), path));
        }
    }
    found
}

/// More writes than any fixture needs.
const MOST_WRITES: u64 = 100;

pub(super) async fn cut_anywhere(bench: Bench<Deployers>) -> Result<(), Trouble> {
    for edition in [1, 2] {
        let uncut = prepared(&bench, edition).await?;
        uncut.deploy(edition).await?;
        let right = uncut.observe().await;
        for writes in 0..MOST_WRITES {
            let stand = prepared(&bench, edition).await?;
            let changes = stand.diff(&released(stand.render(edition).await?)).await?;
            stand.target().cut(Some(writes)).await;
            if stand.apply(&changes).await.is_ok() {
                break;
            }
            stand.target().cut(None).await;
            let next = stand.another_process()?;
            if let Err(error) = next.apply(&changes).await {
                return broken(format!(
                    "cut after {writes} writes, it cannot be repeated: {}",
                    error.report()
                ));
            }
            next.target().fare(true).await;
            ensure_same(&right, &next.observe().await, &format!("cut after {writes} writes and repeated"))?;
        }
    }
    Ok(())
}

/// Returns a stand whose target has the edition before this one.
async fn prepared(bench: &Bench<Deployers>, edition: u8) -> Result<Stand, Trouble> {
    let stand = Stand::new(bench)?;
    for earlier in 1..edition {
        stand.deploy(earlier).await?;
    }
    Ok(stand)
}
