//! Checks that what a plug-in answers is about what it was asked: nothing else is recorded, shown or applied.

use crate::{ChangeSet, Deployment, Desired, Error, Image, Manifests, Result, Target};

fn wrong(role: &str, what: &str, asked: &str, answered: &str) -> Error {
    Error::bad_output(format!("the {role} was asked for {what} {asked} and answered with {answered}"))
        .hint("this is a defect of the plug-in; report it")
}

/// Returns the image if it is where it was to be built (B6 of CONTRACT.md).
///
/// # Errors
/// `BadOutput` when it is in another repository or store.
pub(super) fn image(image: Image, target: &Target) -> Result<Image> {
    if (&image.store, &image.repository) == (&target.store, &target.repository) {
        return Ok(image);
    }
    let place = |store, repository| format!("`{repository}` in {store:?}");
    let (asked, answered) =
        (place(&target.store, &target.repository), place(&image.store, &image.repository));
    Err(wrong("builder", "an image of", &asked, &answered))
}

/// Returns the manifests if they are of this release.
///
/// # Errors
/// `BadOutput` when they are of another one.
pub(super) fn manifests(manifests: Manifests, release: &str) -> Result<Manifests> {
    let answered = &manifests.release.name;
    if answered == release {
        return Ok(manifests);
    }
    Err(wrong("deployer", "the manifests of", &format!("`{release}`"), &format!("those of `{answered}`")))
}

/// Returns the changes if they lead to what is desired, so that nothing else is approved and applied.
///
/// # Errors
/// `BadOutput` when they lead elsewhere.
pub(super) fn changes(changes: ChangeSet, desired: &Desired) -> Result<ChangeSet> {
    if changes.desired == *desired {
        return Ok(changes);
    }
    let of = |desired: &Desired| format!("`{}`", desired.release());
    let answered = format!("changes to another state, of {}", of(&changes.desired));
    Err(wrong("deployer", "the changes of", &of(desired), &answered))
}

/// Returns the deployment if it is of this release.
///
/// # Errors
/// `BadOutput` when it is of another one.
pub(super) fn deployment(deployment: Deployment, release: &str) -> Result<Deployment> {
    let answered = &deployment.manifests.release.name;
    if answered == release {
        return Ok(deployment);
    }
    Err(wrong("deployer", "a deployment of", &format!("`{release}`"), &format!("one of `{answered}`")))
}
