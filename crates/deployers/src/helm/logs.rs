//! The logs of a chart's pods: those that its workloads select, since a chart labels them as it likes.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::Value;
use shipway_cluster::Selector;
use shipway_core::{Context, Deployment, LogReader, LogRequest, ObjectId, Result};
use shipway_yaml::Rules;

use super::Helm;
use crate::logs::read_logs;

#[async_trait]
impl LogReader for Helm {
    async fn read(&self, cx: &Context, deployment: &Deployment, request: &LogRequest) -> Result<()> {
        let stage = self.stage(cx, &deployment.manifests.release.name).await?;
        let mut selected = BTreeSet::new();
        for manifest in &deployment.manifests.objects {
            let id = &manifest.object;
            // As the chart has it: the labels that helm adds are those of every release's objects.
            for document in shipway_yaml::parse(id.to_string(), &manifest.text)? {
                if let Some(labels) = labels(id, &document.to_json(Rules::Manifest)?) {
                    let namespace = id.namespace.clone().unwrap_or_else(|| stage.home.namespace.clone());
                    selected.insert((namespace, labels));
                }
            }
        }
        let pods = selected.into_iter().map(|(namespace, labels)| {
            let selector = Selector::new().kind("v1", "Pod").namespace(namespace);
            labels.into_iter().fold(selector, |selector, (name, value)| selector.label(name, value))
        });
        read_logs(cx, &stage.cluster, pods.collect(), request).await
    }
}

/// Returns the labels of the pods of a workload, or those of a pod itself; none where it has none.
fn labels(id: &ObjectId, object: &Value) -> Option<BTreeMap<String, String>> {
    if id.kind == "Job" {
        // The job's controller sets it.
        return Some(BTreeMap::from([("batch.kubernetes.io/job-name".to_owned(), id.name.clone())]));
    }
    let labels = match id.kind.as_str() {
        "Pod" => &object["metadata"]["labels"],
        _ => &object["spec"]["selector"]["matchLabels"],
    };
    let labels = labels.as_object()?.iter();
    let labels: BTreeMap<String, String> =
        labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    (!labels.is_empty()).then_some(labels)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_are_those_that_workloads_select() {
        let of = |kind: &str, object: Value| {
            labels(&ObjectId::new("v1", kind, "web"), &object).map(|labels| format!("{labels:?}"))
        };
        let web = r#"{"app": "web"}"#;
        assert_eq!(
            of("Deployment", json!({"spec": {"selector": {"matchLabels": {"app": "web"}}}})).unwrap(),
            web
        );
        assert_eq!(of("Pod", json!({"metadata": {"labels": {"app": "web"}}})).unwrap(), web);
        assert_eq!(of("Job", json!({})).unwrap(), r#"{"batch.kubernetes.io/job-name": "web"}"#);
        // A service's selector has no `matchLabels`.
        assert_eq!(of("Service", json!({"spec": {"selector": {"app": "web"}}})), None);
        assert_eq!(of("Pod", json!({})), None);
    }
}
