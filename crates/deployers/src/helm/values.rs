//! The values of a release: Skaffold's ways to say them, in its order and by helm's rules, as one file that is nobody's to
//! see.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use shipway_core::{Context, Error, Image, Result, Store};
use shipway_oci::Reference;
use shipway_template::Template;
use shipway_yaml::Rules;

use super::{HelmConfig, set};

/// A larger file of values is not one that somebody wrote.
const LIMIT: usize = 16 << 20;

/// What is shorter is hidden by no one: it would hide half of all output.
const SECRET: usize = 6;

/// What names of secrets have in them.
const SECRETS: [&str; 8] =
    ["password", "passwd", "secret", "token", "credential", "apikey", "privatekey", "passphrase"];

/// Returns the files of values, the last of which counts; one alone, unless a program is to decrypt them first.
///
/// By helm's rules, what comes later counts: `overrides`, the files, `setValues`, `setValueTemplates`, `setFiles`
/// (skaffold: `deploy/helm/args.go`, `helm/args.go`; helm: `pkg/cli/values/options.go`).
///
/// # Errors
/// `Config` when one of them is not what it must be; `NotFound` when a file is missing.
pub(super) async fn files(cx: &Context, options: &HelmConfig, images: &[Image]) -> Result<Vec<Vec<u8>>> {
    let variables = Variables::new(cx, images)?;
    let mut texts = Vec::new();
    for file in paths(options, &variables)? {
        texts.push((file.clone(), read(cx, &file).await?));
    }
    let mut lines: Vec<String> =
        flat(&options.set_values).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    for (name, value) in flat(&options.set_value_templates) {
        let value = variables.expand(&value)?;
        // As Skaffold does for charts that were written for its first version.
        let value = value.strip_suffix('@').unwrap_or(&value);
        lines.push(format!("{}={value}", variables.expand(&name)?));
    }
    let mut contents = BTreeMap::new();
    for (name, file) in &options.set_files {
        let path = path(options, &variables.home(file));
        contents.insert(format!("{name}={}", contents.len()), read(cx, &path).await?);
    }
    let mut laid = Map::new();
    let mut files = Vec::new();
    if options.use_helm_secrets {
        files.push(Value::Object(options.overrides.clone()).to_string().into_bytes());
        files.extend(texts.into_iter().map(|(_, text)| text.into_bytes()));
    } else {
        laid.clone_from(&options.overrides);
        for (file, text) in texts {
            merge(&mut laid, parsed(&file, &text)?);
        }
    }
    for line in &lines {
        set::set(line, &mut laid, &set::typed)?;
    }
    let contents: Vec<(String, String)> = contents.into_iter().collect();
    for (line, content) in &contents {
        set::set(line, &mut laid, &|_| Ok(content.as_str().into()))?;
    }
    hide(cx, &laid);
    files.push(Value::Object(laid).to_string().into_bytes());
    Ok(files)
}

/// Returns the paths of the files of values, below the context's root or absolute.
pub(super) fn paths(options: &HelmConfig, variables: &Variables) -> Result<Vec<PathBuf>> {
    let one = |name: &String| {
        let name = variables.expand(&variables.home(name))?;
        if name.contains("://") {
            return Err(Error::unsupported(format!("`{name}` is no file of values"))
                .hint("download it, so that what is shown is what is applied"));
        }
        Ok(path(options, &name))
    };
    options.values_files.iter().map(one).collect()
}

/// Returns the paths of the files whose texts are values.
pub(super) fn set_files(options: &HelmConfig, variables: &Variables) -> Vec<PathBuf> {
    options.set_files.values().map(|file| path(options, &variables.home(file))).collect()
}

fn path(options: &HelmConfig, name: &str) -> PathBuf {
    options.folder.join(name)
}

async fn read(cx: &Context, path: &Path) -> Result<String> {
    let whole = cx.path(path);
    let shown = path.display().to_string();
    cx.blocking(move |cx| {
        let (Some(folder), Some(file)) = (whole.parent(), whole.file_name().and_then(|name| name.to_str()))
        else {
            return Err(Error::config(format!("`{shown}` is no file of values")));
        };
        let content = cx.files().open(cx, folder, file)?.read(LIMIT)?;
        String::from_utf8(content).map_err(|_| Error::config(format!("`{shown}` is not UTF-8")))
    })
    .await
}

fn parsed(file: &Path, text: &str) -> Result<Map<String, Value>> {
    let mut values = Map::new();
    // helm reads the first document alone.
    if let Some(document) =
        shipway_yaml::parse(file, text)?.first().filter(|document| !document.root.is_null())
    {
        match document.to_json(Rules::Manifest)? {
            Value::Object(map) => values = map,
            _ => return Err(document.error(document.root.span, "values are names and what they stand for")),
        }
    }
    Ok(values)
}

