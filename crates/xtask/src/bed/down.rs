//! Taking a bed down: processes, containers, mounts, cgroups, namespace, files. What is gone already is
//! passed over, so that it can be done again after it failed.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{Bed, kubernetes, owner::Owner, part, parts::socket};
use crate::{Result, cache::Cache, tools::quietly};

/// Which processes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// Those of containers.
    Cgroups,
    /// Those, and whatever else is in the bed's network.
    Network,
}

/// How long a part may take to end by itself.
const GRACE: Duration = Duration::from_secs(20);

impl Bed {
    /// Removes all that the bed has made.
    pub(crate) fn down(&self, cache: &Cache) -> Result<()> {
        let _lock = self.lock(cache)?;
        self.remove()
    }

    /// Removes it; the caller holds its lock.
    pub(super) fn remove(&self) -> Result<()> {
        if !self.exists() {
            return Ok(());
        }
        // Kubernetes first, which would start containers again; then containers: the daemons would wait until
        // each has ended by itself.
        for part in part::recorded(self)?.iter().filter(|part| kubernetes::NAMES.contains(&&*part.name)) {
            if let Some(process) = part.process() {
                signal("KILL", &process);
            }
        }
        for process in self.processes(Inside::Cgroups) {
            signal("KILL", &process);
        }
        self.end_tasks();
        let parts: Vec<Owner> = part::recorded(self)?.iter().filter_map(part::Recorded::process).collect();
        for part in &parts {
            signal("TERM", part);
        }
        let begin = Instant::now();
        while parts.iter().any(Owner::lives) && begin.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(20));
        }
        // Whatever is left of them, such as shims, is in the namespace or in a cgroup of the bed.
        for _ in 0..100 {
            let left = self.processes(Inside::Network);
            if left.is_empty() {
                break;
            }
            for process in &left {
                signal("KILL", process);
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.unmount()?;
        self.remove_cgroups();
        self.remove_network()?;
        let folder = self.folder();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("`{}`: {error}", folder.display()));
            }
            _ => {}
        }
        // The folder of all beds goes with the last.
        let _ = fs::remove_dir(super::FOLDER);
        Ok(())
    }

    /// Ends what runs in containerd, which leaves its containers running when it ends.
    fn end_tasks(&self) {
        let socket = socket(self, "containerd");
        if !Path::new(&socket).exists() {
            return;
        }
        let id = self.id();
        let ctr = |arguments: &[&str]| {
            let mut command = Command::new("ctr");
            command.args(["--address", &socket, "--timeout", "5s", "--namespace", &id]).args(arguments);
            command
                .output()
                .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
                .unwrap_or_default()
        };
        for task in ctr(&["tasks", "list", "--quiet"]).lines() {
            ctr(&["tasks", "delete", "--force", task]);
        }
        for container in ctr(&["containers", "list", "--quiet"]).lines() {
            ctr(&["containers", "delete", container]);
        }
    }

    /// Returns the processes that are in the bed's cgroups, or in its namespace too.
    fn processes(&self, which: Inside) -> Vec<Owner> {
        use std::os::unix::fs::MetadataExt;
        let namespace = fs::metadata(self.namespace()).map(|file| file.ino()).ok();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let inside = |&pid: &u32| {
            let own = fs::metadata(format!("/proc/{pid}/ns/net")).map(|file| file.ino()).ok();
            let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            let ours = format!("/{}/", self.id());
            which == Inside::Network && own.is_some() && own == namespace
                || cgroups.lines().any(|line| format!("{line}/").contains(&ours))
        };
        // A person's shell inside is left alone: it was not started by the bed, and holds nothing of it.
        let started = |owner: &Owner| !has_terminal(owner.pid) && owner.pid != std::process::id();
        numbers.filter(inside).filter_map(Owner::of).filter(started).collect()
    }

    fn unmount(&self) -> Result<()> {
        let below = format!("{}/", self.folder().display());
        let mounts = fs::read_to_string("/proc/self/mounts")
            .map_err(|error| format!("`/proc/self/mounts`: {error}"))?;
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        // The last mounted is the first to go.
        for point in points.filter(|point| point.starts_with(&below)).collect::<Vec<_>>().into_iter().rev() {
            quietly(Command::new("umount").args(["--lazy", point]))?;
        }
        Ok(())
    }
}

/// Whether a process has a terminal.
fn has_terminal(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').nth(4).is_some_and(|terminal| terminal != "0")
}

/// Ends a process as a crash does, and waits until it has ended.
pub(super) fn kill(process: &Owner) -> Result<()> {
    signal("KILL", process);
    let begin = Instant::now();
    while process.lives() {
        if begin.elapsed() > GRACE {
            return Err(format!("process {process} does not end"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Sends a signal to a process that still is the one that was meant.
fn signal(name: &str, process: &Owner) {
    if process.lives() {
        let _ = Command::new("kill").args([&format!("-{name}"), &process.pid.to_string()]).output();
    }
}
