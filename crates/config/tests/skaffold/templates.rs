//! Which fields are templates, what they see, and what is said of those that cannot be rendered.

use insta::assert_snapshot;
use proptest::prelude::*;
use shipway_config::Options;

use crate::recorded::{error, newest, newest_with};

/// A body with a template as a build argument.
fn argument(template: &str) -> String {
    format!("build: {{artifacts: [{{image: web, docker: {{buildArgs: {{A: '{template}'}}}}}}]}}")
}

#[test]
fn what_is_not_declared_is_nothing_to_who_asks_and_an_error_to_who_needs_it() {
    let options = Options::default().env("STAGE", "prod").env("EMPTY", "");
    // As `skaffold diagnose --yaml-only --enable-templating` gives them.
    for (template, expected) in [
        (r#"{{default "none" .GONE}}"#, "none"),
        (r#"{{.GONE | default "none"}}"#, "none"),
        ("{{if .GONE}}a{{else}}b{{end}}", "b"),
        ("{{with .GONE}}a{{else}}{{.STAGE}}{{end}}", "prod"),
        (r#"{{coalesce .GONE .EMPTY .STAGE}}"#, "prod"),
        (r#"{{and .GONE .STAGE | empty}}"#, "true"),
        ("{{if .STAGE}}{{.STAGE}}{{else}}{{.GONE}}{{end}}", "prod"),
        ("{{.EMPTY}}", ""),
        (r#"{{index . "STAGE"}}"#, "prod"),
        ("{{range $name, $value := .}}{{$name}}={{$value}};{{end}}", "EMPTY=;STAGE=prod;"),
    ] {
        let shown = newest_with(&argument(template), &options).unwrap();
        let expected = format!(r#"by docker {{"buildArgs":{{"A":"{expected}"}}}}"#);
        assert!(shown.contains(&expected), "{template}: {shown}");
    }
    let refused = |template: &str| error(newest_with(&argument(template), &options));
    assert_snapshot!(refused("{{.STAG}}"), @r"
    skaffold.yaml:3:58: `STAG` is not defined at line 1, column 3 of the template `{{.STAG}}`
      hint: did you mean `STAGE`?
    ");
    // The one that is needed is named, and not the one that has a default.
    assert_snapshot!(refused(r#"{{default "a" .FIRST}}{{if .SECOND}}b{{end}}-{{.THIRD | upper}}{{.FOURTH}}"#), @r#"
    skaffold.yaml:3:58: `THIRD` is not defined at line 1, column 48 of the template `{{default "a" .FIRST}}{{if .SECOND}}b{{end}}-{{.THIRD | upper}}{{.FOURTH}}`
      hint: define the variable, or take it out
    "#);
    assert_snapshot!(refused("{{coalesce .GONE}}x"), @r"
    skaffold.yaml:3:58: there is no value in what comes out of the template `{{coalesce .GONE}}x`
      hint: write what it is without one, as by `default`
    ");
    assert_snapshot!(refused("{{.STAGE"), @"skaffold.yaml:3:58: unclosed action at line 1, column 9 of the template `{{.STAGE`");
    assert_snapshot!(refused("{{uper .STAGE}}"), @r"
    skaffold.yaml:3:58: there is no function `uper` at line 1, column 3 of the template `{{uper .STAGE}}`
      hint: did you mean `upper`?
    ");
}

#[test]
fn no_value_of_a_variable_is_told() {
    let options = Options::default().env("TOKEN", "s3cr3t").env("LIST", "s3cr3t,s3cr3t");
    for template in [
        "{{trunc .TOKEN 1}}",
        "{{substr -1 100 .TOKEN}}",
        "{{regexFind (printf \"(%s\" .TOKEN) \"a\"}}",
        "{{b64dec .TOKEN}}",
        "{{index .TOKEN \"a\"}}",
        "{{.TOKEN.a}}",
        "{{call .TOKEN}}",
        "{{first .LIST}}",
        "{{lt .TOKEN 1}}",
        "{{.TOKEN}}{{.TOKE}}",
        "{{template .TOKEN}}",
        "{{atoi .TOKEN | div 1}}",
        "{{len .TOKEN | index (splitList \",\" .LIST)}}",
        "{{repeat -1 .TOKEN}}",
        "{{slice .TOKEN 9}}",
        "{{dig \"a\" .TOKEN}}",
        "{{(dict \"a\" .TOKEN).a.b}}",
    ] {
        let result = newest_with(&argument(template), &options);
        let shown = format!("{:?}", result.expect_err(template));
        assert!(!shown.contains("s3cr3t"), "{template}: {shown}");
    }
}

/// Every field that is rendered while the file is read, of those that are read at all.
#[test]
fn fields_are_rendered_that_skaffold_renders() {
    let options = Options::default().env("X", "there");
    for body in [
        "build: {artifacts: [{image: web, docker: {buildArgs: {A: '{{.X}}'}}}]}",
        "build: {artifacts: [{image: web, docker: {cliFlags: ['{{.X}}']}}]}",
        "build: {artifacts: [{image: web, custom: {buildCommand: '{{.X}}'}}]}",
        "build: {artifacts: [{image: web, custom: {buildCommand: a, dependencies: {dockerfile: {path: a, buildArgs: {A: '{{.X}}'}}}}}]}",
        "build: {artifacts: [{image: web}]}\ntest: [{image: web, custom: [{command: '{{.X}}'}]}]",
        "manifests: {rawYaml: ['{{.X}}']}",
        "manifests: {kustomize: {paths: ['{{.X}}']}}",
        "deploy: {kubectl: {defaultNamespace: '{{.X}}'}}",
    ] {
        let shown = newest_with(body, &options).unwrap();
        assert!(shown.contains("there") && !shown.contains("{{"), "{body}: {shown}");
        let refused = error(newest(body));
        assert!(refused.contains("`X` is not defined at line 1, column 3"), "{body}: {refused}");
    }
    // No templates: a plug-in gets them as they are.
    for body in [
        "build: {artifacts: [{image: web, docker: {target: '{{.X}}'}}]}",
        "build: {artifacts: [{image: web, docker: {network: 'container:{{.X}}'}}]}",
        "build: {artifacts: [{image: web, context: '{{.X}}'}]}",
        "build: {artifacts: [{image: web}], tagPolicy: {envTemplate: {template: '{{.X}}-{{.IMAGE_NAME}}'}}}",
        "build: {artifacts: [{image: web}], tagPolicy: {customTemplate: {template: '{{.A}}', components: [{name: A, envTemplate: {template: '{{.X}}'}}]}}}",
        "deploy: {kubectl: {flags: {global: ['{{.X}}']}}}",
        "metadata: {name: '{{.X}}'}",
    ] {
        let shown = newest_with(body, &options).unwrap();
        assert!(shown.contains("{{.X}}"), "{body}: {shown}");
    }
}

#[test]
fn what_is_known_of_an_image_only_later_is_not_rendered_early() {
    let env =
        |body: &str| newest_with(body, &Options::default().env("IMAGE_TAG", "outer").env("IMAGE_TAG2", "b"));
    // Skaffold's own value would come before the environment's.
    assert_snapshot!(error(env(&argument("{{.IMAGE_TAG}}"))), @r"
    skaffold.yaml:3:58: `IMAGE_TAG` in a template of a builder is not supported yet
      hint: give the value by a variable of the environment
    ");
    // It has none there.
    let command = "build: {artifacts: [{image: web, custom: {buildCommand: 'make {{.IMAGE_TAG}}'}}]}";
    assert!(env(command).unwrap().contains("make outer"));
    assert_snapshot!(error(newest(command)), @r"
    skaffold.yaml:3:57: `IMAGE_TAG` is not defined at line 1, column 8 of the template `make {{.IMAGE_TAG}}`
      note: what is known of images is for builders, taggers and helm; this is read before
      hint: define the variable, or take it out
    ");
}

#[test]
fn functions_that_reach_out_are_for_files_that_are_trusted() {
    let options = Options::default()
        .env("HOME", "/home/me")
        .command_output(["git", "describe"], "v1.2")
        .command_output(["echo"], "{{.HOME}}");
    for (template, expected) in [
        (r#"{{env "HOME"}}|{{env "GONE"}}"#, "/home/me|"),
        (r#"{{expandenv "$HOME/${HOME}x$GONE-$"}}"#, "/home/me//home/mex-$"),
        (r#"{{cmd "git" "describe" | trimPrefix "v"}}"#, "1.2"),
        // What comes out is no template again; in Skaffold it may be.
        (r#"{{cmd "echo"}}"#, "{{.HOME}}"),
    ] {
        let shown = newest_with(&argument(template), &options).unwrap();
        assert!(shown.contains(&format!(r#""A":"{expected}""#)), "{template}: {shown}");
    }
    assert_snapshot!(error(newest_with(&argument(r#"{{cmd "git" "log"}}"#), &options)), @r"
    skaffold.yaml:3:58: a template asks for a command, and reading a text runs none
      hint: give its output by `Options::command_output`, or run it with `Skaffold::run_commands`
    ");
    let tagged = |template: &str| {
        newest_with(
            &format!(
                "build: {{artifacts: [{{image: web}}], tagPolicy: {{envTemplate: {{template: '{template}'}}}}}}"
            ),
            &options,
        )
    };
    // A tagger runs nothing, so that such a template is rendered before.
    assert!(tagged(r#"{{cmd "git" "describe"}}"#).unwrap().contains(r#"by envTemplate {"template":"v1.2"}"#));
    assert!(tagged(r#"{{cmd "echo"}}"#).unwrap().contains(r#"{"template":"{{\"{{\"}}.HOME}}"}"#));
    assert_snapshot!(error(tagged(r#"{{cmd "git" "describe"}}-{{.IMAGE_NAME}}"#)), @r"
    skaffold.yaml:3:72: `IMAGE_NAME` beside a function that reaches out of the template is not supported yet
      hint: give the value by a variable of the environment
    ");
}

proptest! {
    #[test]
    fn any_template_is_rendered_or_refused_at_its_place(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "{{", "}}", ".A", ".B", " | ", "default \"x\"", "if .A", "else", "end", "range .", "upper", "cmd \"a\"",
                "(", ")", "\"", "{{-", "-}}", "nil", "index . \"A\"", "text", "é", "$", "with", "template \"t\"",
            ]),
            0..12,
        )
    ) {
        let template = pieces.concat().replace('\'', "");
        let body = argument(&template);
        let options = Options::default().env("A", "a").command_output(["a"], "out");
        if let Err(error) = newest_with(&body, &options) {
            prop_assert!(error.report().location.is_some(), "{error}");
        }
    }
}

#[test]
fn a_moment_is_given_or_there_is_none() {
    let body =
        "build: {artifacts: [{image: web, docker: {buildArgs: {DAY: '{{now | date \"2006-01-02\"}}'}}}]}";
    let at = shipway_core::Timestamp(1_700_000_000_000);
    let text = format!("apiVersion: skaffold/v4beta14\nkind: Config\n{body}\n");
    // It runs nothing, so that no trust is needed.
    let shown = crate::recorded::read_as_said(&text, &Options::default().now(at)).unwrap();
    assert!(shown.contains(r#""DAY":"2023-11-14""#), "{shown}");
    let error = crate::recorded::error(crate::recorded::read_as_said(&text, &Options::default()));
    assert!(error.starts_with("skaffold.yaml:3:60:") && error.contains("no clock"), "{error}");
}
