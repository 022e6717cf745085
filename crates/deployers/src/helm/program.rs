//! The program helm: which one it is, what it sees of the world, and what it is asked.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use shipway_core::{Command, Context, EntryKind, Error, ErrorKind, Exit, Result, Secret, Tree};
use shipway_oci::digest_of;

use super::{HelmConfig, chart::Pull, failure, objects::Home};

/// Since this version, records have labels that are given.
const OLDEST: Version = Version(3, 13);

/// Larger than any chart that a repository may give.
const LIMIT: usize = 64 << 20;

/// How much Go's collector lets a heap grow (`GOGC`, percent) in a process that lives for a tenth of a second: at the default
/// it takes a fifth of helm's processor time.
const GROWTH: &str = "400";

/// As Linux has it.
const MOST_LINKS: usize = 40;

/// The name of the plug-in by which helm 4 takes what was shown.
const RENDERER: &str = "shipway";

/// What the plug-in is: `cat`, whose one argument is a file (helm: `postrenderer/v1`).
const PLUGIN: &str = "apiVersion: v1\ntype: postrenderer/v1\nname: shipway\nversion: 1.0.0\nruntime: subprocess\n\
    runtimeConfig:\n  platformCommand:\n    - command: cat\n";

/// helm for one release.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) options: &'a HelmConfig,
    pub(super) home: &'a Home,
    /// The context and its kubeconfig; nothing where no cluster is named.
    pub(super) cluster: Option<(&'a str, Secret)>,
}

/// A version of helm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u64, u64);

impl Version {
    /// Whether it takes what is somebody else's when it is told to.
    pub(super) fn takes_ownership(self) -> bool {
        self >= Self(3, 17)
    }

    /// Whether objects are applied by the server.
    pub(super) fn applies_by_server(self) -> bool {
        self.0 >= 4
    }

    /// Whether hooks go through a post-renderer, as all else does.
    pub(super) fn renders_hooks(self) -> bool {
        self.0 >= 4
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().trim_start_matches('v').split(['.', '-', '+']).map(str::parse);
        Some(Self(numbers.next()?.ok()?, numbers.next()?.ok()?))
    }
}

