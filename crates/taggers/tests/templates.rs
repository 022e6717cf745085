//! `dateTime`, `envTemplate` and `customTemplate`, as a file names them.

#![expect(clippy::unwrap_used, reason = "the tests may panic")]

use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};
use shipway_core::{
    Artifact, Cancel, Clock, Context, Error, ErrorKind, Fingerprint, Part, RunContext, TagRequest, Tagger,
    Timestamp, World,
};
use shipway_taggers::catalog;

/// A clock that stands.
#[derive(Debug)]
struct At(u64);

#[async_trait]
impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp(self.0)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration) {}
}

fn context() -> Context {
    let env = [("FOO", "bar"), ("BRANCH", "feature/x"), ("TZ", "Europe/Berlin"), ("EMPTY", "")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let world = World::host("/").env(env).clock(At(1_700_000_000_120));
    RunContext::new(world, "run").context(None, None, Cancel::new())
}

fn make(part: &str) -> Result<std::sync::Arc<dyn Tagger>, Error> {
    let part: serde_json::Map<String, serde_json::Value> = serde_json::from_str(part).unwrap();
    let (kind, options) = part.into_iter().next().unwrap();
    catalog().tagger(&Part::new(kind).options(options.as_object().cloned().unwrap()))
}

async fn tag(part: &str) -> Result<String, Error> {
    let fingerprint = Fingerprint::parse("0123456789abcdef".repeat(4)).unwrap();
    let request = TagRequest::new(Artifact::new("team/web", "/")).fingerprint(fingerprint);
    make(part)?.tag(&context(), &request).await.map(|tag| tag.to_string())
}

#[tokio::test]
async fn tags_are_what_skaffold_gives() {
    for (part, expected) in [
        (r#"{"dateTime": {}}"#, "2023-11-14_23-13-20.12_CET"),
        (r#"{"dateTime": {"timezone": "UTC"}}"#, "2023-11-14_22-13-20.12_UTC"),
        (r#"{"dateTime": {"format": "20060102-150405", "timezone": "Asia/Tokyo"}}"#, "20231115-071320"),
        (
            r#"{"dateTime": {"format": "2006-01-02_15-04-05.999_MST", "timezone": "Local"}}"#,
            "2023-11-14_23-13-20.12_CET",
        ),
        (r#"{"envTemplate": {"template": "{{.FOO}}"}}"#, "bar"),
        (
            r#"{"envTemplate": {"template": "{{.BRANCH | replace \"/\" \"-\"}}-{{default \"0\" .EMPTY}}"}}"#,
            "feature-x-0",
        ),
        (r#"{"envTemplate": {"template": "{{.IMAGE_NAME | base}}"}}"#, "web"),
        (r#"{"sha256": {}}"#, "latest"),
        (r#"{"customTemplate": {"template": "v1"}}"#, "v1"),
        (r#"{"customTemplate": {"template": "{{.DATE}}-{{.SHA}}"}}"#, "2023-11-14_23-13-20.12_CET-latest"),
        (r#"{"customTemplate": {"template": "{{.INPUT_DIGEST | trunc 8}}"}}"#, "01234567"),
        (
            r#"{"customTemplate": {"template": "{{.FOO}}_{{.DATE}}", "components": [
                {"name": "FOO", "envTemplate": {"template": "{{.FOO}}"}},
                {"name": "DATE", "dateTime": {"format": "2006", "timezone": "UTC"}},
                {"name": "UNUSED", "gitCommit": {"variant": "TreeSha"}}]}}"#,
            "bar_2023",
        ),
        (
            r#"{"customTemplate": {"template": "{{.S}}", "components": [{"name": "S", "sha256": null}]}}"#,
            "latest",
        ),
        (
            r#"{"customTemplate": {"template": "{{.S}}", "components": [{"name": "S", "fixed": {"tag": "x"}}]}}"#,
            "x",
        ),
    ] {
        assert_eq!(tag(part).await.unwrap(), expected, "{part}");
    }
}

#[tokio::test]
async fn what_comes_to_no_tag_is_an_error_that_says_why() {
    let long = r#"{"envTemplate": {"template": "{{repeat 129 \"x\"}}"}}"#;
    for (part, word) in [
        (r#"{"dateTime": {"timezone": "Nowhere"}}"#, "`Nowhere`"),
        (r#"{"dateTime": {"format": "15:04"}}"#, "`23:13` is not a tag"),
        (
            r#"{"dateTime": {"format": "2006 MST", "timezone": "America/Sao_Paulo"}}"#,
            "`2023 -03` is not a tag",
        ),
        (r#"{"dateTime": {"zone": "UTC"}}"#, "unknown field `zone`"),
        (r#"{"envTemplate": {"template": "{{.BAR}}"}}"#, "`BAR` is not defined at line 1, column 3"),
        (r#"{"envTemplate": {"template": "{{.FOO"}}"#, "line 1"),
        (r#"{"envTemplate": {"template": "{{.EMPTY}}"}}"#, "`` is not a tag"),
        (r#"{"envTemplate": {"template": "{{.BRANCH}}"}}"#, "`feature/x` is not a tag"),
        (r#"{"envTemplate": {"template": "-rf"}}"#, "`-rf` is not a tag"),
        (r#"{"envTemplate": {"template": "{{.FOO}}\n"}}"#, "is not a tag"),
        (r#"{"envTemplate": {"template": "{{.FOO}}{{env \"HOME\"}}"}}"#, "no function `env`"),
        (r#"{"envTemplate": {}}"#, "missing field `template`"),
        (long, "has 129 characters"),
        (r#"{"customTemplate": {"template": "{{.FOO}}"}}"#, "`FOO` is not defined"),
        (r#"{"customTemplate": {"template": "{{.GIT}}"}}"#, "cannot open the git repository"),
        (
            r#"{"customTemplate": {"template": "x", "components": [{"name": "A", "customTemplate": {"template": "x"}}]}}"#,
            "is a `customTemplate` itself",
        ),
        (r#"{"customTemplate": {"template": "x", "components": [{"name": "A"}]}}"#, "has 0 taggers"),
        (
            r#"{"customTemplate": {"template": "x", "components": [{"name": "A", "sha256": {}, "fixed": {"tag": "x"}}]}}"#,
            "has 2 taggers",
        ),
        (
            r#"{"customTemplate": {"template": "x", "components": [{"name": "A", "sha256": 5}]}}"#,
            "something else than options",
        ),
        (
            r#"{"customTemplate": {"template": "x", "components": [{"name": "A", "gitCommmit": {}}]}}"#,
            "no tagger of kind `gitCommmit`",
        ),
        (
            r#"{"customTemplate": {"template": "x", "components": [{"name": "A", "sha256": {}}, {"name": "A", "sha256": {}}]}}"#,
            "two components `A`",
        ),
        (
            r#"{"customTemplate": {"template": "x", "components": [{"name": "A", "dateTime": {"zone": 1}}]}}"#,
            "unknown field `zone`",
        ),
    ] {
        let error = tag(part).await.expect_err(part);
        assert_eq!(error.kind(), ErrorKind::Config, "{part}: {error}");
        assert!(error.to_string().contains(word), "{part}: {error}");
    }
}

#[test]
fn a_template_needs_the_fingerprint_when_it_asks_for_it() {
    let needs = |part: &str| make(part).unwrap().needs_fingerprint();
    assert!(needs(r#"{"customTemplate": {"template": "{{.INPUT_DIGEST}}"}}"#));
    assert!(needs(
        r#"{"customTemplate": {"template": "{{.D}}", "components": [{"name": "D", "inputDigest": {}}]}}"#
    ));
    assert!(!needs(
        r#"{"customTemplate": {"template": "x", "components": [{"name": "D", "inputDigest": {}}]}}"#
    ));
    assert!(!needs(
        r#"{"customTemplate": {"template": "{{.INPUT_DIGEST}}", "components": [{"name": "INPUT_DIGEST", "sha256": {}}]}}"#
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn whatever_the_environment_says_what_comes_out_is_a_tag_or_an_error(
        value in r#"(\$\(id\)|`id`|-|\.|;|\{\{\.B\}\}|[a-z0-9_.-]{1,40}|[^\x00]){0,6}"#,
        name in r#"([a-z0-9/_.-]|[^\x00]){0,200}"#,
        around in prop::sample::select(vec!["{{.A}}", "v{{.A}}", "{{.A}}-{{.IMAGE_NAME}}", "{{.A | upper | trunc 128}}"]),
    ) {
        let env = [("A".to_owned(), value.clone())];
        let cx = RunContext::new(World::host("/").env(env), "run").context(None, None, Cancel::new());
        let tagger = shipway_taggers::EnvTemplate::parse(around).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let request = TagRequest::new(Artifact::new(name.as_str(), "/"));
        match runtime.block_on(tagger.tag(&cx, &request)) {
            // The grammar of distribution-spec, "Pulling manifests", after the template was rendered.
            Ok(tag) => {
                let mut characters = tag.as_str().chars();
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                prop_assert!(characters.next().is_some_and(word), "{tag}");
                prop_assert!(characters.all(|c| word(c) || c == '.' || c == '-'), "{tag}");
                prop_assert!(tag.as_str().len() <= 128);
            }
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Config, "{}", error),
        }
    }
}
