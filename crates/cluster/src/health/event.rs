//! Events about objects, in the form of `v1` and of `events.k8s.io/v1`.

use serde_json::Value;

/// An event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a>(&'a Value);

impl<'a> Event<'a> {
    pub(super) fn reason(self) -> &'a str {
        self.0["reason"].as_str().unwrap_or_default()
    }

    pub(super) fn message(self) -> &'a str {
        self.0["message"].as_str().or_else(|| self.0["note"].as_str()).unwrap_or_default()
    }

    pub(super) fn is_warning(self) -> bool {
        self.0["type"] == "Warning"
    }

    fn object(self) -> &'a Value {
        let object = &self.0["involvedObject"];
        if object.is_null() { &self.0["regarding"] } else { object }
    }

    fn text(self, field: &str) -> &'a str {
        self.object()[field].as_str().unwrap_or_default()
    }

    pub(super) fn kind(self) -> &'a str {
        self.text("kind")
    }

    pub(super) fn name(self) -> &'a str {
        self.text("name")
    }

    /// Returns the container that it is about (`spec.containers{app}`).
    pub(super) fn container(self) -> Option<&'a str> {
        self.text("fieldPath").split_once('{').map(|(_, name)| name.trim_end_matches('}'))
    }

    /// Whether it is about this object, and not about one before it that had the same name.
    pub(super) fn is_about(self, object: &Value) -> bool {
        let same = |field: &str, of: &Value| {
            let (this, that) = (self.text(field), of.as_str().unwrap_or_default());
            this.is_empty() || that.is_empty() || this == that
        };
        self.kind() == object["kind"].as_str().unwrap_or("Pod")
            && object["metadata"]["name"] == self.name()
            && same("uid", &object["metadata"]["uid"])
            && same("namespace", &object["metadata"]["namespace"])
    }

    /// Returns the second when it last happened, as a text in the order of time.
    pub(super) fn at(self) -> &'a str {
        let places = ["/series/lastObservedTime", "/lastTimestamp", "/deprecatedLastTimestamp", "/eventTime"];
        let times = places.iter().chain(["/metadata/creationTimestamp"].iter());
        let mut times = times.filter_map(|place| self.0.pointer(place)?.as_str());
        times.next().and_then(|time| time.get(..19)).unwrap_or_default()
    }
}

/// Returns the events, the last to happen first.
pub(super) fn latest_first(events: &[Value]) -> Vec<Event<'_>> {
    let mut events: Vec<Event<'_>> = events.iter().map(Event).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at()));
    events
}
