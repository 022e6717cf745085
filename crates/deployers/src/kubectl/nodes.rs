//! Images of a Docker engine, brought to the nodes of a cluster on this machine before something names them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::BytesMut;
use shipway_cluster::{Api, Selector};
use shipway_core::{Command, Context, Desired, Error, ErrorKind, Image, Level, Result, Store};
use shipway_docker::{Daemon, Reader};
use shipway_oci::Reference;
use tokio::{io::AsyncReadExt, sync::mpsc};

/// The size of a piece on its way to the disk.
const PIECE: usize = 256 * 1024;

/// Returns the command that brings an archive of `docker save`, whose path is its last word, to all nodes of the
/// cluster of this context, by the names that kind, k3d and minikube give their contexts (skaffold:
/// `config/util.go`); nothing where the nodes have the engine's images anyway, or where it is not known.
fn loader(context: &str) -> Option<Vec<String>> {
    let words: &[&str] = match context {
        "minikube" => &["minikube", "--profile", "minikube", "image", "load"],
        // Of kind before 0.6.
        _ if context.ends_with("@kind") => &["kind", "load", "image-archive"],
        _ => match (context.strip_prefix("kind-"), context.strip_prefix("k3d-")) {
            (Some(name), _) => &["kind", "load", "image-archive", "--name", name],
            (_, Some(name)) => &["k3d", "image", "import", "--cluster", name],
            _ => return None,
        },
    };
    Some(words.iter().map(ToString::to_string).collect())
}

/// Brings the images of engines that the desired state names to the nodes, those that they do not have yet: by the command
/// that is given, if that is not empty, or by that of the context's kind of cluster.
pub(crate) async fn load(
    cx: &Context,
    cluster: &dyn Api,
    given: Option<&[String]>,
    context: Option<&str>,
    desired: &Desired,
) -> Result<()> {
    let Some(loader) =
        given.map(<[String]>::to_vec).or_else(|| loader(context?)).filter(|words| !words.is_empty())
    else {
        return Ok(());
    };
    let wanted = wanted(desired);
    if wanted.is_empty() {
        return Ok(());
    }
    let there = there(cx, cluster).await?;
    let mut lacking: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (endpoint, image) in wanted {
        let reference = image.reference();
        if !there.contains(&full(&reference)?) {
            lacking.entry(endpoint).or_default().push(reference);
        }
    }
    for (number, (endpoint, references)) in lacking.into_iter().enumerate() {
        cx.message(Level::Info, format!("loading {} into the cluster's nodes", references.join(", ")));
        let archive = cx.scratch()?.join(format!("images-{number}.tar"));
        let reader = Daemon::open(endpoint)?.save_images(cx, &references).await?;
        write(cx, reader, archive.clone()).await?;
        let loaded = run(cx, &loader, &archive).await;
        let disk = Arc::clone(cx.disk());
        // It goes with the scratch folder at the latest.
        let _ = cx.blocking(move |_| Ok(disk.remove(&archive))).await;
        loaded.map_err(|error| {
            error.note(format!("it was to load {} into the nodes", references.join(", ")))
        })?;
    }
    Ok(())
}

async fn run(cx: &Context, loader: &[String], archive: &Path) -> Result<()> {
    let mut argv = loader.to_vec();
    argv.push(archive.display().to_string());
    cx.run(Command::from_argv(&argv)?).await?.success(&argv[0]).map(drop)
}

/// Returns the images of engines that objects name, each with its engine.
fn wanted(desired: &Desired) -> Vec<(&str, &Image)> {
    let manifests = match desired {
        Desired::Released { manifests, .. } => manifests,
        Desired::Restored(deployment) => &deployment.manifests,
        _ => return Vec::new(),
    };
    let of_engines = manifests.release.images.iter().filter_map(|image| match &image.store {
        Store::Daemon(endpoint) => Some((endpoint.as_str(), image)),
        _ => None,
    });
    let is_named = |image: &Image| {
        let reference = image.reference();
        manifests.objects.iter().any(|object| object.text.contains(&reference))
    };
    of_engines.filter(|(_, image)| is_named(image)).collect()
}

