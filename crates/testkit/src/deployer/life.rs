//! D9 to D12 and D14: settling, going back, going away, shares, and what stays.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shipway_core::{Deployment, Desired, ErrorKind, Feature, ObjectId};

use super::{
    Deployers,
    stand::{Observed, Stand, ensure_same, released},
};
use crate::{
    clause::{Trouble, broken, ensure, kind_and_text, says_unsupported, unchecked},
    suite::Bench,
};

/// Returns the part of an observation that is a deployment's own objects.
fn objects_of(deployment: &Deployment, observed: &Observed) -> BTreeMap<ObjectId, Value> {
    let own = |object: &ObjectId| deployment.manifests.objects.iter().any(|one| one.object == *object);
    observed
        .iter()
        .filter(|(object, _)| own(object))
        .map(|(object, value)| (object.clone(), value.clone()))
        .collect()
}

pub(super) async fn absent_twice(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let deployment = stand.deploy(1).await?;
    let desired = Desired::Absent(deployment.clone());
    let first = stand.diff(&desired).await?;
    stand.apply(&first).await?;
    let left = objects_of(&deployment, &stand.observe().await);
    ensure_same(&BTreeMap::new(), &left, "after the deployment was removed")?;
    if let Err(error) = stand.apply(&first).await {
        return broken(format!("removed with the same change set again: {}", error.report()));
    }
    let second = match stand.diff(&desired).await {
        Ok(changes) => changes,
        Err(error) => return broken(format!("the second `diff` to nothing: {}", error.report())),
    };
    ensure(second.changes.is_empty(), || {
        format!("nothing is left, and `diff` to nothing finds {} changes", second.changes.len())
    })?;
    if let Err(error) = stand.apply(&second).await {
        return broken(format!("removed a second time: {}", error.report()));
    }
    Ok(())
}

pub(super) async fn restored_is_what_it_was(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    stand.render_second().await?;
    let first = stand.deploy(1).await?;
    let was = objects_of(&first, &stand.observe().await);
    stand.deploy(2).await?;
    let restored = stand.reach(&Desired::Restored(first.clone())).await?;
    ensure_same(&was, &objects_of(&first, &stand.observe().await), "after the first release was restored")?;
    ensure(restored.manifests.release.images == first.manifests.release.images, || {
        "the restored deployment does not have the images of the first".to_owned()
    })
}

pub(super) async fn refuses_to_restore(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let first = stand.deploy(1).await?;
    says_unsupported("restoring", stand.diff(&Desired::Restored(first)).await)
}

pub(super) async fn settled_once(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let first = stand.deploy(1).await?;
    stand.reach(&Desired::Settled(first.clone())).await?;
    let mut second = stand.render(2).await?;
    // A deployer with a state of its own, such as a packaged chart, goes by that rather than by the list.
    let went = if second.state.is_none() && second.objects.len() > 1 { second.objects.pop() } else { None };
    let deployment = stand.reach(&released(second)).await?;
    stand.target().fare(false).await;
    let before = objects_of(&first, &stand.observe().await);
    if let Some(went) = &went {
        ensure(before.contains_key(&went.object), || {
            format!("`{}` went before the release that has it no more was healthy", went.object)
        })?;
    }
    stand.target().fare(true).await;
    let desired = Desired::Settled(deployment);
    stand.reach(&desired).await?;
    if let Some(went) = &went {
        ensure(!stand.observe().await.contains_key(&went.object), || {
            format!("`{}` is not in the release any more, and is left after it was settled", went.object)
        })?;
    }
    let again = stand.diff(&desired).await?;
    ensure(again.changes.is_empty(), || {
        format!("it was settled, and settling it again finds {} changes", again.changes.len())
    })
}

pub(super) async fn refuses_to_settle(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let first = stand.deploy(1).await?;
    says_unsupported("settling", stand.diff(&Desired::Settled(first)).await)
}

