//! This machine as the command's world: its folder, environment, logins and registries. What the library is
//! handed, and nothing else reads.

#![expect(
    clippy::disallowed_methods,
    reason = "a program takes its environment, its folder and its configuration from whoever starts it"
)]

use std::{
    env,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use shipway::{
    Cancel, Context, Discard, DiskCache, DiskJournal, Error, HostDisk, JsonLines, Result, RunContext, Sink,
    Tag, TextLines, Timestamp, World,
    cluster::Kubeconfig,
    config::{self, GlobalConfig, Loaded, Trust},
    docker::DaemonStores,
    oci::{Client, DockerConfig, HostOptions, Stores},
};

use crate::{
    arguments::{Dockerfiles, Options, SyncRemoteCache},
    live, words,
    work::Told,
};

/// In bytes; far more than any honest configuration has.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Reads a configuration that is no file but comes from a pipe or, as `-`, from standard input; none where it is a
/// file.
///
/// # Errors
/// `Config`: whatever cannot be read is named wrongly on the command line.
pub(crate) fn stream(path: &Path) -> Result<Option<String>> {
    let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    if path.metadata().map_or(true, |found| found.is_file() || found.is_dir())
        && path != Path::new("/dev/stdin")
    {
        return Ok(None);
    }
    text(path, "--filename").map(Some)
}

/// Returns the text of a file that a flag names.
pub(crate) fn text(path: &Path, flag: &str) -> Result<String> {
    let failed = |error: io::Error| {
        Error::config(format!("cannot read `{}`", path.display()))
            .source(error)
            .hint(format!("say where the configuration is with `{flag}`"))
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        return Err(Error::config(format!("`{}` has more than {LIMIT} bytes", path.display())));
    }
    String::from_utf8(bytes).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
}

/// Returns what the configuration and what it requires are read through.
///
/// # Errors
/// When the current folder has no name.
pub(crate) fn reading(cancel: &Cancel) -> Result<Context> {
    let world = with_credentials(shipway::host(root()?).env(variables()));
    Ok(RunContext::new(world, "configuration").context(None, None, cancel.clone()))
}

fn root() -> Result<PathBuf> {
    env::current_dir().map_err(|error| Error::io("find", Path::new("."), error))
}

/// Returns the usual file of what the user says once for all projects, where there is a home.
pub(crate) fn global_file() -> Option<PathBuf> {
    Some(absolute("HOME")?.join(".skaffold/config"))
}

/// Returns what the user says once for all projects: in the file that is named, or in the usual one, which need not
/// be there.
fn global(options: &Options) -> Result<GlobalConfig> {
    let named = options.config.clone().filter(|path| !path.as_os_str().is_empty());
    match named.or_else(|| global_file().filter(|path| path.exists())) {
        Some(path) => {
            let text = text(&path, "--config")?;
            words::named(&path, Some(&text));
            GlobalConfig::read(&path, &text)
        }
        None => Ok(GlobalConfig::default()),
    }
}

/// Returns how the configuration is read: as one of this user's own, whom it may have run what it says. An empty text
/// is none, as in Skaffold; an empty default repository stands for none whatever the global configuration says.
///
/// # Errors
/// `Config` for what is no tag, and for a global configuration that is none.
pub(crate) fn options(options: &Options, command: &str) -> Result<config::Options> {
    fn given(text: &Option<String>) -> Option<&str> {
        text.as_deref().filter(|text| !text.is_empty())
    }
    let mut read = config::Options::default()
        .profiles(options.profile.iter().filter(|name| !name.is_empty()))
        .auto_activation(options.profile_auto_activation)
        .command(command)
        .trust(Trust::Full)
        .dockerfiles(match options.builder {
            Dockerfiles::Docker => config::Dockerfiles::Docker,
            Dockerfiles::Native => config::Dockerfiles::Native,
        });
    read = read
        .modules(options.module.iter().filter(|name| !name.is_empty()))
        .propagate_profiles(options.propagate_profiles)
        .sync_remote_cache(match options.sync_remote_cache {
            SyncRemoteCache::Always => config::SyncRemoteCache::Always,
            SyncRemoteCache::Missing => config::SyncRemoteCache::Missing,
            SyncRemoteCache::Never => config::SyncRemoteCache::Never,
        });
    let cache = options.remote_cache_dir.clone().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = cache.or_else(|| Some(home("XDG_CACHE_HOME", ".cache")?.join("shipway/remote"))) {
        read = read.remote_cache(folder);
    }
    for (name, value) in variables() {
        read = read.env(name, value);
    }
    if let Some(repository) = &options.default_repo {
        read = read.default_repo(repository);
    }
    if let Some(tag) = given(&options.tag) {
        read = read.tag(Tag::parse(tag)?);
    }
    if let Some(push) = options.push {
        read = read.push(push);
    }
    if let Some(namespace) = given(&options.namespace) {
        read = read.namespace(namespace);
    }
    if let Some(context) = given(&options.kube_context) {
        read = read.kube_context(context);
    }
    if let Some(endpoint) = given(&options.docker_host) {
        read = read.docker_endpoint(endpoint);
    }
    Ok(read.global(&global(options)?))
}

/// Returns this machine's world around the current folder.
///
/// # Errors
/// Those of reading the folder's name and of the system's certificates.
pub(crate) fn world(loaded: &Loaded, told: Told, cached: bool) -> Result<World> {
    let root = root()?;
    let mut client = Client::builder();
    for registry in &loaded.insecure_registries {
        client = client.host(registry, HostOptions::new().plain_http());
    }
    let sink: Arc<dyn Sink> = match told {
        Told::Drawn => live::sink(variable),
        Told::Lines => Arc::new(TextLines::new(io::stderr())),
        Told::Json => Arc::new(JsonLines::new(io::stdout())),
        Told::Nothing => Arc::new(Discard),
    };
    let mut world = shipway::host(root)
        .env(variables())
        .images(DaemonStores::new(Stores::with_client(client.build()?)))
        .sink(sink);
    if let Some(folder) = home("XDG_CACHE_HOME", ".cache").filter(|_| cached) {
        world = world.cache(DiskCache::new(Arc::new(HostDisk), folder.join("shipway/cache")));
    }
    Ok(with_credentials(world))
}

/// Gives a world this user's logins and clusters.
fn with_credentials(world: World) -> World {
    let clusters = Kubeconfig::new(kubeconfig_files());
    match docker_config() {
        Some(path) => world.credentials(DockerConfig::new(path).beside(clusters)),
        None => world.credentials(clusters),
    }
}

/// Returns the environment; what is no text is left out, as no configuration can name it.
fn variables() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Returns where the runs of the current folder are written down, if this user has a home.
pub(crate) fn journal() -> Option<Arc<DiskJournal>> {
    Some(Arc::new(DiskJournal::new(Arc::new(HostDisk), kept("runs")?)))
}

/// Returns where the questions of runs of the current folder are, if this user has a home.
pub(crate) fn questions() -> Option<PathBuf> {
    kept("questions")
}

/// Returns the folder for something that is kept of the current folder.
fn kept(what: &str) -> Option<PathBuf> {
    let project = env::current_dir().ok()?;
    let folder = home("XDG_STATE_HOME", ".local/state")?.join("shipway").join(what);
    Some(folder.join(project.strip_prefix("/").unwrap_or(&project)))
}

/// Returns the name of who is asked.
pub(crate) fn user() -> String {
    let name = variables().find(|(name, value)| ["USER", "LOGNAME"].contains(&&**name) && !value.is_empty());
    name.map_or_else(|| "somebody".to_owned(), |(_, value)| value)
}

/// Returns the moment now.
pub(crate) fn now() -> Timestamp {
    shipway::Clock::now(&shipway::SystemClock::new())
}

/// Returns a folder of the user's: what the variable says, which counts only if it is absolute (XDG Base Directory
/// Specification), or this one in the home.
fn home(variable: &str, below: &str) -> Option<PathBuf> {
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below)))
}

