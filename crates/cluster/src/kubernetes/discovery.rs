//! Which kinds the cluster has, and where: asked for a group and version when something of it is first
//! needed, and again when a kind of it is not known, because its definition may have been applied since.
//!
//! Only the versions that are used are asked for, so that an extension's API server that is down is in
//! nobody's way but its own users'.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;
use serde_json::Value;
use shipway_core::{Context, Error, ErrorKind, ObjectId, Result, did_you_mean};

use super::{Cluster, failure::Asked, request::Call, target};

/// Where the objects of a kind are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) plural: String,
    pub(super) namespaced: bool,
}

type Kinds = BTreeMap<String, Resource>;

/// What is known of one group and version; held while it is asked for, so that it is asked for once.
type Version = Arc<tokio::sync::Mutex<Option<Arc<Kinds>>>>;

/// What is known of the cluster's kinds, by their `apiVersion`.
#[derive(Default)]
pub(super) struct Discovery(Mutex<BTreeMap<String, Version>>);

impl Discovery {
    fn version(&self, api_version: &str) -> Version {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(versions.entry(api_version.to_owned()).or_default())
    }
}

impl Cluster {
    /// Returns where the objects of a kind are, or `None` when the cluster has no such kind.
    pub(super) async fn resource(
        &self,
        cx: &Context,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Resource>> {
        let version = self.0.discovery.version(api_version);
        let seen = version.lock().await.clone();
        if let Some(resource) = seen.as_ref().and_then(|kinds| kinds.get(kind)) {
            return Ok(Some(resource.clone()));
        }
        let mut now = version.lock().await;
        let same = match (&*now, &seen) {
            (Some(now), Some(seen)) => Arc::ptr_eq(now, seen),
            (None, _) => true,
            (Some(_), None) => false,
        };
        if same {
            *now = self.kinds(cx, api_version).await?.map(Arc::new);
        }
        Ok(now.as_ref().and_then(|kinds| kinds.get(kind)).cloned())
    }

    /// Returns where the objects of a kind are.
    ///
    /// # Errors
    /// `NotFound` when the cluster has no such kind.
    pub(super) async fn known(&self, cx: &Context, api_version: &str, kind: &str) -> Result<Resource> {
        if let Some(resource) = self.resource(cx, api_version, kind).await? {
            return Ok(resource);
        }
        let error = Error::not_found(format!("the cluster has no kind `{kind}` in `{api_version}`"));
        let kinds = self.0.discovery.version(api_version).lock().await.clone();
        let kinds = kinds.unwrap_or_default();
        Err(match did_you_mean(kind, kinds.keys().map(String::as_str)) {
            Some(kind) => error.hint(format!("did you mean `{kind}`?")),
            None => {
                error.hint("see whether its definition was applied, and whether this is the right context")
            }
        })
    }

    /// Returns the path of an object.
    ///
    /// # Errors
    /// `NotFound` when the cluster has no such kind; `Config` when a namespace is missing or too much.
    pub(super) async fn path(&self, cx: &Context, id: &ObjectId) -> Result<String> {
        let resource = self.known(cx, &id.api_version, &id.kind).await?;
        target::of_object(&id.api_version, &resource, place(id, &resource)?, &id.name)
    }

    /// Returns the path of the objects among which an object is.
    pub(super) async fn path_of_kind(&self, cx: &Context, id: &ObjectId) -> Result<String> {
        let resource = self.known(cx, &id.api_version, &id.kind).await?;
        target::of_kind(&id.api_version, &resource, place(id, &resource)?)
    }

    /// Returns the versions of a group, the one that the cluster prefers first; none of a group that it has not.
    pub(super) async fn versions(&self, cx: &Context, group: &str) -> Result<Vec<String>> {
        let asked = Asked::new("read", format!("the versions of `{group}`"));
        let call = Call::get(target::of_group(group)?, asked);
        let answer = self.call(cx, &call).await?;
        if answer.code == 404 {
            return Ok(Vec::new());
        }
        let group = answer.good(&call.asked)?;
        let preferred = group["preferredVersion"]["groupVersion"].as_str();
        let all = group["versions"].as_array().into_iter().flatten();
        let others = all
            .filter_map(|version| version["groupVersion"].as_str())
            .filter(|other| Some(*other) != preferred);
        Ok(preferred.into_iter().chain(others).map(ToOwned::to_owned).collect())
    }

    /// Returns the cluster's version, such as `v1.34.4`, and all that it serves, each as `apps/v1` and as
    /// `apps/v1/Deployment`: what charts ask helm for.
    ///
    /// # Errors
    /// `BadOutput` when an answer does not have its form.
    pub async fn capabilities(&self, cx: &Context) -> Result<(String, Vec<String>)> {
        let get = async |path: &str, what: &str| {
            let call = Call::get(path.to_owned(), Asked::new("read", what.to_owned()));
            self.call(cx, &call).await?.good(&call.asked)
        };
        let version = get("/version", "the cluster's version").await?;
        let version = version["gitVersion"].as_str().unwrap_or_default().to_owned();
        let groups = get("/apis", "the cluster's groups of kinds").await?;
        let served = groups["groups"].as_array().into_iter().flatten();
        let served = served.flat_map(|group| group["versions"].as_array().into_iter().flatten());
        let served = served.filter_map(|version| version["groupVersion"].as_str());
        let mut all = Vec::new();
        for api_version in std::iter::once("v1").chain(served) {
            all.push(api_version.to_owned());
            // A group whose server is away has no kinds just now.
            let kinds = match self.kinds(cx, api_version).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => None,
                kinds => kinds?,
            };
            all.extend(kinds.into_iter().flatten().map(|(kind, _)| format!("{api_version}/{kind}")));
        }
        Ok((version, all))
    }

