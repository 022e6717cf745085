//! What helm's records tell of a release.

use std::cmp::Reverse;

use shipway_core::{Context, Deployment, Digest, Image, Manifests, Release, Result, Store, Timestamp};

use super::{
    Stage,
    record::{Held, Record, Status},
    state,
};

/// How the description of a revision begins that says which images it has.
const IMAGES: &str = "Deployed by Shipway: ";

/// Returns the deployments that helm remembers: the live one first, then those that were live, the newest first. What
/// failed, or was left unfinished, was never proved.
pub(super) async fn history(stage: &Stage<'_>, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
    let records = stage.records(cx).await?;
    let live = super::record::deployed(&records).map(|record| record.revision);
    let was = |record: &&Record| {
        Some(record.revision) == live || matches!(record.status, Status::Superseded | Status::Deployed)
    };
    let mut remembered: Vec<&Record> = records.iter().filter(was).collect();
    remembered.sort_by_key(|record| (Some(record.revision) != live, Reverse(record.revision)));
    let mut deployments = Vec::with_capacity(remembered.len());
    for record in remembered {
        let held = record.held()?;
        if held.was_deployed() {
            deployments.push(deployment(release, &records, record, &held)?);
        }
    }
    Ok(deployments)
}

/// Returns a record as the deployment that it is of.
fn deployment(release: &str, records: &[Record], record: &Record, held: &Held) -> Result<Deployment> {
    let release = Release::new(release).images(images_of(records, held)?);
    let manifests = Manifests::new(release).objects(state::objects_of(record)?);
    Ok(Deployment::new(manifests, record.revision.to_string(), held.at().unwrap_or(Timestamp(0)))
        .share(100_u8))
}

/// Returns the description of a revision with these images.
pub(super) fn description(images: &[Image]) -> String {
    let pinned = |image: &Image| match &image.tag {
        Some(tag) if !matches!(image.store, Store::Daemon(_)) => {
            format!("{} {}:{tag}@{}", image.name, image.repository, image.digest)
        }
        _ => format!("{} {}", image.name, image.reference()),
    };
    let images = images.iter().map(pinned).collect::<Vec<_>>().join(", ");
    if images.is_empty() {
        IMAGES.trim_end_matches([':', ' ']).to_owned()
    } else {
        format!("{IMAGES}{images}")
    }
}

/// Returns the images that a revision's description names, or that of the revision which it restored.
fn images_of(records: &[Record], held: &Held) -> Result<Vec<Image>> {
    let mut description = held.info.description.clone();
    for _ in 0..records.len() {
        let Some(of) =
            description.strip_prefix("Rollback to ").and_then(|text| text.trim().parse::<u64>().ok())
        else {
            break;
        };
        let Some(restored) = records.iter().find(|record| record.revision == of) else { break };
        description = restored.held()?.info.description;
    }
    let Some(names) = description.strip_prefix(IMAGES) else { return Ok(Vec::new()) };
    Ok(names.split(", ").filter_map(image).collect())
}

/// Reads an image from a description; one of an engine does not say of which.
fn image(text: &str) -> Option<Image> {
    let (name, reference) = text.split_once(' ')?;
    let (tagged, digest) = reference.split_once('@')?;
    let digest = Digest::parse(digest).ok()?;
    let (repository, tag) = match tagged.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, shipway_core::Tag::parse(tag).ok()),
        _ => (tagged, None),
    };
    Some(Image::new(name, Store::Registry, repository, digest).tag(tag))
}

#[cfg(test)]
mod tests {
    use shipway_core::Tag;

    use super::*;

    #[test]
    fn a_description_tells_the_images() {
        let digest = Digest::parse(format!("sha256:{}", "1".repeat(64))).unwrap();
        let image =
            |name: &str, repository: &str| Image::new(name, Store::Registry, repository, digest.clone());
        let images =
            [image("web", "r.example:5000/web").tag(Some(Tag::parse("v1").unwrap())), image("api", "api")];
        let text = description(&images);
        let names = text.strip_prefix(IMAGES).unwrap();
        assert_eq!(names.split(", ").filter_map(super::image).collect::<Vec<_>>(), images);
        assert_eq!(description(&[]), "Deployed by Shipway");
    }
}
