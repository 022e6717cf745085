//! Templates that nobody means well with: they end soon, and small.

use shipway_core::ErrorKind;
use shipway_template::Template;

fn refused(template: &str) -> String {
    let answer = Template::parse(template).and_then(|template| template.render([("A", "a")]));
    let shown: String = template.chars().take(60).collect();
    let error = answer.expect_err(&shown);
    assert_eq!(error.kind(), ErrorKind::Config, "{shown}: {error}");
    error.to_string()
}

#[test]
fn what_would_never_end_or_fill_the_memory_is_refused() {
    for template in [
        "{{range 1000000000}}{{end}}",
        "{{range 1000000000}}xxxxxxxxxxxxxxxxxxxx{{end}}",
        "{{range until 1000000000}}{{end}}",
        "{{untilStep 0 9223372036854775807 1}}",
        "{{untilStep 5 0 -9223372036854775807 | len | until | len | repeat 1000000000}}",
        "{{repeat 1000000000 \"x\"}}",
        "{{repeat 9223372036854775807 \"xx\"}}",
        "{{indent 1000000000 \"x\"}}",
        "{{nindent -1 \"x\"}}",
        "{{seq 1 1000000000}}",
        "{{replace \"\" (repeat 1000000 \"x\") (repeat 1000000 \"y\")}}",
        "{{regexReplaceAll \"x\" (repeat 100000 \"x\") (repeat 100000 \"$0\")}}",
        "{{regexMatch \"(((a{1000}){1000}){1000})\" \"a\" | ternary (repeat 1000000000 \"x\") (fail \"no\")}}",
        "{{mustRegexMatch \"(((a{1000}){1000}){1000})\" \"a\"}}",
        "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}",
        "{{define \"t\"}}{{range 100}}{{template \"t\"}}{{end}}{{end}}{{template \"t\"}}",
        "{{trunc 1 \"é\"}}",
        "{{substr 9223372036854775807 1 \"a\"}}",
        "{{slice (list 1) 2 1}}",
        "{{chunk 0 (list 1)}}",
        "{{div -9223372036854775808 0}}",
        "{{fail \"said so\"}}",
        "{{wrapWith 1 (repeat 1000000 \"x\") (repeat 1000 \"y\")}}",
        "{{round 1 9223372036854775807}}",
        "{{b32dec \"A\"}}",
        "{{wrapWith 1 \"-\" \"é\"}}",
        "{{$x := list}}{{range 100000}}{{$x = list $x}}{{end}}{{toJson $x}}",
        "{{$x := dict}}{{range 100000}}{{$x = dict \"a\" $x}}{{end}}",
        "{{$s := \"x\"}}{{range 60}}{{$s = print $s $s}}{{end}}{{len $s}}",
        "{{$s := \"xy\"}}{{range 60}}{{$s = printf \"%s%s\" $s $s}}{{end}}{{len $s}}",
        "{{$s := `\\`}}{{range 60}}{{$s = js $s}}{{end}}{{len $s}}",
        "{{$x := until 100000}}{{range 100000}}{{$x = reverse $x}}{{end}}",
        "{{$x := repeat 1000000 \"x\"}}{{range 100000}}{{if hasSuffix \"y\" $x}}{{end}}{{end}}",
        "{{printf (repeat 1000 \"%99999d\") 1}}",
        "{{range until 100000}}{{range until 100000}}{{if (semver \"1.2.3\").Major}}{{end}}{{end}}{{end}}",
        "{{semver (repeat 100000 \"1\")}}",
        "{{semverCompare (repeat 200 \"1 - 1 \") \"1\"}}",
        "{{$x := semver \"1\"}}{{$x}}",
        "{{semver \"1\" | toJson}}",
        "{{semver \"1\" | print}}",
        "{{mustFromJson (repeat 500 \"[\")}}",
        "{{mustFromJson (printf \"[1%s]\" (repeat 100001 \",1\"))}}",
        "{{urlJoin (dict \"host\" (repeat 400000 \"é\"))}}",
        "{{urlParse \"http://[::1%25en0]/\"}}",
        "{{addf 1e300 1}}",
        "{{mulf 0.1234567890123 0.1234567890123 0.1234567890123 0.1234567890123}}",
        "{{divf 1e-300 1e300}}",
        "{{divf 1 0}}",
        "{{maxf}}",
        "{{$x := kebabcase (repeat 500000 \"é\")}}{{range 100000}}{{$x = kebabcase $x}}{{end}}",
    ] {
        refused(template);
    }
    let deep = |count: usize| format!("{{{{{}1{}}}}}", "(".repeat(count), ")".repeat(count));
    for template in [
        deep(100_000),
        "{{if 1}}".repeat(100_000),
        format!("{}{}", "{{if 1}}".repeat(20_000), "{{end}}".repeat(20_000)),
        "x".repeat(2 * 1024 * 1024),
        "{{.A".to_owned(),
        format!("{{{{{}}}}}", "1|".repeat(100_000)),
    ] {
        refused(&template);
    }
}

