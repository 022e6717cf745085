//! A buildkitd in a pod that is there for one build.
//!
//! It listens on the pod's own loopback and is reached through the cluster's API, so that nobody else in the
//! cluster can have it build.

use std::time::Duration;

use serde_json::{Value, json};
use shipway_cluster::{Ended, ForwardTarget, PodJob, job_secret, literal};
use shipway_core::{BuildRequest, Context, Error, ErrorKind, Image, Result};
use shipway_docker::{BuildkitAddress, SolveSpec};

use super::{Buildkit, BuildkitConfig};
use crate::{
    BuildCluster,
    docker::wanted_platform,
    pod::{self, Names, OUT_OF_MEMORY, failed, name},
};

/// The container.
const BUILDKITD: &str = "buildkitd";

/// Where it listens.
const PORT: u16 = 1234;

/// Where its configuration is, where there is one of ours.
const CONFIG: &str = "/etc/shipway-buildkit";

/// For how long a buildkitd that runs may not answer.
const READY: Duration = Duration::from_secs(60);

/// How soon it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// How much later than a container's end its node says so.
const LATER: Duration = Duration::from_secs(5);

impl Buildkit {
    pub(super) async fn in_pod(
        &self,
        cx: &Context,
        request: &BuildRequest,
        spec: &SolveSpec,
    ) -> Result<Image> {
        let Some(place) = &self.options.cluster else {
            return Err(Error::internal("a pod without a cluster"));
        };
        let (cluster, namespace) = place.open(cx).await?;
        let name = name("buildkit", request);
        let names = Names {
            name: &name,
            namespace: &namespace,
            artifact: request.artifact.name.as_str(),
            platform: wanted_platform("buildkit", &request.artifact)?,
        };
        let config = config(&self.options, &names);
        let job = job(&self.options, place, &names);
        let opened = PodJob::open(cx, &cluster, job, config).await?;
        let result = self.use_pod(cx, &opened, request, spec, &namespace).await;
        let removed = opened.remove().await;
        result.and_then(|image| removed.map(|()| image))
    }

    async fn use_pod(
        &self,
        cx: &Context,
        job: &PodJob,
        request: &BuildRequest,
        spec: &SolveSpec,
        namespace: &str,
    ) -> Result<Image> {
        let target = ForwardTarget::Pod(job.begun(cx, BUILDKITD).await?);
        // Not ended by a stop: what stops the build goes this way too.
        let forward = job.cluster().port_forward(&cx.for_cleanup(), namespace, &target, PORT).await?;
        let address = BuildkitAddress::new(&format!("tcp://{}", forward.address()))?;
        let buildkit = ready(cx, job, &address).await?;
        match self.solve(cx, &buildkit, spec, request).await {
            // Where the pod has ended, that is why.
            Err(error) if error.kind() == ErrorKind::Unavailable && cx.check_stopped().is_ok() => {
                match job.ended(&cx.within(Some(LATER)), BUILDKITD).await {
                    Ok(ended) => Err(gone(&ended)),
                    Err(_) => Err(error),
                }
            }
            built => built,
        }
    }
}

