//! The namespace: its own loopback, interfaces and rules, so that the machine's stay as they are and
//! nothing in it reaches anything outside.

use std::process::Command;

use super::Bed;
use crate::{Result, tools::quietly};

impl Bed {
    /// Makes the namespace, unless it is there.
    pub(super) fn make_network(&self) -> Result<()> {
        if self.namespace().exists() {
            return Ok(());
        }
        let id = self.id();
        command("ip", &["netns", "add", &id])?;
        quietly(&mut self.inside("ip", &["link", "set", "lo", "up"]))?;
        // Containers reach the registries through their bridge.
        quietly(&mut self.inside("sysctl", &["-qw", "net.ipv4.ip_forward=1"]))
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
