//! What the bed and the tests take from the distribution: programs, and the packages that hold them.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Result,
    cache::Cache,
    tools::{on_path, quietly},
};

/// Programs with the Debian packages that hold them.
const PROGRAMS: [(&str, &str); 22] = [
    // Opens pages.
    ("chromium", "chromium"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("curl", "curl"),
    ("docker-registry", "docker-registry"),
    ("dockerd", "docker.io"),
    ("etcd", "etcd-server"),
    // Complete commands.
    ("fish", "fish"),
    ("zsh", "zsh"),
    ("git", "git"),
    ("htpasswd", "apache2-utils"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("lighttpd", "lighttpd"),
    ("nsenter", "util-linux"),
    ("openssl", "openssl"),
    ("runc", "runc"),
    ("skopeo", "skopeo"),
    ("sysctl", "procps"),
    ("tmux", "tmux"),
    ("umoci", "umoci"),
    ("busybox", "busybox-static"),
];

/// Where packages put the plugins for the networks of containers, which are no programs to be found by `PATH`.
pub(super) const PLUGINS: [&str; 3] = ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"];

/// Nothing that is installed gives way, such as another Docker.
const INSTALL: [&str; 4] = ["install", "--yes", "--no-install-recommends", "--no-remove"];

/// Makes sure that every program is there; installs what is missing where it may.
pub(crate) fn prepare(cache: &Cache) -> Result<()> {
    let _lock = cache.lock("apt-get")?;
    let missing: Vec<&str> = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    let apt = on_path("apt-get").ok_or_else(|| format!("{names} (there is no apt-get here)"))?;
    if !is_root() {
        return Err(format!("{names} (only root may run apt-get)"));
    }
    for arguments in [&["update"][..], &[&INSTALL, &missing[..]].concat()] {
        let mut command = Command::new(&apt);
        command.args(["--quiet", "--option=DPkg::Lock::Timeout=300"]).args(arguments);
        // What is installed is started by us, in the namespace, and not by its package.
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        quietly(&mut command)?;
    }
    match self::missing().as_slice() {
        [] => Ok(()),
        still => Err(format!("{}: apt-get installed none", still.join(", "))),
    }
}

/// Returns whether this process is root's.
pub(super) fn is_root() -> bool {
    // Without libc's bindings: the owner of the process' own entry is its effective user.
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn missing() -> Vec<&'static str> {
    let mut packages: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if !PLUGINS.iter().any(|folder| Path::new(folder).join("bridge").is_file()) {
        packages.push("containernetworking-plugins");
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Returns the program, also where only root's `PATH` has it.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let system = || {
        ["/usr/sbin", "/sbin"]
            .iter()
            .map(|folder| Path::new(folder).join(program))
            .find(|path| path.is_file())
    };
    on_path(program).or_else(system)
}