/// Connects as soon as there is somebody to connect to.
async fn ready(cx: &Context, job: &PodJob, address: &BuildkitAddress) -> Result<shipway_docker::Buildkit> {
    let end = cx.clock().elapsed() + READY;
    loop {
        let asked = async {
            let buildkit = shipway_docker::Buildkit::connect(cx, address).await?;
            buildkit.version(cx).await.map(|_| buildkit)
        };
        match asked.await {
            Ok(buildkit) => return Ok(buildkit),
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                if job.has_ended(cx, BUILDKITD).await? {
                    return Err(gone(&job.ended(cx, BUILDKITD).await?));
                }
                if cx.clock().elapsed() > end {
                    return Err(error.note("it runs in a pod that was made for the build"));
                }
                cx.sleep(PAUSE).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns the error for a buildkitd that has ended by itself.
fn gone(ended: &Ended) -> Error {
    let error = failed("`buildkitd` in the pod ended", ended, ended.message.trim());
    match ended.reason.as_str() {
        OUT_OF_MEMORY => error,
        _ => error
            .hint("see whether `image` is buildkitd's, and whether it needs `rootless` or must not have it"),
    }
}

/// Returns the job of a build.
fn job(options: &BuildkitConfig, place: &BuildCluster, names: &Names<'_>) -> Value {
    // Layers lie on a disk: a file system of layers cannot lie on another one.
    let folder = if options.rootless { "/home/user/.local/share/buildkit" } else { "/var/lib/buildkit" };
    let (mut volumes, mut mounts) = (place.volumes.clone(), place.volume_mounts.clone());
    volumes.push(json!({"name": "layers", "emptyDir": {}}));
    mounts.push(json!({"name": "layers", "mountPath": folder}));
    let mut args = vec![format!("--addr=tcp://127.0.0.1:{PORT}")];
    if !options.insecure_registry.is_empty() {
        volumes.push(json!({"name": "config", "secret": {"secretName": names.name}}));
        mounts.push(json!({"name": "config", "mountPath": CONFIG, "readOnly": true}));
        args.push(format!("--config={CONFIG}/buildkitd.toml"));
    }
    let security = if options.rootless {
        args.push("--oci-worker-no-process-sandbox".to_owned());
        // As upstream runs it (examples/kubernetes/job.rootless.yaml).
        json!({"runAsUser": 1000, "runAsGroup": 1000, "seccompProfile": {"type": "Unconfined"},
            "appArmorProfile": {"type": "Unconfined"}})
    } else {
        json!({"privileged": true})
    };
    let upstream = if options.rootless { "moby/buildkit:v0.34.2-rootless" } else { "moby/buildkit:v0.34.2" };
    let args: Vec<String> = args.iter().map(|arg| literal(arg)).collect();
    let spec = json!({
        "containers": [{
            "name": BUILDKITD, "image": options.image.as_deref().unwrap_or(upstream), "args": args,
            "terminationMessagePolicy": "FallbackToLogsOnError", "securityContext": security,
            "volumeMounts": mounts,
        }],
        "volumes": volumes,
    });
    pod::job(place, names, spec)
}

/// Returns the secret with buildkitd's configuration, where it needs one. There is nothing secret in it; a job
/// owns a secret.
fn config(options: &BuildkitConfig, names: &Names<'_>) -> Option<Value> {
    let registry = |host: &String| format!("[registry.{}]\nhttp = true\n", json!(host));
    let text: String = options.insecure_registry.iter().map(registry).collect();
    (!text.is_empty()).then(|| job_secret(names.name, names.namespace, [("buildkitd.toml", text)]))
}

#[cfg(test)]
mod tests {
    use shipway_core::Platform;

    use super::*;

    const NAMES: Names<'static> =
        Names { name: "buildkit-1", namespace: "builds", artifact: "shop/web", platform: None };

    fn pretty(value: &Value) -> String {
        serde_json::to_string_pretty(value).expect("JSON")
    }

    #[test]
    fn the_usual_pod_is_privileged_and_listens_to_itself_alone() {
        let place = BuildCluster::new("staging");
        let options = BuildkitConfig::in_cluster(place.clone());
        assert_eq!(config(&options, &NAMES), None);
        insta::assert_snapshot!(pretty(&job(&options, &place, &NAMES)["spec"]), @r#"
        {
          "activeDeadlineSeconds": 1200,
          "backoffLimit": 0,
          "template": {
            "metadata": {
              "annotations": {
                "dev.shipway/artifact": "shop/web"
              },
              "labels": {
                "app.kubernetes.io/managed-by": "shipway"
              }
            },
            "spec": {
              "automountServiceAccountToken": false,
              "containers": [
                {
                  "args": [
                    "--addr=tcp://127.0.0.1:1234"
                  ],
                  "image": "moby/buildkit:v0.34.2",
                  "name": "buildkitd",
                  "securityContext": {
                    "privileged": true
                  },
                  "terminationMessagePolicy": "FallbackToLogsOnError",
                  "volumeMounts": [
                    {
                      "mountPath": "/var/lib/buildkit",
                      "name": "layers"
                    }
                  ]
                }
              ],
              "enableServiceLinks": false,
              "restartPolicy": "Never",
              "terminationGracePeriodSeconds": 1,
              "volumes": [
                {
                  "emptyDir": {},
                  "name": "layers"
                }
              ]
            }
          },
          "ttlSecondsAfterFinished": 600
        }
        "#);
    }

    #[test]
    fn a_pod_without_privileges_has_what_its_place_says() {
        let place: BuildCluster = serde_json::from_value(json!({
            "context": "staging", "imagePullSecret": "pull", "resources": {"limits": {"cpu": "2"}},
            "tolerations": [{"operator": "Exists"}], "nodeSelector": {"pool": "builds"}, "timeoutSeconds": 60,
        }))
        .expect("a place");
        let mut options = BuildkitConfig::in_cluster(place.clone()).insecure_registry("r.example:5000");
        options.rootless = true;
        let platform = Platform::new("linux", "arm64");
        let names = Names { platform: Some(&platform), ..NAMES };
        insta::assert_snapshot!(pretty(&job(&options, &place, &names)["spec"]["template"]["spec"]), @r#"
        {
          "automountServiceAccountToken": false,
          "containers": [
            {
              "args": [
                "--addr=tcp://127.0.0.1:1234",
                "--config=/etc/shipway-buildkit/buildkitd.toml",
                "--oci-worker-no-process-sandbox"
              ],
              "image": "moby/buildkit:v0.34.2-rootless",
              "name": "buildkitd",
              "resources": {
                "limits": {
                  "cpu": "2"
                }
              },
              "securityContext": {
                "appArmorProfile": {
                  "type": "Unconfined"
                },
                "runAsGroup": 1000,
                "runAsUser": 1000,
                "seccompProfile": {
                  "type": "Unconfined"
                }
              },
              "terminationMessagePolicy": "FallbackToLogsOnError",
              "volumeMounts": [
                {
                  "mountPath": "/home/user/.local/share/buildkit",
                  "name": "layers"
                },
                {
                  "mountPath": "/etc/shipway-buildkit",
                  "name": "config",
                  "readOnly": true
                }
              ]
            }
          ],
          "enableServiceLinks": false,
          "imagePullSecrets": [
            {
              "name": "pull"
            }
          ],
          "nodeSelector": {
            "kubernetes.io/arch": "arm64",
            "kubernetes.io/os": "linux",
            "pool": "builds"
          },
          "restartPolicy": "Never",
          "terminationGracePeriodSeconds": 1,
          "tolerations": [
            {
              "operator": "Exists"
            }
          ],
          "volumes": [
            {
              "emptyDir": {},
              "name": "layers"
            },
            {
              "name": "config",
              "secret": {
                "secretName": "buildkit-1"
              }
            }
          ]
        }
        "#);
        insta::assert_snapshot!(pretty(&config(&options, &names).expect("a configuration")), @r#"
        {
          "apiVersion": "v1",
          "immutable": true,
          "kind": "Secret",
          "metadata": {
            "name": "buildkit-1",
            "namespace": "builds"
          },
          "stringData": {
            "buildkitd.toml": "[registry.\"r.example:5000\"]\nhttp = true\n"
          },
          "type": "Opaque"
        }
        "#);
    }
}
