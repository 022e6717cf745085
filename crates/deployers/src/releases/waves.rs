//! Waves: what is annotated with a number is applied after what has a lower one, once that works.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use shipway_core::{Context, Error, ErrorKind, ObjectId, Result};

use super::{Releases, live::Live, secrets};

/// The annotation, as people write it for Argo CD ("Sync Phases and Waves"): a whole number, 0 where it is absent.
const WAVE: &str = "argocd.argoproj.io/sync-wave";

/// For how long a wave may not work: as long as a release by default.
const PATIENCE: Duration = Duration::from_secs(600);

/// The shortest and the longest pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Returns the object's wave.
pub(super) fn wave(id: &ObjectId, object: &Value) -> Result<i64> {
    let said = &object["metadata"]["annotations"][WAVE];
    let Some(text) = said.as_str() else { return Ok(0) };
    text.trim().parse().map_err(|error| {
        Error::config(format!("the annotation `{WAVE}` of {id} is `{text}`"))
            .hint("write a whole number, such as \"-1\"")
            .source(error)
    })
}

/// How one object fares.
#[derive(Debug)]
#[cfg_attr(not(feature = "kubernetes"), expect(dead_code, reason = "a real cluster alone is looked at"))]
pub(crate) enum Look {
    /// It works.
    Healthy,
    /// It does not work yet, and why.
    Progressing(Vec<String>),
    /// It does not work, and waiting will not help.
    Failed(Vec<String>),
}

/// Who sees how objects fare.
#[async_trait]
pub(crate) trait Eyes: Debug + Send + Sync {
    /// Looks at an object that is to be as desired since this long, and is as it is now, if it is there.
    async fn look(
        &self,
        cx: &Context,
        id: &ObjectId,
        desired: &Value,
        now: Option<&Value>,
        since: Duration,
    ) -> Result<Look>;
}

/// Returns how long it may take until it is looked again: longer, the longer it takes already.
pub(crate) fn pause(since: Duration) -> Duration {
    (since / 10).clamp(PAUSE.0, PAUSE.1)
}

/// Waits until all of these objects work.
///
/// # Errors
/// `Unhealthy` when one of them failed; `Timeout` when it takes too long.
pub(super) async fn work(
    releases: &Releases,
    cx: &Context,
    eyes: &dyn Eyes,
    release: &str,
    objects: &[(&ObjectId, &Value)],
) -> Result<()> {
    let ids: Vec<&ObjectId> = objects.iter().map(|(id, _)| *id).collect();
    // What containers print may be what they are given.
    secrets::hide_secrets(cx, objects.iter().copied());
    let begun = cx.clock().elapsed();
    loop {
        let there = Live::of(releases, cx, release, &ids).await?;
        let since = cx.clock().elapsed() - begun;
        let mut waiting = Vec::new();
        for (id, desired) in objects {
            match eyes.look(cx, id, desired, there.get(id), since).await? {
                Look::Healthy => {}
                Look::Progressing(lines) => {
                    waiting.extend(lines.into_iter().map(|line| format!("{id}: {}", cx.masked(&line))));
                }
                Look::Failed(lines) => {
                    let error = Error::new(ErrorKind::Unhealthy, format!("{id} does not work"));
                    let error = lines.iter().fold(error, |error, line| error.note(cx.masked(line)));
                    return Err(error.note("what comes in later waves was not applied"));
                }
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if cx.clock().elapsed() - begun > PATIENCE {
            let error = Error::timeout(format!("a wave does not work within {} s", PATIENCE.as_secs()));
            return Err(waiting.into_iter().fold(error, Error::note));
        }
        cx.sleep(pause(since)).await?;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wave_is_a_whole_number() {
        let id = ObjectId::new("v1", "ConfigMap", "a");
        let annotated = |value: Value| json!({"metadata": {"annotations": {WAVE: value}}});
        for (object, expected) in [
            (json!({}), 0),
            (annotated(Value::Null), 0),
            (annotated("5".into()), 5),
            (annotated(" -3 ".into()), -3),
        ] {
            assert_eq!(wave(&id, &object).expect("a wave"), expected);
        }
        let error = wave(&id, &annotated("first".into())).expect_err("no number");
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("`first`"), "{error:?}");
    }
}