/// Lays values over others (helm: `mergeMaps`).
fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        match (base.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => _ = base.insert(name, value),
        }
    }
}

/// Returns nested values by their whole names, as Skaffold reads `setValues` (`util.FlatMap`).
pub(super) fn flat(values: &Map<String, Value>) -> BTreeMap<String, String> {
    fn add(name: String, value: &Value, all: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(part, value)| add(format!("{name}.{part}"), value, all));
            }
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(at, value)| add(format!("{name}[{at}]"), value, all));
            }
            Value::String(text) => _ = all.insert(name, text.clone()),
            value => _ = all.insert(name, value.to_string()),
        }
    }
    let mut all = BTreeMap::new();
    values.iter().for_each(|(name, value)| add(name.clone(), value, &mut all));
    all
}

/// Hides what the names of values say is secret, and passwords in addresses. What becomes a `Secret` is hidden when it
/// is rendered.
fn hide(cx: &Context, values: &Map<String, Value>) {
    fn walk(cx: &Context, secret: bool, value: &Value) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    let name: String =
                        name.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
                    walk(cx, secret || SECRETS.iter().any(|part| name.contains(part)), value);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| walk(cx, secret, value)),
            Value::String(text) if text.len() >= SECRET => {
                let login = text.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
                let password =
                    login.and_then(|(login, _)| login.split_once(':')).map(|(_, password)| password);
                if secret {
                    cx.mask(&text.as_str().into());
                } else if let Some(password) = password.filter(|password| !password.contains('/')) {
                    cx.mask(&password.into());
                }
            }
            _ => {}
        }
    }
    values.iter().for_each(|(name, value)| {
        walk(cx, false, &Value::Object(Map::from_iter([(name.clone(), value.clone())])));
    });
}

/// What templates of values see: the environment, and the images of the release (skaffold: `envVarForImage`).
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(super) fn new(cx: &Context, images: &[Image]) -> Result<Self> {
        let mut all = cx.envs().clone();
        for (at, image) in images.iter().enumerate() {
            let number = if at == 0 { String::new() } else { (at + 1).to_string() };
            let name = image.name.replace(['/', '-', '.'], "_");
            for (variable, value) in of(image)? {
                all.insert(format!("{variable}{number}"), value.clone());
                all.insert(format!("{variable}_{name}"), value);
            }
        }
        Ok(Self(all))
    }

    /// Returns what a template makes of them.
    pub(super) fn expand(&self, text: &str) -> Result<String> {
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        Template::parse(text)?.render(self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Returns a path with the home folder for `~`.
    fn home(&self, path: &str) -> String {
        match (path.strip_prefix('~'), self.0.get("HOME")) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
            _ => path.to_owned(),
        }
    }
}

