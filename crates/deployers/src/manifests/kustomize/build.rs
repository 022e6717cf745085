//! A kustomization's build: one process, or none where nothing changed since the last.

use std::{collections::BTreeMap, io, sync::Arc};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use shipway_core::{Context, DiskCache, Error, Level, Result, cores};
use shipway_oci::digest_of;

use super::{
    Kustomize,
    program::{self, Program},
    reach::reach,
    remote::is_remote,
};
use crate::manifests::piece::{Piece, pieces};

/// The form of what is kept; whoever changes it changes the number.
const FORM: &str = "kustomize 1";

/// Arguments after which a build depends on its files and the program alone.
const PURE: [&str; 3] = ["--load-restrictor", "--reorder", "--add-managedby-label"];

impl Kustomize {
    /// Builds the kustomizations, as many at once as there are cores; what they make is in their order.
    ///
    /// # Errors
    /// `Config` for what a kustomization may not name; `MissingTool`; `ToolFailed` with the end of what the program said;
    /// `BadOutput` where it made no manifests.
    pub(in crate::manifests) async fn build(&self, cx: &Context) -> Result<Vec<Piece>> {
        let cores = cores();
        let builds = self.paths.iter().enumerate();
        let builds: Vec<BoxFuture<'_, _>> = builds
            .map(|(number, path)| async move { (number, self.build_one(cx, path).await) }.boxed())
            .collect();
        let (mut waiting, mut under_way) = (builds.into_iter(), FuturesUnordered::new());
        under_way.extend(waiting.by_ref().take(cores));
        let mut built = BTreeMap::new();
        while let Some((number, made)) = under_way.next().await {
            if made.is_ok() {
                under_way.extend(waiting.next());
            } else {
                // What is under way is finished; no other is begun.
                waiting = Vec::new().into_iter();
            }
            built.insert(number, made);
        }
        let built = built.into_values().collect::<Result<Vec<_>>>()?;
        Ok(built.into_iter().flatten().collect())
    }

    async fn build_one(&self, cx: &Context, path: &str) -> Result<Vec<Piece>> {
        let own = (self.clone(), path.to_owned());
        let (program, key) = cx.blocking(move |cx| own.0.key(cx, &own.1)).await?;
        let cache = cx.cache().cloned();
        if let (Some(key), Some(cache)) = (&key, &cache)
            && let Some(text) = load(cx, cache, key).await
        {
            return pieces(path, &text, false);
        }
        let program = program.checked(cx, path).await?;
        let folder =
            if is_remote(path) { path.to_owned() } else { cx.path(path.as_ref()).display().to_string() };
        let exit = cx.run(program.build(&self.args, &folder)).await?;
        let text = exit.success(&format!("kustomize build {path}"))?.stdout;
        let made = pieces(path, &text, false)?;
        if made.is_empty() {
            return Err(Error::bad_output(format!("the kustomization `{path}` makes no manifests"))
                .hint("name its resources, and leave out arguments that write elsewhere"));
        }
        // What is secret goes to no disk.
        let secret = made.iter().any(|piece| piece.id().kind == "Secret");
        if let (Some(key), Some(cache), false) = (key, cache, secret) {
            let own = (self.clone(), path.to_owned());
            // Files may have changed while it was built.
            let (_, again) = cx.blocking(move |cx| own.0.key(cx, &own.1)).await?;
            if again.as_ref() == Some(&key) {
                store(cx, cache, key, text).await;
            }
        }
        Ok(made)
    }

    /// Returns the program, and what decides what it makes, if that is known; blocking.
    fn key(&self, cx: &Context, path: &str) -> Result<(Program, Option<String>)> {
        if is_remote(path) {
            self.elsewhere(path)?;
            return Ok((program::find(cx, path)?, None));
        }
        let reach = reach(cx, path, self.may(false))?;
        let program = program::find(cx, path)?;
        let words = self.args.iter().filter(|arg| arg.starts_with('-'));
        let pure = words.map(|arg| arg.split('=').next().unwrap_or(arg)).all(|arg| PURE.contains(&arg));
        let known = pure && reach.remote.is_empty() && reach.charts.is_empty() && !reach.environment;
        let (true, Some(identity), Some(_)) = (known, &program.identity, cx.cache()) else {
            return Ok((program, None));
        };
        let parts = format!("{path}\n{identity}\n{:?}\n{}", self.args, reach.digest(cx)?);
        let key = format!("{FORM} {}", digest_of(parts.as_bytes()));
        Ok((program, Some(key)))
    }
}

async fn load(cx: &Context, cache: &Arc<DiskCache>, key: &str) -> Option<String> {
    let (cache, key) = (Arc::clone(cache), key.to_owned());
    let loaded = cx.blocking(move |_| Ok(cache.load(&key))).await;
    String::from_utf8(loaded.ok()?.ok()??).ok()
}

/// Keeps what was made; that it cannot be kept is told and harms nobody.
async fn store(cx: &Context, cache: Arc<DiskCache>, key: String, text: String) {
    let stored = cx.blocking(move |_| Ok(cache.store(&key, text.as_bytes()))).await;
    let failed = |error: io::Error| format!("what was rendered cannot be kept: {error}");
    if let Ok(Err(error)) = stored {
        cx.message(Level::Warning, failed(error));
    }
}
