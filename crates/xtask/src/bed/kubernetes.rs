//! Kubernetes with one node: the machine itself, whose containers are run by the bed's containerd.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{
    Bed,
    module::{COREDNS, KUBERNETES},
    mounts::in_mounts_of_containerd,
    network::{NODE, PODS, SERVICES},
    packages,
    part::Part,
    parts::{program, socket, words, write},
};
use crate::{Result, cache::Cache};

/// The name of the node.
const NODE_NAME: &str = "bed";

/// Where containerd keeps all that is Kubernetes'.
pub(super) const NAMESPACE: &str = "k8s.io";

const DOMAIN: &str = "cluster.local";

/// The parts, of which none has anything to tidy up when it ends: a bed that goes down kills them at once,
/// before they start containers again that are being ended.
pub(super) const NAMES: [&str; 7] = [
    "kubelet",
    "kube-proxy",
    "coredns",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
];

/// The programs that no package holds.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// Kubernetes' own: one program, with a name for each part beside it.
    pub(super) hyperkube: PathBuf,
    pub(super) coredns: PathBuf,
}

impl Programs {
    pub(super) fn get(cache: &Cache) -> Result<Self> {
        Ok(Self { hyperkube: KUBERNETES.program(cache)?, coredns: COREDNS.program(cache)? })
    }

    /// Returns the path of Kubernetes' program of this name.
    pub(super) fn kubernetes(&self, name: &str) -> String {
        self.hyperkube.with_file_name(name).display().to_string()
    }
}

/// Many tests deploy at the same time: with the 20 calls a second that a controller has by default, each waits for all
/// others.
const CALLS: [&str; 2] = ["--kube-api-qps=500", "--kube-api-burst=500"];

/// Returns every part, and writes the files that it reads.
pub(super) fn parts(bed: &Bed, programs: &Programs) -> Result<Vec<Part>> {
    Ok(vec![
        etcd(bed)?,
        api_server(bed, programs),
        controller_manager(bed, programs),
        scheduler(bed, programs),
        kubelet(bed, programs)?,
        proxy(bed, programs)?,
        dns(bed, programs)?,
    ])
}

fn etcd(bed: &Bed) -> Result<Part> {
    let (clients, peers) = ("http://127.0.0.1:2379", "http://127.0.0.1:2380");
    let data = bed.path("etcd").display().to_string();
    let command = [
        ["--name", "bed"],
        ["--data-dir", &data],
        ["--listen-client-urls", clients],
        ["--advertise-client-urls", clients],
        ["--listen-peer-urls", peers],
        ["--initial-advertise-peer-urls", peers],
        ["--initial-cluster", &format!("bed={peers}")],
        ["--log-level", "warn"],
        // The API server asks later versions than the packaged one how far its watches are; this one tells it.
        ["--experimental-watch-progress-notify-interval", "1s"],
    ];
    Ok(Part {
        name: "etcd",
        command: words(&[&[program("etcd")?.as_str()], command.as_flattened()].concat()),
        ready: words(&["curl", "-fsS", &format!("{clients}/health")]),
        after: &[],
    })
}

fn api_server(bed: &Bed, programs: &Programs) -> Part {
    let tls = bed.path("tls").display().to_string();
    let options = [
        format!("--bind-address={NODE}"),
        format!("--advertise-address={NODE}"),
        "--secure-port=6443".to_owned(),
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        format!("--service-cluster-ip-range={SERVICES}"),
        format!("--client-ca-file={tls}/ca.pem"),
        format!("--tls-cert-file={tls}/kube-apiserver.pem"),
        format!("--tls-private-key-file={tls}/kube-apiserver.key"),
        format!("--kubelet-client-certificate={tls}/admin.pem"),
        format!("--kubelet-client-key={tls}/admin.key"),
        // The node's name is known to no name server.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        format!("--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}"),
        format!("--service-account-key-file={tls}/tokens.pem"),
        format!("--service-account-signing-key-file={tls}/kube-apiserver.key"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
    ];
    Part {
        name: "kube-apiserver",
        command: [vec![programs.kubernetes("kube-apiserver")], options.into()].concat(),
        ready: asked(bed, "/readyz"),
        after: &["etcd"],
    }
}

fn controller_manager(bed: &Bed, programs: &Programs) -> Part {
    let tls = bed.path("tls").display().to_string();
    let options = [
        format!("--kubeconfig={}", bed.path("kubeconfig").display()),
        format!("--service-account-private-key-file={tls}/kube-apiserver.key"),
        format!("--root-ca-file={tls}/ca.pem"),
        format!("--cluster-signing-cert-file={tls}/ca.pem"),
        format!("--cluster-signing-key-file={tls}/ca.key"),
        format!("--flex-volume-plugin-dir={}", bed.path("volume-plugins").display()),
        "--bind-address=127.0.0.1".to_owned(),
        "--leader-elect=false".to_owned(),
    ];
    Part {
        name: "kube-controller-manager",
        command: [vec![programs.kubernetes("kube-controller-manager")], options.into(), words(&CALLS)]
            .concat(),
        // Without it no pod is admitted.
        ready: asked(bed, "/api/v1/namespaces/default/serviceaccounts/default"),
        after: &["kube-apiserver"],
    }
}

fn scheduler(bed: &Bed, programs: &Programs) -> Part {
    let options = [
        format!("--kubeconfig={}", bed.path("kubeconfig").display()),
        "--bind-address=127.0.0.1".to_owned(),
        "--leader-elect=false".to_owned(),
    ];
    Part {
        name: "kube-scheduler",
        command: [vec![programs.kubernetes("kube-scheduler")], options.into(), words(&CALLS)].concat(),
        ready: words(&["curl", "-fsSk", "https://127.0.0.1:10259/readyz"]),
        after: &["kube-apiserver"],
    }
}

fn kubelet(bed: &Bed, programs: &Programs) -> Result<Part> {
    let shown = |name: &str| bed.path(name).display().to_string();
    write(bed, "resolv.conf", &format!("nameserver {NODE}\n"))?;
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": shown("tls/ca.pem")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", bed.id()),
        "clusterDNS": [NODE],
        "clusterDomain": DOMAIN,
        "containerRuntimeEndpoint": format!("unix://{}", socket(bed, "containerd")),
        // A machine's disk may be nearly full, and have the older cgroups.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
        "failCgroupV1": false,
        "failSwapOn": false,
        "healthzBindAddress": "127.0.0.1",
        "kubeAPIBurst": 500,
        "kubeAPIQPS": 500,
        "imageGCHighThresholdPercent": 100,
        "maxPods": 200,
        "podLogsDir": shown("pod-logs"),
        // Many tests start pods at the same time.
        "registryPullQPS": 0,
        "serializeImagePulls": false,
        "resolvConf": shown("resolv.conf"),
        "volumePluginDir": shown("volume-plugins"),
    });
    let config = write(bed, "kubelet.json", &config.to_string())?;
    let command = [
        programs.kubernetes("kubelet"),
        format!("--config={config}"),
        format!("--kubeconfig={}", shown("kubeconfig")),
        format!("--root-dir={}", shown("kubelet")),
        format!("--cert-dir={}", shown("kubelet/pki")),
        format!("--hostname-override={NODE_NAME}"),
        format!("--node-ip={NODE}"),
    ];
    let is_ready = r#""$@" | grep -q '"type":"Ready","status":"True"'"#;
    let node = asked(bed, &format!("/api/v1/nodes/{NODE_NAME}"));
    Ok(Part {
        name: "kubelet",
        command: in_mounts_of_containerd(&command),
        ready: [words(&["sh", "-c", is_ready, "sh"]), node].concat(),
        after: &["cgroups", "containerd", "kube-apiserver"],
    })
}

