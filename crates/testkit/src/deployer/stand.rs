//! A stand: a target, a deployer for it and a world, for one course of events.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use shipway_core::{
    ChangeSet, Context, Deployer, Deployment, Desired, Digest, Error, Manifests, ObjectId, Release,
};

use super::{Deployers, Place};
use crate::{
    FakeClock,
    clause::{Trouble, broken, unchecked},
    room::Room,
    suite::Bench,
};

/// What is in a target.
pub(super) type Observed = BTreeMap<ObjectId, Value>;

#[derive(Clone)]
pub(super) struct Stand {
    bench: Bench<Deployers>,
    place: Place,
    deployer: Arc<dyn Deployer>,
    room: Arc<Room>,
}

impl Stand {
    /// Returns a stand with a new target.
    pub(super) fn new(bench: &Bench<Deployers>) -> Result<Self, Trouble> {
        Self::at(bench, (bench.role.place)())
    }

    /// Returns a stand with the same target: what another process sees.
    pub(super) fn another_process(&self) -> Result<Self, Trouble> {
        Self::at(&self.bench, self.place.clone())
    }

    fn at(bench: &Bench<Deployers>, place: Place) -> Result<Self, Trouble> {
        let mut room = bench.room()?;
        // Times are in records, which are compared from one target to the next.
        room.world = room.world.clock(FakeClock::new().sleeps_advance());
        let deployer = (place.make)();
        Ok(Self { bench: bench.clone(), place, deployer, room: Arc::new(room) })
    }

    pub(super) fn deployer(&self) -> &dyn Deployer {
        self.deployer.as_ref()
    }

    pub(super) fn target(&self) -> &dyn super::DeployTarget {
        self.place.target.as_ref()
    }

    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    pub(super) fn context(&self) -> Context {
        self.room.context()
    }

    pub(super) async fn observe(&self) -> Observed {
        self.target().observe().await
    }

    /// Returns the author's release: the first edition as it is, others with other digests.
    pub(super) fn release(&self, edition: u8) -> Result<Release, Trouble> {
        let mut release = self.bench.role.release.clone();
        if edition > 1 {
            for image in &mut release.images {
                image.digest = Digest::parse(format!("sha256:{}", format!("{edition:02x}").repeat(32)))?;
            }
        }
        Ok(release)
    }

    pub(super) async fn render(&self, edition: u8) -> Result<Manifests, Trouble> {
        Ok(self.deployer().render(&self.context(), &self.release(edition)?).await?)
    }

    pub(super) async fn diff(&self, desired: &Desired) -> Result<ChangeSet, Error> {
        self.deployer().diff(&self.context(), desired).await
    }

    pub(super) async fn apply(&self, changes: &ChangeSet) -> Result<Deployment, Error> {
        self.deployer().apply(&self.context(), changes).await
    }

    /// Brings the target to what is desired.
    pub(super) async fn reach(&self, desired: &Desired) -> Result<Deployment, Trouble> {
        let changes = self.diff(desired).await?;
        Ok(self.apply(&changes).await?)
    }

    /// Deploys an edition of the release, which does well.
    pub(super) async fn deploy(&self, edition: u8) -> Result<Deployment, Trouble> {
        let deployment = self.reach(&released(self.render(edition).await?)).await?;
        self.target().fare(true).await;
        Ok(deployment)
    }

    /// Renders the second edition, which must be unlike the first.
    pub(super) async fn render_second(&self) -> Result<Manifests, Trouble> {
        let (first, second) = (self.render(1).await?, self.render(2).await?);
        if first.objects == second.objects && first.state == second.state {
            return unchecked("other images render the same: name the fixture's image with `release`");
        }
        Ok(second)
    }
}

/// Returns the wish that these manifests run and get all traffic.
pub(super) fn released(manifests: Manifests) -> Desired {
    Desired::Released { manifests, share: 100 }
}

/// Breaks the clause if two observations are unlike.
pub(super) fn ensure_same(before: &Observed, after: &Observed, when: &str) -> Result<(), Trouble> {
    for object in before.keys().chain(after.keys()) {
        match (before.get(object), after.get(object)) {
            (Some(old), Some(new)) if old == new => {}
            (None, None) => {}
            (Some(_), None) => return broken(format!("{when}: `{object}` is gone")),
            (None, Some(_)) => return broken(format!("{when}: `{object}` is there")),
            (Some(old), Some(new)) => {
                let Some((path, old, new)) = first_difference(old, new) else { continue };
                return broken(format!("{when}: `{path}` of `{object}` is `{new}`, not `{old}`"));
            }
        }
    }
    Ok(())
}

/// Returns the first place at which two values are unlike, as a JSON pointer (RFC 6901), and both
/// values there.
pub(super) fn first_difference<'a>(old: &'a Value, new: &'a Value) -> Option<(String, &'a Value, &'a Value)> {
    differences(old, new).into_iter().next()
}

/// Returns every place at which two values are unlike.
pub(super) fn differences<'a>(old: &'a Value, new: &'a Value) -> Vec<(String, &'a Value, &'a Value)> {
    let mut found = Vec::new();
    compare(old, new, &mut String::new(), &mut found);
    found
}

fn compare<'a>(
    old: &'a Value,
    new: &'a Value,
    path: &mut String,
    found: &mut Vec<(String, &'a Value, &'a Value)>,
) {
    const NOTHING: &Value = &Value::Null;
    let length = path.len();
    let mut step = |name: &str, old: &'a Value, new: &'a Value| {
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        compare(old, new, path, found);
        path.truncate(length);
    };
    match (old, new) {
        (Value::Object(left), Value::Object(right)) => {
            for name in left.keys().chain(right.keys().filter(|name| !left.contains_key(*name))) {
                step(name, left.get(name).unwrap_or(NOTHING), right.get(name).unwrap_or(NOTHING));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for at in 0..left.len().max(right.len()) {
                step(&at.to_string(), left.get(at).unwrap_or(NOTHING), right.get(at).unwrap_or(NOTHING));
            }
        }
        (old, new) if old != new => found.push((path.clone(), old, new)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_found_by_pointer() {
        let old = json!({"a": {"b/c": 1, "same": [1]}, "list": [1, 2], "gone": true});
        let new = json!({"a": {"b/c": 2, "same": [1]}, "list": [1], "new": null});
        let paths: Vec<String> = differences(&old, &new).into_iter().map(|(path, ..)| path).collect();
        assert_eq!(paths, ["/a/b~1c", "/gone", "/list/1"]);
        assert_eq!(new.pointer("/a/b~1c"), Some(&json!(2)));
        assert_eq!(first_difference(&old, &old), None);
    }
}
