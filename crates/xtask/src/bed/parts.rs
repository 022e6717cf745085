//! The daemons of the bed, and the files that they read.

use std::{fs, path::Path};

use super::{Bed, PASSWORD, USER, bases, kubernetes, mounts::in_own_mounts, packages::find, part::Part};
use crate::Result;

/// Inside of the namespace every port is free.
pub(super) const REGISTRY: &str = "127.0.0.1:5000";
pub(super) const REGISTRY_AUTH: &str = "127.0.0.1:5001";
pub(super) const REGISTRY_TLS: &str = "localhost:5002";
pub(super) const GIT: &str = "127.0.0.1:5003";

/// The same registries as pods reach them, and everything else as well.
pub(super) const NODE_REGISTRY: &str = "10.240.0.1:5000";
pub(super) const NODE_REGISTRY_AUTH: &str = "10.240.0.1:5001";
pub(super) const NODE_REGISTRY_TLS: &str = "10.240.0.1:5002";

pub(super) const WITHOUT_TLS: [&str; 4] = [REGISTRY, REGISTRY_AUTH, NODE_REGISTRY, NODE_REGISTRY_AUTH];
pub(super) const WITH_TLS: [&str; 2] = [REGISTRY_TLS, NODE_REGISTRY_TLS];

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
        registry(bed, "registry", 5000, "", "", &["curl", "-fsS", &url(REGISTRY, "/v2/")])?,
        registry(
            bed,
            "registry-auth",
            5001,
            "",
            &auth,
            &["curl", "-fsS", "--user", &format!("{USER}:{PASSWORD}"), &url(REGISTRY_AUTH, "/v2/")],
        )?,
        registry(
            bed,
            "registry-tls",
            5002,
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
        "insecure-registries": WITHOUT_TLS,
    });
    let file = write(bed, "docker.json", &config.to_string())?;
    let socket = socket(bed, "docker");
    Ok(Part {
        name: "dockerd",
        command: in_own_mounts(bed, &[&program("dockerd")?, "--config-file", &file]),
        ready: words(&["curl", "-fsS", "--unix-socket", &socket, "http://docker/_ping"]),
        after: &[],
    })
}

fn containerd(bed: &Bed) -> Result<Part> {
    let (folder, socket) = (bed.folder(), socket(bed, "containerd"));
    let (networks, plugins) = (kubernetes::pod_network(bed)?, kubernetes::network_plugins()?);
    let registries = registry_hosts(bed)?;
    // Not every machine lets a process be kept from being killed for memory, which each pod asks for.
    let config = format!(
        "version = 2\nroot = \"{0}/containerd\"\nstate = \"{0}/containerd-state\"\n\
         disabled_plugins = [\"io.containerd.internal.v1.opt\", \"io.containerd.snapshotter.v1.aufs\", \
         \"io.containerd.snapshotter.v1.btrfs\", \"io.containerd.snapshotter.v1.devmapper\", \
         \"io.containerd.snapshotter.v1.zfs\"]\n\
         [grpc]\naddress = \"{socket}\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\"]\n\
         sandbox_image = \"{NODE_REGISTRY}/bases/{1}:local\"\nrestrict_oom_score_adj = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"{plugins}\"\nconf_dir = \"{networks}\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"{registries}\"\n",
        folder.display(),
        bases::PAUSE,
    );
    let file = write(bed, "containerd.toml", &config)?;
    // It answers before its part for kubelet does, which only its log tells.
    let ready = format!(
        "{} --address {socket} version && grep -q 'Start streaming server' containerd.log",
        program("ctr")?
    );
    Ok(Part {
        name: "containerd",
        command: in_own_mounts(bed, &[&program("containerd")?, "--config", &file]),
        ready: words(&["sh", "-c", &ready]),
        after: &[],
    })
}

/// Tells containerd how pods' images are pulled from the registries; returns the folder that it reads.
fn registry_hosts(bed: &Bed) -> Result<String> {
    let folder = bed.path("registry-hosts");
    let authority = bed.path("tls/ca.pem").display().to_string();
    // By `server` too, or what is not found would be looked for again with TLS, and that would be the error.
    let plain = WITHOUT_TLS.map(|registry| {
        (registry, format!("server = \"http://{registry}\"\n[host.\"http://{registry}\"]\n"))
    });
    let secure = WITH_TLS.map(|registry| {
        let ca = format!("ca = \"{authority}\"\n");
        (registry, format!("server = \"https://{registry}\"\n{ca}[host.\"https://{registry}\"]\n{ca}"))
    });
    for (registry, hosts) in plain.iter().chain(&secure) {
        let path = folder.join(registry);
        fs::create_dir_all(&path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        write(bed, &format!("registry-hosts/{registry}/hosts.toml"), hosts)?;
    }
    Ok(folder.display().to_string())
}

/// What buildkitd, also in a pod, is told of the registries without TLS.
pub(super) const BUILDKIT_REGISTRIES: &str = "\
[registry.\"127.0.0.1:5000\"]\nhttp = true\n[registry.\"127.0.0.1:5001\"]\nhttp = true\n\
[registry.\"10.240.0.1:5000\"]\nhttp = true\n[registry.\"10.240.0.1:5001\"]\nhttp = true\n";

fn buildkit(bed: &Bed, buildkitd: &Path) -> Result<Part> {
    let socket = socket(bed, "buildkitd");
    let authority = bed.path("tls/ca.pem").display().to_string();
    let secure = WITH_TLS.map(|registry| format!("[registry.\"{registry}\"]\nca = [\"{authority}\"]\n"));
    let config = format!(
        "root = \"{0}/buildkit\"\n[grpc]\naddress = [\"unix://{socket}\"]\n\
         [worker.oci]\nenabled = true\nsnapshotter = \"overlayfs\"\nnetworkMode = \"host\"\ndefaultCgroupParent = \"{1}\"\n\
         [worker.containerd]\nenabled = false\n\
         {BUILDKIT_REGISTRIES}{2}",
        bed.folder().display(),
        bed.id(),
        secure.concat(),
    );
    let file = write(bed, "buildkitd.toml", &config)?;
    let buildctl = buildkitd.with_file_name("buildctl").display().to_string();
    Ok(Part {
        name: "buildkitd",
        command: in_own_mounts(bed, &[&buildkitd.display().to_string(), "--config", &file]),
        ready: words(&[&buildctl, "--addr", &format!("unix://{socket}"), "debug", "workers"]),
        after: &[],
    })
}

fn registry(bed: &Bed, name: &'static str, port: u16, tls: &str, auth: &str, ready: &[&str]) -> Result<Part> {
    let config = format!(
        "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
         {auth}http:\n  addr: :{port}\n{tls}",
        bed.path(&format!("{name}-data")).display()
    );
    let file = write(bed, &format!("{name}.yml"), &config)?;
    Ok(Part {
        name,
        command: words(&[&program("docker-registry")?, "serve", &file]),
        ready: words(ready),
        after: &[],
    })
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
        after: &[],
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

pub(super) fn program(name: &str) -> Result<String> {
    find(name).map(|path| path.display().to_string()).ok_or_else(|| format!("no {name}"))
}

/// Writes a file of the bed, unless it is so already; returns its path.
pub(super) fn write(bed: &Bed, name: &str, text: &str) -> Result<String> {
    let path = bed.path(name);
    // kube-proxy ends when its file is written, even as it was.
    if fs::read_to_string(&path).is_ok_and(|before| before == text) {
        return Ok(path.display().to_string());
    }
    fs::write(&path, text).map_err(|error| format!("`{}`: {error}", path.display()))?;
    Ok(path.display().to_string())
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
