//! The fields that are Go templates, and who renders each: most are rendered over the environment before the tree
//! is typed, some by a plug-in that knows more.

use std::{
    collections::BTreeMap,
    mem::take,
    sync::{Arc, Mutex, PoisonError},
};

use shipway_core::{Error, Location, Result};
use shipway_template::{Given, Template};
use shipway_yaml::{Document, Node, Style, Value};

use super::{Options, Trust, commands::Needed, trust::denied};
use crate::path::{each, placed, steps};

/// Who renders a field.
enum By {
    /// This stage: the environment is all that there is to it.
    Reading,
    /// This stage, where nothing of the image is asked for: Skaffold renders it while it builds
    /// (docker/image.go), and no builder here does.
    ReadingWithout(&'static [&'static str]),
    /// The plug-in, which knows of the image what is named; this stage only where the template runs commands.
    PlugIn(&'static [&'static str]),
}

use By::{PlugIn, Reading, ReadingWithout};

/// What Skaffold knows of an image while it builds it (docker/image.go, build/docker/docker.go).
const BUILT: &[&str] = &["IMAGE_REPO", "IMAGE_NAME", "IMAGE_TAG"];

/// What it knows while it gives an image a tag (tag/env_template.go).
const TAGGED: &[&str] = &["IMAGE_NAME"];

/// What it knows of images that are built, of each also with its number or name after it (helm/args.go).
const RELEASED: &[&str] =
    &["IMAGE_NAME", "IMAGE_TAG", "IMAGE_DIGEST", "IMAGE_DOMAIN", "IMAGE_REPO", "IMAGE_REPO_NO_DOMAIN"];

/// The fields that Skaffold renders: those of its schema that are marked `template`, and those that its source
/// calls `ExpandEnvTemplate` and the like for. What lies below a field that is a mapping or a list is meant
/// likewise; keys are none, but those of `setValueTemplates`, which helm gets.
///
/// `docker.network` is missing because only Skaffold's check renders it, and not its build; helm's `setValues` is,
/// because it is marked and yet handed over as it is: what stands in it may be for helm.
const TEMPLATES: [(&str, By); 38] = [
    ("/build/tagPolicy/envTemplate/template", PlugIn(TAGGED)),
    ("/build/tagPolicy/customTemplate/components/*/envTemplate/template", PlugIn(TAGGED)),
    ("/build/artifacts/*/docker/buildArgs", ReadingWithout(BUILT)),
    ("/build/artifacts/*/docker/cliFlags", ReadingWithout(BUILT)),
    ("/build/artifacts/*/kaniko/buildArgs", ReadingWithout(BUILT)),
    ("/build/artifacts/*/kaniko/env/*/value", Reading),
    ("/build/artifacts/*/custom/buildCommand", Reading),
    ("/build/artifacts/*/custom/dependencies/dockerfile/buildArgs", Reading),
    ("/build/artifacts/*/buildpacks/env", Reading),
    ("/build/artifacts/*/ko/env", Reading),
    ("/build/artifacts/*/ko/flags", Reading),
    ("/build/artifacts/*/ko/labels", Reading),
    ("/build/artifacts/*/ko/ldflags", Reading),
    ("/test/*/custom/*/command", Reading),
    ("/manifests/rawYaml", Reading),
    ("/manifests/kustomize/paths", Reading),
    ("/manifests/helm/releases/*/name", Reading),
    ("/manifests/helm/releases/*/chartPath", Reading),
    ("/manifests/helm/releases/*/namespace", Reading),
    ("/manifests/helm/releases/*/version", Reading),
    ("/manifests/helm/releases/*/repo", Reading),
    ("/manifests/helm/releases/*/packaged/version", Reading),
    ("/manifests/helm/releases/*/packaged/appVersion", Reading),
    ("/manifests/helm/releases/*/valuesFiles", PlugIn(RELEASED)),
    ("/manifests/helm/releases/*/setValueTemplates", PlugIn(RELEASED)),
    ("/deploy/kubectl/defaultNamespace", Reading),
    ("/deploy/kpt/defaultNamespace", Reading),
    ("/deploy/helm/releases/*/name", Reading),
    ("/deploy/helm/releases/*/chartPath", Reading),
    ("/deploy/helm/releases/*/namespace", Reading),
    ("/deploy/helm/releases/*/version", Reading),
    ("/deploy/helm/releases/*/repo", Reading),
    ("/deploy/helm/releases/*/packaged/version", Reading),
    ("/deploy/helm/releases/*/packaged/appVersion", Reading),
    ("/deploy/helm/releases/*/valuesFiles", PlugIn(RELEASED)),
    ("/deploy/helm/releases/*/setValueTemplates", PlugIn(RELEASED)),
    ("/portForward/*/resourceName", Reading),
    ("/portForward/*/namespace", Reading),
];

/// Renders the templates of a configuration that are rendered here. Commands whose output the options do not have
/// are put down as needed; what asks for them stays as it is.
///
/// # Errors
/// `Config` at a template that is none, that asks for a function or variable that there is not, or for a command where
/// the file is not trusted; `Unsupported` at one that needs what is known of an image only later.
pub(super) fn render(document: &mut Document, options: &Options, needed: &mut Needed) -> Result<()> {
    let shown = Document::new(document.file.as_path(), Node::mapping(Vec::new()));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut rendering =
        Rendering { options, shown: &shown, outside: outside(options, &asked), asked, needed };
    for (path, by) in &TEMPLATES {
        each(&mut document.root, &steps(path), &mut |node| rendering.all(node, by))?;
    }
    Ok(())
}

