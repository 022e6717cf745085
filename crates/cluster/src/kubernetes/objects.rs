//! The objects of a real cluster: each call of [`Api`] as its request.

use async_trait::async_trait;
use http::Method;
use serde_json::{Map, Value, json};
use shipway_core::{Context, Error, ObjectId, Result};

use super::{Cluster, failure::Asked, request::Call, target};
use crate::{
    api::{Api, Served, group},
    object::object_id,
    selector::Selector,
    store::{Apply, List},
};

/// How many objects come at once; `kubectl get` has the same.
const PAGE: &str = "500";

/// Server-side apply; JSON is YAML.
const APPLY: &str = "application/apply-patch+yaml";

#[async_trait]
impl Api for Cluster {
    async fn get(&self, cx: &Context, id: &ObjectId) -> Result<Option<Value>> {
        if self.resource(cx, &id.api_version, &id.kind).await?.is_none() {
            return Ok(None);
        }
        let call = Call::get(self.path(cx, id).await?, Asked::of("read", id));
        let answer = self.call(cx, &call).await?;
        if answer.code == 404 { Ok(None) } else { answer.good(&call.asked).map(Some) }
    }

    async fn list(&self, cx: &Context, selector: &Selector) -> Result<List> {
        let (path, asked) = self.path_of_selector(cx, "list", selector).await?;
        let labels = target::labels(selector);
        let (mut items, mut version, mut token, mut limit) = (Vec::new(), None, String::new(), PAGE);
        loop {
            let query = [("labelSelector", labels.as_str()), ("limit", limit), ("continue", token.as_str())];
            let call = Call::get(target::with_query(&path, &query), asked.clone());
            let answer = self.call(cx, &call).await?;
            if answer.code == 410 && !token.is_empty() {
                // The rest is of a version that the cluster has forgotten, so that all is asked for again, at
                // once (client-go, `tools/pager`).
                items.clear();
                version = None;
                (token, limit) = (String::new(), "");
                continue;
            }
            let mut page = answer.good(&call.asked)?;
            let said = |name: &str| page["metadata"][name].as_str().unwrap_or_default().to_owned();
            token = said("continue");
            let first = said("resourceVersion");
            version.get_or_insert(first);
            let Value::Array(more) = page["items"].take() else {
                return Err(Error::bad_output(format!("{}: the answer is not a list", asked.cannot())));
            };
            items.extend(more);
            if token.is_empty() {
                break;
            }
        }
        if let Some((api_version, kind)) = &selector.kind {
            items.iter_mut().for_each(|item| name_kind(item, api_version, kind));
        }
        Ok(List { items, resource_version: version.unwrap_or_default() })
    }

    async fn apply(&self, cx: &Context, manager: &str, config: &Value, how: Apply) -> Result<Value> {
        let id = object_id(config)?;
        let flag = |set: bool, value: &'static str| if set { value } else { "" };
        let query = [
            ("fieldManager", manager),
            ("fieldValidation", "Strict"),
            ("force", flag(how.force, "true")),
            ("dryRun", flag(how.dry_run, "All")),
        ];
        let target = target::with_query(&self.path(cx, &id).await?, &query);
        let call = Call::new(Method::PATCH, target, Asked::of("apply", &id)).body(config, APPLY);
        self.call(cx, &call).await?.good(&call.asked)
    }

    async fn create(&self, cx: &Context, manager: &str, object: &Value) -> Result<Value> {
        let id = object_id(object)?;
        let query = [("fieldManager", manager), ("fieldValidation", "Strict")];
        let target = target::with_query(&self.path_of_kind(cx, &id).await?, &query);
        let call = Call::new(Method::POST, target, Asked::of("create", &id)).json(object).again();
        self.write(cx, &id, &call, object, true).await
    }

    async fn update(&self, cx: &Context, manager: &str, object: &Value) -> Result<Value> {
        let id = object_id(object)?;
        let query = [("fieldManager", manager), ("fieldValidation", "Strict")];
        let target = target::with_query(&self.path(cx, &id).await?, &query);
        let call = Call::new(Method::PUT, target, Asked::of("update", &id)).json(object);
        self.write(cx, &id, &call, object, false).await
    }

    async fn delete(&self, cx: &Context, id: &ObjectId, uid: Option<&str>) -> Result<()> {
        if self.resource(cx, &id.api_version, &id.kind).await?.is_none() {
            return Ok(());
        }
        let mut options =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
        if let Some(uid) = uid {
            options["preconditions"] = json!({ "uid": uid });
        }
        let call = Call::new(Method::DELETE, self.path(cx, id).await?, Asked::of("remove", id));
        let call = call.json(&options);
        let answer = self.call(cx, &call).await?;
        match (answer.code, uid) {
            (404, _) => Ok(()),
            (409, Some(_)) => Err(Error::conflict(format!("{id} is another object of the same name"))),
            _ => answer.good(&call.asked).map(drop),
        }
    }

    async fn served(
        &self,
        cx: &Context,
        group: &str,
        version: Option<&str>,
        kind: &str,
    ) -> Result<Option<Served>> {
        let versions = match (version, group) {
            (Some(version), "") => vec![version.to_owned()],
            (Some(version), group) => vec![format!("{group}/{version}")],
            (None, "") => vec!["v1".to_owned()],
            (None, group) => self.versions(cx, group).await?,
        };
        for api_version in versions {
            if let Some(resource) = self.resource(cx, &api_version, kind).await? {
                return Ok(Some(Served::new(api_version, resource.namespaced)));
            }
        }
        Ok(None)
    }

