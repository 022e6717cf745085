//! A change set's own part: the inner deployer's change set, and what the branches get.

use serde::{Deserialize, Serialize};
use shipway_core::{
    Change, ChangeSet, Context, Deployment, Desired, Digest, Error, Feature, Level, Manifests, ObjectId,
    Result, State, Verb,
};
use shipway_git::NewCommit;
use shipway_oci::digest_of;

use super::{
    Gitops,
    environment::Branches,
    message,
    source::{self, Source},
};
use crate::manifests::joined;

/// The version of the form of a plan, and of a deployment's own state.
const FORM: u32 = 1;

/// What `apply` does, in this order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) before: Vec<Write>,
    pub(super) inner: Option<ChangeSet>,
    pub(super) after: Vec<Write>,
}

/// What a branch shall hold, and did: a commit where that is not the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Write {
    branch: String,
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
        let (candidate, production) = (self.candidate.as_str(), self.production.as_str());
        let write = async |branch, text, message| self.write(cx, &branches, branch, text, message).await;
        let mut plan = Plan::default();
        let inner = match desired {
            Desired::Released { manifests, .. } => {
                warn_of_secrets(cx, manifests);
                let source = self.look_at_source(cx).await?;
                let message = message::release(&manifests.release, source.as_ref());
                plan.before.push(write(candidate, Some(joined(manifests)), message).await?);
                Some(desired.clone())
            }
            Desired::Restored(earlier) => {
                let message = message::restored(&earlier.revision, &earlier.manifests.release);
                plan.before.push(write(candidate, Some(joined(&earlier.manifests)), message).await?);
                Some(Desired::Restored(inner_of(earlier)?))
            }
            Desired::Settled(deployment) => {
                let tried = self.tried(cx, &branches).await?;
                let said = tried.version(&deployment.revision).map_or_else(
                    || message::release(&deployment.manifests.release, None),
                    |version| version.message.clone(),
                );
                let message = message::copied(&deployment.revision, &said);
                plan.after.push(write(production, Some(joined(&deployment.manifests)), message).await?);
                let settles = self.inner.capabilities().claims(Feature::Settle);
                if settles { Some(Desired::Settled(inner_of(deployment)?)) } else { None }
            }
            Desired::Absent(deployment) => {
                let message = message::removed(&deployment.manifests.release);
                // What is gone is found by nobody who would finish the rest; so the rest comes first.
                for branch in [candidate, production] {
                    plan.before.push(write(branch, None, message.clone()).await?);
                }
                Some(Desired::Absent(inner_of(deployment)?))
            }
            _ => return Err(Error::unsupported("the deployer `gitops` does not know what is desired")),
        };
        if let Some(inner) = inner {
            plan.inner = Some(self.inner.diff(cx, &inner).await?);
        }
        let mut changes: Vec<Change> = plan.before.iter().filter_map(|write| self.change(write)).collect();
        changes.extend(plan.inner.iter().flat_map(|inner| inner.changes.iter().cloned()));
        changes.extend(plan.after.iter().filter_map(|write| self.change(write)));
        Ok(ChangeSet::new(desired.clone()).changes(changes).state(State::new(FORM, &plan)?))
    }

    /// Returns what brings a branch to this text.
    async fn write(
        &self,
        cx: &Context,
        branches: &Branches<'_>,
        branch: &str,
        text: Option<String>,
        message: String,
    ) -> Result<Write> {
        let tip = branches.tip(cx, branch).await?;
        let now = branches.text(cx, tip, &self.file).await?;
        Ok(Write { branch: branch.to_owned(), was: digest(now.as_deref()), text, message })
    }

    async fn look_at_source(&self, cx: &Context) -> Result<Option<Source>> {
        let (folder, name) = (self.source.clone(), self.repository.clone());
        cx.blocking(move |cx| source::look(cx, &folder, name.as_deref())).await
    }

    /// Returns the commit as a change for people. Manifests may hold secrets, so it shows what the commit says.
    fn change(&self, write: &Write) -> Option<Change> {
        if write.was == digest(write.text.as_deref()) {
            return None;
        }
        let verb = match (&write.was, &write.text) {
            (None, _) => Verb::Create,
            (Some(_), Some(_)) => Verb::Update,
            (Some(_), None) => Verb::Delete,
        };
        let lines: String = write.message.lines().map(|line| format!("+ {line}\n")).collect();
        let object = ObjectId::new("git", "File", format!("{}:{}", write.branch, self.file));
        Some(Change::new(object, verb).diff(lines))
    }

    /// Brings a branch to what was planned, once.
    pub(super) async fn commit(&self, cx: &Context, branches: &Branches<'_>, write: &Write) -> Result<()> {
        let (wanted, file) = (write.clone(), self.file.clone());
        let new = NewCommit::new(self.author.clone(), cx.clock().now(), write.message.clone())
            .files([(self.file.clone(), write.text.clone().map(String::into_bytes))]);
        let make = move |now: Option<String>| {
            if now == wanted.text {
                return Ok(None);
            }
            if digest(now.as_deref()) == wanted.was {
                return Ok(Some(new.clone()));
            }
            Err(Error::conflict(format!("`{file}` of branch `{}` changed meanwhile", wanted.branch))
                .hint("look at what changed, and deploy again"))
        };
        branches.commit_onto(cx, &write.branch, &self.file, make).await.map(drop)
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
