//! B3, B6, B10, B11 and B12: what a builder makes.

use std::{path::PathBuf, sync::Arc};

use shipway_core::{Digest, Image, Platform, Store, Target};

use super::{Builders, site::Site};
use crate::{
    clause::{Trouble, broken, ensure, says_unsupported, unchecked},
    folder,
    suite::Bench,
};

pub(super) async fn undeclared_files_do_not_count(bench: Bench<Builders>) -> Result<(), Trouble> {
    let plain = Site::new(&bench).await?;
    let cx = plain.context();
    let declared = plain.declare(&cx, plain.builder().as_ref()).await?;
    let mut undeclared = match &plain.role.undeclared {
        Some(file) => vec![file.clone()],
        None => {
            let all = plain.declared_files(&cx, &declared.inputs)?;
            let files = folder::files(&plain.room.root)?.into_iter().map(PathBuf::from);
            files.filter(|file| !all.contains(file)).collect()
        }
    };
    if plain.role.undeclared.is_none() {
        // In a room of its own: whether a new file is declared is known only once it is there.
        let site = Site::new(&bench).await?;
        let new = PathBuf::from(".shipway-undeclared");
        folder::touch(&site.room.root.join(&new))?;
        let declared = site.declare(&site.context(), site.builder().as_ref()).await?;
        if !site.declared_files(&site.context(), &declared.inputs)?.contains(&new) {
            undeclared.push(new);
        }
    }
    if undeclared.is_empty() {
        return unchecked(
            "it declares every file, also a new one: name one that it does not with `undeclared`",
        );
    }
    let first = plain.build(plain.builder().as_ref()).await?;
    let touched = Site::new(&bench).await?;
    for file in &undeclared {
        folder::touch(&touched.room.root.join(file))?;
    }
    let second = touched.build(touched.builder().as_ref()).await?;
    if first.digest == second.digest {
        return Ok(());
    }
    let again = Site::new(&bench).await?;
    if again.build(again.builder().as_ref()).await?.digest != first.digest {
        return unchecked("its images of the same sources have different digests");
    }
    let names: Vec<String> = undeclared.iter().map(|file| format!("`{}`", file.display())).collect();
    broken(format!("the image changed with {}, which it does not declare", names.join(" or ")))
}

pub(super) async fn is_where_the_target_says(bench: Bench<Builders>) -> Result<(), Trouble> {
    let kinds = Site::stores(&bench);
    if kinds.is_empty() {
        return unchecked("it writes to no store that the kit has: name one with `store`");
    }
    for kind in kinds {
        is_there(Site::with(&bench, kind).await?).await?;
    }
    Ok(())
}

async fn is_there(site: Site) -> Result<(), Trouble> {
    let image = site.build(site.builder().as_ref()).await?;
    let target = &site.target;
    ensure(image.name == site.role.artifact.name, || {
        format!("the image is called `{}`, the artifact `{}`", image.name, site.role.artifact.name)
    })?;
    ensure((&image.store, &image.repository) == (&target.store, &target.repository), || {
        format!("the image says that it is in `{}`, the target is `{}`", image.repository, target.repository)
    })?;
    ensure(image.tag.as_ref().is_none_or(|tag| *tag == target.tag), || {
        format!("the image says that its tag is {:?}, the target's is `{}`", image.tag, target.tag)
    })?;
    for reference in [target.reference(), image.reference()] {
        match site.find(&reference).await? {
            None => return broken(format!("there is no `{reference}` after the build")),
            Some(found) if found.digest != image.digest => {
                return broken(format!(
                    "`{reference}` is `{}`, but `{}` was returned",
                    found.digest, image.digest
                ));
            }
            Some(_) => {}
        }
    }
    everything_is_there(&site, &image).await
}

/// Copies the image elsewhere, which reads and checks everything that it points to.
async fn everything_is_there(site: &Site, image: &Image) -> Result<(), Trouble> {
    let to = Target::new(Store::Layout(site.room.store.join("copy")), "copy", site.target.tag.clone());
    match site.room.world.images.copy(&site.context(), image, &to).await {
        Ok(_) => Ok(()),
        Err(error) => broken(format!("the image is not whole: {}", error.report())),
    }
}

const AT_ONCE: usize = 3;

