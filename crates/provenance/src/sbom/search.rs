//! One pass over the layers: what says which packages there are, and the files' hashes.

use std::{
    collections::BTreeMap,
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use shipway_core::{Error, Result};
use shipway_oci::{Descriptor, Distribution, FileKind, FoundFile, Hasher, ImageFiles, Origin};

use super::{Inventory, MOST_FILES, go::GoSearch, java, packages};

/// The most bytes of a text that names packages, and of an archive.
const TEXT: u64 = 64 * 1024 * 1024;
const ARCHIVE: u64 = 256 * 1024 * 1024;

/// The most files that are looked into.
const MOST: usize = 100_000;

/// Where rpm keeps its database (rpm, macros.in, `_dbpath`).
const RPM: [&str; 2] = ["/var/lib/rpm/", "/usr/lib/sysimage/rpm/"];

/// What a file can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dpkg,
    Apk,
    Node,
    Python,
    Java,
    Program,
}

/// Returns what a file can say by its place.
fn kind_of(file: &FoundFile) -> Option<Kind> {
    let path = file.path.as_str();
    let in_folder = |folder: &str| path.strip_prefix(folder).filter(|name| !name.contains('/'));
    match path {
        "/var/lib/dpkg/status" => Some(Kind::Dpkg),
        "/lib/apk/db/installed" | "/usr/lib/apk/db/installed" => Some(Kind::Apk),
        _ if in_folder("/var/lib/dpkg/status.d/").is_some_and(|name| !name.ends_with(".md5sums")) => {
            Some(Kind::Dpkg)
        }
        _ if path.ends_with("/package.json") && path.contains("/node_modules/") => Some(Kind::Node),
        _ if path.ends_with(".dist-info/METADATA") || path.ends_with(".egg-info/PKG-INFO") => {
            Some(Kind::Python)
        }
        _ if java::is_archive(path) => Some(Kind::Java),
        _ if file.is_executable() => Some(Kind::Program),
        _ => None,
    }
}

/// Something to be looked at once, whatever its names.
#[derive(Debug)]
struct Wanted {
    /// The first of its names that can say something.
    kind: Option<(Kind, String)>,
    /// Those that are to be listed with its hash.
    hashed: Vec<String>,
    size: u64,
}

/// Looks for packages everywhere and hashes files of layers above this many.
pub(super) async fn search(
    repository: &dyn Distribution,
    layers: &[Descriptor],
    files: &ImageFiles,
    own_from: usize,
) -> Result<Inventory> {
    let mut inventory = Inventory::default();
    let mut wanted: BTreeMap<Origin, Wanted> = BTreeMap::new();
    let mut found: BTreeMap<Origin, FoundFile> = BTreeMap::new();
    // A link from `/etc/os-release` to `/usr/lib` is the rule; packages' URLs need it.
    let release = files.find("/etc/os-release").ok().flatten().filter(|file| file.kind == FileKind::File);
    if let Some(release) = release {
        inventory.system = read_system(repository, layers, release).await?;
    }
    let mut hashed = 0;
    for file in files.walk().filter(|file| file.kind == FileKind::File) {
        if RPM.iter().any(|folder| file.path.starts_with(folder)) && is_database(&file.path) {
            inventory.miss(format!("rpm's database `{}`", file.path));
        }
        let is_own = file.origin().layer > own_from;
        let kind = kind_of(&file);
        if !is_own && kind.is_none() {
            continue;
        }
        if is_own && hashed >= MOST_FILES {
            inventory.miss(format!("files beyond {MOST_FILES}"));
        }
        if wanted.len() >= MOST && !wanted.contains_key(&file.origin()) {
            inventory.miss(format!("files that may name packages, beyond {MOST}"));
            continue;
        }
        let new = Wanted { kind: None, hashed: Vec::new(), size: file.size };
        let one = wanted.entry(file.origin()).or_insert(new);
        if is_own && hashed < MOST_FILES {
            hashed += 1;
            one.hashed.push(file.path.clone());
        }
        if let (Some(kind), None) = (kind, &one.kind) {
            one.kind = Some((kind, file.path.clone()));
        }
        found.entry(file.origin()).or_insert(file);
    }
    wanted.retain(|_, one| one.kind.is_some() || !one.hashed.is_empty());
    found.retain(|origin, _| wanted.contains_key(origin));
    let inventory = Arc::new(Mutex::new(inventory));
    let into = Arc::clone(&inventory);
    ImageFiles::extract(repository, layers, found.into_values(), move |origin, content| {
        match wanted.remove(&origin) {
            Some(one) => look(&one, content, &mut into.lock().unwrap_or_else(PoisonError::into_inner)),
            None => Ok(()),
        }
    })
    .await?;
    let mut inventory = inventory.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *inventory))
}

