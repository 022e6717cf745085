//! The objects of a build: a job of one pod, and the secret with the logins that it owns.

use serde_json::{Value, json};
use shipway_cluster::{job_secret, literal};

use super::{KanikoConfig, args::CONTEXT};
use crate::pod::{self, Names};

/// The container that receives the context, and ends when it is whole.
pub(super) const RECEIVER: &str = "context";

/// The container that builds.
pub(super) const EXECUTOR: &str = "kaniko";

/// How the receiver's own shell is given a script; what the script works on comes as its words.
const SHELL: [&str; 2] = ["sh", "-c"];

/// Where the executor reads logins.
const LOGINS: &str = "/kaniko/.docker";

/// Returns the job of a build.
pub(super) fn job(options: &KanikoConfig, names: &Names<'_>, has_logins: bool, args: &[String]) -> Value {
    let place = &options.cluster;
    let shared = json!({"name": "context", "mountPath": CONTEXT});
    let (mut volumes, mut mounts) = (place.volumes.clone(), place.volume_mounts.clone());
    volumes.push(json!({"name": "context", "emptyDir": {}}));
    mounts.push(shared.clone());
    let logins = match (&place.docker_config_secret, has_logins) {
        (Some(secret), _) => Some(secret.as_str()),
        (None, true) => Some(names.name),
        (None, false) => None,
    };
    if let Some(secret) = logins {
        volumes.push(json!({"name": "logins", "secret": {"secretName": secret, "defaultMode": 0o400}}));
        mounts.push(json!({"name": "logins", "mountPath": LOGINS, "readOnly": true}));
    }
    let env: Vec<Value> =
        options.env.iter().map(|(name, value)| json!({"name": name, "value": literal(value)})).collect();
    let args: Vec<String> = args.iter().map(|arg| literal(arg)).collect();
    // It waits until the context is whole.
    let wait = format!("until [ -e {CONTEXT}/ready ]; do sleep 0.1; done");
    let spec = json!({
        "initContainers": [{
            "name": RECEIVER, "image": options.init_image, "command": [SHELL[0], SHELL[1], &wait],
            "terminationMessagePolicy": "FallbackToLogsOnError", "volumeMounts": [shared],
        }],
        "containers": [{
            "name": EXECUTOR, "image": options.image, "args": args, "env": env, "volumeMounts": mounts,
        }],
        "volumes": volumes,
    });
    pod::job(place, names, spec)
}

/// Returns the secret with the logins.
pub(super) fn secret(names: &Names<'_>, docker_config: &str) -> Value {
    job_secret(names.name, names.namespace, [("config.json", docker_config)])
}

#[cfg(test)]
mod tests {
    use shipway_core::Platform;

    use super::*;
    use crate::BuildCluster;

