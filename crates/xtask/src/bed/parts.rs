//! The daemons of the bed, and the files that they read.

use std::{fs, path::Path};

use super::{Bed, PASSWORD, USER, packages::find, part::Part};
use crate::Result;

/// Inside of the namespace every port is free.
pub(super) const REGISTRY: &str = "127.0.0.1:5000";
pub(super) const REGISTRY_AUTH: &str = "127.0.0.1:5001";
pub(super) const REGISTRY_TLS: &str = "localhost:5002";
pub(super) const GIT: &str = "127.0.0.1:5003";

/// Returns every part, and writes the files that it reads.
pub(super) fn parts(bed: &Bed, buildkitd: &Path) -> Result<Vec<Part>> {
    let certificates = bed.path("tls");
    let htpasswd = bed.path("htpasswd");
    let auth = format!("auth:\n  htpasswd: {{realm: bed, path: {}}}\n", htpasswd.display());
    let tls =
        format!("  tls: {{certificate: {0}/server.pem, key: {0}/server.key}}\n", certificates.display());
    let ca = format!("{}/ca.pem", certificates.display());
    Ok(vec![
        dockerd(bed)?,
        containerd(bed)?,
        buildkit(bed, buildkitd)?,
        registry(bed, "registry", REGISTRY, "", "", &["curl", "-fsS", &url(REGISTRY, "/v2/")])?,
        registry(
            bed,
            "registry-auth",
            REGISTRY_AUTH,
            "",
            &auth,
            &["curl", "-fsS", "--user", &format!("{USER}:{PASSWORD}"), &url(REGISTRY_AUTH, "/v2/")],
        )?,
        registry(
            bed,
            "registry-tls",
            REGISTRY_TLS,
            &tls,
            "",
            &["curl", "-fsS", "--cacert", &ca, &format!("https://{REGISTRY_TLS}/v2/")],
        )?,
        git(bed)?,
    ])
}

fn dockerd(bed: &Bed) -> Result<Part> {
    let config = serde_json::json!({
        "hosts": [format!("unix://{}", socket(bed, "docker"))],
        "data-root": bed.path("docker"),
        "exec-root": bed.path("docker-exec"),
        "pidfile": bed.path("dockerd.pid"),
        // What a test has left running is ended, not waited for.
        "shutdown-timeout": 1,
        "cgroup-parent": format!("/{}", bed.id()),
        // What is pushed to a registry with a certificate of the bed's own is checked all the same.
        "insecure-registries": [REGISTRY_AUTH],
    });
    let file = write(bed, "docker.json", &config.to_string())?;
    let socket = socket(bed, "docker");
    Ok(Part {
        name: "dockerd",
        command: in_own_mounts(bed, &[&program("dockerd")?, "--config-file", &file]),
        ready: words(&["curl", "-fsS", "--unix-socket", &socket, "http://docker/_ping"]),
    })
}

/// Gives a daemon mounts of its own, which go with it. What it leaves in fixed places (shims' sockets, Docker's
/// key) is in them too, and Docker finds its certificates of registries in the one place where it looks.
const OWN_MOUNTS: &str = r#"
set -e
mount --make-rshared /
mount -t tmpfs bed /run
mkdir /run/etc /run/work
cp -R "$1" /run/etc/docker
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work bed /etc
shift
exec "$@"
"#;

/// Returns a command with mounts of its own: those of the host come in, none go out, and containers share
/// them.
fn in_own_mounts(bed: &Bed, command: &[&str]) -> Vec<String> {
    let certificates = bed.path("etc-docker").display().to_string();
    let before =
        ["unshare", "--mount", "--propagation", "slave", "sh", "-c", OWN_MOUNTS, "sh", &certificates];
    words(&[&before[..], command].concat())
}

fn containerd(bed: &Bed) -> Result<Part> {
    let (folder, socket) = (bed.folder(), socket(bed, "containerd"));
    let config = format!(
        "version = 2\nroot = \"{0}/containerd\"\nstate = \"{0}/containerd-state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\", \
         \"io.containerd.snapshotter.v1.aufs\", \"io.containerd.snapshotter.v1.btrfs\", \
         \"io.containerd.snapshotter.v1.devmapper\", \"io.containerd.snapshotter.v1.zfs\"]\n\
         [grpc]\naddress = \"{socket}\"\n",
        folder.display()
    );
    let file = write(bed, "containerd.toml", &config)?;
    Ok(Part {
        name: "containerd",
        command: in_own_mounts(bed, &[&program("containerd")?, "--config", &file]),
        ready: words(&[&program("ctr")?, "--address", &socket, "version"]),
    })
}

