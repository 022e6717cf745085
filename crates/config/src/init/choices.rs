//! What somebody has decided.

use serde::Deserialize;
use shipway_core::{Error, Result};

use super::pairs::Pair;

/// What is decided of a configuration; by default what was found goes in, by [`Found::pairs_by_rule`](super::Found::pairs_by_rule).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choices {
    /// What is built, in the place of what was found.
    pub artifacts: Option<Vec<Pair>>,
    /// The manifests, as files or patterns of files, in the place of those that were found.
    pub manifests: Option<Vec<String>>,
}

impl Choices {
    /// Sets what is built.
    #[must_use]
    pub fn artifacts(mut self, artifacts: impl IntoIterator<Item = Pair>) -> Self {
        self.artifacts = Some(artifacts.into_iter().collect());
        self
    }

    /// Sets the manifests.
    #[must_use]
    pub fn manifests(mut self, manifests: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.manifests = Some(manifests.into_iter().map(Into::into).collect());
        self
    }
}

/// Skaffold's form (initializer/build/cli.go).
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Form {
    builder: String,
    payload: Payload,
    image: String,
    context: Option<String>,
    manifest: Generated,
}

impl Default for Form {
    fn default() -> Self {
        let (payload, manifest) = (Payload::default(), Generated::default());
        Self { builder: "Docker".to_owned(), payload, image: String::new(), context: None, manifest }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Generated {
    generate: bool,
}

impl Pair {
    /// Reads what Skaffold's `--artifact` takes: JSON with `builder`, `payload.path`, `image` and `context`, or
    /// `DOCKERFILE=IMAGE`. It is none for the builder `None`, which says that an image is not built here.
    ///
    /// ```
    /// use shipway_config::init::Pair;
    ///
    /// let json = r#"{"builder": "Docker", "payload": {"path": "web/Dockerfile"}, "image": "shop/web"}"#;
    /// assert_eq!(Pair::parse(json)?, Pair::parse("web/Dockerfile=shop/web")?);
    /// # Ok::<(), shipway_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config` for what is neither; `Unsupported` for another builder.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let wrong = |error: Error| {
            error.hint("write it as `web/Dockerfile=web`, or as Skaffold's JSON with `builder`, `payload` and `image`")
        };
        if !text.trim_start().starts_with('{') {
            let parts: Vec<&str> = text.split('=').collect();
            return match parts.as_slice() {
                [dockerfile, image] if !dockerfile.is_empty() && !image.is_empty() => {
                    Ok(Some(Self::new(*image, *dockerfile)))
                }
                _ => Err(wrong(Error::config(format!("`{text}` is no artifact")))),
            };
        }
        let form: Form = serde_json::from_str(text)
            .map_err(|error| wrong(Error::config(format!("`{text}` is no artifact")).source(error)))?;
        match form.builder.as_str() {
            "Docker" => {}
            "None" => return Ok(None),
            other => {
                let error = Error::unsupported(format!("the builder `{other}` is not supported yet"));
                return Err(error.hint("`Docker` builds a Dockerfile"));
            }
        }
        if form.manifest.generate {
            return Err(Error::unsupported("manifests are not generated").hint("take `manifest` out"));
        }
        for (name, value) in [("payload.path", &form.payload.path), ("image", &form.image)] {
            if value.is_empty() {
                return Err(wrong(Error::config(format!("`{text}` has no `{name}`"))));
            }
        }
        let pair = Self::new(form.image, form.payload.path);
        Ok(Some(match form.context.filter(|context| !context.is_empty()) {
            Some(context) => pair.context(context),
            None => pair,
        }))
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn an_artifact_is_read_in_skaffolds_forms() {
        let web = Pair::new("gcr.io/web-project/image", "web/Dockerfile.web");
        for (text, expected) in [
            (
                r#"{"builder":"Docker","payload":{"path":"web/Dockerfile.web"},"image":"gcr.io/web-project/image"}"#,
                Some(web.clone()),
            ),
            (
                r#" {"payload":{"path":"web/Dockerfile.web"},"image":"gcr.io/web-project/image","context":""}"#,
                Some(web.clone()),
            ),
            (
                r#"{"builder":"Docker","payload":{"path":"web/Dockerfile.web"},"image":"gcr.io/web-project/image","context":"web","manifest":{"generate":false,"port":0}}"#,
                Some(web.clone().context("web")),
            ),
            (r#"{"builder":"None","image":"redis"}"#, None),
            ("web/Dockerfile.web=gcr.io/web-project/image", Some(web)),
        ] {
            assert_eq!(Pair::parse(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_artifact_is_told() {
        let refused = |text: &str| Pair::parse(text).expect_err(text).report().to_string();
        assert_snapshot!(refused("web"), @r"
        `web` is no artifact
          hint: write it as `web/Dockerfile=web`, or as Skaffold's JSON with `builder`, `payload` and `image`
        ");
        for text in [
            "",
            "=",
            "a=",
            "=b",
            "a=b=c",
            "{",
            r#"{"image": 1}"#,
            r#"{"image":"a"}"#,
            r#"{"payload":{"path":"a"}}"#,
        ] {
            assert!(refused(text).contains("hint: write it as"), "{text}");
        }
        assert_snapshot!(refused(r#"{"builder":"Jib Maven Plugin","image":"a"}"#), @r"
        the builder `Jib Maven Plugin` is not supported yet
          hint: `Docker` builds a Dockerfile
        ");
        assert_snapshot!(refused(r#"{"payload":{"path":"a"},"image":"a","manifest":{"generate":true}}"#), @r"
        manifests are not generated
          hint: take `manifest` out
        ");
    }
}
