//! One part of a bed that is up, for who wants to see what happens without it.

use super::{
    Bed, Extent, down, part,
    part::Part,
    steps::{self, Step},
    up::Made,
};
use crate::{Result, cache::Cache};

impl Bed {
    /// Ends a part as a crash does, and returns once it has ended.
    pub(super) fn kill(&self, name: &str) -> Result<()> {
        let parts = part::recorded(self)?;
        let part = parts.iter().find(|part| part.name == name);
        let part = part.ok_or_else(|| format!("bed `{}` has no part `{name}`", self.name))?;
        part.process().map_or(Ok(()), |process| down::kill(&process))
    }

    /// Starts a part that has ended, and returns once it answers and so do those that need it. These are started
    /// anew: after a while they would ask for it every 30 seconds only, or are in mounts that are no more.
    pub(super) fn start(&self, cache: &Cache, name: &str) -> Result<()> {
        let _lock = self.lock(cache)?;
        let extent = if self.path("kubeconfig").exists() { Extent::Everything } else { Extent::Engines };
        let parts = self.parts(&Made::get(cache, extent)?)?;
        let needing = needing(&parts, name);
        let recorded = part::recorded(self)?;
        let process =
            |name: &str| recorded.iter().find(|part| part.name == name).and_then(|part| part.process());
        if needing.is_empty() {
            return Err(format!("bed `{}` has no part `{name}`", self.name));
        }
        if process(name).is_some() {
            return Ok(());
        }
        for process in needing.iter().filter_map(|part| process(part.name)) {
            down::kill(&process)?;
        }
        let begun = |name: &&&str| needing.iter().any(|part| part.name == **name);
        let step = |part: &&Part| {
            let after: Vec<&str> = part.after.iter().filter(begun).copied().collect();
            let part = (*part).clone();
            Step::new(part.name, &after, move || part.start(self))
        };
        steps::run(&needing.iter().map(step).collect::<Vec<_>>()).map(drop)
    }
}

/// Returns the part of this name, and those that come after it.
fn needing<'a>(parts: &'a [Part], name: &str) -> Vec<&'a Part> {
    let mut found: Vec<&Part> = Vec::new();
    for part in parts {
        if part.name == name || part.after.iter().any(|before| found.iter().any(|part| part.name == *before))
        {
            found.push(part);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_started_with_those_that_come_after_it() {
        let part = |name, after| Part { name, command: Vec::new(), ready: Vec::new(), after };
        let parts = [
            part("containerd", &[]),
            part("etcd", &[]),
            part("kube-apiserver", &["etcd"]),
            part("coredns", &["kube-apiserver"]),
            part("kubelet", &["cgroups", "containerd", "kube-apiserver"]),
        ];
        let names = |name| needing(&parts, name).iter().map(|part| part.name).collect::<Vec<_>>();
        assert_eq!(names("etcd"), ["etcd", "kube-apiserver", "coredns", "kubelet"]);
        assert_eq!(names("containerd"), ["containerd", "kubelet"]);
        assert_eq!(names("coredns"), ["coredns"]);
        assert!(names("nothing").is_empty());
    }
}
