//! The test bed from outside: what its commands say, and that nothing is left of it. They bring up beds of
//! their own, beside the one in which the tests run, and only where there is one.

#![expect(clippy::unwrap_used, reason = "the test looks at the real machine")]
#![expect(clippy::print_stdout, reason = "who runs the test alone sees that it was skipped")]

#[path = "../../../tests/support/skip.rs"]
mod skip;

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{self, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::skip::skip;

/// Where daemons leave what they should not, and how deep.
const PLACES: [(&str, u32); 8] = [
    ("/sys/fs/cgroup", 2),
    ("/run", 4),
    ("/etc", 3),
    ("/var/lib/shipway-bed", 1),
    ("/var/lib", 1),
    ("/var/log", 1),
    ("/usr/libexec", 1),
    ("/opt", 2),
];

/// What kubelet sets for the whole machine.
const SETTINGS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// A bed of the test's own, taken down at its end however that comes.
struct Bed {
    name: String,
}

impl Bed {
    /// Returns a bed, or `None` where there can be none, which is counted for the test.
    fn new(name: &str, test: &str) -> Option<Self> {
        if env::var_os("SHIPWAY_BED_DOCKER").is_none() {
            skip(&format!("bed::{test}"), "the bed (SHIPWAY_BED_DOCKER)");
            return None;
        }
        Some(Self { name: format!("{name}-{}", process::id()) })
    }

    fn command(&self, task: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("bed").args(task.split(' ')).env("SHIPWAY_BED", &self.name).stdin(Stdio::null());
        command
    }

    /// Does a task, which must succeed, and returns what it prints.
    fn task(&self, task: &str) -> String {
        let output = self.command(task).output().unwrap();
        assert!(output.status.success(), "{task}: {}", both(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn folder(&self) -> PathBuf {
        Path::new("/var/lib/shipway-bed").join(&self.name)
    }

    /// Returns all that the machine has of this bed, and whatever is new in places that daemons use.
    fn traces(&self) -> BTreeSet<String> {
        let id = format!("shipway-{}", self.name);
        let ours = |text: &str| text.contains(&id) || text.contains(self.folder().to_str().unwrap());
        let mut traces = BTreeSet::new();
        let network = fs::metadata(format!("/run/netns/{id}")).map(|file| file.ino()).ok();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let process = entry.path();
            let read = |name| {
                String::from_utf8_lossy(&fs::read(process.join(name)).unwrap_or_default()).into_owned()
            };
            let inside = fs::metadata(process.join("ns/net")).map(|file| file.ino()).ok();
            if ours(&read("cmdline")) || ours(&read("cgroup")) || inside.is_some() && inside == network {
                traces.insert(format!(
                    "process {} {}",
                    process.display(),
                    read("cmdline").replace('\0', " ")
                ));
            }
        }
        let mounts =
            fs::read_to_string("/proc/1/mounts").unwrap() + &fs::read_to_string("/proc/self/mounts").unwrap();
        traces.extend(mounts.lines().filter(|line| ours(line)).map(|line| format!("mount {line}")));
        for namespace in ["/proc/1/net/dev", "/proc/self/net/dev"] {
            let links = fs::read_to_string(namespace).unwrap();
            let links = links.lines().skip(2).filter_map(|line| line.split(':').next());
            traces.extend(links.map(|link| format!("link {} in {namespace}", link.trim())));
        }
        for (folder, depth) in PLACES {
            walk(Path::new(folder), depth, &mut |path| {
                // Other beds come and go meanwhile.
                let text = path.display().to_string();
                let other = (text.contains("/shipway-") || text.contains("/shipway-bed/")) && !ours(&text);
                let kept = !folder.contains("cgroup") || ours(&text);
                if kept && !other {
                    traces.insert(format!("file {text}"));
                }
            });
        }
        for name in SETTINGS {
            let value = fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap();
            traces.insert(format!("setting {name} {}", value.trim()));
        }
        // The machine's own rules, not those of the bed in which the test runs.
        let rules = Command::new("nsenter").args(["--net=/proc/1/ns/net", "iptables-save"]).output().unwrap();
        let rules = String::from_utf8_lossy(&rules.stdout).into_owned();
        traces.extend(rules.lines().filter(|line| line.starts_with("-A")).map(|line| format!("rule {line}")));
        traces
    }

    /// Has another bed find it as it is after its owner and the guard were killed.
    fn is_forsaken(&self) {
        // A process of this number started before ours.
        fs::write(self.folder().join("owner"), format!("{}:1", process::id())).unwrap();
        let other = Self { name: format!("next-{}", self.name) };
        other.task("down");
    }

    /// Waits until the machine has nothing more of the bed than it had before.
    fn leaves_nothing(&self, before: &BTreeSet<String>) {
        let mut left = Vec::new();
        let clean = until(|| {
            left = self.traces().difference(before).cloned().collect();
            left.is_empty()
        });
        assert!(clean, "{left:#?}");
    }

    /// Returns the bed's variable of this name.
    fn variable(&self, name: &str) -> String {
        let shown = self.task("env");
        let value = shown.lines().find_map(|line| line.strip_prefix(&format!("export {name}='")));
        value.unwrap().trim_end_matches('\'').to_owned()
    }

    /// Runs kubectl in the bed.
    fn kubectl(&self, arguments: &[&str]) -> String {
        let config = self.folder().join("kubeconfig");
        let before = ["--kubeconfig", config.to_str().unwrap()];
        self.inside(&self.variable("SHIPWAY_KUBECTL"), &[&before[..], arguments].concat())
    }

    /// Runs a program on the bed's network.
    fn inside(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/shipway-{}", self.name)).arg(program).args(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", both(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // A test that failed is told by itself.
        let _ = self.command("down").output();
    }
}

fn both(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Tells every path below a folder, to a depth, on its own file system.
fn walk(folder: &Path, depth: u32, tell: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        tell(&entry.path());
        if depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), depth - 1, tell);
        }
    }
}

/// Asks again for as long as a busy machine may take, and returns the last answer.
fn until(mut holds: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > Duration::from_secs(20) {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
    true
}

#[test]
fn nothing_is_left_of_a_bed_that_was_in_use() {
    let Some(bed) = Bed::new("left", "nothing_is_left_of_a_bed_that_was_in_use") else { return };
    let before = bed.traces();
    let shown = bed.task("up");
    assert!(bed.task("status").lines().all(|line| line.contains(" up for ")), "{}", bed.task("status"));
    assert_eq!(bed.task("env"), shown);

    // What tests leave running when they fail.
    let folder = bed.folder();
    let image = "127.0.0.1:5000/bases/busybox:local";
    let docker = |arguments: &[&str]| {
        let socket = folder.join("docker.sock");
        let before = ["-fsS", "-X", "POST", "--unix-socket", socket.to_str().unwrap()];
        bed.inside("curl", &[&before[..], arguments].concat())
    };
    let body = format!(r#"{{"Image": "{image}", "Cmd": ["sleep", "1000"]}}"#);
    let json =
        ["-H", "Content-Type: application/json", "-d", &body, "http://docker/containers/create?name=left"];
    docker(&json);
    docker(&["http://docker/containers/left/start"]);
    let socket = folder.join("containerd.sock");
    let pipes = tempfile::tempdir().unwrap();
    let id = format!("shipway-{}", bed.name);
    let before_run = ["--address", socket.to_str().unwrap(), "--namespace", &id, "run", "--detach"];
    let run = ["--fifo-dir", pipes.path().to_str().unwrap(), image, "left", "sleep", "1000"];
    bed.inside("ctr", &[&before_run[..], &run].concat());
    let pod = ["run", "left", "--image=10.240.0.1:5000/bases/busybox:local", "--", "sleep", "1001"];
    bed.kubectl(&pod);
    bed.kubectl(&["wait", "--for=condition=Ready", "pod/left", "--timeout=60s"]);
    let during = bed.traces();
    for trace in ["process ", "file /sys/fs/cgroup/", "file /run/netns/"] {
        assert!(during.difference(&before).any(|found| found.starts_with(trace)), "no {trace}: {during:#?}");
    }
    for process in ["sleep 1000", "sleep 1001"] {
        assert!(during.iter().any(|found| found.contains(process)), "no {process}: {during:#?}");
    }

    bed.task("down");
    bed.leaves_nothing(&before);
    assert_eq!(bed.command("status").output().unwrap().status.code(), Some(1));
    // Again, where there is nothing to take down.
    bed.task("down");
}

#[test]
fn nothing_is_left_of_a_bed_whose_owner_was_killed_while_it_came_up() {
    let test = "nothing_is_left_of_a_bed_whose_owner_was_killed_while_it_came_up";
    let Some(bed) = Bed::new("halfway", test) else { return };
    let before = bed.traces();
    let mut owner = bed.command("up").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Started, and the cluster does not know of its node yet.
    assert!(until(|| bed.folder().join("run/kubelet.process").exists()));
    owner.kill().unwrap();
    owner.wait().unwrap();
    bed.is_forsaken();
    bed.leaves_nothing(&before);
}

#[test]
fn an_api_server_that_was_killed_comes_back_with_what_it_knew() {
    let test = "an_api_server_that_was_killed_comes_back_with_what_it_knew";
    let Some(bed) = Bed::new("killed", test) else { return };
    bed.task("up");
    let image = "--image=10.240.0.1:5000/bases/busybox:local";
    bed.kubectl(&["create", "deployment", "kept", image, "--", "sleep", "1000"]);
    bed.task("kill kube-apiserver");
    assert!(bed.command("status").output().unwrap().status.code() == Some(1));
    bed.task("start kube-apiserver");
    // The others have noticed nothing that they do not recover from: the node, the scheduler, the controllers.
    bed.kubectl(&["scale", "deployment/kept", "--replicas=2"]);
    bed.kubectl(&["rollout", "status", "deployment/kept", "--timeout=60s"]);
    bed.task("status");
    let error = bed.command("kill nothing").output().unwrap();
    assert!(String::from_utf8_lossy(&error.stderr).contains("no part `nothing`"), "{}", both(&error));
}

#[test]
fn a_part_that_ended_is_told_and_brought_up_again() {
    let Some(bed) = Bed::new("half", "a_part_that_ended_is_told_and_brought_up_again") else { return };
    // Two at a time are one after the other.
    thread::scope(|scope| {
        let other = scope.spawn(|| bed.task("up engines"));
        assert_eq!(bed.task("up engines"), other.join().unwrap());
    });
    let record = fs::read_to_string(bed.folder().join("run/registry.process")).unwrap();
    let (registry, _) = record.split_once(':').unwrap();
    assert!(Command::new("kill").args(["-KILL", registry]).status().unwrap().success());
    assert!(until(|| !bed.command("status").output().unwrap().status.success()));
    let status = bed.command("status").output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    let ended: Vec<_> = status.lines().filter(|line| line.contains(" ended ")).collect();
    assert!(
        matches!(ended[..], [line] if line.starts_with("registry ") && line.contains("registry.log")),
        "{status}"
    );
    bed.task("up engines");
    bed.task("status");
    // And with it what it holds.
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
    bed.inside("curl", &["-fsS", "-H", accept, "http://127.0.0.1:5000/v2/bases/odd/manifests/local"]);
}

#[test]
fn a_part_that_cannot_start_is_told_with_the_end_of_its_log() {
    let Some(bed) = Bed::new("broken", "a_part_that_cannot_start_is_told_with_the_end_of_its_log") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("docker-registry");
    fs::write(&broken, "#!/bin/sh\nseq 1 50\necho no room for blobs\nexit 1\n").unwrap();
    fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut paths = vec![folder.path().to_owned()];
    paths.extend(env::split_paths(&env::var_os("PATH").unwrap()));
    let output = bed.command("up engines").env("PATH", env::join_paths(paths).unwrap()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{}", both(&output));
    assert!(
        error.contains("registry") && error.contains(".log`") && error.contains("no room for blobs"),
        "{error}"
    );
    assert!(!error.contains("\n10\n"), "{error}");
}

#[test]
fn a_bed_whose_owner_ended_is_taken_down_by_the_next() {
    let Some(bed) = Bed::new("owned", "a_bed_whose_owner_ended_is_taken_down_by_the_next") else { return };
    bed.task("up engines");
    bed.is_forsaken();
    assert!(!bed.folder().exists());
    assert!(!bed.traces().iter().any(|trace| trace.starts_with("process ")));
}

#[test]
fn without_root_the_reason_is_one_line() {
    let Some(bed) = Bed::new("nobody", "without_root_the_reason_is_one_line") else { return };
    let cache = tempfile::tempdir().unwrap();
    assert!(Command::new("chown").arg("65534").arg(cache.path()).status().unwrap().success());
    // Where the program is may be root's alone: it is copied to where nobody may start it.
    let program = cache.path().join("xtask");
    fs::copy(env!("CARGO_BIN_EXE_xtask"), &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(["bed", "up"]);
    command.env("SHIPWAY_BED", &bed.name).env("SHIPWAY_CACHE", cache.path());
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{}", both(&output));
    assert!(error.contains("root"), "{error}");
}