fn of(image: &Image) -> Result<Vec<(&'static str, String)>> {
    let pinned = match (&image.store, &image.tag) {
        // An engine knows its images by a tag that is the id.
        (Store::Daemon(_), _) | (_, None) => image.reference(),
        (_, Some(tag)) => format!("{}:{tag}@{}", image.repository, image.digest),
    };
    let parsed: Reference = pinned.parse()?;
    let (tag, digest) = match &image.store {
        Store::Daemon(_) => (image.digest.hex().to_owned(), String::new()),
        _ => (image.tag.as_ref().map_or(String::new(), ToString::to_string), image.digest.to_string()),
    };
    let whole = parsed.repository();
    // Docker's own names have no host where Skaffold tells of them.
    let domain = match image.repository.split_once('/') {
        Some((host, _)) if whole.starts_with(&format!("{host}/")) => host.to_owned(),
        _ => String::new(),
    };
    let path = image.repository.strip_prefix(&format!("{domain}/")).unwrap_or(&image.repository).to_owned();
    let (algorithm, hex) = pinned.split_once(':').unwrap_or(("", &pinned));
    Ok(vec![
        ("IMAGE_NAME", image.name.clone()),
        ("IMAGE_FULLY_QUALIFIED", pinned.clone()),
        ("IMAGE_REPO", image.repository.clone()),
        ("IMAGE_TAG", tag),
        ("IMAGE_DIGEST", digest),
        ("IMAGE_DOMAIN", domain),
        ("IMAGE_REPO_NO_DOMAIN", path),
        // Of Skaffold's first version, and with as much sense as there.
        ("DIGEST", pinned.clone()),
        ("DIGEST_ALGO", algorithm.to_owned()),
        ("DIGEST_HEX", hex.to_owned()),
    ])
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test")]
mod tests {
    use serde_json::json;
    use shipway_core::{Cancel, Digest, RunContext, Tag, World};

    use super::*;

    fn context(env: &[(&str, &str)]) -> Context {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        RunContext::new(World::host("/src").env(env), "1").context(None, None, Cancel::new())
    }

    fn image(name: &str, repository: &str, tag: &str) -> Image {
        let digest = Digest::parse(format!("sha256:{}", "1".repeat(64))).unwrap();
        Image::new(name, Store::Registry, repository, digest).tag(Some(Tag::parse(tag).unwrap()))
    }

    #[test]
    fn templates_see_the_images_as_skaffold_tells_of_them() {
        let images = [image("my/web-app.v1", "r.example:5000/team/web", "v1"), image("api", "api", "v2")];
        let variables =
            Variables::new(&context(&[("STAGE", "prod"), ("IMAGE_TAG", "env")]), &images).unwrap();
        let digest = format!("sha256:{}", "1".repeat(64));
        for (template, expected) in [
            (
                "{{.IMAGE_REPO}}:{{.IMAGE_TAG}}@{{.IMAGE_DIGEST}}",
                format!("r.example:5000/team/web:v1@{digest}"),
            ),
            ("{{.IMAGE_FULLY_QUALIFIED_my_web_app_v1}}", format!("r.example:5000/team/web:v1@{digest}")),
            ("{{.IMAGE_DOMAIN}} {{.IMAGE_REPO_NO_DOMAIN}}", "r.example:5000 team/web".to_owned()),
            ("{{.IMAGE_NAME2}} {{.IMAGE_TAG2}} {{.IMAGE_REPO_api}}", "api v2 api".to_owned()),
            ("{{.IMAGE_DOMAIN2}}|{{.IMAGE_REPO_NO_DOMAIN_api}}", "|api".to_owned()),
            ("{{.STAGE | upper}}", "PROD".to_owned()),
            ("plain", "plain".to_owned()),
        ] {
            assert_eq!(variables.expand(template).unwrap(), expected, "{template}");
        }
        assert!(variables.expand("{{.IMAGE_TAG3}}").is_err());
    }

    #[tokio::test]
    async fn values_count_in_skaffolds_order() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("one.yaml", "a: one\nb: one\nc: one\nd: one\nlist: [1, 2]\ndeep: {x: 1, v: 1}\n");
        write("two-prod.yaml", "b: two\ndeep: {v: 2}\ngone: null\n");
        write("text.txt", "many\nlines");
        let options: HelmConfig = serde_json::from_value(json!({
            "overrides": {"a": "override", "o": "override", "deep": {"z": true}},
            "valuesFiles": ["one.yaml", "two-{{.STAGE}}.yaml"],
            "setValues": {"c": "set", "list[1]": 5, "nested": {"flag": true, "number": "7"}, "d": "set"},
            "setValueTemplates": {"d": "{{.IMAGE_TAG}}", "{{.STAGE}}": "yes@"},
            "setFiles": {"file": "text.txt"},
        }))
        .unwrap();
        let world = World::host(folder.path()).env([("STAGE".to_owned(), "prod".to_owned())]);
        let cx = RunContext::new(world, "1").context(None, None, Cancel::new());
        let files = files(&cx, &options, &[image("web", "r.example/web", "v1")]).await.unwrap();
        let [file] = files.as_slice() else { panic!("one file") };
        let expected = json!({"a": "one", "o": "override", "b": "two", "c": "set", "d": "v1", "gone": null,
            "list": [1, 5], "deep": {"x": 1, "v": 2, "z": true}, "nested": {"flag": true, "number": 7},
            "prod": "yes", "file": "many\nlines"});
        assert_eq!(serde_json::from_slice::<Value>(file).unwrap(), expected);
    }

    #[test]
    fn what_names_say_is_secret_is_hidden() {
        let cx = context(&[]);
        let values = json!({"db": {"adminPassword": "open-sesame", "host": "db.example"},
            "url": "postgres://me:hunter22@db/x", "api_token": ["abcdefgh"], "replicas": 2});
        let Value::Object(values) = values else { panic!() };
        hide(&cx, &values);
        let masked = cx.masked("open-sesame db.example hunter22 abcdefgh");
        assert!(masked.contains("db.example"), "{masked}");
        for secret in ["open-sesame", "hunter22", "abcdefgh"] {
            assert!(!masked.contains(secret), "{masked}");
        }
    }
}
