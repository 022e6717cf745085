//! The fields that are Go templates over the environment: they are rendered before the tree is typed.

use shipway_core::{Error, Result};
use shipway_template::Template;
use shipway_yaml::{Document, Node, Style, Value};

use super::Options;
use crate::path::{each, placed, steps};

/// The fields, apart from those that go to a plug-in as they are (`ExpandEnvTemplate` in Skaffold's source).
const TEMPLATES: [&str; 8] = [
    "/build/artifacts/*/docker/buildArgs",
    "/build/artifacts/*/docker/cliFlags",
    "/build/artifacts/*/custom/buildCommand",
    "/build/artifacts/*/custom/dependencies/dockerfile/buildArgs",
    "/test/*/custom/*/command",
    "/manifests/rawYaml",
    "/manifests/kustomize/paths",
    "/deploy/kubectl/defaultNamespace",
];

/// What Skaffold knows of an image while it builds it (`docker/build_args.go`).
const OF_THE_IMAGE: [&str; 3] = ["IMAGE_REPO", "IMAGE_NAME", "IMAGE_TAG"];

/// Renders all templates of a configuration.
///
/// # Errors
/// `Config` at a template that is none or that asks for a function that there is not; `Unsupported` at one
/// that needs the image.
pub(super) fn render(document: &mut Document, options: &Options) -> Result<()> {
    let shown = Document::new(document.file.as_path(), Node::mapping(Vec::new()));
    for path in TEMPLATES {
        each(&mut document.root, &steps(path), &mut |node| render_all(node, options, &shown))?;
    }
    Ok(())
}

fn render_all(node: &mut Node, options: &Options, shown: &Document) -> Result<()> {
    match &mut node.value {
        Value::Sequence(items) => items.iter_mut().try_for_each(|item| render_all(item, options, shown)),
        Value::Mapping(entries) => {
            entries.iter_mut().try_for_each(|(_, value)| render_all(value, options, shown))
        }
        Value::Scalar(scalar) if scalar.text.contains("{{") => {
            let text =
                render_one(&scalar.text, options).map_err(|error| error.at(shown.location(node.span)))?;
            *node = placed(Node::scalar(text, Style::DoubleQuoted), node);
            Ok(())
        }
        Value::Scalar(_) => Ok(()),
    }
}

fn render_one(text: &str, options: &Options) -> Result<String> {
    let template = Template::parse(text)?;
    if let Some(name) = template.variables().find(|name| OF_THE_IMAGE.contains(name)) {
        return Err(Error::unsupported(format!("`{name}` in a template is not supported yet"))
            .hint("give the value by a variable of the environment"));
    }
    // To Go what a map of texts does not have is an empty text.
    let value = |name| (name, options.env.get(name).map_or("", String::as_str));
    template.render(template.variables().map(value))
}