fn proxy(bed: &Bed, programs: &Programs) -> Result<Part> {
    let config = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": "0.0.0.0",
        "clientConnection": {"kubeconfig": bed.path("kubeconfig")},
        "clusterCIDR": PODS,
        // The limits of connections are the machine's: nothing of them is changed.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "hostnameOverride": NODE_NAME,
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "iptables",
        "nodePortAddresses": [format!("{NODE}/32"), "127.0.0.0/8"],
    });
    let config = write(bed, "kube-proxy.json", &config.to_string())?;
    let command = [programs.kubernetes("kube-proxy"), format!("--config={config}")];
    Ok(Part {
        name: "kube-proxy",
        command: in_mounts_of_containerd(&command),
        ready: words(&["curl", "-fsS", "http://127.0.0.1:10256/healthz"]),
        after: &["containerd", "kube-apiserver"],
    })
}

/// Serves the names of services, and of nothing else. As a part of the bed and not as a pod: nothing has to be
/// pulled for it.
fn dns(bed: &Bed, programs: &Programs) -> Result<Part> {
    // Nobody knows other names: to say so at once is better than not to answer.
    let config = format!(
        "{DOMAIN}:53 in-addr.arpa:53 {{\n bind {NODE}\n errors\n ready 127.0.0.1:8181\n cache 1\n\
         kubernetes {DOMAIN} in-addr.arpa {{\n kubeconfig {}\n pods verified\n ttl 1\n }}\n}}\n\
         .:53 {{\n bind {NODE}\n errors\n template ANY ANY {{\n rcode NXDOMAIN\n }}\n}}\n",
        bed.path("kubeconfig").display()
    );
    let config = write(bed, "Corefile", &config)?;
    Ok(Part {
        name: "coredns",
        command: words(&[&programs.coredns.display().to_string(), "-conf", &config]),
        ready: words(&["curl", "-fsS", "http://127.0.0.1:8181/ready"]),
        after: &["kube-apiserver"],
    })
}

/// Tells containerd where its pods get their network from.
pub(super) fn pod_network(bed: &Bed) -> Result<String> {
    let folder = bed.path("cni");
    fs::create_dir_all(&folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let config = json!({
        "cniVersion": "0.4.0",
        "name": "bed",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods0",
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": bed.path("cni-addresses"),
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    write(bed, "cni/bed.conflist", &config.to_string())?;
    Ok(folder.display().to_string())
}

/// Returns the folder of the plugins that make a pod's network.
pub(super) fn network_plugins() -> Result<String> {
    let folder = packages::PLUGINS.iter().map(Path::new).find(|folder| folder.join("bridge").is_file());
    folder.map(|folder| folder.display().to_string()).ok_or_else(|| "no network plugins".to_owned())
}

/// Returns a command that asks the API server for a path, as the administrator.
fn asked(bed: &Bed, path: &str) -> Vec<String> {
    let tls = |name: &str| bed.path("tls").join(name).display().to_string();
    let (authority, certificate, key) = (tls("ca.pem"), tls("admin.pem"), tls("admin.key"));
    let before = ["curl", "-fsS", "--cacert", &authority, "--cert", &certificate, "--key", &key];
    // curl's own name would get an answer with line breaks.
    let url = format!("https://{NODE}:6443{path}");
    words(&[&before[..], &["--user-agent", "bed", &url]].concat())
}
