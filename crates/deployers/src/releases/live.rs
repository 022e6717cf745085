//! What a cluster has of a release: one list a kind and namespace, instead of one request an object.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use serde_json::Value;
use shipway_cluster::{Selector, group, object_id};
use shipway_core::{Context, ErrorKind, ObjectId, Result};

use super::{
    Releases,
    apply_set::Extent,
    at_once::at_once,
    change::is_ours,
    objects::{Key, rank},
};

/// So many objects are asked for one by one: lists have all that others have of their kinds in a namespace.
const FEW: usize = 8;

/// The objects of the kinds that a release has, its own and others.
#[derive(Debug)]
pub(crate) struct Live {
    part_of: String,
    objects: BTreeMap<Key, Value>,
}

/// One list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Query {
    api_version: String,
    kind: String,
    namespace: Option<String>,
}

impl Live {
    /// Returns what is there of these objects.
    pub(super) async fn of(
        releases: &Releases,
        cx: &Context,
        release: &str,
        desired: &[&ObjectId],
    ) -> Result<Self> {
        if desired.len() > FEW {
            return Self::read(releases, cx, release, &Extent::default(), desired).await;
        }
        let one = async |id: &ObjectId| {
            let (of, version) = (group(&id.api_version), id.api_version.rsplit('/').next());
            match releases.api.served(cx, of, version, &id.kind).await? {
                Some(_) => releases.api.get(cx, id).await,
                // What is not defined yet has no objects.
                None => Ok(None),
            }
        };
        let found = at_once(desired.iter().map(|id| one(id).boxed()).collect()).await?;
        let found = desired.iter().zip(found).filter_map(|(id, object)| Some((Key::of(id), object?)));
        Ok(Self { part_of: releases.apply_set(release).id(), objects: found.collect() })
    }

    /// Lists what is there of the kinds of the release's set and of these objects.
    pub(super) async fn read(
        releases: &Releases,
        cx: &Context,
        release: &str,
        extent: &Extent,
        desired: &[&ObjectId],
    ) -> Result<Self> {
        let asked = desired.iter().map(|id| (&id.api_version, &id.kind, &id.namespace));
        let mut queries = BTreeSet::new();
        for (api_version, kind, namespace) in asked.collect::<BTreeSet<_>>() {
            let version = api_version.rsplit('/').next();
            // What is not defined yet has no objects.
            if releases.api.served(cx, group(api_version), version, kind).await?.is_some() {
                let (api_version, kind, namespace) = (api_version.clone(), kind.clone(), namespace.clone());
                queries.insert(Query { api_version, kind, namespace });
            }
        }
        let namespaces: Vec<&String> = extent.namespaces.iter().chain([&releases.namespace]).collect();
        for (of, kind) in &extent.kinds {
            let written =
                queries.iter().find(|query| query.kind == *kind && group(&query.api_version) == *of);
            let version =
                written.map(|query| query.api_version.rsplit('/').next().unwrap_or_default().to_owned());
            let Some(served) = releases.api.served(cx, of, version.as_deref(), kind).await? else { continue };
            let query =
                |namespace| Query { api_version: served.api_version.clone(), kind: kind.clone(), namespace };
            match served.namespaced {
                true => queries.extend(namespaces.iter().map(|&namespace| query(Some(namespace.clone())))),
                false => _ = queries.insert(query(None)),
            }
        }
        let mut lists = Vec::with_capacity(queries.len());
        for query in queries {
            let mut selector = Selector::new().kind(query.api_version, query.kind);
            if let Some(namespace) = query.namespace {
                selector = selector.namespace(namespace);
            }
            let list = async move {
                match releases.api.list(cx, &selector).await {
                    // What was defined when it was first asked for may be so no more.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
                    list => Ok(list?.items),
                }
            };
            lists.push(list.boxed());
        }
        let lists = at_once(lists).await?;
        let mut objects = BTreeMap::new();
        for object in lists.into_iter().flatten() {
            objects.insert(Key::of(&object_id(&object)?), object);
        }
        Ok(Self { part_of: releases.apply_set(release).id(), objects })
    }

    /// Returns the object, if it is there.
    pub(crate) fn get(&self, id: &ObjectId) -> Option<&Value> {
        self.objects.get(&Key::of(id))
    }

    /// Returns how many are the release's own.
    pub(super) fn count(&self) -> usize {
        self.objects.values().filter(|object| is_ours(object, &self.part_of)).count()
    }

    /// Returns the release's own, in the order in which they can be removed.
    pub(super) fn members(&self) -> Result<Vec<(ObjectId, &Value)>> {
        let mut members = Vec::new();
        for object in self.objects.values() {
            if is_ours(object, &self.part_of) {
                members.push((object_id(object)?, object));
            }
        }
        members.sort_by(|(a, _), (b, _)| rank(b).cmp(&rank(a)).then_with(|| a.cmp(b)));
        Ok(members)
    }
}