    async fn kinds(&self, cx: &Context, api_version: &str) -> Result<Option<Kinds>> {
        let asked = Asked::new("read", format!("the kinds of `{api_version}`"));
        let call = Call::get(target::of_version(api_version)?, asked);
        let answer = self.call(cx, &call).await?;
        if answer.code == 404 {
            return Ok(None);
        }
        kinds(answer.good(&call.asked)?).map(Some)
    }
}

/// Returns the namespace of an object's path.
fn place<'a>(id: &'a ObjectId, resource: &Resource) -> Result<Option<&'a str>> {
    match (&id.namespace, resource.namespaced) {
        (Some(namespace), true) => Ok(Some(namespace)),
        (None, false) => Ok(None),
        (None, true) => Err(Error::config(format!("{id} has no namespace"))
            .hint(format!("each {} is in a namespace: name it", id.kind))),
        (Some(_), false) => Err(Error::config(format!("{id} has a namespace"))
            .hint(format!("a {} is the whole cluster's: leave the namespace out", id.kind))),
    }
}

/// Reads an `APIResourceList`.
fn kinds(list: Value) -> Result<Kinds> {
    #[derive(Deserialize)]
    struct Item {
        name: String,
        namespaced: bool,
        kind: String,
    }
    #[derive(Deserialize)]
    struct List {
        resources: Vec<Item>,
    }
    let list: List = serde_json::from_value(list)
        .map_err(|error| Error::bad_output("the list of the cluster's kinds has no form").source(error))?;
    // What has a `/` in its name is part of another, such as `pods/log`.
    let own = list.resources.into_iter().filter(|item| !item.name.contains('/'));
    Ok(own.map(|item| (item.kind, Resource { plural: item.name, namespaced: item.namespaced })).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_read_without_parts_of_others() {
        let list = json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": ["get"]},
            {"name": "pods/log", "namespaced": true, "kind": "Pod", "verbs": ["get"]},
            {"name": "pods/eviction", "namespaced": true, "kind": "Eviction", "group": "policy", "verbs": []},
            {"name": "nodes", "namespaced": false, "kind": "Node", "verbs": ["get"]},
        ]});
        let kinds = kinds(list).expect("a list");
        assert_eq!(kinds.keys().collect::<Vec<_>>(), ["Node", "Pod"]);
        assert_eq!(kinds["Pod"], Resource { plural: "pods".to_owned(), namespaced: true });
        assert!(super::kinds(json!({"resources": 1})).is_err());
    }

    #[test]
    fn an_object_is_where_its_kind_is() {
        let resource = |namespaced| Resource { plural: "things".to_owned(), namespaced };
        let id = ObjectId::new("v1", "Thing", "a");
        let inside = id.clone().namespace("shop".to_owned());
        assert_eq!(place(&inside, &resource(true)).expect("fits"), Some("shop"));
        assert_eq!(place(&id, &resource(false)).expect("fits"), None);
        assert!(place(&id, &resource(true)).is_err() && place(&inside, &resource(false)).is_err());
    }
}
