//! Which configurations of which files are read, with which profiles, and in which order: Skaffold's rules
//! (`parser/config.go`), without IO. [`Modules::wanted`] says which file is needed next, and who reads gives it to
//! [`Modules::found`].

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use shipway_core::{Error, Location, Result, did_you_mean};
use shipway_yaml::{Document, Node, Span, Spanned};

use super::{
    Options,
    canonical::canonical,
    explain::Written,
    parse,
    paths::{self, normal},
    profile::{Profiles, check_names},
    requires::{ActiveProfile, Required},
    strict::{self, Kinds},
    trust, upgrade,
    version::Version,
};
use crate::Notice;

/// The most files that one may require, with what those require.
const MOST_FILES: usize = 1000;

/// In bytes, of all files together.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How often configurations may be required.
const MOST_VISITS: usize = 100_000;

/// How often what is required may require in its turn.
const DEEPEST: usize = 1000;

/// A configuration that is run.
#[derive(Clone, Debug)]
pub(super) struct Module {
    /// The configuration of the newest version, with its profiles, without them and without what it requires.
    pub(super) document: Document,
    /// The active profiles, in the order in which they were applied.
    pub(super) profiles: Vec<String>,
    /// What profiles wrote.
    pub(super) written: Written,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The repository elsewhere that it lies in, if it does.
    pub(super) repository: Option<Repository>,
    /// The path below the repository; else that of a file of this machine, below the current folder or absolute.
    pub(super) path: PathBuf,
}

/// A repository elsewhere, as a configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Repository {
    pub(super) url: String,
    /// A branch, a tag or a commit; the default branch when empty.
    pub(super) reference: String,
}

/// A file that is needed.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Where it is, or the folder in which it has the usual name.
    pub(super) place: Place,
    /// What the configuration says about whether the repository is looked at again (`git.sync`).
    pub(super) sync: Option<bool>,
    /// Whether it is a repository elsewhere that requires it, which is trusted less than a file of this machine.
    pub(super) by_remote: bool,
    /// Where it is required; none for the first file.
    pub(super) at: Option<Location>,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it is indeed, if a folder was asked for.
    pub(super) path: PathBuf,
    /// The file on this machine, as messages name it.
    pub(super) file: PathBuf,
    pub(super) text: String,
}

/// A configuration as it is written, in the newest version.
#[derive(Debug)]
struct Configuration {
    name: Option<Name>,
    document: Document,
    profiles: Profiles,
}

/// A configuration's name, and where it is written.
#[derive(Debug)]
struct Name {
    value: String,
    span: Span,
}

/// What is to be done, the last first.
#[derive(Debug)]
enum Work {
    /// Go through a file.
    Enter(Arc<Entrance>),
    /// Go through a configuration of a file.
    Visit { place: Arc<Place>, index: usize, entrance: Arc<Entrance> },
    /// What it requires is there, so that it may follow.
    Done(Box<Module>),
}

/// How a file is come to.
#[derive(Debug)]
struct Entrance {
    wanted: Wanted,
    /// The file that requires it.
    from: Option<Arc<Place>>,
    /// The names of the configurations that are meant; empty for all.
    names: Vec<Spanned<String>>,
    /// Who says the names, for messages.
    shown: Option<PathBuf>,
    /// The profiles that are asked for.
    profiles: Vec<String>,
    /// Whether who requires it is run, so that it is as well.
    required: bool,
    /// Whether who requires it lies in another file than the first.
    dependency: bool,
    /// The requirements that it took to come here.
    depth: usize,
}

/// How a configuration was come to before.
#[derive(Debug)]
struct Visited {
    profiles: BTreeSet<String>,
    at: Option<Location>,
}

/// The configurations of a file and of all that it requires.
#[derive(Debug)]
pub(super) struct Modules<'a> {
    options: &'a Options,
    /// The kinds of plug-ins, which may stand beside Skaffold's fields.
    kinds: &'a Kinds,
    /// The current folder.
    base: &'a Path,
    work: Vec<Work>,
    /// Where a file is that was asked for.
    places: BTreeMap<Place, Arc<Place>>,
    files: BTreeMap<Arc<Place>, Vec<Configuration>>,
    bytes: usize,
    visits: usize,
    /// Who has a name.
    names: BTreeMap<String, (Arc<Place>, Location)>,
    visited: BTreeMap<(Arc<Place>, usize, bool), Visited>,
    modules: Vec<Module>,
    notices: Vec<Notice>,
}