async fn read_system(
    repository: &dyn Distribution,
    layers: &[Descriptor],
    file: FoundFile,
) -> Result<Option<packages::System>> {
    if file.size > 64 * 1024 {
        return Ok(None);
    }
    let system = Arc::new(Mutex::new(None));
    let into = Arc::clone(&system);
    ImageFiles::contents(repository, layers, [file], 64 * 1024, move |_, bytes| {
        *into.lock().unwrap_or_else(PoisonError::into_inner) =
            packages::system(&String::from_utf8_lossy(bytes));
        Ok(())
    })
    .await?;
    let system = system.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(system)
}

fn is_database(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("rpmdb.sqlite" | "Packages" | "Packages.db"))
}

/// Looks at one file: reads it once, all of it.
fn look(one: &Wanted, content: &mut dyn Read, inventory: &mut Inventory) -> Result<()> {
    let mut hasher = Hasher::new();
    let kind = one.kind.as_ref();
    let most = match kind {
        Some((Kind::Java, _)) => ARCHIVE,
        Some((Kind::Program, _)) | None => 0,
        Some(_) => TEXT,
    };
    let keep = one.size <= most;
    let (mut kept, mut program) = (Vec::new(), GoSearch::default());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = fill(content, &mut buffer)?;
        if read == 0 {
            break;
        }
        let piece = &buffer[..read];
        if !one.hashed.is_empty() {
            hasher.update(piece);
        }
        if let Some((Kind::Program, _)) = kind {
            program.see(piece);
        }
        if keep {
            kept.extend_from_slice(piece);
        }
    }
    if !one.hashed.is_empty() {
        let (digest, _) = hasher.finish();
        inventory.files.extend(one.hashed.iter().map(|path| (path.clone(), digest.hex().to_owned())));
    }
    let Some((kind, path)) = kind else { return Ok(()) };
    if !keep && *kind != Kind::Program {
        inventory.miss(format!("`{path}`, which has more than {most} bytes"));
        return Ok(());
    }
    let text = String::from_utf8_lossy(&kept);
    let system = inventory.system.clone();
    let packages: Vec<_> = match kind {
        Kind::Dpkg => packages::dpkg(&text, path, system.as_ref()).take(super::MOST_PACKAGES).collect(),
        Kind::Apk => packages::apk(&text, path, system.as_ref()).take(super::MOST_PACKAGES).collect(),
        Kind::Node => packages::node(&text, path).into_iter().collect(),
        Kind::Python => packages::python(&text, path).into_iter().collect(),
        Kind::Program => program.modules(path),
        Kind::Java => {
            let (packages, whole) = java::packages(&kept, path);
            if !whole {
                inventory.miss(format!("`{path}`, or a part of it"));
            }
            packages
        }
    };
    packages.into_iter().for_each(|(purl, package)| inventory.add(purl, package));
    Ok(())
}

/// Reads until the buffer is full, or there is no more.
fn fill(content: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(error
                    .downcast::<Error>()
                    .unwrap_or_else(|error| Error::bad_output("a layer cannot be read").source(error)));
            }
        }
    }
    Ok(filled)
}
