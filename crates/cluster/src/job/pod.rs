//! What a pod's status says of its containers.

use std::fmt;

use serde_json::Value;

/// How a container ended, shown as `exit code 137 (OOMKilled)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Why, in the node's word: `Completed`, `Error`, `OOMKilled`, `StartError`, …
    pub reason: String,
    /// What it wrote to its termination message, or what the node says of a start that failed.
    pub message: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.code)?;
        match self.reason.as_str() {
            // The code says as much.
            "" | "Error" => Ok(()),
            reason => write!(f, " ({reason})"),
        }
    }
}

/// How far a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not begun.
    Waiting,
    Running,
    Ended(Ended),
}

/// Returns how far a container of a pod is, be it one of its first ones or not.
pub(super) fn stage(pod: &Value, container: &str) -> Stage {
    let lists = ["initContainerStatuses", "containerStatuses"].map(|list| pod["status"][list].as_array());
    let mut all = lists.into_iter().flatten().flatten();
    let Some(status) = all.find(|status| status["name"] == container) else { return Stage::Waiting };
    let (running, ended) = (&status["state"]["running"], &status["state"]["terminated"]);
    if ended.is_object() {
        let text = |name: &str| ended[name].as_str().unwrap_or_default().to_owned();
        let code = ended["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(-1);
        return Stage::Ended(Ended { code, reason: text("reason"), message: text("message") });
    }
    if running.is_object() { Stage::Running } else { Stage::Waiting }
}

/// Returns which container failed, of those that come before the others, and how: no other begins then.
pub(super) fn failed(pod: &Value) -> Option<(String, Ended)> {
    let mut first = pod["status"]["initContainerStatuses"].as_array().into_iter().flatten();
    first.find_map(|status| {
        let name = status["name"].as_str()?;
        match stage(pod, name) {
            Stage::Ended(ended) if ended.code != 0 => Some((name.to_owned(), ended)),
            _ => None,
        }
    })
}

/// Returns whether an image of the pod cannot be pulled at present.
pub(super) fn lacks_image(pod: &Value) -> bool {
    let lists = ["initContainerStatuses", "containerStatuses"].map(|list| pod["status"][list].as_array());
    let mut all = lists.into_iter().flatten().flatten();
    all.any(|status| {
        let reason = &status["state"]["waiting"]["reason"];
        ["ErrImagePull", "ImagePullBackOff"].iter().any(|one| reason == one)
    })
}

/// Returns why a pod as a whole was ended from outside, such as `DeadlineExceeded` or `Evicted`, and what
/// the cluster says of it.
pub(super) fn stopped(pod: &Value) -> Option<(String, String)> {
    let status = &pod["status"];
    let reason = status["reason"].as_str().filter(|_| status["phase"] == "Failed")?;
    Some((reason.to_owned(), status["message"].as_str().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_is_found_wherever_it_stands() {
        let pod = json!({"status": {
            "initContainerStatuses": [{"name": "first", "state": {"terminated":
                {"exitCode": 3, "reason": "Error", "message": "last words"}}}],
            "containerStatuses": [
                {"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}},
                {"name": "other", "state": {"running": {"startedAt": "x"}}}],
        }});
        let ended = Ended { code: 3, reason: "Error".to_owned(), message: "last words".to_owned() };
        assert_eq!(stage(&pod, "first"), Stage::Ended(ended.clone()));
        assert_eq!(failed(&pod), Some(("first".to_owned(), ended)));
        assert_eq!(stage(&pod, "main"), Stage::Waiting);
        assert_eq!(stage(&pod, "other"), Stage::Running);
        assert_eq!(stage(&json!({}), "main"), Stage::Waiting);
    }

    #[test]
    fn an_end_is_told_with_a_reason_that_says_more() {
        for (reason, told) in
            [("", "exit code 9"), ("Error", "exit code 9"), ("OOMKilled", "exit code 9 (OOMKilled)")]
        {
            let ended = Ended { code: 9, reason: reason.to_owned(), message: String::new() };
            assert_eq!(ended.to_string(), told);
        }
    }

    #[test]
    fn an_image_that_does_not_come_is_seen_until_it_comes() {
        let pod = |reason: &str| json!({"status": {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": reason}}}]}});
        assert!(lacks_image(&pod("ErrImagePull")) && lacks_image(&pod("ImagePullBackOff")));
        assert!(!lacks_image(&pod("ContainerCreating")) && !lacks_image(&json!({})));
    }

    #[test]
    fn a_pod_that_was_ended_says_why() {
        let pod = |phase: &str| json!({"status": {"phase": phase, "reason": "Evicted", "message": "low"}});
        assert_eq!(stopped(&pod("Failed")), Some(("Evicted".to_owned(), "low".to_owned())));
        assert_eq!(stopped(&pod("Running")), None);
        assert_eq!(stopped(&json!({"status": {"phase": "Failed"}})), None);
    }
}