pub(super) async fn builds_at_once(bench: Bench<Builders>) -> Result<(), Trouble> {
    let alone = |number| built_alone(bench.clone(), number);
    let mut expected: Vec<Digest> = Vec::new();
    for number in 0..AT_ONCE {
        expected.push(alone(number).await?);
    }
    let builder = (bench.role.factory)();
    let mut building = tokio::task::JoinSet::new();
    for number in 0..AT_ONCE {
        let site = variant(&bench, number).await?;
        let builder = Arc::clone(&builder);
        building.spawn(async move { (number, site.build(builder.as_ref()).await) });
    }
    let mut wrong = Vec::new();
    while let Some(built) = building.join_next().await {
        let (number, image) = match built {
            Ok(built) => built,
            Err(error) => return broken(format!("a build at the same time as others panicked: {error}")),
        };
        let image = match image {
            Ok(image) => image,
            Err(Trouble::Broken(why)) => {
                return broken(format!("a build at the same time as others failed: {why}"));
            }
            Err(other) => return Err(other),
        };
        if image.digest != expected[number] {
            wrong.push(number);
        }
    }
    let Some(&number) = wrong.first() else { return Ok(()) };
    if alone(number).await? != expected[number] {
        return unchecked("its images of the same sources have different digests");
    }
    broken(format!("{} of {AT_ONCE} builds at once made another image than alone", wrong.len()))
}

async fn built_alone(bench: Bench<Builders>, number: usize) -> Result<Digest, Trouble> {
    let site = variant(&bench, number).await?;
    Ok(site.build(site.builder().as_ref()).await?.digest)
}

/// Returns a site whose sources are unlike those of other numbers.
async fn variant(bench: &Bench<Builders>, number: usize) -> Result<Site, Trouble> {
    let site = Site::new(bench).await?;
    let declared = site.declare(&site.context(), site.builder().as_ref()).await?;
    if let Some(file) = site.file_to_touch(&declared.inputs)? {
        for _ in 0..number {
            folder::touch(&site.room.root.join(&file))?;
        }
    }
    Ok(site)
}

/// Returns two platforms to ask for: the artifact's own, the builder's, or the two most common.
fn two_platforms(site: &Site) -> Option<Vec<Platform>> {
    let can = site.builder().capabilities().platforms;
    let own = &site.role.artifact.platforms;
    match (own.len(), can.len()) {
        (2.., _) => Some(own.clone()),
        (_, 2..) => Some(can[..2].to_vec()),
        (_, 1) => None,
        (_, 0) => Some(vec![Platform::new("linux", "amd64"), Platform::new("linux", "arm64")]),
    }
}

pub(super) async fn an_index_holds_every_platform(bench: Bench<Builders>) -> Result<(), Trouble> {
    let mut site = Site::new(&bench).await?;
    let Some(platforms) = two_platforms(&site) else {
        return broken("it claims several platforms in one call, and names one platform");
    };
    site.ask_for(&platforms).await?;
    let image = site.build(site.builder().as_ref()).await?;
    let found = site.find(&image.reference()).await?;
    let Some(found) = found else {
        return broken(format!("there is no `{}` after the build", image.reference()));
    };
    for platform in &platforms {
        ensure(image.platforms.contains(platform), || {
            format!("it was asked for `{platform}`, and returned {:?}", image.platforms)
        })?;
        ensure(found.platforms.contains(platform), || {
            format!("it was asked for `{platform}`, and the index holds {:?}", found.platforms)
        })?;
    }
    everything_is_there(&site, &image).await
}

pub(super) async fn refuses_several_platforms(bench: Bench<Builders>) -> Result<(), Trouble> {
    let mut site = Site::new(&bench).await?;
    let Some(platforms) = two_platforms(&site) else { return Ok(()) };
    site.role.artifact.platforms = platforms;
    let cx = site.context();
    let builder = site.builder();
    let what = "building several platforms in one call";
    match builder.inputs(&cx, &site.role.artifact).await {
        Err(error) => says_unsupported(what, Err::<(), _>(error)),
        Ok(inputs) => {
            let request = site.request(&site.declared(&cx, inputs).await?);
            says_unsupported(what, builder.build(&cx, &request).await)
        }
    }
}

pub(super) async fn required_images_arrive(bench: Bench<Builders>) -> Result<(), Trouble> {
    if bench.role.artifact.requires.is_empty() {
        return unchecked("the artifact requires no image: give one that does with `artifact`");
    }
    let mut digests = Vec::new();
    for alias in bench.role.artifact.requires.keys() {
        let mut fingerprints = Vec::new();
        for edition in [1, 2] {
            let mut site = Site::new(&bench).await?;
            site.require(alias, edition).await?;
            let declared = site.declare(&site.context(), site.builder().as_ref()).await?;
            fingerprints.push(declared.fingerprint);
            digests.push(site.build(site.builder().as_ref()).await?.digest);
        }
        ensure(fingerprints[0] != fingerprints[1], || {
            format!("another image as `{alias}` did not change the fingerprint")
        })?;
        ensure(digests[0] != digests[1], || {
            format!("the image is the same whatever image `{alias}` is, so it did not arrive")
        })?;
        digests.clear();
    }
    Ok(())
}