impl Program<'_> {
    pub(super) fn name(&self) -> &str {
        self.options.program.as_deref().unwrap_or("helm")
    }

    /// Runs helm with these words and what says which cluster and namespace it is for.
    ///
    /// # Errors
    /// `MissingTool` with what it is needed for; what [`failure::failed`] makes of its words.
    pub(super) async fn run(&self, cx: &Context, words: &[&str], capture: bool) -> Result<Exit> {
        self.run_with(cx, words, capture, BTreeMap::new()).await
    }

    /// Runs helm with these words and variables.
    pub(super) async fn run_with(
        &self,
        cx: &Context,
        words: &[&str],
        capture: bool,
        env: BTreeMap<String, String>,
    ) -> Result<Exit> {
        let mut args: Vec<String> = Vec::new();
        if self.options.use_helm_secrets && matches!(words.first(), Some(&("template" | "upgrade"))) {
            args.push("secrets".to_owned());
        }
        args.extend(words.iter().map(ToString::to_string));
        args.extend(self.options.flags.global.iter().cloned());
        args.push(format!("--namespace={}", self.home.namespace));
        if let Some((context, kubeconfig)) = &self.cluster {
            let file = cx.scratch_file("kubeconfig", kubeconfig.expose().as_bytes())?;
            args.extend([format!("--kubeconfig={}", file.display()), format!("--kube-context={context}")]);
        }
        let what = words.first().copied().unwrap_or_default();
        let exit = self.started(cx, args, capture, env).await?;
        if exit.code == 0 { Ok(exit) } else { Err(failure::failed(what, exit.code, &exit.stderr)) }
    }

    async fn started(
        &self,
        cx: &Context,
        args: Vec<String>,
        capture: bool,
        mut env: BTreeMap<String, String>,
    ) -> Result<Exit> {
        // What would have helm speak of another cluster, keep its records elsewhere, or print values.
        let other = |name: &str| {
            name == "KUBECONFIG"
                || name.starts_with("HELM_KUBE")
                || name.starts_with("HELM_DRIVER")
                || ["HELM_NAMESPACE", "HELM_DEBUG"].contains(&name)
        };
        env.insert("HELM_DRIVER".to_owned(), "secret".to_owned());
        if cx.env("GOGC").is_none() {
            env.insert("GOGC".to_owned(), GROWTH.to_owned());
        }
        // Without a home it would keep its files in the working directory.
        for (own, shared) in [
            ("HELM_CACHE_HOME", "XDG_CACHE_HOME"),
            ("HELM_CONFIG_HOME", "XDG_CONFIG_HOME"),
            ("HELM_DATA_HOME", "XDG_DATA_HOME"),
        ] {
            if [own, shared, "HOME"].iter().all(|name| cx.env(name).is_none()) {
                env.insert(own.to_owned(), cx.scratch()?.join(own).display().to_string());
            }
        }
        let inherit = cx.envs().keys().filter(|name| !other(name)).cloned();
        let command = Command::new(self.name()).args(args).env(env).capture(capture);
        cx.run(command.inherit(Some(inherit.collect()))).await.map_err(|error| match error.kind() {
            ErrorKind::MissingTool => error
                .note(format!("the release `{}` is a chart, which helm renders and applies", self.home.name)),
            _ => error,
        })
    }

    /// Returns helm's version; asked once a run, and of one program once as long as the cache knows it.
    ///
    /// # Errors
    /// `MissingTool` when it is too old.
    pub(super) async fn version(&self, cx: &Context) -> Result<Version> {
        let ask = async {
            let print = self.print(cx).await?;
            let key =
                format!("helm-version-{}", digest_of(format!("{} {print}", self.name()).as_bytes()).hex());
            let (cache, known) = (cx.cache().cloned(), key.clone());
            let kept = cx.blocking(move |_| Ok(cache.and_then(|cache| cache.load(&known).ok()?))).await?;
            let kept = kept.and_then(|text| Version::parse(std::str::from_utf8(&text).ok()?));
            if let Some(version) = kept.filter(|version| *version >= OLDEST) {
                return Ok(version);
            }
            let args = ["version", "--template", "{{.Version}}"].map(str::to_owned).to_vec();
            let said = self.started(cx, args, true, BTreeMap::new()).await?.success("helm version")?.stdout;
            let said = said.trim().to_owned();
            let version = Version::parse(&said)
                .ok_or_else(|| Error::bad_output(format!("`{said}` is no version of helm")))?;
            if version < OLDEST {
                return Err(Error::new(ErrorKind::MissingTool, format!("helm is too old: `{said}`"))
                    .hint(format!("install helm {}.{} or newer", OLDEST.0, OLDEST.1)));
            }
            let cache = cx.cache().cloned();
            // What cannot be kept is asked for again.
            let keep = move |_: &Context| Ok(cache.map(|cache| cache.store(&key, said.as_bytes())));
            let _ = cx.blocking(keep).await;
            Ok(version)
        };
        cx.once::<Version>(self.name(), ask).await.map(|version| *version)
    }

    /// Returns what tells one helm from another without starting it: the size of the program, which is the same on all
    /// machines that have the same one.
    pub(super) async fn print(&self, cx: &Context) -> Result<String> {
        let name = self.name().to_owned();
        let folders = cx.env("PATH").unwrap_or_default().to_owned();
        cx.blocking(move |cx| {
            let candidates = match name.contains('/') {
                true => vec![cx.path(Path::new(&name))],
                false => folders.split(':').map(|folder| Path::new(folder).join(&name)).collect(),
            };
            let size = candidates.into_iter().find_map(|path| size(cx, path));
            Ok(format!("{:x}", size.unwrap_or_default()))
        })
        .await
    }

    /// Returns the words and variables by which helm applies the text of a file instead of what it renders.
    pub(super) async fn rendered_by(
        &self,
        cx: &Context,
        file: &Path,
    ) -> Result<(Vec<String>, BTreeMap<String, String>)> {
        let argument = format!("--post-renderer-args={}", file.display());
        if !self.version(cx).await?.renders_hooks() {
            return Ok((vec!["--post-renderer=cat".to_owned(), argument], BTreeMap::new()));
        }
        let folder = cx.scratch()?.join("plugins");
        let own = folder.join(RENDERER);
        cx.blocking(move |cx| {
            cx.disk().create_dir(&own).map_err(|error| Error::io("make", &own, error))?;
            let path = own.join("plugin.yaml");
            match cx.disk().create(&path).and_then(|mut file| file.write_all(PLUGIN.as_bytes())) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    Err(Error::io("write", &path, error))
                }
                _ => Ok(()),
            }
        })
        .await?;
        // The user's own plug-ins stay: one of them may get charts or decrypt values.
        let below = |variable: &str, rest: &str| cx.env(variable).map(|folder| format!("{folder}/{rest}"));
        let users = cx
            .env("HELM_PLUGINS")
            .map(str::to_owned)
            .or_else(|| below("HELM_DATA_HOME", "plugins"))
            .or_else(|| below("XDG_DATA_HOME", "helm/plugins"))
            .or_else(|| below("HOME", ".local/share/helm/plugins"));
        let mut folders = folder.display().to_string();
        if let Some(users) = users {
            folders = format!("{folders}:{users}");
        }
        let words = vec![format!("--post-renderer={RENDERER}"), argument];
        Ok((words, BTreeMap::from([("HELM_PLUGINS".to_owned(), folders)])))
    }
}

