//! A node that is only played: a pod on it is ready two seconds after it came, and nothing is started. So what is measured
//! is who deploys and the API server, and not how fast a machine starts fifty containers.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{Result, bed::Settings};

/// Its name, and the key of its label and its taint.
pub(super) const NAME: &str = "played";

/// After how long a pod is ready.
const READY: Duration = Duration::from_secs(2);

/// For how long the way to the API server may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The node, until it is dropped.
pub(super) struct Node {
    calls: Calls,
    proxy: Child,
    ended: Arc<AtomicBool>,
}

/// What is asked of the API server, on the way that `kubectl proxy` makes.
#[derive(Clone)]
struct Calls {
    socket: PathBuf,
}

impl Node {
    /// Adds the node to the cluster.
    pub(super) fn join(settings: &Settings, folder: &Path) -> Result<Self> {
        let socket = folder.join("proxy.sock");
        let command = settings.kubectl(&["proxy", &format!("--unix-socket={}", socket.display())])?;
        let proxy = settings.inside(&command).stdout(Stdio::null()).spawn();
        let proxy = proxy.map_err(|error| format!("`kubectl proxy`: {error}"))?;
        let node = Self { calls: Calls { socket }, proxy, ended: Arc::default() };
        let begun = Instant::now();
        while UnixStream::connect(&node.calls.socket).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("`kubectl proxy` does not come up".to_owned());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME, "labels": {NAME: "true"}},
            "spec": {"taints": [{"key": NAME, "effect": "NoSchedule"}]}});
        node.calls.ask("POST", "/api/v1/nodes", &object)?;
        let room = json!({"cpu": "100", "memory": "100Gi", "pods": "1000"});
        let is_alive = move |calls: &Calls| {
            let condition =
                json!({"type": "Ready", "status": "True", "reason": "Played", "lastHeartbeatTime": now()?});
            let status = json!({"capacity": room, "allocatable": room, "conditions": [condition]});
            calls.ask("PATCH", &format!("/api/v1/nodes/{NAME}/status"), &json!({"status": status}))
        };
        is_alive(&node.calls)?;
        let (calls, ended) = (node.calls.clone(), Arc::clone(&node.ended));
        thread::spawn(move || {
            // Who is silent for 40 s is taken for gone.
            while !ended.load(Ordering::Relaxed) {
                let _ = is_alive(&calls);
                thread::sleep(Duration::from_secs(5));
            }
        });
        let calls = node.calls.clone();
        thread::spawn(move || calls.play());
        Ok(node)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.calls.ask("DELETE", &format!("/api/v1/nodes/{NAME}"), &json!({}));
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

impl Calls {
    /// Makes each pod of the node ready in time, and lets go of those that are to go, until the way is closed.
    fn play(&self) -> Result<()> {
        let watched = format!("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D{NAME}");
        let mut seen = HashSet::new();
        for line in self.open("GET", &watched, &Value::Null)?.lines() {
            let Ok(event) = serde_json::from_str::<Value>(&line.map_err(failed)?) else { continue };
            let (pod, metadata) = (&event["object"], &event["object"]["metadata"]);
            let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
            let path = format!("/api/v1/namespaces/{}/pods/{}", text("namespace"), text("name"));
            if event["type"] == "DELETED" {
                continue;
            }
            if !metadata["deletionTimestamp"].is_null() {
                let _ = self.ask("DELETE", &path, &json!({"gracePeriodSeconds": 0}));
            } else if seen.insert(text("uid")) {
                let (calls, status) = (self.clone(), ready(pod));
                thread::spawn(move || {
                    thread::sleep(READY);
                    calls.ask("PATCH", &format!("{path}/status"), &status)
                });
            }
        }
        Ok(())
    }

    /// Asks for one thing, and waits for the answer.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<()> {
        let mut rest = String::new();
        self.open(method, path, body)?.read_to_string(&mut rest).map_err(failed)?;
        Ok(())
    }

    /// Returns the body of an answer; in the older HTTP, which has no chunks and one request a connection.
    fn open(&self, method: &str, path: &str, body: &Value) -> Result<BufReader<UnixStream>> {
        let mut stream = UnixStream::connect(&self.socket).map_err(failed)?;
        let (kind, body) = match method {
            "PATCH" => ("application/strategic-merge-patch+json", body.to_string()),
            "GET" => ("application/json", String::new()),
            _ => ("application/json", body.to_string()),
        };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .map_err(failed)?;
        let mut answer = BufReader::new(stream);
        let mut status = String::new();
        answer.read_line(&mut status).map_err(failed)?;
        let mut line = String::from("-");
        while !line.trim().is_empty() {
            line.clear();
            answer.read_line(&mut line).map_err(failed)?;
        }
        if !status.contains(" 20") {
            return Err(format!("{method} {path}: {}", status.trim()));
        }
        Ok(answer)
    }
}

/// Returns the status of a pod that works.
fn ready(pod: &Value) -> Value {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let containers: Vec<Value> = containers
        .map(|container| {
            json!({"name": container["name"], "image": container["image"], "imageID": "", "ready": true,
                "started": true, "restartCount": 0, "state": {"running": {}}})
        })
        .collect();
    let conditions: Vec<Value> = ["Initialized", "ContainersReady", "Ready"]
        .map(|kind| json!({"type": kind, "status": "True"}))
        .into();
    json!({"status": {"phase": "Running", "conditions": conditions, "containerStatuses": containers}})
}

/// Returns the time as Kubernetes writes it.
fn now() -> Result<String> {
    let said = Command::new("date").args(["-u", "+%FT%TZ"]).output().map_err(failed)?.stdout;
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

fn failed(error: std::io::Error) -> String {
    format!("the played node: {error}")
}