impl<'a> Modules<'a> {
    /// Begins with a file; paths are below `base`, the current folder.
    pub(super) fn new(file: &Path, base: &'a Path, options: &'a Options, kinds: &'a Kinds) -> Self {
        let wanted = Wanted {
            place: Place { repository: None, path: local(base, file) },
            sync: None,
            by_remote: false,
            at: None,
        };
        let entrance = Entrance {
            wanted,
            from: None,
            names: Vec::new(),
            shown: None,
            profiles: options.profiles.clone(),
            required: options.modules.is_empty(),
            dependency: false,
            depth: 0,
        };
        Self {
            options,
            kinds,
            base,
            work: vec![Work::Enter(Arc::new(entrance))],
            places: BTreeMap::new(),
            files: BTreeMap::new(),
            bytes: 0,
            visits: 0,
            names: BTreeMap::new(),
            visited: BTreeMap::new(),
            modules: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Goes on until a file is needed that was not given yet; none when all is known.
    pub(super) fn wanted(&mut self) -> Result<Option<Wanted>> {
        while let Some(work) = self.work.pop() {
            match work {
                Work::Enter(entrance) => match self.places.get(&entrance.wanted.place).map(Arc::clone) {
                    Some(place) => self.enter(&place, &entrance)?,
                    None => {
                        let wanted = entrance.wanted.clone();
                        self.work.push(Work::Enter(entrance));
                        return Ok(Some(wanted));
                    }
                },
                Work::Visit { place, index, entrance } => self.visit(&place, index, &entrance)?,
                Work::Done(module) => self.modules.push(*module),
            }
        }
        Ok(None)
    }

    /// Takes a file that was wanted.
    pub(super) fn found(&mut self, wanted: &Wanted, found: Found) -> Result<()> {
        let place = Arc::new(Place { repository: wanted.place.repository.clone(), path: found.path });
        self.places.insert(wanted.place.clone(), Arc::clone(&place));
        if self.files.contains_key(&place) {
            return Ok(());
        }
        self.bytes += found.text.len();
        if self.files.len() >= MOST_FILES || self.bytes > MOST_BYTES {
            let message = format!("more than {MOST_FILES} files or {MOST_BYTES} bytes are required");
            return Err(placed(Error::config(message), wanted.at.as_ref()));
        }
        let mut configurations = Vec::new();
        let mut names: BTreeMap<String, Location> = BTreeMap::new();
        for mut source in parse::sources(&found.file, &found.text)? {
            strict::check(&source.document, source.version, self.kinds)?;
            upgrade::upgrade(&mut source, &mut self.notices)?;
            let mut document = source.document;
            canonical(&mut document, &mut self.notices);
            let profiles = Profiles::take(&mut document, self.options, &mut self.notices)?;
            let name = name(&document);
            if let Some(name) = &name {
                let location = document.location(name.span);
                if let Some(first) = names.insert(name.value.clone(), location) {
                    return Err(named_twice(&document, name, &first));
                }
            }
            configurations.push(Configuration { name, document, profiles });
        }
        self.files.insert(place, configurations);
        Ok(())
    }

    /// Returns the configurations that are run, each after those that it requires, and what is said about the files.
    pub(super) fn finish(self) -> Result<(Vec<Module>, Vec<Notice>)> {
        let profiles = self.files.values().flatten().flat_map(|configuration| configuration.profiles.names());
        check_names(&profiles.map(str::to_owned).collect(), self.options)?;
        for module in &self.options.modules {
            if !self.names.contains_key(module) {
                let error = Error::config(format!("there is no module `{module}`"));
                return Err(match did_you_mean(module, self.names.keys().map(String::as_str)) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None if self.names.is_empty() => {
                        error.hint("a configuration becomes a module by its `metadata.name`; none has one")
                    }
                    None => {
                        let names: Vec<&str> = self.names.keys().map(String::as_str).collect();
                        error.hint(format!("there are these: {}", names.join(", ")))
                    }
                });
            }
        }
        Ok((self.modules, self.notices))
    }

    /// Visits the configurations of a file in their order.
    fn enter(&mut self, place: &Arc<Place>, entrance: &Arc<Entrance>) -> Result<()> {
        let configurations = self.files.get(place).map_or(&[][..], Vec::as_slice);
        self.visits += configurations.len();
        if self.visits > MOST_VISITS || entrance.depth > DEEPEST {
            let message = format!(
                "configurations are required more than {MOST_VISITS} times, or {DEEPEST} in each other"
            );
            return Err(placed(Error::config(message), entrance.wanted.at.as_ref()));
        }
        if let Some(shown) = &entrance.shown {
            let names = configurations
                .iter()
                .filter_map(|configuration| Some(configuration.name.as_ref()?.value.as_str()));
            let names: BTreeSet<&str> = names.collect();
            let shown = Document::new(shown.as_path(), Node::mapping(Vec::new()));
            for name in entrance.names.iter().filter(|name| !names.contains(name.value.as_str())) {
                let near = did_you_mean(&name.value, names.iter().copied());
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let message = format!("the required file has no configuration `{}`{near}", name.value);
                self.notices.push(Notice::new(shown.location(name.span), message));
            }
        }
        for index in (0..configurations.len()).rev() {
            let (place, entrance) = (Arc::clone(place), Arc::clone(entrance));
            self.work.push(Work::Visit { place, index, entrance });
        }
        Ok(())
    }

    fn visit(&mut self, place: &Arc<Place>, index: usize, entrance: &Arc<Entrance>) -> Result<()> {
        let Some(configuration) = self.files.get(place).and_then(|all| all.get(index)) else { return Ok(()) };
        let name = configuration.name.as_ref();
        if let Some(name) = name {
            let location = configuration.document.location(name.span);
            let (owner, first) =
                self.names.entry(name.value.clone()).or_insert_with(|| (Arc::clone(place), location));
            if owner != place {
                return Err(named_twice(&configuration.document, name, first));
            }
        }
        let name = name.map(|name| name.value.as_str());
        if !entrance.names.is_empty()
            && !entrance.names.iter().any(|other| Some(other.value.as_str()) == name)
        {
            return Ok(());
        }
        // What is not asked for is looked through all the same: it may require what is.
        let required =
            entrance.required || self.options.modules.iter().any(|other| Some(other.as_str()) == name);
        let active = configuration.profiles.active(&entrance.profiles);
        let names = configuration.profiles.active_names(&active);
        let profiles: BTreeSet<String> = names.iter().cloned().collect();
        let key = (Arc::clone(place), index, required);
        if let Some(before) = self.visited.get(&key) {
            if before.profiles == profiles {
                return Ok(());
            }
            return Err(conflict(configuration, before, &profiles, entrance.wanted.at.as_ref()));
        }
        let visited = Visited { profiles: profiles.clone(), at: entrance.wanted.at.clone() };
        self.visited.insert(key, visited);

        let mut document = configuration.document.clone();
        configuration.profiles.apply(&mut document, &active, self.options)?;
        if !names.is_empty() {
            // A patch puts in whatever it says.
            strict::check(&document, Version::NEWEST, self.kinds)?;
            canonical(&mut document, &mut self.notices);
        }
        trust::check_requires(&mut document, self.options)?;
        let all = Required::take(&mut document)?;
        let dependency = entrance.dependency || entrance.from.as_ref().is_some_and(|from| from != place);
        let mut entrances = Vec::new();
        for (required_one, node) in all {
            let said = required_one.path.as_ref().or(required_one.git.as_ref().map(|git| &git.repo));
            let at = document.location(said.map_or(node.span, |said| said.span));
            check_activators(
                &required_one.active_profiles,
                &configuration.profiles,
                &document,
                &mut self.notices,
            );
            let (wanted_place, sync) = wanted_place(self.base, place, &required_one, &document)?;
            let mut asked = active_profiles(&required_one.active_profiles, &profiles);
            if self.options.propagate_profiles {
                for profile in &self.options.profiles {
                    if !asked.contains(profile) {
                        asked.push(profile.clone());
                    }
                }
            }
            entrances.push(Arc::new(Entrance {
                wanted: Wanted {
                    place: wanted_place,
                    sync,
                    by_remote: place.repository.is_some(),
                    at: Some(at),
                },
                from: Some(Arc::clone(place)),
                names: required_one.configs,
                shown: Some(document.file.clone()),
                profiles: asked,
                required,
                dependency,
                depth: entrance.depth + 1,
            }));
        }
        if required {
            if dependency && let Some(folder) = document.file.parent().map(Path::to_owned) {
                paths::rebase(&mut document.root, &folder);
            }
            let written = Written::of(&configuration.profiles);
            let module = Module { document, profiles: names, written };
            self.work.push(Work::Done(Box::new(module)));
        }
        // Where a file requires its own configurations, it is known already.
        self.places.entry((**place).clone()).or_insert_with(|| Arc::clone(place));
        self.work.extend(entrances.into_iter().rev().map(Work::Enter));
        Ok(())
    }
}

fn conflict(
    configuration: &Configuration,
    before: &Visited,
    profiles: &BTreeSet<String>,
    at: Option<&Location>,
) -> Error {
    let document = &configuration.document;
    let with = |profiles: &BTreeSet<String>| match profiles.len() {
        0 => "no profile".to_owned(),
        _ => profiles.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    };
    let what = match &configuration.name {
        Some(name) => format!("the configuration `{}`", name.value),
        None => format!("the configuration at {}", document.location(document.root.span)),
    };
    let message = format!("{what} is required with other profiles than before: {}", with(profiles));
    let error = placed(Error::config(message), Some(at.unwrap_or(&document.location(document.root.span))));
    let before = match &before.at {
        Some(at) => format!("it is required at {at} with {}", with(&before.profiles)),
        None => format!("by itself it is run with {}", with(&before.profiles)),
    };
    error.note(before).hint("let all that require it ask for the same profiles")
}

/// Says which profiles' names do nothing where they stand, as Skaffold does not.
fn check_activators(all: &[ActiveProfile], own: &Profiles, document: &Document, notices: &mut Vec<Notice>) {
    let names: BTreeSet<&str> = own.names().collect();
    for activator in all.iter().flat_map(|profile| &profile.activated_by) {
        if !names.contains(activator.value.as_str()) {
            let near = did_you_mean(&activator.value, names.iter().copied());
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let message = format!("this configuration has no profile `{}`{near}", activator.value);
            notices.push(Notice::new(document.location(activator.span), message));
        }
    }
}

/// Returns the profiles that a requirement asks for when these are active.
fn active_profiles(all: &[ActiveProfile], active: &BTreeSet<String>) -> Vec<String> {
    let asked = all.iter().filter(|profile| {
        profile.activated_by.is_empty()
            || profile.activated_by.iter().any(|name| active.contains(&name.value))
    });
    asked.map(|profile| profile.name.value.clone()).collect()
}

/// Returns where a requirement is.
fn wanted_place(
    base: &Path,
    from: &Place,
    required: &Required,
    document: &Document,
) -> Result<(Place, Option<bool>)> {
    let leads_out = |path: &str, span| {
        let error = document.error(span, format!("`{path}` leads out of the repository"));
        error.hint("name a path below the repository's top")
    };
    if let Some(git) = &required.git {
        let repository = Repository { url: git.repo.value.clone(), reference: git.reference.clone() };
        let path = inside(Path::new(&git.path)).ok_or_else(|| leads_out(&git.path, git.repo.span))?;
        return Ok((Place { repository: Some(repository), path }, git.sync));
    }
    let Some(path) = required.path.as_ref().filter(|path| !path.value.is_empty()) else {
        return Ok((from.clone(), None));
    };
    if path.value.starts_with("https://") || path.value.starts_with("http://") {
        return Err(Error::unsupported(format!("`{}` is not read from there", path.value))
            .at(document.location(path.span))
            .hint("require the git repository that it lies in, by `git`"));
    }
    let above = from.path.parent().unwrap_or(Path::new(""));
    let path = match &from.repository {
        Some(_) => inside(&above.join(&path.value)).ok_or_else(|| leads_out(&path.value, path.span))?,
        None => local(base, &above.join(&path.value)),
    };
    Ok((Place { repository: from.repository.clone(), path }, None))
}

/// Returns a path of this machine in the one form that it has here: without `.`, `..` only at the beginning, and
/// below the current folder where it is.
fn local(base: &Path, path: &Path) -> PathBuf {
    let normal = normal(path);
    match normal.strip_prefix(base) {
        Ok(below) if !base.as_os_str().is_empty() => below.to_owned(),
        _ => normal,
    }
}

/// Returns a path below a repository in the one form that it has here; none when it leads out.
fn inside(path: &Path) -> Option<PathBuf> {
    let normal = normal(path);
    normal.components().all(|step| matches!(step, Component::Normal(_))).then_some(normal)
}

/// Returns a configuration's name; an empty one is none.
fn name(document: &Document) -> Option<Name> {
    let name = document.root.get("metadata")?.get("name")?;
    let text = name.text().filter(|text| !text.is_empty() && !name.is_null())?;
    Some(Name { value: text.to_owned(), span: name.span })
}

fn named_twice(document: &Document, name: &Name, first: &Location) -> Error {
    document
        .error(name.span, format!("two configurations have the name `{}`", name.value))
        .note(format!("the first is at {first}"))
        .hint("give one another name")
}

fn placed(error: Error, at: Option<&Location>) -> Error {
    match at {
        Some(at) => error.at(at.clone()),
        None => error,
    }
}
