//! The objects of such work: the job around its pod, and the secret that goes with it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a job of one pod is to the cluster, beside its pod's containers and volumes.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use serde_json::json;
/// use shipway_cluster::JobObject;
///
/// let none = BTreeMap::new();
/// let job = JobObject {
///     name: "build-1",
///     namespace: "builds",
///     labels: &none,
///     annotations: &none,
///     node_selector: &none,
///     tolerations: &[],
///     service_account: None,
///     image_pull_secret: None,
///     timeout_seconds: 60,
///     ttl_seconds: 600,
/// };
/// let job = job.around(json!({"containers": [{"name": "build", "image": "busybox"}]}));
/// assert_eq!(job["spec"]["template"]["spec"]["restartPolicy"], "Never");
/// assert_eq!(job["spec"]["template"]["spec"]["automountServiceAccountToken"], false);
/// ```
#[derive(Clone, Debug)]
pub struct JobObject<'a> {
    /// The job's name.
    pub name: &'a str,
    /// The namespace that it is in.
    pub namespace: &'a str,
    /// Labels of the job and of its pod; the one that says that they are Shipway's comes to them.
    pub labels: &'a BTreeMap<String, String>,
    /// Annotations of the job and of its pod.
    pub annotations: &'a BTreeMap<String, String>,
    /// Labels that the node must have.
    pub node_selector: &'a BTreeMap<String, String>,
    /// Tolerations, as a pod has them.
    pub tolerations: &'a [Value],
    /// The service account, whose token the pod gets then; none when absent.
    pub service_account: Option<&'a str>,
    /// A secret of the namespace with which nodes pull images.
    pub image_pull_secret: Option<&'a str>,
    /// The longest that the pod may take, in seconds.
    pub timeout_seconds: u64,
    /// How long the job stays that nobody removes, in seconds: whoever goes on after a kill finds it that long.
    pub ttl_seconds: u64,
}

impl JobObject<'_> {
    /// Returns the job of a pod with this `spec`; what that says itself counts.
    #[must_use]
    pub fn around(&self, spec: Value) -> Value {
        let mut labels = self.labels.clone();
        labels.insert("app.kubernetes.io/managed-by".to_owned(), "shipway".to_owned());
        let mut pod = json!({
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "enableServiceLinks": false,
            // What runs in the pod could read it.
            "automountServiceAccountToken": self.service_account.is_some(),
        });
        if let Some(account) = self.service_account {
            pod["serviceAccountName"] = json!(account);
        }
        if let Some(secret) = self.image_pull_secret {
            pod["imagePullSecrets"] = json!([{ "name": secret }]);
        }
        if !self.node_selector.is_empty() {
            pod["nodeSelector"] = json!(self.node_selector);
        }
        if !self.tolerations.is_empty() {
            pod["tolerations"] = json!(self.tolerations);
        }
        if let (Value::Object(pod), Value::Object(own)) = (&mut pod, spec) {
            pod.extend(own);
        }
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": labels,
                "annotations": self.annotations},
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": self.timeout_seconds,
                "ttlSecondsAfterFinished": self.ttl_seconds,
                "template": {"metadata": {"labels": labels, "annotations": self.annotations}, "spec": pod},
            },
        })
    }
}

/// Returns a secret with these texts, which nobody can change, for [`PodJob::open`](crate::PodJob::open).
pub fn job_secret<K: Into<String>, V: Into<String>>(
    name: &str,
    namespace: &str,
    texts: impl IntoIterator<Item = (K, V)>,
) -> Value {
    let texts: Map<String, Value> =
        texts.into_iter().map(|(key, text)| (key.into(), Value::String(text.into()))).collect();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
        "metadata": {"name": name, "namespace": namespace},
        "stringData": texts,
    })
}

/// Returns a container's argument or variable so that it comes to the container as it is here.
///
/// The kubelet puts a variable's value in the place of `$(NAME)`, and `$` in that of `$$` (kubernetes,
/// `expansion/expand.go`).
#[must_use]
pub fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_says_itself_counts() {
        let none = BTreeMap::new();
        let job = JobObject {
            name: "run-1",
            namespace: "jobs",
            labels: &none,
            annotations: &none,
            node_selector: &none,
            tolerations: &[],
            service_account: Some("runner"),
            image_pull_secret: None,
            timeout_seconds: 60,
            ttl_seconds: 600,
        };
        let job = job.around(json!({"automountServiceAccountToken": false, "volumes": []}));
        insta::assert_snapshot!(serde_json::to_string_pretty(&job["spec"]["template"]).expect("JSON"), @r#"
        {
          "metadata": {
            "annotations": {},
            "labels": {
              "app.kubernetes.io/managed-by": "shipway"
            }
          },
          "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "restartPolicy": "Never",
            "serviceAccountName": "runner",
            "terminationGracePeriodSeconds": 1,
            "volumes": []
          }
        }
        "#);
    }

    #[test]
    fn text_that_the_kubelet_would_change_is_kept() {
        for (text, kept) in [("$(A)", "$$(A)"), ("$A $$", "$$A $$$$")] {
            assert_eq!(literal(text), kept);
        }
    }
}
