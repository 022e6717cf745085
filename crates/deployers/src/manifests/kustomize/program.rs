//! The program that builds a kustomization: `kustomize`, or `kubectl`, which has it in itself.

use std::path::{Path, PathBuf};

use shipway_core::{Command, Context, EntryKind, Error, ErrorKind, Result};

/// How often a link to a program is followed.
const MOST_LINKS: usize = 16;

/// A program that builds kustomizations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    kind: &'static Kind,
    /// What is run: a path where it was found.
    run: String,
    /// What tells it from another one, without running it; absent where it was not found on a path.
    pub(super) identity: Option<String>,
}

/// How a program is used.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    /// The words before the arguments.
    build: &'static [&'static str],
    /// How it is asked for its version.
    version: &'static [&'static str],
    /// The first version that builds what is written today: `components`, `--load-restrictor`.
    oldest: (u64, u64),
}

/// Skaffold's order (render/generate, `KustomizeBinaryCheck`).
const KINDS: [Kind; 2] = [
    Kind { name: "kustomize", build: &["build"], version: &["version"], oldest: (4, 0) },
    Kind { name: "kubectl", build: &["kustomize"], version: &["version", "--client"], oldest: (1, 21) },
];

/// A program whose version was asked.
struct Checked;

/// Returns the program of this world; blocking.
///
/// # Errors
/// `MissingTool` when there is none, with what needs it.
pub(super) fn find(cx: &Context, needs: &str) -> Result<Program> {
    let Some(path) = cx.env("PATH") else {
        // Whoever runs it looks where the system does.
        let [kind, _] = &KINDS;
        return Ok(Program { kind, run: kind.name.to_owned(), identity: None });
    };
    for kind in &KINDS {
        for folder in path.split(':').filter(|folder| folder.starts_with('/')) {
            if let Some(identity) = identity(cx, &Path::new(folder).join(kind.name)) {
                let run = format!("{}/{}", folder.trim_end_matches('/'), kind.name);
                return Ok(Program { kind, run, identity: Some(identity) });
            }
        }
    }
    Err(missing(needs))
}

fn missing(needs: &str) -> Error {
    Error::new(
        ErrorKind::MissingTool,
        format!("`{needs}` needs `kustomize` or `kubectl`, and neither is there"),
    )
    .hint("install kustomize 4.0 or newer, or check the world's `PATH`")
}

/// Returns what tells a program from another one: where it is, how large, and when it was written.
fn identity(cx: &Context, path: &Path) -> Option<String> {
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        let (folder, name) = (at.parent()?.to_owned(), at.file_name()?.to_str()?.to_owned());
        let entry = cx.files().entry(cx, &folder, &name).ok()??;
        match entry.kind {
            EntryKind::Link(to) => at = folder.join(PathBuf::from(to)),
            EntryKind::File if entry.mode & 0o111 != 0 => {
                let (size, written, inode) = (entry.size, entry.modified, entry.inode);
                return Some(format!("{} {size} {written} {inode}", at.display()));
            }
            _ => return None,
        }
    }
    None
}

impl Program {
    /// Returns the command that prints what a kustomization makes.
    pub(super) fn build(&self, args: &[String], folder: &str) -> Command {
        let words = self.kind.build.iter().map(ToString::to_string);
        let words = words.chain(args.iter().cloned()).chain([folder.to_owned()]);
        Command::new(self.run.as_str()).args(words.collect::<Vec<_>>()).capture(true)
    }

    /// Returns a program that is there and not too old, which is asked once a run: this one, or, where it was not looked
    /// for, the other one.
    ///
    /// # Errors
    /// `MissingTool` when there is none or it is too old, with what needs it.
    pub(super) async fn checked(self, cx: &Context, needs: &str) -> Result<Self> {
        let error = match self.check(cx, needs).await {
            Ok(()) => return Ok(self),
            Err(error) => error,
        };
        let [first, second] = &KINDS;
        if error.kind() != ErrorKind::MissingTool || self.identity.is_some() || self.kind != first {
            return Err(error);
        }
        let other = Self { kind: second, run: second.name.to_owned(), identity: None };
        match other.check(cx, needs).await {
            Ok(()) => Ok(other),
            Err(other) if other.kind() == ErrorKind::MissingTool => Err(error),
            Err(other) => Err(other),
        }
    }

    async fn check(&self, cx: &Context, needs: &str) -> Result<()> {
        let asked = async {
            let words: Vec<String> = self.kind.version.iter().map(ToString::to_string).collect();
            let command = Command::new(self.run.as_str()).args(words).capture(true);
            let exit = match cx.run(command).await {
                Err(error) if error.kind() == ErrorKind::MissingTool => return Err(missing(needs)),
                exit => exit?.success(self.kind.name)?,
            };
            // One that was built by hand has no number.
            let Some(version) = version(&exit.stdout) else { return Ok(Checked) };
            if version >= self.kind.oldest {
                return Ok(Checked);
            }
            let (name, oldest) = (self.kind.name, self.kind.oldest);
            Err(Error::new(
                ErrorKind::MissingTool,
                format!(
                    "`{needs}` needs `{name}` {}.{} or newer, and `{}` is {}.{}",
                    oldest.0, oldest.1, self.run, version.0, version.1
                ),
            )
            .hint("install a newer one"))
        };
        cx.once::<Checked>(&self.run, asked).await.map(drop)
    }
}

/// Returns the first version in a text, such as `v5.8.1`, `{Version:kustomize/v4.5.7 …}` or `Client Version: v1.34.0`.
fn version(text: &str) -> Option<(u64, u64)> {
    let mut rest = text;
    while let Some(at) = rest.find('v') {
        rest = &rest[at + 1..];
        let mut numbers = rest.split('.');
        let major = numbers.next().and_then(|number| number.parse().ok());
        let minor = numbers
            .next()
            .map(|text| &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]);
        if let (Some(major), Some(Ok(minor))) = (major, minor.map(str::parse)) {
            return Some((major, minor));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_tell_them() {
        for (text, expected) in [
            ("v5.8.1\n", Some((5, 8))),
            ("{Version:kustomize/v4.5.7 GitCommit:56d GoOs:linux}", Some((4, 5))),
            ("{Version:3.2.0 GitCommit:a3103f1e KustomizeVersion:v3.2.0}", Some((3, 2))),
            ("Client Version: v1.34.0\nKustomize Version: v5.7.1\n", Some((1, 34))),
            ("Client Version: version.Info{Major:\"1\", GitVersion:\"v1.20.15\"}", Some((1, 20))),
            ("(devel)", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
