//! The namespace: its own loopback, interfaces and rules, so that the machine's stay as they are and
//! nothing in it reaches anything outside.

use std::process::Command;

use super::Bed;
use crate::{Result, tools::quietly};

/// The address of the bed itself, as pods and containers reach it. Each bed has the same.
pub(super) const NODE: &str = "10.240.0.1";

/// The addresses of pods, and those of services.
pub(super) const PODS: &str = "10.244.0.0/24";
pub(super) const SERVICES: &str = "10.96.0.0/16";

impl Bed {
    /// Makes the namespace, unless it is there, and what is in it.
    pub(super) fn make_network(&self) -> Result<()> {
        let id = self.id();
        if !self.namespace().exists() {
            command("ip", &["netns", "add", &id])?;
        }
        // The node's address is on a bridge without ports: kubelet takes none of the loopback's. Nothing leads
        // out, so services need a route, or no connection gets as far as kube-proxy's rules. dockerd sets
        // that what is forwarded is dropped, which pods must be excepted from.
        let script = format!(
            "set -e\n\
             ip link set lo up\n\
             sysctl -qw net.ipv4.ip_forward=1\n\
             ip link show node0 >/dev/null 2>&1 || ip link add node0 type bridge\n\
             ip addr replace {NODE}/24 dev node0\n\
             ip link set node0 up\n\
             ip route replace {SERVICES} dev node0\n\
             for side in -s -d; do\n\
             iptables -C FORWARD $side {PODS} -j ACCEPT 2>/dev/null || iptables -I FORWARD $side {PODS} -j ACCEPT\n\
             done\n"
        );
        quietly(&mut self.inside("sh", &["-c", &script]))
    }

    /// Removes the namespace, and with it every interface and rule in it.
    pub(super) fn remove_network(&self) -> Result<()> {
        if self.namespace().exists() { command("ip", &["netns", "del", &self.id()]) } else { Ok(()) }
    }

    /// Returns a command that runs in the namespace. By nsenter, because `ip netns exec` mounts a new
    /// `/sys`, without the cgroups.
    pub(super) fn inside(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace().display())).arg(program).args(arguments);
        command
    }
}

fn command(program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments);
    quietly(&mut command)
}