    async fn may(
        &self,
        cx: &Context,
        verb: &str,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<bool> {
        let resource = self.known(cx, api_version, kind).await?;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": verb,
                "group": group(api_version),
                "version": api_version.rsplit('/').next(),
                "resource": resource.plural,
                "namespace": namespace.filter(|_| resource.namespaced),
            }},
        });
        let asked = Asked::new("ask", format!("whether one may {verb} {}", resource.plural));
        let target = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let call = Call::new(Method::POST, target.to_owned(), asked).json(&review).again();
        let answer = self.call(cx, &call).await?.good(&call.asked)?;
        Ok(answer["status"]["allowed"] == true)
    }
}

impl Cluster {
    /// Writes an object that must not be there yet, or be of a version. After an answer that was lost it may be our own
    /// write that is in the way: then the object is as it was to be.
    async fn write(
        &self,
        cx: &Context,
        id: &ObjectId,
        call: &Call,
        object: &Value,
        new: bool,
    ) -> Result<Value> {
        let answer = self.call(cx, call).await?;
        if answer.code == 409
            && answer.doubtful
            && let Some(now) = self.get(cx, id).await?
            && is_written(object, &now, new)
        {
            return Ok(now);
        }
        answer.good(&call.asked)
    }

    /// Returns the path of the objects that a selector is about, and what is asked of them.
    pub(super) async fn path_of_selector(
        &self,
        cx: &Context,
        verb: &'static str,
        selector: &Selector,
    ) -> Result<(String, Asked)> {
        let Some((api_version, kind)) = &selector.kind else {
            return Err(Error::config("a list of a cluster's objects is of one kind")
                .hint("name it with `Selector::kind`"));
        };
        let resource = self.known(cx, api_version, kind).await?;
        let namespace = selector.namespace.as_deref().filter(|_| resource.namespaced);
        let place = namespace.map_or(String::new(), |namespace| format!(" in namespace `{namespace}`"));
        let asked = Asked::new(verb, format!("{}{place}", resource.plural));
        Ok((target::of_kind(api_version, &resource, namespace)?, asked))
    }
}

/// Says in an item of a list what only the list says for all of them.
pub(super) fn name_kind(item: &mut Value, api_version: &str, kind: &str) {
    if let Some(map) = item.as_object_mut() {
        map.entry("apiVersion").or_insert_with(|| api_version.into());
        map.entry("kind").or_insert_with(|| kind.into());
    }
}

/// Returns whether an object is as it was written, but for what the API server adds: to the metadata, and to a new
/// object anywhere. Who owns it cannot be seen so.
fn is_written(object: &Value, now: &Value, new: bool) -> bool {
    const NOTHING: &Value = &Value::Null;
    let (Some(object), Some(now)) = (object.as_object(), now.as_object()) else { return false };
    let has = |object: &Map<String, Value>, name| {
        object["metadata"].get(name).is_some_and(|value| !value.is_null())
    };
    if has(object, "managedFields") || has(now, "deletionTimestamp") {
        return false;
    }
    object.keys().chain(now.keys()).filter(|name| *name != "status").all(|name| {
        let (part, now) = (object.get(name).unwrap_or(NOTHING), now.get(name).unwrap_or(NOTHING));
        match name.as_str() {
            "metadata" => part.as_object().into_iter().flatten().all(|(name, part)| {
                // What it was before.
                name == "resourceVersion" || holds(&now[name], part)
            }),
            _ if new => holds(now, part),
            _ => now == part,
        }
    })
}

/// Returns whether a value has all of another.
fn holds(now: &Value, part: &Value) -> bool {
    match (now, part) {
        (_, Value::Null) => true,
        (Value::Object(now), Value::Object(part)) => {
            part.iter().all(|(name, part)| holds(now.get(name).unwrap_or(&Value::Null), part))
        }
        // Admission adds to the end, such as volumes to a pod.
        (Value::Array(now), Value::Array(part)) => {
            now.len() >= part.len() && now.iter().zip(part).all(|(now, part)| holds(now, part))
        }
        (now, part) => now == part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_known_again() {
        let sent = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "resourceVersion": "1"},
            "spec": {"containers": [{"name": "main"}], "gone": null}});
        let with = |path: &str, value: Value| {
            let mut now = sent.clone();
            now["metadata"]["resourceVersion"] = "2".into();
            now["metadata"]["uid"] = "u".into();
            now["status"] = json!({});
            now["spec"].as_object_mut().expect("a map").remove("gone");
            if let Some(place) = now.pointer_mut(path) {
                *place = value;
            }
            now
        };
        let more = with("/spec/containers/0", json!({"name": "main", "image": "defaulted"}));
        assert!(is_written(&sent, &more, true));
        // What an update does not have, it removes.
        assert!(!is_written(&sent, &more, false));
        let mut plain = sent.clone();
        plain["spec"].as_object_mut().expect("a map").remove("gone");
        assert!(is_written(&plain, &with("/none", Value::Null), false));
        let goes = {
            let mut goes = with("/none", Value::Null);
            goes["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            goes
        };
        let added = with("/spec/containers", json!([{"name": "main"}, {"name": "sidecar"}]));
        assert!(is_written(&sent, &added, true) && !is_written(&plain, &added, false));
        for other in [with("/spec/containers/0/name", "b".into()), with("/metadata/name", "b".into()), goes] {
            assert!(!is_written(&sent, &other, true), "{other}");
        }
        let mut owned = plain;
        owned["metadata"]["managedFields"] = json!([]);
        assert!(!is_written(&owned, &with("/none", Value::Null), false));
    }
}
