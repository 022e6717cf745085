//! What the cluster's parts say of an object: its events.

use serde_json::Value;
use shipway_core::{Context, ObjectId, Result};

use super::{Cluster, failure::Asked, objects::name_kind, request::Call, target};

/// The most events that are looked at; the cluster keeps them for an hour.
const MOST: &str = "500";

impl Cluster {
    /// Returns the events (`v1` `Event`) about an object, the oldest first; with a `uid`, only about that
    /// one of its name.
    ///
    /// # Errors
    /// `Auth` when they may not be read.
    pub async fn events(&self, cx: &Context, object: &ObjectId, uid: Option<&str>) -> Result<Vec<Value>> {
        // Those about objects of the whole cluster are kept in `default`.
        let namespace = object.namespace.as_deref().unwrap_or("default");
        let mut fields = format!("involvedObject.kind={},involvedObject.name={}", object.kind, object.name);
        if let Some(uid) = uid {
            fields.push_str(",involvedObject.uid=");
            fields.push_str(uid);
        }
        let events = super::discovery::Resource { plural: "events".to_owned(), namespaced: true };
        let path = target::of_kind("v1", &events, Some(namespace))?;
        let target = target::with_query(&path, &[("fieldSelector", &fields), ("limit", MOST)]);
        let call = Call::get(target, Asked::new("list", format!("the events of {object}")));
        let mut list = self.call(cx, &call).await?.good(&call.asked)?;
        let mut events = match list["items"].take() {
            Value::Array(events) => events,
            _ => Vec::new(),
        };
        events.iter_mut().for_each(|event| name_kind(event, "v1", "Event"));
        events.sort_by(|a, b| moment(a).cmp(moment(b)));
        Ok(events)
    }
}

/// Returns when an event happened last: times of one form, whose order is that of their text. Newer
/// reporters set the second field alone.
fn moment(event: &Value) -> &str {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.iter().find_map(|time| event.pointer(time)?.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_moment_of_an_event_is_its_last() {
        let event = json!({"metadata": {"creationTimestamp": "3"}, "lastTimestamp": null, "eventTime": "2"});
        assert_eq!(moment(&event), "2");
        assert_eq!(moment(&json!({"lastTimestamp": "1", "eventTime": "2"})), "1");
        assert_eq!(moment(&json!({})), "");
    }
}