/// Returns the size of a file that links may lead to, as installed programs often are.
fn size(cx: &Context, mut path: PathBuf) -> Option<u64> {
    for _ in 0..MOST_LINKS {
        let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
        let entry = cx.files().entry(cx, folder, name).ok()??;
        match entry.kind {
            EntryKind::File => return Some(entry.size),
            EntryKind::Link(to) => path = folder.join(to),
            _ => return None,
        }
    }
    None
}

#[async_trait]
impl Pull for Program<'_> {
    async fn pull(
        &self,
        cx: &Context,
        name: &str,
        repository: Option<&str>,
        version: Option<&str>,
    ) -> Result<Vec<u8>> {
        let asked = format!("{name} {repository:?} {version:?}");
        let folder = cx.scratch()?.join(digest_of(asked.as_bytes()).hex());
        let mut args = vec!["pull".to_owned(), format!("--destination={}", folder.display())];
        args.extend(repository.map(|address| format!("--repo={address}")));
        args.extend(version.map(|version| format!("--version={version}")));
        args.extend(self.options.flags.dep_build.iter().chain(&self.options.flags.global).cloned());
        // A name is no flag, whatever it begins with.
        args.extend(["--".to_owned(), name.to_owned()]);
        let made = folder.clone();
        cx.blocking(move |cx| cx.disk().create_dir(&made).map_err(|error| Error::io("make", &made, error)))
            .await?;
        let exit = self.started(cx, args, true, BTreeMap::new()).await?;
        if exit.code != 0 {
            return Err(failure::failed("pull", exit.code, &exit.stderr));
        }
        let name = name.to_owned();
        cx.blocking(move |cx| {
            let entries = cx.files().walk(cx, &Tree::new(folder.clone()))?;
            let archive =
                entries.iter().find(|entry| entry.kind == EntryKind::File && entry.path.ends_with(".tgz"));
            let archive =
                archive.ok_or_else(|| Error::bad_output(format!("`helm pull {name}` left no chart")))?;
            cx.files().open(cx, &folder, &archive.path)?.read(LIMIT)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        for (text, version) in
            [("v3.22.0", (3, 22)), ("v4.3", (4, 3)), ("3.13.1-rc.1\n", (3, 13)), ("v4.0.0+g1", (4, 0))]
        {
            assert_eq!(Version::parse(text), Some(Version(version.0, version.1)), "{text}");
        }
        assert_eq!(Version::parse("helm"), None);
        assert!(Version(3, 9) < Version(3, 13) && !Version(3, 22).renders_hooks());
    }
}
