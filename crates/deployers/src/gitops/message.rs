//! What the commits say, for people: the form is that of the two-repository flow on Cloud Build ("GitOps-style
//! continuous delivery with Cloud Build"), with digests.

use shipway_core::{Digest, Image, Release, Store, Tag};

use super::source::Source;

const DEPLOYING: &str = "Deploying image ";
const FROM: &str = "Manifest from commit ";

/// Returns what the commit of a release says.
pub(super) fn release(release: &Release, source: Option<&Source>) -> String {
    let mut lines: Vec<String> =
        release.images.iter().map(|image| format!("{DEPLOYING}{}", reference(image))).collect();
    if lines.is_empty() {
        lines.push(format!("Deploying release {}", release.name));
    }
    if let Some(Source { commit, dirty, repository, author }) = source {
        let besides = if *dirty { ", and changes that are in no commit," } else { "" };
        lines.push(format!("Built from commit {commit}{besides} of repository {repository}"));
        lines.push(format!("Author: {} <{}>", author.name, author.email));
    }
    lines.join("\n")
}

/// Returns what a commit says that has the manifests of another.
pub(super) fn copied(commit: &str, message: &str) -> String {
    format!("{FROM}{commit}\n{message}")
}

/// Returns what a commit says that goes back to the manifests of another.
pub(super) fn restored(commit: &str, release: &Release) -> String {
    format!("Restoring the manifest of commit {commit}\n{}", self::release(release, None))
}

/// Returns what a commit says that takes a release away.
pub(super) fn removed(release: &Release) -> String {
    format!("Removing release {}", release.name)
}

/// Returns the commit that a copied manifest is from.
pub(super) fn origin(message: &str) -> Option<&str> {
    message.lines().next()?.strip_prefix(FROM)
}

/// Returns the images that a message says are deployed. Their names are the last part of their repositories.
pub(super) fn images(message: &str) -> Vec<Image> {
    message.lines().filter_map(|line| image(line.strip_prefix(DEPLOYING)?)).collect()
}

fn image(text: &str) -> Option<Image> {
    let (name, digest) = text.split_once('@')?;
    let digest = Digest::parse(digest).ok()?;
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(Tag::parse(tag).ok()?)),
        _ => (name, None),
    };
    let last = repository.rsplit('/').next()?;
    let image = Image::new(last, Store::Registry, repository, digest);
    Some(match tag {
        Some(tag) => image.tag(tag),
        None => image,
    })
}

/// Returns the image with its tag, which people read, and its digest, which counts.
fn reference(image: &Image) -> String {
    match (&image.store, &image.tag) {
        (Store::Registry, Some(tag)) => format!("{}:{tag}@{}", image.repository, image.digest),
        _ => image.reference(),
    }
}

#[cfg(test)]
mod tests {
    use shipway_git::Author;

    use super::*;

    #[test]
    fn a_message_says_what_is_deployed_and_where_it_is_from() {
        let digest = Digest::parse(format!("sha256:{}", "a".repeat(64))).expect("a digest");
        let web = Image::new("web", Store::Registry, "registry.example:5000/team/web", digest.clone());
        let tagged = web.clone().tag(Tag::parse("1.2").expect("a tag"));
        let shop = Release::new("shop").images(vec![tagged.clone(), web.clone()]);
        let source = Source {
            commit: "c0ffee".to_owned(),
            dirty: false,
            repository: "app".to_owned(),
            author: Author::new("Ann", "ann@example.com"),
        };
        let message = release(&shop, Some(&source));
        assert_eq!(
            message,
            format!(
                "Deploying image registry.example:5000/team/web:1.2@{digest}\n\
                 Deploying image registry.example:5000/team/web@{digest}\n\
                 Built from commit c0ffee of repository app\nAuthor: Ann <ann@example.com>"
            )
        );
        assert_eq!(images(&message), [tagged, web]);
        let copied = copied("1234", &message);
        assert_eq!((origin(&copied), origin(&message)), (Some("1234"), None));
        assert_eq!(images(&copied), images(&message));
        assert_eq!(images("Deploying image nonsense\nDeploying image a@sha256:b\n"), []);
    }
}
