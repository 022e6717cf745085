//! The objects of a command: a job of one pod, and the secret that it owns.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shipway_cluster::{JobObject, job_secret, literal};
use shipway_core::Command;

use super::KubernetesJobConfig;

/// The container that the command runs in.
pub(super) const COMMAND: &str = "command";

/// The container through which files go into a volume and come back, and where that is in it; the folder's name is the
/// first word of what comes back.
pub(super) const HOLDER: &str = "volume";
pub(super) const VOLUME: &str = "/volume";

/// Where files are on their way.
pub(super) const STAGING: &str = "/staging";

/// Where the program that waits is put.
const TOOLS: &str = "/.shipway";

/// What the program that waits leaves where there is no program to become.
pub(super) const MISSING: &str = "shipway: no such program";

/// Waits for a line, and becomes the program. `$0` is the termination message's file. What the shell has
/// itself is no program of the image, and so the search is our own.
const BECOME: &str = r#"read -r go || exit 125
found=
case $1 in
*/*) found=$1 ;;
*)
    IFS=:
    for folder in ${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}; do
        if [ -f "$folder/$1" ] && [ -x "$folder/$1" ]; then found=$folder/$1; break; fi
    done
    unset IFS
    ;;
esac
if [ -f "$found" ] && [ -x "$found" ]; then unset go folder; shift; exec "$found" "$@"; fi
printf 'shipway: no such program' > "$0"
exit 127"#;

/// A file that the command sees.
#[derive(Debug)]
pub(super) struct MountedFile {
    pub(super) target: String,
    pub(super) content: String,
    pub(super) mode: u32,
}

/// A volume that the command sees.
#[derive(Debug)]
pub(super) struct MountedVolume {
    pub(super) claim: String,
    pub(super) target: String,
    pub(super) read_only: bool,
}

/// A command, with all that it is given.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) run: &'a str,
    pub(super) image: &'a str,
    pub(super) command: &'a Command,
    pub(super) dir: Option<&'a str>,
    /// The values of secret variables.
    pub(super) secrets: &'a BTreeMap<String, String>,
    pub(super) files: &'a [MountedFile],
    pub(super) volumes: &'a [MountedVolume],
    /// The file whose content is the result.
    pub(super) result: Option<&'a str>,
}

/// Returns the job of a command.
pub(super) fn job(options: &KubernetesJobConfig, work: &Work<'_>) -> Value {
    let mut container = json!({
        "name": COMMAND, "image": work.image,
        "terminationMessagePath": work.result.unwrap_or("/dev/termination-log"),
    });
    let args = work.command.args.iter().map(|arg| literal(arg));
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    if work.command.program.is_empty() {
        container["args"] = args.collect();
    } else {
        let message = container["terminationMessagePath"].as_str().unwrap_or_default().to_owned();
        let own = [
            format!("{TOOLS}/busybox"),
            "sh".to_owned(),
            "-c".to_owned(),
            literal(BECOME),
            literal(&message),
        ];
        container["command"] = own.into_iter().chain([literal(&work.command.program)]).chain(args).collect();
        container["stdin"] = json!(true);
        container["stdinOnce"] = json!(true);
        volumes.push(json!({"name": "tools", "emptyDir": {}}));
        mounts.push(json!({"name": "tools", "mountPath": TOOLS, "readOnly": true}));
    }
    let plain = work.command.env.iter().map(|(name, value)| json!({"name": name, "value": literal(value)}));
    let secret = work.secrets.keys().enumerate().map(|(number, name)| {
        json!({"name": name, "valueFrom": {"secretKeyRef": {"name": work.name, "key": variable(number)}}})
    });
    container["env"] = plain.chain(secret).collect();
    for (number, file) in work.files.iter().enumerate() {
        let key = content(number);
        mounts.push(json!({"name": key, "mountPath": file.target, "subPath": key, "readOnly": true}));
        volumes.push(json!({"name": key, "secret": {
            "secretName": work.name, "defaultMode": file.mode, "items": [{"key": key, "path": key}]}}));
    }
    for (number, volume) in work.volumes.iter().enumerate() {
        let name = format!("volume-{number}");
        mounts.push(json!({"name": name, "mountPath": volume.target, "readOnly": volume.read_only}));
        volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": volume.claim}}));
    }
    container["volumeMounts"] = json!(mounts);
    if let Some(dir) = work.dir {
        container["workingDir"] = json!(dir);
    }
    if let Some(resources) = &options.resources {
        container["resources"] = resources.clone();
    }
    let mut spec = json!({"containers": [container], "volumes": volumes});
    if !work.command.program.is_empty() {
        let copy =
            format!("cp /bin/busybox {TOOLS}/busybox 2>/dev/null || cp /usr/bin/busybox {TOOLS}/busybox");
        spec["initContainers"] = json!([{
            "name": "tools", "image": options.init_image, "terminationMessagePolicy": "FallbackToLogsOnError",
            "command": ["sh", "-c", copy],
            "volumeMounts": [{"name": "tools", "mountPath": TOOLS}],
        }]);
    }
    around(options, (work.name, work.namespace), work.run, spec)
}

/// Returns the job of a pod that has a volume, for files that go into it and come back.
pub(super) fn holder(
    options: &KubernetesJobConfig,
    name: &str,
    namespace: &str,
    run: &str,
    claim: &str,
) -> Value {
    let spec = json!({
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": false,
        "containers": [{
            // It is ended from outside.
            "name": HOLDER, "image": options.init_image, "command": ["sleep", options.timeout_seconds.to_string()],
            "volumeMounts": [{"name": "volume", "mountPath": VOLUME}, {"name": "staging", "mountPath": STAGING}],
        }],
        "volumes": [
            {"name": "volume", "persistentVolumeClaim": {"claimName": claim}},
            {"name": "staging", "emptyDir": {}},
        ],
    });
    around(options, (name, namespace), run, spec)
}

/// Returns a job of a pod, with what the options say of all pods.
fn around(
    options: &KubernetesJobConfig,
    (name, namespace): (&str, &str),
    run: &str,
    mut spec: Value,
) -> Value {
    let mut annotations = options.annotations.clone();
    annotations.insert("dev.shipway/run".to_owned(), run.to_owned());
    if let Some(user) = options.run_as_user {
        spec["securityContext"] = json!({ "runAsUser": user, "fsGroup": user });
    }
    let job = JobObject {
        name,
        namespace,
        labels: &options.labels,
        annotations: &annotations,
        node_selector: &options.node_selector,
        tolerations: &options.tolerations,
        service_account: options.service_account.as_deref(),
        image_pull_secret: options.image_pull_secret.as_deref(),
        timeout_seconds: options.timeout_seconds,
        ttl_seconds: options.ttl_seconds,
    };
    job.around(spec)
}

/// Returns the secret with what the command alone may see, if there is something.
pub(super) fn secret(work: &Work<'_>) -> Option<Value> {
    let variables = work.secrets.values().enumerate().map(|(number, value)| (variable(number), value));
    let files = work.files.iter().enumerate().map(|(number, file)| (content(number), &file.content));
    let mut texts = variables.chain(files).peekable();
    texts.peek().is_some().then(|| job_secret(work.name, work.namespace, texts))
}

fn variable(number: usize) -> String {
    format!("variable-{number}")
}

fn content(number: usize) -> String {
    format!("file-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretty(value: &Value) -> String {
        serde_json::to_string_pretty(value).expect("JSON")
    }

    fn work<'a>(
        command: &'a Command,
        secrets: &'a BTreeMap<String, String>,
        files: &'a [MountedFile],
    ) -> Work<'a> {
        Work {
            name: "run-1",
            namespace: "jobs",
            run: "7",
            image: "a.example/b@sha256:0",
            command,
            dir: None,
            secrets,
            files,
            volumes: &[],
            result: None,
        }
    }

    #[test]
    fn what_a_command_is_given_is_where_it_belongs() {
        let command = Command::new("make")
            .args(["$(A)".to_owned(), "$$x".to_owned()])
            .env([("A".to_owned(), "$(B)".to_owned())]);
        let secrets = BTreeMap::from([("KEY".to_owned(), "the very secret key".to_owned())]);
        let files =
            [MountedFile { target: "/run/text".to_owned(), content: "a text".to_owned(), mode: 0o444 }];
        let options: KubernetesJobConfig = serde_json::from_value(json!({
            "context": "staging", "serviceAccount": "runner", "imagePullSecret": "pull", "runAsUser": 1000,
            "resources": {"limits": {"cpu": 1}}, "tolerations": [{"operator": "Exists"}],
            "nodeSelector": {"pool": "runs"}, "labels": {"a": "b"}, "annotations": {"c": "d"},
        }))
        .expect("options");
        let work =
            Work { dir: Some("/src"), result: Some("/tmp/result"), ..work(&command, &secrets, &files) };
        let job = job(&options, &work);
        assert!(!job.to_string().contains("the very secret key"));
        insta::assert_snapshot!(pretty(&job).replace(&json!(literal(BECOME)).to_string(), "BECOME"), @r#"
        {
          "apiVersion": "batch/v1",
          "kind": "Job",
          "metadata": {
            "annotations": {
              "c": "d",
              "dev.shipway/run": "7"
            },
            "labels": {
              "a": "b",
              "app.kubernetes.io/managed-by": "shipway"
            },
            "name": "run-1",
            "namespace": "jobs"
          },
          "spec": {
            "activeDeadlineSeconds": 3600,
            "backoffLimit": 0,
            "template": {
              "metadata": {
                "annotations": {
                  "c": "d",
                  "dev.shipway/run": "7"
                },
                "labels": {
                  "a": "b",
                  "app.kubernetes.io/managed-by": "shipway"
                }
              },
              "spec": {
                "automountServiceAccountToken": true,
                "containers": [
                  {
                    "command": [
                      "/.shipway/busybox",
                      "sh",
                      "-c",
                      BECOME,
                      "/tmp/result",
                      "make",
                      "$$(A)",
                      "$$$$x"
                    ],
                    "env": [
                      {
                        "name": "A",
                        "value": "$$(B)"
                      },
                      {
                        "name": "KEY",
                        "valueFrom": {
                          "secretKeyRef": {
                            "key": "variable-0",
                            "name": "run-1"
                          }
                        }
                      }
                    ],
                    "image": "a.example/b@sha256:0",
                    "name": "command",
                    "resources": {
                      "limits": {
                        "cpu": 1
                      }
                    },
                    "stdin": true,
                    "stdinOnce": true,
                    "terminationMessagePath": "/tmp/result",
                    "volumeMounts": [
                      {
                        "mountPath": "/.shipway",
                        "name": "tools",
                        "readOnly": true
                      },
                      {
                        "mountPath": "/run/text",
                        "name": "file-0",
                        "readOnly": true,
                        "subPath": "file-0"
                      }
                    ],
                    "workingDir": "/src"
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
                      "cp /bin/busybox /.shipway/busybox 2>/dev/null || cp /usr/bin/busybox /.shipway/busybox"
                    ],
                    "image": "busybox:1.37.0-musl",
                    "name": "tools",
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": [
                      {
                        "mountPath": "/.shipway",
                        "name": "tools"
                      }
                    ]
                  }
                ],
                "nodeSelector": {
                  "pool": "runs"
                },
                "restartPolicy": "Never",
                "securityContext": {
                  "fsGroup": 1000,
                  "runAsUser": 1000
                },
                "serviceAccountName": "runner",
                "terminationGracePeriodSeconds": 1,
                "tolerations": [
                  {
                    "operator": "Exists"
                  }
                ],
                "volumes": [
                  {
                    "emptyDir": {},
                    "name": "tools"
                  },
                  {
                    "name": "file-0",
                    "secret": {
                      "defaultMode": 292,
                      "items": [
                        {
                          "key": "file-0",
                          "path": "file-0"
                        }
                      ],
                      "secretName": "run-1"
                    }
                  }
                ]
              }
            },
            "ttlSecondsAfterFinished": 600
          }
        }
        "#);
        insta::assert_snapshot!(pretty(&secret(&work).expect("a secret")), @r#"
        {
          "apiVersion": "v1",
          "immutable": true,
          "kind": "Secret",
          "metadata": {
            "name": "run-1",
            "namespace": "jobs"
          },
          "stringData": {
            "file-0": "a text",
            "variable-0": "the very secret key"
          },
          "type": "Opaque"
        }
        "#);
    }

    #[test]
    fn an_images_own_program_needs_no_other() {
        let (command, secrets) = (Command::new(""), BTreeMap::new());
        let work = work(&command, &secrets, &[]);
        insta::assert_snapshot!(pretty(&job(&KubernetesJobConfig::new("staging"), &work)["spec"]["template"]["spec"]), @r#"
        {
          "automountServiceAccountToken": false,
          "containers": [
            {
              "args": [],
              "env": [],
              "image": "a.example/b@sha256:0",
              "name": "command",
              "terminationMessagePath": "/dev/termination-log",
              "volumeMounts": []
            }
          ],
          "enableServiceLinks": false,
          "restartPolicy": "Never",
          "terminationGracePeriodSeconds": 1,
          "volumes": []
        }
        "#);
        assert_eq!(secret(&work), None);
    }
}
