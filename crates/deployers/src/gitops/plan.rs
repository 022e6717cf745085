//! A change set's own part: the inner deployer's change set, and what the branches get.

use serde::{Deserialize, Serialize};
use shipway_core::{
    Change, ChangeSet, Context, Deployment, Desired, Digest, Error, Level, Manifests, ObjectId, Result,
    State, Verb,
};
use shipway_git::NewCommit;
use shipway_oci::digest_of;

use super::{
    Gitops, REMEMBERED,
    environment::Branches,
    message,
    source::{self, Source},
};
use crate::manifests::joined;

/// The version of the form of a plan, and of a deployment's own state.
const FORM: u32 = 1;

/// What `apply` does, in this order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) candidate: Option<Write>,
    pub(super) inner: Option<ChangeSet>,
    pub(super) production: Option<Write>,
}

/// What a branch shall hold, and did: a commit where that is not the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Write {
    /// What the file held when it was looked at; none where there was no file.
    was: Option<Digest>,
    /// What it shall hold; none to remove it.
    text: Option<String>,
    message: String,
}

impl Plan {
    pub(super) fn read(changes: &ChangeSet) -> Result<Self> {
        match &changes.state {
            Some(state) => state.read(FORM),
            None => Err(Error::config("the change set is of another deployer")),
        }
    }
}

/// Returns the inner deployer's deployment that one of ours is.
pub(super) fn inner_of(deployment: &Deployment) -> Result<Deployment> {
    match &deployment.state {
        Some(state) => state.read(FORM),
        None => Err(Error::config("the deployment is of another deployer")),
    }
}

/// Returns our deployment that the inner deployer's is, at this commit.
pub(super) fn outer_of(inner: &Deployment, commit: impl Into<String>) -> Result<Deployment> {
    let outer = Deployment::new(inner.manifests.clone(), commit, inner.at).share(inner.share);
    Ok(outer.state(State::new(FORM, inner)?))
}

impl Gitops {
    pub(super) async fn plan(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        let branches = self.environment.open(cx).await?;
        let look = Look { gitops: self, cx, branches: &branches };
        let (candidate, inner, production) = match desired {
            Desired::Released { manifests, .. } => {
                warn_of_secrets(cx, manifests);
                let source = self.look_at_source(cx).await?;
                let message = message::release(&manifests.release, source.as_ref());
                let write = look.write(&self.candidate, Some(joined(manifests)), message).await?;
                (Some(write), Some(desired.clone()), None)
            }
            Desired::Restored(earlier) => {
                let message = message::restored(&earlier.revision, &earlier.manifests.release);
                let write = look.write(&self.candidate, Some(joined(&earlier.manifests)), message).await?;
                (Some(write), Some(Desired::Restored(inner_of(earlier)?)), None)
            }
            Desired::Settled(deployment) => {
                let tip = branches.tip(cx, &self.candidate).await?;
                let said = look.message(tip, deployment).await?;
                let message = message::copied(&deployment.revision, &said);
                let text = joined(&deployment.manifests);
                let write = look.write(&self.production, Some(text), message).await?;
                let settles = self.inner.capabilities().claims(shipway_core::Feature::Settle);
                let inner = if settles { Some(Desired::Settled(inner_of(deployment)?)) } else { None };
                (None, inner, Some(write))
            }
            Desired::Absent(deployment) => {
                let message = message::removed(&deployment.manifests.release);
                let candidate = look.write(&self.candidate, None, message.clone()).await?;
                let production = look.write(&self.production, None, message).await?;
                (Some(candidate), Some(Desired::Absent(inner_of(deployment)?)), Some(production))
            }
            _ => return Err(Error::unsupported("the deployer `gitops` does not know what is desired")),
        };
        let inner = match inner {
            Some(inner) => Some(self.inner.diff(cx, &inner).await?),
            None => None,
        };
        let mut changes = Vec::new();
        changes.extend(candidate.as_ref().and_then(|write| self.change(&self.candidate, write)));
        changes.extend(inner.iter().flat_map(|inner| inner.changes.iter().cloned()));
        changes.extend(production.as_ref().and_then(|write| self.change(&self.production, write)));
        let plan = Plan { candidate, inner, production };
        Ok(ChangeSet::new(desired.clone()).changes(changes).state(State::new(FORM, &plan)?))
    }