pub(super) async fn gets_its_share(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    stand.deploy(1).await?;
    for share in [0, 25, 100] {
        let desired = Desired::Released { manifests: stand.render_second().await?, share };
        let changes = stand.diff(&desired).await?;
        ensure(!changes.changes.is_empty(), || {
            format!("{share} percent of the traffic are asked for, and `diff` finds nothing to change")
        })?;
        let deployment = stand.apply(&changes).await?;
        stand.target().fare(true).await;
        ensure(deployment.share == share, || {
            format!("{share} percent of the traffic were asked for, and it says {}", deployment.share)
        })?;
    }
    Ok(())
}

pub(super) async fn refuses_a_share(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let desired = Desired::Released { manifests: stand.render(1).await?, share: 50 };
    says_unsupported("a share of the traffic", stand.diff(&desired).await)
}

pub(super) async fn foreign_objects_stay(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let namespace = stand.release(1)?.namespace;
    let mut foreign = BTreeMap::new();
    let mut deployments = Vec::new();
    let can = stand.deployer().capabilities();
    for edition in [1, 2] {
        let object = ObjectId::new("v1", "ConfigMap", format!("somebody-elses-{edition}"))
            .namespace(namespace.clone());
        let value = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": object.name, "namespace": namespace},
            "data": {"theirs": "yes"},
        });
        stand.target().put(&object, value).await;
        let Some(seen) = stand.observe().await.remove(&object) else {
            return unchecked("the target holds no foreign objects");
        };
        foreign.insert(object, seen);
        deployments.push(stand.deploy(edition).await?);
    }
    let mut wishes: Vec<Desired> = Vec::new();
    if can.claims(Feature::Settle) {
        wishes.extend(deployments.last().cloned().map(Desired::Settled));
    }
    wishes.extend(deployments.last().cloned().map(Desired::Absent));
    for desired in wishes {
        stand.reach(&desired).await?;
        let mut after = stand.observe().await;
        after.retain(|object, _| foreign.contains_key(object));
        ensure_same(&foreign, &after, "after releases, settling and removal, somebody else's object")?;
    }
    is_not_taken_over(&bench).await
}

/// Looks what a first release does where somebody else has an object of the same name and other content.
async fn is_not_taken_over(bench: &Bench<Deployers>) -> Result<(), Trouble> {
    let ahead = Stand::new(bench)?;
    let deployment = ahead.deploy(1).await?;
    for (object, mut value) in objects_of(&deployment, &ahead.observe().await) {
        if !spoil(&mut value) {
            continue;
        }
        let stand = Stand::new(bench)?;
        stand.target().put(&object, value).await;
        let theirs = stand.observe().await.remove(&object);
        let answer = match stand.diff(&released(stand.render(1).await?)).await {
            Ok(changes) => stand.apply(&changes).await.map(|_| ()),
            Err(error) => Err(error),
        };
        let untouched = stand.observe().await.remove(&object) == theirs;
        ensure(untouched, || format!("`{object}` was somebody else's, and a first release changed it"))?;
        match answer {
            Err(error) if error.kind() != ErrorKind::Conflict => {
                let answer = kind_and_text(error.report());
                return broken(format!(
                    "`{object}` is somebody else's, and the answer to a release is {answer}"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Changes a text that is neither the object's identity nor its metadata; returns whether there is one.
fn spoil(value: &mut Value) -> bool {
    let Some(fields) = value.as_object_mut() else { return false };
    let content =
        fields.iter_mut().filter(|(name, _)| !["apiVersion", "kind", "metadata"].contains(&name.as_str()));
    content.into_iter().any(|(_, value)| spoil_text(value))
}

fn spoil_text(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            "somebody-elses-value".clone_into(text);
            true
        }
        Value::Array(list) => list.iter_mut().any(spoil_text),
        Value::Object(fields) => fields.values_mut().any(spoil_text),
        _ => false,
    }
}
