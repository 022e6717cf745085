//! Bringing a bed up: what it needs is made or found, then all parts start, each as early as it can.

use std::{
    fs,
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    Bed, PASSWORD, USER, all, bases, builders, certificates,
    kubernetes::{self, Programs},
    module::BUILDKIT,
    owner::Owner,
    packages,
    part::Part,
    parts, seed,
    settings::Settings,
    steps::{self, Step},
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

/// How much of a bed is brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Docker, containerd, BuildKit, registries and git.
    Engines,
    /// Kubernetes as well.
    Everything,
}

/// What a bed is made of: built once, and found again in the cache.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) buildkitd: PathBuf,
    pub(super) bases: PathBuf,
    pub(super) kubernetes: Option<Kubernetes>,
}

/// What a bed with Kubernetes is made of besides.
#[derive(Debug)]
pub(super) struct Kubernetes {
    pub(super) programs: Programs,
    /// The layout of the images of builders.
    pub(super) builders: PathBuf,
}

impl Made {
    pub(super) fn get(cache: &Cache, extent: Extent) -> Result<Self> {
        packages::prepare(cache)?;
        let (buildkitd, bases) = (BUILDKIT.program(cache)?, bases::bases(cache)?);
        let kubernetes = || {
            Ok::<_, String>(Kubernetes {
                programs: Programs::get(cache)?,
                builders: builders::builders(cache)?,
            })
        };
        let kubernetes = if extent == Extent::Everything { Some(kubernetes()?) } else { None };
        Ok(Self { buildkitd, bases, kubernetes })
    }
}

impl Bed {
    /// Brings the bed up, or completes it.
    pub(crate) fn up(&self, cache: &Cache, lasting: Lasting, extent: Extent) -> Result<Settings> {
        if !packages::is_root() {
            return Err("root: namespaces and daemons are root's".to_owned());
        }
        // A build that runs at the same time may put another file in its place.
        let program =
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let made = Made::get(cache, extent)?;
        sweep(cache)?;
        let _lock = self.lock(cache)?;

        let begin = Instant::now();
        let folder = self.path("run");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
        if lasting == Lasting::WithThisProcess {
            self.guard(&program)?;
        }
        self.make_network()?;
        certificates::make(self)?;
        htpasswd(self)?;
        let parts = self.parts(&made)?;
        let mut steps = vec![Step::new("cgroups", &[], || self.make_cgroups())];
        steps.extend(parts.iter().map(|part| Step::new(part.name, part.after, || part.start(self))));
        steps.extend(seed::steps(self, &made));
        let done = steps::run(&steps)?;
        self.tell(&done, begin.elapsed())?;
        Settings::write(self, &made, &program)
    }

    /// Returns every part, and writes the files that it reads.
    pub(super) fn parts(&self, made: &Made) -> Result<Vec<Part>> {
        let mut parts = parts::parts(self, &made.buildkitd)?;
        if let Some(kubernetes) = &made.kubernetes {
            certificates::kubeconfig(self)?;
            parts.extend(kubernetes::parts(self, &kubernetes.programs)?);
        }
        Ok(parts)
    }

    /// Says how long it took, and leaves what took how long.
    fn tell(&self, done: &[(&str, Duration)], all: Duration) -> Result<()> {
        let path = self.path("up.log");
        let lines = done.iter().map(|(name, at)| format!("{:6.2} s {name}\n", at.as_secs_f64()));
        fs::write(&path, lines.collect::<String>()).map_err(at(&path))?;
        eprintln!("bed `{}` is up after {:.1} s (`{}`)", self.name, all.as_secs_f64(), path.display());
        Ok(())
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
    fn guard(&self, program: &Path) -> Result<()> {
        let owner = Owner::here().ok_or("no `/proc`")?.to_string();
        fs::write(self.path("owner"), &owner).map_err(at(&self.path("owner")))?;
        let mut guard = Command::new(program);
        guard.args(["bed", "guard", &self.name, &owner]).current_dir("/").process_group(0);
        guard.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        guard.spawn().map(drop).map_err(|error| format!("{guard:?}: {error}"))
    }
}

fn htpasswd(bed: &Bed) -> Result<()> {
    let path = bed.path("htpasswd");
    let mut command = Command::new("htpasswd");
    quietly(command.args(["-Bbc"]).arg(path).args([USER, PASSWORD]))
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("`{}`: {error}", path.display())
}
