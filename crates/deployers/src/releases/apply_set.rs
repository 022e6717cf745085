//! What is a release's in a cluster: an ApplySet, which other tools understand as well.
//!
//! Source: the ApplySet specification (KEP-3659; "Declarative Management of Kubernetes Objects Using Configuration
//! Files", "Alternative: `kubectl apply -f <directory> --prune`").

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shipway_cluster::group;
use shipway_core::{Context, Error, ObjectId, Result};

use super::{MANAGED_BY, MANAGER, Releases, change::moved};

/// On the parent.
const ID: &str = "applyset.kubernetes.io/id";
const TOOLING: &str = "applyset.kubernetes.io/tooling";
const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";
/// On each member.
pub(super) const PART_OF: &str = "applyset.kubernetes.io/part-of";

/// A group and a kind in it; the group is empty for Kubernetes' oldest kinds.
pub(super) type GroupKind = (String, String);

/// A release's set: its parent is a Secret beside the records.
#[derive(Clone, Debug)]
pub(super) struct ApplySet {
    name: String,
    namespace: String,
}

/// Which kinds of objects a set may have, and in which namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) kinds: BTreeSet<GroupKind>,
    pub(super) namespaces: BTreeSet<String>,
    /// The parent as it is in the cluster.
    parent: Option<Value>,
}

impl ApplySet {
    pub(super) fn of(release: &str, namespace: &str) -> Self {
        Self { name: format!("shipway.{release}"), namespace: namespace.to_owned() }
    }

    /// Returns the set's id: the value of [`PART_OF`].
    pub(super) fn id(&self) -> String {
        // Name, namespace, kind and group of the parent.
        let hash = Sha256::digest(format!("{}.{}.Secret.", self.name, self.namespace));
        format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(hash))
    }

    pub(super) fn parent(&self) -> ObjectId {
        ObjectId::new("v1", "Secret", self.name.as_str()).namespace(self.namespace.clone())
    }

    /// Returns what the parent says.
    pub(super) async fn extent(&self, releases: &Releases, cx: &Context) -> Result<Extent> {
        let Some(parent) = releases.api.get(cx, &self.parent()).await? else { return Ok(Extent::default()) };
        if parent["metadata"]["labels"][ID] != self.id() {
            return Err(Error::conflict(format!("{} is there already and is no release's", self.parent()))
                .hint("remove it, or give the release another name or namespace"));
        }
        let items = |name: &str| -> Vec<&str> {
            let text = parent["metadata"]["annotations"][name].as_str().unwrap_or_default();
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
        };
        let kinds = items(KINDS).into_iter().map(|item| {
            let (kind, group) = item.split_once('.').unwrap_or((item, ""));
            (group.to_owned(), kind.to_owned())
        });
        let (kinds, namespaces) =
            (kinds.collect(), items(NAMESPACES).into_iter().map(str::to_owned).collect());
        Ok(Extent { kinds, namespaces, parent: Some(parent) })
    }

    /// Writes the parent, unless it says so already.
    ///
    /// # Errors
    /// `Conflict` when somebody else wrote it since it was read.
    pub(super) async fn write(
        &self,
        releases: &Releases,
        cx: &Context,
        extent: &Extent,
        next: &Extent,
    ) -> Result<()> {
        if extent.parent.is_some() && (&extent.kinds, &extent.namespaces) == (&next.kinds, &next.namespaces) {
            return Ok(());
        }
        let kinds: Vec<String> = next
            .kinds
            .iter()
            .map(|(group, kind)| if group.is_empty() { kind.clone() } else { format!("{kind}.{group}") })
            .collect();
        let namespaces: Vec<&str> = next.namespaces.iter().map(String::as_str).collect();
        let parent = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "shipway.dev/release",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {ID: self.id(), MANAGED_BY: MANAGER},
                "annotations": {
                    TOOLING: concat!("shipway/v", env!("CARGO_PKG_VERSION")),
                    KINDS: kinds.join(","),
                    NAMESPACES: namespaces.join(","),
                },
                "resourceVersion": extent.parent.as_ref().map(|parent| &parent["metadata"]["resourceVersion"]),
            },
        });
        let written = match extent.parent {
            None => releases.api.create(cx, MANAGER, &parent).await,
            Some(_) => releases.api.update(cx, MANAGER, &parent).await,
        };
        written.map(drop).map_err(|error| match error.kind() {
            shipway_core::ErrorKind::Conflict => {
                moved(format!("{} was changed", self.parent())).source(error)
            }
            _ => error,
        })
    }

    pub(super) async fn remove(&self, releases: &Releases, cx: &Context) -> Result<()> {
        releases.api.delete(cx, &self.parent(), None).await
    }
}

impl Extent {
    /// Adds what these objects need.
    pub(super) fn with<'a>(&self, ids: impl IntoIterator<Item = &'a ObjectId>, set: &ApplySet) -> Self {
        let mut next = self.clone();
        for id in ids {
            next.kinds.insert((group(&id.api_version).to_owned(), id.kind.clone()));
            next.namespaces.extend(id.namespace.clone().filter(|namespace| *namespace != set.namespace));
        }
        next
    }

    /// Returns what these objects alone need.
    pub(super) fn only<'a>(&self, ids: impl IntoIterator<Item = &'a ObjectId>, set: &ApplySet) -> Self {
        let bare = Self { parent: self.parent.clone(), ..Self::default() };
        bare.with(ids, set)
    }
}