/// Returns where the user's clusters are, as kubectl finds them.
fn kubeconfig_files() -> Vec<PathBuf> {
    match env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(files) => env::split_paths(&files).filter(|file| !file.as_os_str().is_empty()).collect(),
        None => absolute("HOME").map(|home| home.join(".kube/config")).into_iter().collect(),
    }
}

/// Returns a folder that a variable names; an empty one would name the folder that the program is run in.
fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns a folder that a variable names from the root on. A home that begins elsewhere is none: another one in each
/// folder, and in whatever project that is.
fn absolute(name: &str) -> Option<PathBuf> {
    variable(name).filter(|path| path.is_absolute())
}

/// Returns where Docker keeps its logins.
fn docker_config() -> Option<PathBuf> {
    let folder = variable("DOCKER_CONFIG").or_else(|| Some(absolute("HOME")?.join(".docker")))?;
    Some(folder.join("config.json"))
}

/// Writes a file that a person asked for: whole or not at all, behind a link where there is one, and with the rights that
/// it had. It may be a pipe or a device.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let there = place.metadata().ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return std::fs::write(&place, bytes).map_err(failed);
    }
    shipway::publish(&HostDisk, &place, |file| file.write_all(bytes)).map_err(failed)?;
    there.map_or(Ok(()), |there| std::fs::set_permissions(&place, there.permissions())).map_err(failed)
}

/// Returns how many columns a line for people may have.
pub(crate) fn columns() -> usize {
    let said = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    said.filter(|columns| *columns > 0).unwrap_or(100)
}