    async fn look_at_source(&self, cx: &Context) -> Result<Option<Source>> {
        let (folder, name) = (self.source.clone(), self.repository.clone());
        cx.blocking(move |cx| source::look(cx, &folder, name.as_deref())).await
    }

    /// Returns the commit as a change for people. Manifests may hold secrets, so it shows what the commit says.
    fn change(&self, branch: &str, write: &Write) -> Option<Change> {
        if write.was == digest(write.text.as_deref()) {
            return None;
        }
        let verb = match (&write.was, &write.text) {
            (None, _) => Verb::Create,
            (Some(_), Some(_)) => Verb::Update,
            (Some(_), None) => Verb::Delete,
        };
        let lines: String = write.message.lines().map(|line| format!("+ {line}\n")).collect();
        let object = ObjectId::new("git", "File", format!("{branch}:{}", self.file));
        Some(Change::new(object, verb).diff(lines))
    }

    /// Brings a branch to what was planned, once.
    pub(super) async fn commit(
        &self,
        cx: &Context,
        branches: &Branches<'_>,
        branch: &str,
        write: &Write,
    ) -> Result<()> {
        let (wanted, file, name) = (write.clone(), self.file.clone(), branch.to_owned());
        let new = NewCommit::new(self.author.clone(), cx.clock().now(), write.message.clone())
            .files([(self.file.clone(), write.text.clone().map(String::into_bytes))]);
        let make = move |now: Option<String>| {
            if now == wanted.text {
                return Ok(None);
            }
            if digest(now.as_deref()) == wanted.was {
                return Ok(Some(new.clone()));
            }
            Err(Error::conflict(format!("`{file}` of branch `{name}` changed meanwhile"))
                .hint("look at what changed, and deploy again"))
        };
        branches.commit_onto(cx, branch, &self.file, make).await.map(drop)
    }

    /// Returns the commit that brought the manifests to the candidate branch; where it lies too far back, the
    /// branch's last one, if it still has them.
    pub(super) async fn brought(
        &self,
        cx: &Context,
        branches: &Branches<'_>,
        manifests: &Manifests,
    ) -> Result<Option<String>> {
        let text = joined(manifests);
        let tip = branches.tip(cx, &self.candidate).await?;
        let versions = branches.versions(cx, tip, &self.file, REMEMBERED).await?;
        if let Some(version) = versions.iter().find(|version| version.text.as_ref() == Some(&text)) {
            return Ok(Some(version.commit.to_string()));
        }
        let now = branches.text(cx, tip, &self.file).await?;
        Ok(tip.filter(|_| now == Some(text)).map(|tip| tip.to_string()))
    }
}

/// Says which secrets everybody could read who may read the repository, now and later.
fn warn_of_secrets(cx: &Context, manifests: &Manifests) {
    let objects = manifests.objects.iter().map(|manifest| &manifest.object);
    for object in objects.filter(|object| object.api_version == "v1" && object.kind == "Secret") {
        cx.message(
            Level::Warning,
            format!("{object} comes into the history of the environment's repository, where its values stay"),
        );
    }
}

fn digest(text: Option<&str>) -> Option<Digest> {
    text.map(|text| digest_of(text.as_bytes()))
}

struct Look<'a> {
    gitops: &'a Gitops,
    cx: &'a Context,
    branches: &'a Branches<'a>,
}

impl Look<'_> {
    /// Returns what brings a branch to this text.
    async fn write(&self, branch: &str, text: Option<String>, message: String) -> Result<Write> {
        let tip = self.branches.tip(self.cx, branch).await?;
        let now = self.branches.text(self.cx, tip, &self.gitops.file).await?;
        Ok(Write { was: digest(now.as_deref()), text, message })
    }

    /// Returns what the commit of a deployment said.
    async fn message(&self, tip: Option<shipway_git::ObjectId>, deployment: &Deployment) -> Result<String> {
        let versions = self.branches.versions(self.cx, tip, &self.gitops.file, REMEMBERED).await?;
        let commit = versions.into_iter().find(|version| version.commit.to_string() == deployment.revision);
        Ok(commit
            .map_or_else(|| message::release(&deployment.manifests.release, None), |version| version.message))
    }
}