/// Returns the functions that reach out of a template, sprig's and Skaffold's own: for files that are trusted.
fn outside(options: &Options, asked: &Arc<Mutex<Vec<Vec<String>>>>) -> BTreeMap<&'static str, Given> {
    let (outputs, env) = (Arc::new(options.command_outputs.clone()), Arc::new(options.env.clone()));
    let asked = Arc::clone(asked);
    let cmd: Given = Arc::new(move |words| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        if words.is_empty() {
            return Err("it needs a program".to_owned());
        }
        outputs.get(&words).cloned().ok_or_else(|| {
            asked.lock().unwrap_or_else(PoisonError::into_inner).push(words);
            "the command has not run".to_owned()
        })
    });
    let variables = Arc::clone(&env);
    let variable: Given = Arc::new(move |words| match words {
        [name] => Ok(variables.get(*name).cloned().unwrap_or_default()),
        _ => Err("it takes the name of a variable".to_owned()),
    });
    let expanded: Given = Arc::new(move |words| match words {
        [text] => Ok(expanded(text, &env)),
        _ => Err("it takes a text".to_owned()),
    });
    let mut given = BTreeMap::from([("cmd", cmd), ("env", variable), ("expandenv", expanded)]);
    given.extend(
        options.now.map(|now| -> (_, Given) { (NOW, Arc::new(move |_| Ok((now.0 / 1000).to_string()))) }),
    );
    given
}

/// What tells a moment and reaches nowhere: anybody's file may ask for it.
const NOW: &str = "now";

/// Puts variables into a text: `$NAME` and `${NAME}`, of which those that are not there are empty.
fn expanded(text: &str, env: &BTreeMap<String, String>) -> String {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, behind) =
            braced.unwrap_or_else(|| after.split_at(after.find(|c| !in_name(c)).unwrap_or(after.len())));
        if name.is_empty() {
            out.push('$');
        }
        out.push_str(env.get(name).map_or("", String::as_str));
        rest = behind;
    }
    out + rest
}

struct Rendering<'a> {
    options: &'a Options,
    shown: &'a Document,
    outside: BTreeMap<&'static str, Given>,
    /// The commands that the template at hand asked for.
    asked: Arc<Mutex<Vec<Vec<String>>>>,
    needed: &'a mut Needed,
}

impl Rendering<'_> {
    fn all(&mut self, node: &mut Node, by: &By) -> Result<()> {
        match &mut node.value {
            Value::Sequence(items) => items.iter_mut().try_for_each(|item| self.all(item, by)),
            Value::Mapping(entries) => entries.iter_mut().try_for_each(|(_, value)| self.all(value, by)),
            Value::Scalar(scalar) if scalar.text.contains("{{") => {
                let location = self.shown.location(node.span);
                let rendered = self.one(&scalar.text, by, &location).map_err(|error| error.at(location))?;
                if let Some(text) = rendered {
                    *node = placed(Node::scalar(text, Style::DoubleQuoted), node);
                }
                Ok(())
            }
            Value::Scalar(_) => Ok(()),
        }
    }

    /// Returns the rendered text; none where it stays as it is.
    fn one(&mut self, text: &str, by: &By, location: &Location) -> Result<Option<String>> {
        let template = Template::parse_with(text, &self.outside)?;
        let reaches_out = template.functions().find(|name| self.outside.contains_key(name));
        let refused = template.functions().find(|name| *name != NOW && self.outside.contains_key(name));
        if let Some(name) = refused.filter(|_| self.options.trust != Trust::Full) {
            let why = if name == "cmd" { "runs a program" } else { "reads the environment" };
            return Err(denied(format!("`{name}` in a template is refused: it {why}"), location.clone()));
        }
        let later = match by {
            Reading => None,
            ReadingWithout(names) | PlugIn(names) => {
                template.variables().find(|name| names.iter().any(|known| is_of_image(name, known)))
            }
        };
        match (by, later) {
            (PlugIn(_), _) if reaches_out.is_none() => return Ok(None),
            (_, Some(name)) => {
                let message = match by {
                    PlugIn(_) => format!(
                        "`{name}` beside a function that reaches out of the template is not supported yet"
                    ),
                    _ => format!("`{name}` in a template of a builder is not supported yet"),
                };
                return Err(
                    Error::unsupported(message).hint("give the value by a variable of the environment")
                );
            }
            _ => {}
        }
        let env = &self.options.env;
        let named = template.variables().filter_map(|name| Some((name, env.get(name)?.as_str())));
        let mut rendered = template.render(named);
        if template.sees_all() || rendered.is_err() {
            // With all, an error knows the name that was meant.
            rendered = template.render(env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        }
        let asked = take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        if !asked.is_empty() {
            asked.into_iter().for_each(|words| self.needed.push(words, location));
            return Ok(None);
        }
        let known_elsewhere = template
            .variables()
            .any(|name| !env.contains_key(name) && RELEASED.iter().any(|known| is_of_image(name, known)));
        let rendered = rendered.map_err(|error| match (by, known_elsewhere) {
            (Reading, true) => {
                error.note("what is known of images is for builders, taggers and helm; this is read before")
            }
            _ => error,
        })?;
        if rendered.contains("<no value>") {
            return Err(Error::config(format!(
                "there is no value in what comes out of the template `{text}`"
            ))
            .hint("write what it is without one, as by `default`"));
        }
        // What comes out is no template again.
        let literal = matches!(by, PlugIn(_)) && rendered.contains("{{");
        Ok(Some(if literal { rendered.replace("{{", r#"{{"{{"}}"#) } else { rendered }))
    }
}

/// Whether a variable is this one of an image, or one of its kin: `IMAGE_TAG`, `IMAGE_TAG2`, `IMAGE_TAG_web`.
fn is_of_image(name: &str, known: &str) -> bool {
    name.strip_prefix(known).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with('_') || rest.bytes().all(|byte| byte.is_ascii_digit())
    })
}
