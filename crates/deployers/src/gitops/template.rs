//! Manifests from templates: marks are replaced by texts, and images by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use shipway_core::{Context, Error, Image, Level, Manifests, Release, Result};

use crate::manifests;

/// A larger template is not one that somebody wrote.
const LIMIT: usize = 64 * 1024 * 1024;

/// What a mark in a template is replaced by. In a file a plain text, or `{tag: web}`, `{digest: web}` or
/// `{image: web}` of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Substitute {
    /// This text.
    Text(String),
    /// Something of the image of an artifact.
    Of(ImagePart),
}

/// A part of what an image is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ImagePart {
    /// The tag of the artifact's image.
    Tag(String),
    /// The digest of the artifact's image.
    Digest(String),
    /// The whole reference of the artifact's image, by its digest.
    Image(String),
}

impl Substitute {
    fn text(&self, release: &Release) -> Result<String> {
        let find = |name: &str| -> Result<&Image> {
            release.images.iter().find(|image| image.name == name).ok_or_else(|| {
                let names: Vec<&str> = release.images.iter().map(|image| image.name.as_str()).collect();
                Error::config(format!("release `{}` has no image `{name}`", release.name))
                    .note(format!("its images: {}", names.join(", ")))
                    .hint("name an artifact that the release uses")
            })
        };
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Of(ImagePart::Digest(name)) => find(name)?.digest.to_string(),
            Self::Of(ImagePart::Image(name)) => find(name)?.reference(),
            Self::Of(ImagePart::Tag(name)) => match &find(name)?.tag {
                Some(tag) => tag.to_string(),
                None => {
                    return Err(Error::config(format!("the image of `{name}` has no tag"))
                        .hint("give the artifact a tagger"));
                }
            },
        };
        // A line end would let a value become structure.
        if text.chars().any(char::is_control) {
            return Err(Error::config("a text for a template has a control character in it"));
        }
        Ok(text)
    }
}

/// Renders the templates for a release.
pub(super) async fn render(
    cx: &Context,
    templates: &[PathBuf],
    substitutes: &BTreeMap<String, Substitute>,
    release: &Release,
) -> Result<Manifests> {
    let values = substitutes
        .iter()
        .map(|(mark, substitute)| Ok((mark.clone(), substitute.text(release)?)))
        .collect::<Result<Vec<_>>>()?;
    let (templates, release) = (templates.to_vec(), release.clone());
    cx.blocking(move |cx| {
        let mut substitution = Substitution::new(values)?;
        let (mut objects, mut images) = (Vec::new(), BTreeSet::new());
        for template in &templates {
            let path = cx.path(template);
            let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
            else {
                return Err(Error::config(format!("`{}` is no file", path.display())));
            };
            let content = cx.files().open(cx, folder, name)?.read(LIMIT)?;
            let text = String::from_utf8(content)
                .map_err(|_| Error::config(format!("`{}` is not UTF-8", path.display())))?;
            let text = substitution.apply(&text);
            let bound = manifests::bind(&template.to_string_lossy(), &text, &release.images)?;
            objects.extend(bound.manifests);
            images.extend(bound.images);
        }
        substitution.check()?;
        for image in release.images.iter().filter(|image| !images.contains(&image.name)) {
            cx.message(Level::Warning, format!("no manifest uses the image of `{}`", image.name));
        }
        Ok(Manifests::new(release).objects(objects))
    })
    .await
}

/// Marks and their texts, the longest mark first, each with whether it was found.
#[derive(Debug)]
struct Substitution(Vec<(String, String, bool)>);

impl Substitution {
    fn new(values: Vec<(String, String)>) -> Result<Self> {
        if values.iter().any(|(mark, _)| mark.is_empty()) {
            return Err(Error::config("a mark of a template is empty"));
        }
        let mut marks: Vec<_> = values.into_iter().map(|(mark, text)| (mark, text, false)).collect();
        marks.sort_by_key(|(mark, ..)| std::cmp::Reverse(mark.len()));
        Ok(Self(marks))
    }

    /// Replaces each mark wherever it stands, as `sed s/MARK/TEXT/g` does, but in one pass: a text that has
    /// another mark in it stays as it is.
    fn apply(&mut self, text: &str) -> String {
        let mut done = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            match self.0.iter_mut().find(|(mark, ..)| rest.starts_with(mark.as_str())) {
                Some((mark, text, found)) => {
                    *found = true;
                    done.push_str(text);
                    rest = &rest[mark.len()..];
                }
                None => {
                    done.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        done
    }

    /// Refuses a mark that stood nowhere: it is misspelt here or there.
    fn check(&self) -> Result<()> {
        match self.0.iter().find(|(.., found)| !found) {
            None => Ok(()),
            Some((mark, ..)) => Err(Error::config(format!("`{mark}` stands in no template"))
                .hint("write the mark as the template has it, or leave it out")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_replaced_in_one_pass_and_the_longest_counts() {
        let values = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(mark, text)| ((*mark).to_owned(), (*text).to_owned())).collect::<Vec<_>>()
        };
        let mut marks = Substitution::new(values(&[("A", "AB"), ("AB", "c"), ("é", "e")])).expect("marks");
        assert_eq!(marks.apply("A AB é x"), "AB c e x");
        marks.check().expect("all were found");
        let mut marks = Substitution::new(values(&[("TAG", "1")])).expect("marks");
        assert_eq!(marks.apply("TGA"), "TGA");
        assert!(marks.check().is_err() && Substitution::new(values(&[("", "x")])).is_err());
    }
}
