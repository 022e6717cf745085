//! The bed's own authority, and what it signs: for the registry that has TLS, for the API server, and for
//! those who administer it.

use std::{fs, path::Path, process::Command};

use super::{Bed, network::NODE, parts};
use crate::{Result, tools::quietly};

/// The first address of services, which the API server has as well.
const API_SERVICE: &str = "10.96.0.1";

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// Makes what is missing.
pub(super) fn make(bed: &Bed) -> Result<()> {
    let folder = bed.path("tls");
    let last = "tokens.pem";
    if folder.join(last).exists() {
        return Ok(());
    }
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        quietly(command.args(line.split(' ')).current_dir(&folder))
    };
    openssl(&format!("req -x509 {KEY} -keyout ca.key -out ca.pem -days 30 -subj /CN=shipway-bed"))?;
    let signed = |name: &str, subject: &str, names: &str| {
        openssl(&format!("req {KEY} -keyout {name}.key -out {name}.csr -subj {subject}{names}"))?;
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 30 -copy_extensions copy"
        ))
    };
    let registry = format!(" -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:{NODE}");
    signed("server", "/CN=localhost", &registry)?;
    let kubernetes = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local";
    let server = format!(" -addext subjectAltName={kubernetes},IP:127.0.0.1,IP:{NODE},IP:{API_SERVICE}");
    signed("kube-apiserver", "/CN=kube-apiserver", &server)?;
    // Members of this group may do everything.
    signed("admin", "/O=system:masters/CN=admin", "")?;
    // dockerd's own folders for certificates of registries.
    for registry in parts::WITH_TLS {
        let docker = bed.path("etc-docker/certs.d").join(registry);
        fs::create_dir_all(&docker).map_err(at(&docker))?;
        let target = docker.join("ca.crt");
        fs::copy(folder.join("ca.pem"), &target).map_err(at(&target))?;
    }
    // The API server's own key also signs the tokens of service accounts.
    openssl(&format!("pkey -in kube-apiserver.key -pubout -out {last}"))
}

/// Writes the file by which the cluster is reached as its administrator, with all in it that it needs.
pub(super) fn kubeconfig(bed: &Bed) -> Result<()> {
    let encoded = |name: &str| {
        let mut command = Command::new("openssl");
        command.args(["base64", "-A", "-in"]).arg(bed.path("tls").join(name));
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let name = "shipway-bed";
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://{NODE}:6443"),
            "certificate-authority-data": encoded("ca.pem")?,
        }}],
        "users": [{"name": "admin", "user": {
            "client-certificate-data": encoded("admin.pem")?,
            "client-key-data": encoded("admin.key")?,
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
        "current-context": name,
    });
    parts::write(bed, "kubeconfig", &format!("{config:#}\n")).map(drop)
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("`{}`: {error}", path.display())
}
