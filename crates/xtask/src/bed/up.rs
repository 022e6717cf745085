//! Bringing a bed up: what it needs is made or found, then all parts start at once.

use std::{
    fs,
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use super::{
    Bed, PASSWORD, USER, all, bases, buildkit, owner::Owner, packages, part::Part, parts, settings::Settings,
};
use crate::{Result, cache::Cache, tools::quietly};

/// How long a bed stays up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// Until somebody takes it down.
    ByItself,
    /// As long as this process at most, however that ends.
    WithThisProcess,
}

impl Bed {
    /// Brings the bed up, or completes it.
    pub(crate) fn up(&self, cache: &Cache, lasting: Lasting) -> Result<Settings> {
        if !packages::is_root() {
            return Err("root: namespaces and daemons are root's".to_owned());
        }
        packages::prepare(cache)?;
        let buildkitd = buildkit::buildkitd(cache)?;
        let bases = bases::bases(cache)?;
        sweep(cache)?;
        let _lock = self.lock(cache)?;

        let folder = self.path("run");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
        if lasting == Lasting::WithThisProcess {
            self.guard()?;
        }
        self.make_network()?;
        certificates(self)?;
        htpasswd(self)?;
        let parts = parts::parts(self, &buildkitd)?;
        together(&parts, |part: &Part| part.start(self))?;
        seed(self, &bases)?;
        Settings::write(self, &buildkitd.with_file_name("buildctl"), &bases)
    }
}

/// Takes down the beds whose owner has ended and could not. The caller holds no bed's lock, so that two who
/// do this never wait for each other.
pub(super) fn sweep(cache: &Cache) -> Result<()> {
    for bed in all() {
        if bed.is_forsaken() {
            let _lock = bed.lock(cache)?;
            // Somebody may have brought it up again while we waited.
            if bed.is_forsaken() {
                bed.remove()?;
            }
        }
    }
    Ok(())
}

impl Bed {
    fn is_forsaken(&self) -> bool {
        let owner = fs::read_to_string(self.path("owner")).ok().and_then(|text| text.parse::<Owner>().ok());
        owner.is_some_and(|owner| !owner.lives())
    }

    /// Leaves a process behind that takes the bed down when this one has ended, however it ends.
    fn guard(&self) -> Result<()> {
        let owner = Owner::here().ok_or("no `/proc`")?.to_string();
        fs::write(self.path("owner"), &owner).map_err(at(&self.path("owner")))?;
        let program =
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let mut guard = Command::new(program);
        guard.args(["bed", "guard", &self.name, &owner]).current_dir("/").process_group(0);
        guard.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        guard.spawn().map(drop).map_err(|error| format!("{guard:?}: {error}"))
    }
}

/// Makes an authority, and the certificate of the registry that has TLS.
fn certificates(bed: &Bed) -> Result<()> {
    let folder = bed.path("tls");
    if folder.join("server.pem").exists() {
        return Ok(());
    }
    let docker = bed.path("etc-docker/certs.d").join(parts::REGISTRY_TLS);
    for folder in [&folder, &docker] {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        quietly(command.args(line.split(' ')).current_dir(&folder))
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=shipway-bed"))?;
    let name = "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1";
    openssl(&format!("req {key} -keyout server.key -out server.csr {name}"))?;
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 30 -copy_extensions copy",
    )?;
    // dockerd's own folder for certificates of registries.
    let target = docker.join("ca.crt");
    fs::copy(folder.join("ca.pem"), &target).map(drop).map_err(at(&target))
}

fn htpasswd(bed: &Bed) -> Result<()> {
    let path = bed.path("htpasswd");
    let mut command = Command::new("htpasswd");
    quietly(command.args(["-Bbc"]).arg(path).args([USER, PASSWORD]))
}

/// Puts the base images where builders find them.
fn seed(bed: &Bed, bases: &Path) -> Result<()> {
    together(&bases::NAMES, |name| {
        let reference = format!("{}/bases/{name}:local", parts::REGISTRY);
        let from = format!("oci:{}:{name}", bases.display());
        let to = format!("docker://{reference}");
        quietly(&mut bed.inside(
            "skopeo",
            &["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", &from, &to],
        ))?;
        let docker = parts::socket(bed, "docker");
        let pull =
            format!("http://docker/images/create?fromImage={}/bases/{name}&tag=local", parts::REGISTRY);
        quietly(&mut bed.inside("curl", &["-fsS", "-X", "POST", "--unix-socket", &docker, &pull]))?;
        let containerd = parts::socket(bed, "containerd");
        let id = bed.id();
        let pull =
            ["--address", &containerd, "--namespace", &id, "images", "pull", "--plain-http", &reference];
        quietly(&mut bed.inside("ctr", &pull))
    })
}

/// Does something for each at the same time; the first error counts.
fn together<T: Sync>(all: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let running: Vec<_> = all.iter().map(|one| scope.spawn(|| work(one))).collect();
        let ended: Vec<Result<()>> = running
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| Err("it panicked".to_owned())))
            .collect();
        ended.into_iter().collect()
    })
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("`{}`: {error}", path.display())
}
