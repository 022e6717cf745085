//! Docker and containerd: each pulls an image and runs it.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{built::unlike, needs, program::run};

/// `{"username":"shipway","password":"correct horse"}` in base64, as the Engine API wants a login.
const LOGIN: &str = "eyJ1c2VybmFtZSI6InNoaXB3YXkiLCJwYXNzd29yZCI6ImNvcnJlY3QgaG9yc2UifQ==";

/// How containerd's client is told to speak to a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access<'a> {
    Plain,
    Login,
    /// TLS, with the certificate of the authority in this file.
    Authority(&'a str),
}

/// Docker, by the Engine API of the bed's.
#[derive(Debug)]
pub(crate) struct Docker {
    socket: String,
}

impl Docker {
    /// Returns the engine, or `None` where there is none, which is counted for the test.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let endpoint = needs::bed("DOCKER", test)?;
        Some(Self { socket: endpoint.strip_prefix("unix://").unwrap().to_owned() })
    }

    /// Pulls an image. A login is shown where one is wanted; whom it trusts is in the daemon's own settings.
    pub(crate) async fn pull(&self, reference: &str) {
        let (repository, tag) = reference.rsplit_once(':').unwrap();
        let pull = format!("/images/create?fromImage={repository}&tag={tag}");
        let progress = self.request("POST", &pull, None).await;
        assert!(!progress.contains("errorDetail"), "{progress}");
    }

    /// Runs an image to its end and returns what it printed.
    pub(crate) async fn run(&self, reference: &str, arguments: &[&str]) -> String {
        // With a terminal, the log is what was printed, without frames.
        let mut container = json!({"Image": reference, "Tty": true});
        if !arguments.is_empty() {
            container["Cmd"] = json!(arguments);
        }
        let created = self.request("POST", "/containers/create", Some(&container)).await;
        let created: Value = serde_json::from_str(&created).unwrap();
        let id = created["Id"].as_str().unwrap();
        self.request("POST", &format!("/containers/{id}/start"), None).await;
        let ended = self.request("POST", &format!("/containers/{id}/wait"), None).await;
        let log = self.request("GET", &format!("/containers/{id}/logs?stdout=1&stderr=1"), None).await;
        self.request("DELETE", &format!("/containers/{id}?force=1"), None).await;
        let ended: Value = serde_json::from_str(&ended).unwrap();
        assert_eq!(ended["StatusCode"], 0, "{log}");
        log.replace("\r\n", "\n")
    }

    /// Returns what it says of an image.
    pub(crate) async fn inspect(&self, reference: &str) -> Value {
        let image = self.request("GET", &format!("/images/{reference}/json"), None).await;
        serde_json::from_str(&image).unwrap()
    }

    async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--unix-socket", &self.socket]);
        curl.args(["--request", method, "--header", &format!("X-Registry-Auth: {LOGIN}")]);
        if let Some(body) = body {
            curl.args(["--header", "Content-Type: application/json", "--data", &body.to_string()]);
        }
        curl.arg(format!("http://docker{path}"));
        run(curl).await
    }
}

/// containerd, by its own client, in the namespace that the bed names.
#[derive(Debug)]
pub(crate) struct Containerd {
    socket: String,
    folder: tempfile::TempDir,
}

impl Containerd {
    /// Returns the engine, or `None` where there is none, which is counted for the test.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let socket = needs::bed("CONTAINERD", test)?;
        Some(Self { socket, folder: tempfile::tempdir().unwrap() })
    }

    /// Pulls an image.
    pub(crate) async fn pull(&self, reference: &str, access: Access<'_>) {
        let hosts = self.folder.path().join("hosts");
        let hosts = hosts.to_str().unwrap();
        let options = match access {
            Access::Plain => vec!["--plain-http"],
            Access::Login => vec!["--plain-http", "--user", "shipway:correct horse"],
            Access::Authority(file) => {
                let (host, _) = reference.split_once('/').unwrap();
                let settings = format!(
                    "server = \"https://{host}\"\n[host.\"https://{host}\"]\n\
                     capabilities = [\"pull\", \"resolve\"]\nca = \"{file}\"\n"
                );
                std::fs::create_dir_all(format!("{hosts}/{host}")).unwrap();
                std::fs::write(format!("{hosts}/{host}/hosts.toml"), settings).unwrap();
                vec!["--hosts-dir", hosts]
            }
        };
        self.ctr(&[&["images", "pull"][..], &options, &[reference]].concat()).await;
    }

    /// Takes the image of an OCI archive in, under the reference that the archive names.
    pub(crate) async fn import(&self, archive: &Path) {
        self.ctr(&["images", "import", archive.to_str().unwrap()]).await;
    }

    /// Runs an image to its end and returns what it printed.
    pub(crate) async fn run(&self, reference: &str, arguments: &[&str]) -> String {
        // The default lies below `/run`, of which the bed's containerd has its own.
        let pipes = self.folder.path().join("pipes");
        let options = ["run", "--rm", "--fifo-dir", pipes.to_str().unwrap()];
        self.ctr(&[&options[..], &[reference, &unlike("engines")], arguments].concat()).await
    }

    async fn ctr(&self, arguments: &[&str]) -> String {
        let mut ctr = Command::new("ctr");
        ctr.args(["--address", &self.socket]).args(arguments);
        run(ctr).await
    }
}