fn buildkit(bed: &Bed, buildkitd: &Path) -> Result<Part> {
    let socket = socket(bed, "buildkitd");
    let config = format!(
        "root = \"{0}/buildkit\"\n[grpc]\naddress = [\"unix://{socket}\"]\n\
         [worker.oci]\nenabled = true\nsnapshotter = \"overlayfs\"\nnetworkMode = \"host\"\ndefaultCgroupParent = \"{1}\"\n\
         [worker.containerd]\nenabled = false\n\
         [registry.\"{REGISTRY}\"]\nhttp = true\n[registry.\"{REGISTRY_AUTH}\"]\nhttp = true\n\
         [registry.\"{REGISTRY_TLS}\"]\nhttp = false\nca = [\"{0}/tls/ca.pem\"]\n",
        bed.folder().display(),
        bed.id(),
    );
    let file = write(bed, "buildkitd.toml", &config)?;
    let buildctl = buildkitd.with_file_name("buildctl").display().to_string();
    Ok(Part {
        name: "buildkitd",
        command: in_own_mounts(bed, &[&buildkitd.display().to_string(), "--config", &file]),
        ready: words(&[&buildctl, "--addr", &format!("unix://{socket}"), "debug", "workers"]),
    })
}

fn registry(
    bed: &Bed,
    name: &'static str,
    address: &str,
    tls: &str,
    auth: &str,
    ready: &[&str],
) -> Result<Part> {
    let config = format!(
        "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
         {auth}http:\n  addr: {address}\n{tls}",
        bed.path(&format!("{name}-data")).display()
    );
    let file = write(bed, &format!("{name}.yml"), &config)?;
    Ok(Part { name, command: words(&[&program("docker-registry")?, "serve", &file]), ready: words(ready) })
}

/// Serves every bare repository below a folder, to read and to push, by git's own CGI program.
fn git(bed: &Bed) -> Result<Part> {
    let root = bed.path("git");
    fs::create_dir_all(&root).map_err(|error| format!("`{}`: {error}", root.display()))?;
    let (host, port) = GIT.split_once(':').ok_or("no port")?;
    let config = format!(
        "server.bind = \"{host}\"\nserver.port = {port}\nserver.document-root = \"{0}\"\n\
         server.modules = (\"mod_alias\", \"mod_cgi\", \"mod_setenv\")\n\
         alias.url = (\"/\" => \"{1}/git-http-backend/\")\ncgi.assign = (\"\" => \"\")\n\
         setenv.set-environment = (\"GIT_PROJECT_ROOT\" => \"{0}\", \"GIT_HTTP_EXPORT_ALL\" => \"1\", \
         \"REMOTE_USER\" => \"bed\", \"GIT_CONFIG_COUNT\" => \"1\", \"GIT_CONFIG_KEY_0\" => \"safe.directory\", \
         \"GIT_CONFIG_VALUE_0\" => \"*\")\n",
        root.display(),
        git_core()?,
    );
    let file = write(bed, "lighttpd.conf", &config)?;
    Ok(Part {
        name: "git",
        command: words(&[&program("lighttpd")?, "-D", "-f", &file]),
        // There is no such repository, and the CGI program says so.
        ready: words(&["sh", "-c", &format!("curl -sS -o /dev/null {}", url(GIT, "/none/info/refs"))]),
    })
}

fn git_core() -> Result<String> {
    let output = std::process::Command::new("git").arg("--exec-path").output();
    let output = output.map_err(|error| format!("git: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn url(address: &str, path: &str) -> String {
    format!("http://{address}{path}")
}

/// Returns the path of a daemon's socket.
pub(super) fn socket(bed: &Bed, name: &str) -> String {
    bed.path(&format!("{name}.sock")).display().to_string()
}

fn program(name: &str) -> Result<String> {
    find(name).map(|path| path.display().to_string()).ok_or_else(|| format!("no {name}"))
}

fn write(bed: &Bed, name: &str, text: &str) -> Result<String> {
    let path = bed.path(name);
    fs::write(&path, text).map_err(|error| format!("`{}`: {error}", path.display()))?;
    Ok(path.display().to_string())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
