//! B1, B2, B4 and B5: what a builder declares.

use std::path::{Path, PathBuf};

use shipway_core::{Context, Error, ErrorKind};

use super::{
    Builders,
    site::{Declared, Site},
};
use crate::{
    clause::{Trouble, broken, ensure, kind_and_text, unchecked},
    folder,
    suite::Bench,
    tripwire::Tripwire,
};

pub(super) async fn same_when_nothing_changed(bench: Bench<Builders>) -> Result<(), Trouble> {
    let site = Site::new(&bench).await?;
    let cx = site.context();
    let builder = site.builder();
    let first = site.declare(&cx, builder.as_ref()).await?;
    let again = site.declare(&cx, builder.as_ref()).await?;
    ensure(first.inputs == again.inputs, || {
        format!("asked twice, it declared {:?} and then {:?}", first.inputs, again.inputs)
    })?;
    let fresh = site.declare(&cx, site.builder().as_ref()).await?;
    ensure(first.inputs == fresh.inputs, || {
        format!("another plug-in of the same make declared {:?} instead of {:?}", fresh.inputs, first.inputs)
    })?;
    // The same sources elsewhere are the same sources: a cache is shared between checkouts.
    let other = Site::new(&bench).await?;
    let elsewhere = other.declare(&other.context(), other.builder().as_ref()).await?;
    let reasons: Vec<String> =
        elsewhere.snapshot.reasons(&first.snapshot).iter().map(ToString::to_string).collect();
    ensure(reasons.is_empty(), || format!("for the same sources in another folder: {}", reasons.join(", ")))
}

pub(super) async fn touching_changes_the_fingerprint(bench: Bench<Builders>) -> Result<(), Trouble> {
    let site = Site::new(&bench).await?;
    let cx = site.context();
    let builder = site.builder();
    let before = site.declare(&cx, builder.as_ref()).await?;
    let Some(file) = site.file_to_touch(&before.inputs)? else {
        return unchecked("it declares no file of the fixture: name one with `touch`");
    };
    folder::touch(&site.room.root.join(&file))?;
    let after = site.declare_as_core(&cx, builder.as_ref(), &before).await?;
    ensure(after.fingerprint != before.fingerprint, || {
        format!("`{}` changed, and the fingerprint stayed", file.display())
    })
}

pub(super) async fn a_missing_file_is_declared(bench: Bench<Builders>) -> Result<(), Trouble> {
    let site = Site::new(&bench).await?;
    let before = site.declare(&site.context(), site.builder().as_ref()).await?;
    let named = before.inputs.files.iter().filter_map(|file| site.below_root(file));
    let candidates: Vec<PathBuf> = named.filter(|file| site.in_room(file).is_file()).collect();
    if candidates.is_empty() {
        return unchecked("it declares no single file of the fixture");
    }
    // The file that says what to declare, such as a Dockerfile: without it there is nothing to go by.
    let mut description: Option<PathBuf> = None;
    for file in candidates {
        let site = Site::new(&bench).await?;
        folder::remove(&site.in_room(&file))?;
        let cx = site.context();
        let inputs = match site.builder().inputs(&cx, &site.role.artifact).await {
            Ok(inputs) => inputs,
            Err(error) if description.is_none() && refuses(&error, &file) => {
                description = Some(file);
                continue;
            }
            Err(error) => {
                let answer = kind_and_text(error.report());
                return broken(format!("without `{}`, the answer of `inputs` is {answer}", file.display()));
            }
        };
        let after = site.declared(&cx, inputs).await?;
        ensure(is_declared(&site, &after, &file), || {
            format!(
                "`{}` is no longer declared when it is missing, so nobody sees it come back",
                file.display()
            )
        })?;
        ensure(after.fingerprint != before.fingerprint, || {
            format!("`{}` went, and the fingerprint stayed", file.display())
        })?;
    }
    Ok(())
}

/// Returns whether an error says that the user's configuration names a file that is not there.
fn refuses(error: &Error, file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let kind = matches!(error.kind(), ErrorKind::Config | ErrorKind::NotFound);
    kind && error.report().to_string().contains(name.as_ref())
}

/// Returns whether a file is declared by name or lies in a declared tree.
fn is_declared(site: &Site, declared: &Declared, file: &PathBuf) -> bool {
    let path = site.room.root.join(file);
    let named = declared.inputs.files.iter().any(|one| site.room.root.join(one) == path);
    // A tree is walked, so it notices a file that comes back unless its rules leave it out.
    let in_tree = declared.inputs.trees.iter().any(|tree| {
        let below = path.strip_prefix(site.room.root.join(&tree.root)).map(PathBuf::from);
        below.is_ok_and(|below| {
            shipway_core::IgnoreRules::new(&tree.ignore)
                .is_ok_and(|rules| !rules.is_ignored(&below.to_string_lossy()))
        })
    });
    named || in_tree
}

pub(super) async fn only_reads(bench: Bench<Builders>) -> Result<(), Trouble> {
    let mut site = Site::new(&bench).await?;
    let (world, wire) = Tripwire::across(site.room.world.clone(), u64::MAX, shipway_core::Cancel::new());
    site.room.world = world;
    let before = folder::state(&site.room.root)?;
    let cx: Context = site.context();
    site.builder().inputs(&cx, &site.role.artifact).await?;
    drop(cx);
    let changed = folder::differences(&before, &folder::state(&site.room.root)?);
    ensure(changed.is_empty(), || format!("`inputs` changed the sources: `{}`", changed.join("`, `")))?;
    let scratch: Vec<String> = folder::state(&site.room.scratch)?.into_keys().collect();
    ensure(scratch.is_empty(), || format!("`inputs` left scratch files: `{}`", scratch.join("`, `")))?;
    let written = wire.written();
    ensure(written.is_empty(), || format!("`inputs` wrote images: `{}`", written.join("`, `")))?;
    let built = site.find(&site.target.reference()).await?;
    ensure(built.is_none(), || "`inputs` built the image".to_owned())
}