    fn names() -> Names<'static> {
        Names { name: "kaniko-1", namespace: "builds", artifact: "shop/web", platform: None }
    }

    fn pretty(value: &Value) -> String {
        serde_json::to_string_pretty(value).expect("JSON")
    }

    #[test]
    fn the_usual_job_is_small_and_ends_by_itself() {
        let options = KanikoConfig::new(BuildCluster::new("staging"));
        let args = ["--build-arg=A=$(HOSTNAME) $$".to_owned()];
        insta::assert_snapshot!(pretty(&job(&options, &names(), false, &args)), @r#"
        {
          "apiVersion": "batch/v1",
          "kind": "Job",
          "metadata": {
            "annotations": {
              "dev.shipway/artifact": "shop/web"
            },
            "labels": {
              "app.kubernetes.io/managed-by": "shipway"
            },
            "name": "kaniko-1",
            "namespace": "builds"
          },
          "spec": {
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
                      "--build-arg=A=$$(HOSTNAME) $$$$"
                    ],
                    "env": [],
                    "image": "ghcr.io/osscontainertools/kaniko:v1.25.0",
                    "name": "kaniko",
                    "volumeMounts": [
                      {
                        "mountPath": "/kaniko/buildcontext",
                        "name": "context"
                      }
                    ]
                  }
                ],
                "enableServiceLinks": false,
                "initContainers": [
                  {
                    "command": [
                      "sh",
                      "-c",
                      "until [ -e /kaniko/buildcontext/ready ]; do sleep 0.1; done"
                    ],
                    "image": "busybox:1.37.0",
                    "name": "context",
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": [
                      {
                        "mountPath": "/kaniko/buildcontext",
                        "name": "context"
                      }
                    ]
                  }
                ],
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "volumes": [
                  {
                    "emptyDir": {},
                    "name": "context"
                  }
                ]
              }
            },
            "ttlSecondsAfterFinished": 600
          }
        }
        "#);
    }

    #[test]
    fn all_that_a_place_says_is_in_the_pod() {
        let options: KanikoConfig = serde_json::from_value(json!({
            "env": {"HTTP_PROXY": "http://p$x"}, "image": "e:1", "initImage": "i:1",
            "cluster": {
                "context": "staging", "serviceAccount": "builder", "imagePullSecret": "pull",
                "resources": {"limits": {"cpu": "2"}}, "tolerations": [{"operator": "Exists"}],
                "nodeSelector": {"pool": "builds", "kubernetes.io/arch": "any"}, "annotations": {"a": "b"},
                "labels": {"c": "d"}, "volumes": [{"name": "v", "emptyDir": {}}],
                "volumeMounts": [{"name": "v", "mountPath": "/v"}], "runAsUser": 0, "timeoutSeconds": 60,
            },
        }))
        .expect("options");
        let platform = Platform::new("linux", "arm64");
        let names = Names { platform: Some(&platform), ..names() };
        insta::assert_snapshot!(pretty(&job(&options, &names, true, &[])["spec"]["template"]), @r#"
        {
          "metadata": {
            "annotations": {
              "a": "b",
              "dev.shipway/artifact": "shop/web"
            },
            "labels": {
              "app.kubernetes.io/managed-by": "shipway",
              "c": "d"
            }
          },
          "spec": {
            "automountServiceAccountToken": true,
            "containers": [
              {
                "args": [],
                "env": [
                  {
                    "name": "HTTP_PROXY",
                    "value": "http://p$$x"
                  }
                ],
                "image": "e:1",
                "name": "kaniko",
                "resources": {
                  "limits": {
                    "cpu": "2"
                  }
                },
                "volumeMounts": [
                  {
                    "mountPath": "/v",
                    "name": "v"
                  },
                  {
                    "mountPath": "/kaniko/buildcontext",
                    "name": "context"
                  },
                  {
                    "mountPath": "/kaniko/.docker",
                    "name": "logins",
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
            "initContainers": [
              {
                "command": [
                  "sh",
                  "-c",
                  "until [ -e /kaniko/buildcontext/ready ]; do sleep 0.1; done"
                ],
                "image": "i:1",
                "name": "context",
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [
                  {
                    "mountPath": "/kaniko/buildcontext",
                    "name": "context"
                  }
                ]
              }
            ],
            "nodeSelector": {
              "kubernetes.io/arch": "any",
              "kubernetes.io/os": "linux",
              "pool": "builds"
            },
            "restartPolicy": "Never",
            "securityContext": {
              "runAsUser": 0
            },
            "serviceAccountName": "builder",
            "terminationGracePeriodSeconds": 1,
            "tolerations": [
              {
                "operator": "Exists"
              }
            ],
            "volumes": [
              {
                "emptyDir": {},
                "name": "v"
              },
              {
                "emptyDir": {},
                "name": "context"
              },
              {
                "name": "logins",
                "secret": {
                  "defaultMode": 256,
                  "secretName": "kaniko-1"
                }
              }
            ]
          }
        }
        "#);
    }

    #[test]
    fn the_secret_alone_holds_the_logins() {
        insta::assert_snapshot!(pretty(&secret(&names(), "{}")), @r#"
        {
          "apiVersion": "v1",
          "immutable": true,
          "kind": "Secret",
          "metadata": {
            "name": "kaniko-1",
            "namespace": "builds"
          },
          "stringData": {
            "config.json": "{}"
          },
          "type": "Opaque"
        }
        "#);
    }
}