/// Returns the names of images that all nodes have, as they themselves tell: of at most 50 each
/// (kubelet, `nodeStatusMaxImages`). What is not told is loaded once more, which changes nothing.
async fn there(cx: &Context, cluster: &dyn Api) -> Result<BTreeSet<String>> {
    let nodes = match cluster.list(cx, &Selector::new().kind("v1", "Node")).await {
        Ok(nodes) => nodes.items,
        // Whoever may only deploy into a namespace cannot look.
        Err(error) if error.kind() == ErrorKind::Auth => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let of_node = |node: &serde_json::Value| -> BTreeSet<String> {
        let images = node["status"]["images"].as_array().into_iter().flatten();
        let names = images.flat_map(|image| image["names"].as_array().into_iter().flatten());
        names.filter_map(|name| name.as_str().map(ToOwned::to_owned)).collect()
    };
    let all = nodes.iter().map(of_node);
    Ok(all.reduce(|all, one| all.intersection(&one).cloned().collect()).unwrap_or_default())
}

/// Returns a reference as nodes know it: with its host.
fn full(reference: &str) -> Result<String> {
    let parsed: Reference = reference.parse()?;
    let tag = parsed.tag.as_ref().map_or("latest", |tag| tag.as_str());
    Ok(format!("{}:{tag}", parsed.repository()))
}

/// Writes what a reader gives into a file.
async fn write(cx: &Context, mut reader: Reader, path: PathBuf) -> Result<()> {
    let (send, mut pieces) = mpsc::channel::<bytes::Bytes>(4);
    let disk = Arc::clone(cx.disk());
    let writing = cx.blocking(move |_| {
        let problem = |error| Error::io("write", &path, error);
        let mut file = disk.create(&path).map_err(problem)?;
        while let Some(piece) = pieces.blocking_recv() {
            file.write_all(&piece).map_err(problem)?;
        }
        file.flush().map_err(problem)
    });
    let reading = async move {
        loop {
            let mut piece = BytesMut::with_capacity(PIECE);
            let read = tokio::select! {
                biased;
                stopped = cx.stopped() => return Err(stopped),
                read = reader.read_buf(&mut piece) => read,
            };
            let own =
                |error| Error::new(ErrorKind::Unavailable, "the engine's archive breaks off").source(error);
            let count = read.map_err(|error| error.downcast().unwrap_or_else(own))?;
            // Who writes no more says why.
            if count == 0 || send.send(piece.freeze()).await.is_err() {
                return Ok(());
            }
        }
    };
    let (written, read) = tokio::join!(writing, reading);
    written.and(read)
}

#[cfg(test)]
mod tests {
    use shipway_core::{Digest, Manifest, Manifests, ObjectId, Release};

    use super::*;

    #[test]
    fn clusters_of_this_machine_are_loaded_by_their_own_program() {
        for (context, words) in [
            ("kind-kind", Some("kind load image-archive --name kind")),
            ("kind-a-b", Some("kind load image-archive --name a-b")),
            ("kubernetes-admin@kind", Some("kind load image-archive")),
            ("k3d-dev", Some("k3d image import --cluster dev")),
            ("minikube", Some("minikube --profile minikube image load")),
            // It has the engine's images.
            ("docker-desktop", None),
            ("staging", None),
            ("minikube-prod", None),
        ] {
            assert_eq!(loader(context).map(|words| words.join(" ")).as_deref(), words, "{context}");
        }
    }

    #[test]
    fn only_what_is_named_is_loaded() {
        let image = |name: &str, store: Store| {
            let digest = Digest::parse(format!("sha256:{}", name.repeat(64))).expect("a digest");
            Image::new(name, store, name, digest)
        };
        let daemon = || Store::Daemon("unix:///run/docker.sock".to_owned());
        let images = vec![image("a", daemon()), image("b", daemon()), image("c", Store::Registry)];
        let text: String =
            [&images[0], &images[2]].map(|one| format!("image: {}\n", one.reference())).concat();
        let object = Manifest::new(ObjectId::new("v1", "Pod", "a"), text);
        let manifests = Manifests::new(Release::new("shop").images(images)).objects([object]);
        let desired = Desired::Released { manifests, share: 100 };
        let names: Vec<_> = wanted(&desired).into_iter().map(|(at, one)| (at, one.name.as_str())).collect();
        assert_eq!(names, [("unix:///run/docker.sock", "a")]);
    }

    #[test]
    fn a_reference_is_told_as_nodes_tell_it() {
        assert_eq!(full("web:1").expect("a reference"), "docker.io/library/web:1");
        assert_eq!(full("r.example:5000/a/b:1").expect("a reference"), "r.example:5000/a/b:1");
    }
}
