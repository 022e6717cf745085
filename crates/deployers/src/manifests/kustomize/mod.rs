//! Kustomizations: built by the program, but read by ourselves before it runs, so that what it reads is known, allowed, and
//! built again only where it changed.

mod build;
mod fields;
mod program;
mod reach;
mod remote;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use shipway_core::{Context, Error, Inputs, Result, Tree, clean_path};

use self::reach::{May, NAMES, reach};

/// Kustomizations that are built one like the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Kustomize {
    /// The folders, below the context's root, or addresses.
    pub(super) paths: Vec<String>,
    /// The program's arguments.
    pub(super) args: Vec<String>,
    /// Whether what is elsewhere may be named.
    pub(super) remote: bool,
}

impl Kustomize {
    /// Returns the kustomizations in these folders, each below `folder`.
    pub(super) fn new(folder: &Path, paths: &[String], args: &[String], remote: bool) -> Self {
        let place = |path: &String| {
            if remote::is_remote(path) {
                return path.clone();
            }
            let path = clean_path(&folder.join(path).to_string_lossy());
            // Who names the file means its folder.
            match path.rsplit_once('/') {
                Some((folder, name)) if NAMES.contains(&name) => folder.to_owned(),
                None if NAMES.contains(&path.as_str()) => ".".to_owned(),
                _ => path,
            }
        };
        // Skaffold parts them at blanks (render/renderer/kustomize, `kustomizeBuildArgs`).
        let args = args.iter().flat_map(|arg| arg.split(' ')).filter(|arg| !arg.is_empty());
        Self { paths: paths.iter().map(place).collect(), args: args.map(str::to_owned).collect(), remote }
    }

    fn may(&self, lack: bool) -> May {
        // Its old names are `--load_restrictor` and `none` (kustomize 3).
        let words: Vec<String> =
            self.args.join("=").split('=').map(|word| word.replace('_', "-").to_lowercase()).collect();
        let outside = words.windows(2).any(|pair| {
            pair[0] == "--load-restrictor" && matches!(pair[1].as_str(), "loadrestrictionsnone" | "none")
        });
        May { remote: self.remote, outside, lack }
    }

    /// Returns what the kustomizations depend on.
    ///
    /// # Errors
    /// `Config`, with its place, for what a kustomization may not name.
    pub(super) async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let kustomize = self.clone();
        cx.blocking(move |cx| {
            let (mut files, mut trees, mut facts) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
            for path in &kustomize.paths {
                if remote::is_remote(path) {
                    kustomize.elsewhere(path)?;
                    facts.insert(format!("kustomization {path}"), "elsewhere".to_owned());
                    continue;
                }
                let reach = reach(cx, path, kustomize.may(true))?;
                files.extend(reach.files.into_iter().map(PathBuf::from));
                trees.extend(reach.charts.into_iter().map(Tree::new));
                facts.extend(
                    reach.remote.into_iter().map(|name| (format!("base {name}"), "elsewhere".to_owned())),
                );
            }
            if !kustomize.args.is_empty() {
                facts.insert("kustomize arguments".to_owned(), format!("{:?}", kustomize.args));
            }
            Ok(Inputs::new().files(files).trees(trees).facts(facts))
        })
        .await
    }

    fn elsewhere(&self, path: &str) -> Result<()> {
        if self.remote {
            return Ok(());
        }
        let shown = path.split(['?', '#']).next().unwrap_or_default();
        let shown = shown.rsplit_once('@').map_or(shown, |(_, host)| host);
        Err(Error::config(format!("the kustomization `{shown}` is elsewhere"))
            .hint("copy it into the sources, or allow it with `allowRemoteBases`"))
    }
}

/// Returns bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A write to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
