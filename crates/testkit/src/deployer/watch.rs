//! D7, D8 and D13: what people and other processes see of a deployment.

use serde_json::json;
use shipway_core::{Deployment, Desired, ErrorKind, Health, Manifest, ObjectId, Phase};

use super::{
    Deployers,
    stand::{Stand, released},
};
use crate::{
    canary::{base64, leaked},
    clause::{Trouble, broken, ensure, unchecked},
    suite::Bench,
};

/// How often a deployment that does well may be looked at before it is healthy.
const LOOKS: usize = 50;

pub(super) async fn health_settles_and_explains(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let deployment = stand.reach(&released(stand.render(1).await?)).await?;
    stand.target().fare(false).await;
    let ill = look(&stand, &deployment).await?;
    ensure(ill.phase != Phase::Healthy, || "nothing in the target works, and it is healthy".to_owned())?;
    ensure(!ill.waiting_for.is_empty(), || {
        format!("it is {:?} and does not say what it waits for or why it failed", ill.phase)
    })?;
    stand.target().fare(true).await;
    let well = healthy(&stand, &deployment).await?;
    ensure(well.waiting_for.is_empty(), || {
        format!("it is healthy and waits for `{}`", well.waiting_for.join("`, `"))
    })?;
    let again = look(&stand, &deployment).await?;
    ensure(again.phase == Phase::Healthy, || {
        format!("it was healthy, nothing changed, and it is {:?}", again.phase)
    })
}

async fn look(stand: &Stand, deployment: &Deployment) -> Result<Health, Trouble> {
    Ok(stand.deployer().health(&stand.context(), deployment).await?)
}

async fn healthy(stand: &Stand, deployment: &Deployment) -> Result<Health, Trouble> {
    let mut last = Vec::new();
    for _ in 0..LOOKS {
        let health = look(stand, deployment).await?;
        if health.phase == Phase::Healthy {
            return Ok(health);
        }
        last = health.waiting_for;
    }
    broken(format!("all in the target works, and after {LOOKS} looks it waits for `{}`", last.join("`, `")))
}

pub(super) async fn another_process_goes_on(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let made = stand.deploy(1).await?;
    let text = serde_json::to_string(&made).map_err(|error| Trouble::Broken(error.to_string()))?;
    let kept: Deployment = serde_json::from_str(&text).map_err(|error| Trouble::Broken(error.to_string()))?;
    ensure(kept == made, || "the deployment is another after it was written as JSON and read".to_owned())?;
    let other = stand.another_process()?;
    healthy(&other, &kept).await?;
    let remembered = other.deployer().history(&other.context(), &kept.manifests.release.name).await?;
    let Some(live) = remembered.first() else {
        return broken("the target remembers no deployment after `apply`");
    };
    ensure(live.revision == kept.revision, || {
        format!("the live deployment is `{}`, and the target remembers `{}`", kept.revision, live.revision)
    })?;
    healthy(&other, live).await?;
    other.reach(&Desired::Absent(kept.clone())).await?;
    let left = other.observe().await;
    for manifest in &kept.manifests.objects {
        ensure(!left.contains_key(&manifest.object), || {
            format!("another process removed the deployment, and `{}` is left", manifest.object)
        })?;
    }
    Ok(())
}

pub(super) async fn no_secret_in_a_diff(bench: Bench<Deployers>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let secrets = ["first-canary-of-the-kit", "second-canary-of-the-kit"];
    for (number, secret) in secrets.iter().enumerate() {
        let mut manifests = stand.render(1).await?;
        let namespace = manifests.release.namespace.clone();
        let object = ObjectId::new("v1", "Secret", "shipway-conformance").namespace(namespace.clone());
        let content =
            json!({"data": {"password": base64(secret.as_bytes())}, "stringData": {"text": secret}});
        // kubectl keeps all that it applied in an annotation (CVE-2026-42880).
        let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": content.to_string()});
        let text = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": object.name, "namespace": namespace, "annotations": annotations},
            "data": content["data"],
            "stringData": content["stringData"],
        });
        manifests.objects.push(Manifest::new(object, text.to_string()));
        let changes = match stand.diff(&released(manifests)).await {
            Ok(changes) => changes,
            // Targets without such objects have no such secrets.
            Err(error)
                if number == 0 && matches!(error.kind(), ErrorKind::Config | ErrorKind::Unsupported) =>
            {
                return unchecked(format!("it takes no `Secret` object: {error}"));
            }
            Err(error) => return Err(error.into()),
        };
        stand.apply(&changes).await?;
        for secret in &secrets[..=number] {
            for change in &changes.changes {
                if let Some(how) = leaked(secret, &change.diff) {
                    return broken(format!("the diff of `{}` shows its value {how}", change.object));
                }
            }
            let events = serde_json::to_string(&stand.room().record.events()).unwrap_or_default();
            if let Some(how) = leaked(secret, &events) {
                return broken(format!("an event shows the value of a `Secret` object {how}"));
            }
        }
    }
    Ok(())
}
