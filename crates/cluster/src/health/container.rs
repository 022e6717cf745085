//! What keeps a container from running, by what the kubelet says of it.

use serde_json::Value;

use super::{
    event::Event,
    pull, said,
    trouble::{Found, Outlook},
};

/// A container of a pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct Container<'a> {
    pub(super) pod: &'a Value,
    /// Its status.
    pub(super) status: &'a Value,
    pub(super) init: bool,
}

impl<'a> Container<'a> {
    /// Returns the containers of a pod that have a status, in the order in which they start.
    pub(super) fn all(pod: &'a Value) -> Vec<Self> {
        let of = |field: &str, init| {
            let statuses = pod["status"][field].as_array().into_iter().flatten();
            statuses.map(move |status| Self { pod, status, init })
        };
        of("initContainerStatuses", true).chain(of("containerStatuses", false)).collect()
    }

    fn name(self) -> &'a str {
        self.status["name"].as_str().unwrap_or_default()
    }

    fn title(self) -> String {
        format!("{}container `{}`", if self.init { "init " } else { "" }, self.name())
    }

    /// Returns what the manifest says of the container.
    fn spec(self) -> &'a Value {
        let field = if self.init { "initContainers" } else { "containers" };
        let all = self.pod["spec"][field].as_array().into_iter().flatten();
        all.into_iter().find(|one| one["name"] == self.name()).unwrap_or(&Value::Null)
    }

    fn image(self) -> &'a str {
        let image = self.spec()["image"].as_str().or_else(|| self.status["image"].as_str());
        image.unwrap_or_default()
    }

    fn is_about(self, event: Event<'_>) -> bool {
        event.container().is_none_or(|name| name == self.name())
    }

    /// Returns what keeps it from running; `events` are those of its pod, the last first.
    pub(super) fn trouble(self, events: &[Event<'_>]) -> Option<Found> {
        let state = &self.status["state"];
        if let Some(reason) = state["waiting"]["reason"].as_str() {
            return self.waiting(reason, state["waiting"]["message"].as_str().unwrap_or_default(), events);
        }
        let crashed = self.crash(&state["terminated"]);
        if let Some(how) = crashed {
            // Back-off has not begun, so it is started again soon.
            let found =
                Found::new(Outlook::Waiting, format!("{} crashed: {how}{}", self.title(), self.restarts()));
            return Some(found.logs(self.pod, self.name(), false));
        }
        if state["running"].is_null() {
            return None;
        }
        // A sidecar is an init container that stays.
        if self.init && self.spec()["restartPolicy"] != "Always" {
            let found = Found::new(Outlook::Waiting, format!("{} still runs", self.title()));
            return Some(found.logs(self.pod, self.name(), false));
        }
        self.not_ready(events)
    }

    fn not_ready(self, events: &[Event<'_>]) -> Option<Found> {
        let is_ready = if self.init { &self.status["started"] } else { &self.status["ready"] };
        if *is_ready == true {
            return None;
        }
        let mut probes =
            events.iter().filter(|event| event.reason() == "Unhealthy" && self.is_about(**event));
        let last = self.crash(&self.status["lastState"]["terminated"]);
        let (text, previous) = match (probes.next(), last) {
            (Some(event), _) => {
                (format!("is not ready: {}{}", said::line(event.message()), self.restarts()), false)
            }
            (None, Some(how)) => (format!("crashed before: {how}{}", self.restarts()), true),
            (None, None) => return None,
        };
        let found = Found::new(Outlook::Waiting, format!("{} {text}", self.title()));
        Some(found.logs(self.pod, self.name(), previous))
    }

    fn waiting(self, reason: &str, message: &str, events: &[Event<'_>]) -> Option<Found> {
        let (title, image) = (self.title(), self.image());
        Some(match reason {
            // What every container goes through; the pod's events say what it waits for.
            "ContainerCreating" | "PodInitializing" => return None,
            "ErrImagePull"
            | "ImagePullBackOff"
            | "ErrImagePullBackOff"
            | "RegistryUnavailable"
            | "SignatureValidationFailed" => self.pull(reason, message, events),
            "InvalidImageName" => Found::new(
                Outlook::Fatal,
                format!("{title}: `{image}` is not the name of an image; correct it in the manifest"),
            ),
            "ErrImageNeverPull" => Found::new(
                Outlook::Failing,
                format!(
                    "{title}: image `{image}` is not on the node, and its pull policy is `Never`; load it into the \
                     node, or let it be pulled"
                ),
            ),
            "CrashLoopBackOff" => {
                let last = &self.status["lastState"]["terminated"];
                let how = self.crash(last).unwrap_or_else(|| match last["exitCode"].as_i64() {
                    Some(_) => "it ends with exit code 0, but should go on running".to_owned(),
                    None => "it says not why".to_owned(),
                });
                let found = Found::new(
                    Outlook::Failing,
                    format!("{title} crashes again and again: {how}{}", self.restarts()),
                );
                found.logs(self.pod, self.name(), true)
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "StartError" => {
                self.cannot_start(reason, message)
            }
            _ => {
                let why = [reason, message].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
                Found::new(Outlook::Waiting, format!("{title} waits: {}", said::line(&why.join(": "))))
            }
        })
    }

    fn cannot_start(self, reason: &str, message: &str) -> Found {
        // kubelet, `security_context.go`: the image and the manifest contradict each other.
        let contradicts = ["runAsNonRoot", "no command specified"].iter().any(|text| message.contains(text));
        // The secret or the key may still come; a program that is not in the image does not.
        let outlook = match reason {
            _ if contradicts => Outlook::Fatal,
            "RunContainerError" | "StartError" => Outlook::Failing,
            _ => Outlook::Waiting,
        };
        let hint = if message.starts_with("secret ")
            || message.starts_with("configmap ")
            || message.contains("find key")
        {
            "; create it, or mark the reference `optional`"
        } else {
            ""
        };
        Found::new(outlook, format!("{} cannot start: {}{hint}", self.title(), said::line(runtime(message))))
    }

    fn pull(self, reason: &str, message: &str, events: &[Event<'_>]) -> Found {
        let image = self.image();
        // Older kubelets say what the registry said in an event alone.
        let events = events.iter().filter(|event| event.reason() == "Failed" && self.is_about(**event));
        let mut said = std::iter::once(message).chain(events.map(|event| event.message()));
        let start =
            format!("{} does not get its image `{image}` from `{}`", self.title(), pull::registry(image));
        let Some(refusal) = said.find_map(|said| pull::refusal(image, said)) else {
            return Found::new(Outlook::Waiting, start);
        };
        let (hint, outlook) = match reason {
            "RegistryUnavailable" => (None, Outlook::Waiting),
            "SignatureValidationFailed" => (None, Outlook::Failing),
            _ => (refusal.hint, refusal.outlook),
        };
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        Found::new(outlook, format!("{start}: {}{hint}", refusal.said))
    }

    /// Says how a container ended, if it did not end well.
    pub(super) fn crash(self, terminated: &Value) -> Option<String> {
        let code = terminated["exitCode"].as_i64().filter(|code| *code != 0)?;
        let reason = terminated["reason"].as_str().unwrap_or_default();
        let message = terminated["message"].as_str().unwrap_or_default();
        if reason == "OOMKilled" {
            let limit = self.spec()["resources"]["limits"]["memory"].as_str();
            let limit = limit.map_or_else(String::new, |limit| format!(" of {limit}"));
            return Some(format!("it needs more memory than its limit{limit} (OOMKilled)"));
        }
        // What a program wrote as its last message is in its log; what the runtime says is nowhere else.
        if ["StartError", "ContainerCannotRun"].contains(&reason) && !message.is_empty() {
            return Some(said::line(runtime(message)));
        }
        let signal = terminated["signal"].as_i64().unwrap_or(if code > 128 { code - 128 } else { 0 });
        let meaning = match (code, signal) {
            (126, _) => ", the program is not executable",
            (127, _) => ", the program was not found",
            (_, 4) => ", SIGILL",
            (_, 6) => ", SIGABRT",
            (_, 7) => ", SIGBUS",
            (_, 8) => ", SIGFPE",
            (_, 9) => ", SIGKILL",
            (_, 11) => ", SIGSEGV",
            (_, 15) => ", SIGTERM",
            _ => "",
        };
        Some(format!("exit code {code}{meaning}"))
    }

    fn restarts(self) -> String {
        match self.status["restartCount"].as_i64().unwrap_or_default() {
            0 => String::new(),
            1 => ", 1 restart".to_owned(),
            more => format!(", {more} restarts"),
        }
    }
}

/// Returns what a container runtime says without the programs that passed it on.
fn runtime(message: &str) -> &str {
    let inner =
        message.rsplit_once("unable to start container process: ").map_or(message, |(_, inner)| inner);
    inner.strip_suffix(": unknown").unwrap_or(inner)
}
