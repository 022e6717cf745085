//! The pods of builds, as far as they are alike for every builder that has some: a job of one pod, whose name
//! says all that decides the build.

use serde_json::{Value, json};
use shipway_cluster::{Cluster, Ended, JobObject};
use shipway_core::{BuildRequest, Context, Error, ErrorKind, Platform, Result, Snapshot};

use crate::BuildCluster;

/// The node's word for a container that wanted more memory than it may have.
pub(crate) const OUT_OF_MEMORY: &str = "OOMKilled";

/// How long a job stays that nobody removes, in seconds: whoever goes on after a kill finds it that long.
const STAYS: u64 = 600;

/// What of a build its objects say.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    /// The artifact, for people who look at the pod.
    pub(crate) artifact: &'a str,
    pub(crate) platform: Option<&'a Platform>,
}

impl BuildCluster {
    /// Opens the cluster, and returns it with the namespace of the pods.
    pub(crate) async fn open(&self, cx: &Context) -> Result<(Cluster, String)> {
        let cluster = Cluster::open(cx, &self.context).await?;
        let namespace = self.namespace.as_deref().unwrap_or(cluster.namespace()).to_owned();
        Ok((cluster, namespace))
    }
}

/// Returns the name of a build's objects: the same for whoever builds the same, so that a run that goes on
/// finds its pod again, and short enough for the pod's.
pub(crate) fn name(builder: &str, request: &BuildRequest) -> String {
    let mut parts = Snapshot::default();
    parts.set("fingerprint", request.fingerprint.as_str());
    parts.set("target", &request.target.reference());
    parts.set("artifact", request.artifact.name.as_str());
    let platforms: Vec<String> = request.artifact.platforms.iter().map(ToString::to_string).collect();
    parts.set("platforms", &platforms.join(","));
    format!("{builder}-{}", &parts.fingerprint().as_str()[..32])
}

/// Returns the job of a build whose pod has this `spec`, of which the first container builds.
pub(crate) fn job(place: &BuildCluster, names: &Names<'_>, mut spec: Value) -> Value {
    let mut annotations = place.annotations.clone();
    annotations.insert("dev.shipway/artifact".to_owned(), names.artifact.to_owned());
    let mut nodes = place.node_selector.clone();
    if let Some(platform) = names.platform {
        // What a `RUN` runs is of the node's kind: nothing is emulated.
        for (label, value) in
            [("kubernetes.io/os", &platform.os), ("kubernetes.io/arch", &platform.architecture)]
        {
            nodes.entry(label.to_owned()).or_insert_with(|| value.clone());
        }
    }
    if let Some(resources) = &place.resources {
        spec["containers"][0]["resources"] = resources.clone();
    }
    if let Some(user) = place.run_as_user {
        spec["securityContext"]["runAsUser"] = json!(user);
    }
    let job = JobObject {
        name: names.name,
        namespace: names.namespace,
        labels: &place.labels,
        annotations: &annotations,
        node_selector: &nodes,
        tolerations: &place.tolerations,
        service_account: place.service_account.as_deref(),
        image_pull_secret: place.image_pull_secret.as_deref(),
        timeout_seconds: place.timeout_seconds,
        ttl_seconds: STAYS,
    };
    job.around(spec)
}

/// Returns the error for a container that ended badly, with the last that it said.
pub(crate) fn failed(what: &str, ended: &Ended, said: &str) -> Error {
    let error = Error::new(ErrorKind::ToolFailed, format!("{what} with {ended}"));
    let error = if said.is_empty() { error } else { error.note(said) };
    match ended.reason.as_str() {
        OUT_OF_MEMORY => error.hint("give it more memory with `cluster.resources`"),
        _ => error,
    }
}
