//! Packages of kpt: rendered in a copy, because the program writes into the folder that it renders.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use shipway_core::{Command, Context, EntryKind, Error, ErrorKind, Result, Tree, clean_path};
use shipway_yaml::Node;

use super::piece::{Piece, pieces};

/// The largest file of a package, and the most bytes of all of them.
const LARGEST: usize = 64 << 20;
const MOST_BYTES: u64 = 256 << 20;

/// The annotation of what is for tools on this machine, and in no cluster ("KRM functions specification").
const LOCAL: &str = "config.kubernetes.io/local-config";

/// What tools note of where an object was read (kyaml: `kioutil`).
const NOTES: [&str; 7] = [
    "config.kubernetes.io/index",
    "config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/package-path",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
];

/// Returns the tree that a package is.
pub(super) fn tree(folder: &Path, package: &str) -> Tree {
    Tree::new(clean_path(&folder.join(package).to_string_lossy()))
}

/// Renders packages, one after the other, and returns what is for the cluster.
///
/// # Errors
/// `MissingTool`; `ToolFailed` with the end of what the program said; `Config` for a package with links, or one that is too large.
pub(super) async fn render(cx: &Context, folder: &Path, packages: &[String]) -> Result<Vec<Piece>> {
    // A counter for the whole process only makes names unlike: a task may render more than once.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut rendered = Vec::new();
    for package in packages {
        let from = tree(folder, package);
        let to = cx.scratch()?.join(format!("kpt-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let (source, target) = (from.clone(), to.clone());
        cx.blocking(move |cx| copy(cx, &source, &target)).await?;
        let words = ["fn", "render", &to.to_string_lossy(), "-o", "unwrap"].map(str::to_owned);
        let exit = match cx.run(Command::new("kpt").args(words.to_vec()).capture(true)).await {
            Err(error) if error.kind() == ErrorKind::MissingTool => {
                let message = format!("`{package}` needs `kpt`, and it is not there");
                return Err(Error::new(ErrorKind::MissingTool, message)
                    .hint("install kpt 1.0 or newer, or check the world's `PATH`"));
            }
            exit => exit?.success(&format!("kpt fn render {package}"))?,
        };
        for mut piece in pieces(&from.root.to_string_lossy(), &exit.stdout, false)? {
            let mut local = false;
            piece.edit(|root| {
                local = is_local(root);
                Ok(!local && without_notes(root))
            })?;
            if !local {
                rendered.push(piece);
            }
        }
    }
    Ok(rendered)
}

/// Skaffold: render/renderer/kpt, `ResourceMatcherFunc`.
fn is_local(root: &Node) -> bool {
    let annotation = root.get("metadata").and_then(|metadata| metadata.get("annotations"));
    root.get("kind").and_then(Node::text) == Some("Kptfile")
        || annotation.and_then(|annotations| annotations.get(LOCAL)).and_then(Node::text) == Some("true")
}

fn without_notes(root: &mut Node) -> bool {
    let Some(metadata) = root.get_mut("metadata") else { return false };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Node::entries_mut) else { return false };
    let before = annotations.len();
    annotations.retain(|(name, _)| !NOTES.contains(&name.text().unwrap_or_default()));
    let (after, empty) = (annotations.len(), annotations.is_empty());
    if empty && let Some(entries) = metadata.entries_mut() {
        entries.retain(|(name, _)| name.text() != Some("annotations"));
    }
    after < before
}

/// Copies a package; blocking.
fn copy(cx: &Context, from: &Tree, to: &Path) -> Result<()> {
    let (disk, mut left) = (cx.disk(), MOST_BYTES);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::io("write", &path, error)
    };
    disk.create_dir(to).map_err(failed(to))?;
    for entry in cx.files().walk(cx, from)? {
        cx.check_stopped()?;
        let place: PathBuf = to.join(&entry.path);
        match entry.kind {
            EntryKind::Folder => disk.create_dir(&place).map_err(failed(&place))?,
            EntryKind::File => {
                let content = cx.files().open(cx, &from.root, &entry.path)?.read(LARGEST)?;
                left = left.checked_sub(content.len() as u64).ok_or_else(|| {
                    Error::config(format!("`{}` has more than {MOST_BYTES} bytes", from.root.display()))
                })?;
                let mut file = disk.create(&place).map_err(failed(&place))?;
                file.write_all(&content).and_then(|()| file.flush()).map_err(failed(&place))?;
            }
            _ => {
                return Err(Error::config(format!(
                    "`{}` is not a regular file",
                    from.root.join(&entry.path).display()
                ))
                .hint("links, FIFOs, sockets and devices are not rendered"));
            }
        }
    }
    Ok(())
}