#[test]
fn what_is_wrong_is_said_without_what_is_there() {
    for template in [
        "{{semver \"s3cret\"}}",
        "{{semverCompare \"s3cret\" \"1\"}}",
        "{{semverCompare \"1\" \"s3cret\"}}",
        "{{mustFromJson \"s3cret\"}}",
        "{{urlParse \"http://s3cret:s3cret/\"}}",
        "{{urlJoin (dict \"host\" (list \"s3cret\"))}}",
    ] {
        // Where the template is shown, its text is.
        assert_eq!(refused(template).matches("s3cret").count(), template.matches("s3cret").count());
    }
}

#[test]
fn numbers_wrap_and_end_as_they_do_in_go() {
    let render = |template| Template::parse(template).expect("a template").render([]).expect("it renders");
    assert_eq!(render("{{add 9223372036854775807 1}}"), "-9223372036854775808");
    assert_eq!(render("{{div (sub -9223372036854775807 1) -1}}"), "-9223372036854775808");
    assert_eq!(render("{{printf \"%10s|%-3d|%03d\" \"a\" 1 2}}"), "         a|1  |002");
}

#[test]
fn nothing_outside_of_the_values_is_seen() {
    for (template, hint) in [
        ("{{env \"PATH\"}}", "`{{.NAME}}`"),
        ("{{expandenv \"$PATH\"}}", "`{{.NAME}}`"),
        ("{{cmd \"id\"}}", "runs no programs"),
        ("{{now}}", "`dateTime`"),
        ("{{uuidv4}}", "random"),
        ("{{uper .A}}", "did you mean `upper`?"),
    ] {
        let error = Template::parse(template).expect_err(template);
        let report = error.report();
        assert!(report.hint.as_deref().unwrap_or_default().contains(hint), "{template}: {report:?}");
        assert!(error.to_string().contains("line 1, column 3"), "{template}: {error}");
    }
}

#[test]
fn what_is_not_defined_is_said_with_its_place() {
    assert_eq!(
        refused("{{.A}}\n  {{ if eq .A \"a\" }}{{ .AA | upper }}{{ end }}"),
        "`AA` is not defined at line 2, column 24 of the template `{{.A}}\n  {{ if eq .A \"a\" }}{{ .AA | upper }}{{ end }}`"
    );
    assert!(refused("{{$.B}}").contains("`B` is not defined at line 1, column 3"));
    assert!(refused("x{{end}}y").contains("too many"));
    assert!(refused("{{if .A}}a{{end}}{{else}}").contains("too many"));
    assert!(refused("{{ .A").contains("line 1"));
    let template = Template::parse("{{.A}}{{with .B}}{{$.C}}{{.D}}{{end}}").expect("a template");
    assert_eq!(template.variables().collect::<Vec<_>>(), ["A", "B", "C", "D"]);
}
