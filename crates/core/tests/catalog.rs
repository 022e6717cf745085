//! The catalog: kinds by name, plug-ins inside plug-ins, and what is wrong with a part.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use shipway_core::{
    Artifact, Cancel, Catalog, Context, ErrorKind, Part, PluginConfig, Result, RunContext, Tag, TagRequest,
    Tagger, World,
};

#[derive(Debug)]
struct Prefixed {
    prefix: String,
    inner: Option<Arc<dyn Tagger>>,
}

#[async_trait]
impl Tagger for Prefixed {
    fn needs_fingerprint(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.needs_fingerprint())
    }

    async fn tag(&self, cx: &Context, request: &TagRequest) -> Result<Tag> {
        let rest = match &self.inner {
            Some(inner) => inner.tag(cx, request).await?.to_string(),
            None => String::new(),
        };
        Tag::parse(format!("{}{rest}", self.prefix))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrefixedConfig {
    prefix: String,
    inner: Option<Part>,
}

impl PluginConfig for PrefixedConfig {
    const KIND: &'static str = "prefixed";
    type Plugin = Prefixed;

    fn into_plugin(self, catalog: &Catalog) -> Result<Prefixed> {
        let inner = self.inner.map(|part| catalog.tagger(&part)).transpose()?;
        Ok(Prefixed { prefix: self.prefix, inner })
    }
}

fn part(json: serde_json::Value) -> Part {
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn a_plug_in_is_made_with_those_inside_it() {
    let catalog = Catalog::new().merge(Catalog::new().with_tagger::<PrefixedConfig>());
    let inner = serde_json::json!({"kind": "prefixed", "options": {"prefix": "b"}});
    let part = part(serde_json::json!({"kind": "prefixed", "options": {"prefix": "a", "inner": inner}}));
    let cx = RunContext::new(World::host("/"), "1").context(None, None, Cancel::new());
    let tag =
        catalog.tagger(&part).unwrap().tag(&cx, &TagRequest::new(Artifact::new("web", "web"))).await.unwrap();
    assert_eq!(tag.as_str(), "ab");
    assert_eq!(catalog.kinds()["tagger"], ["prefixed"]);
    assert!(catalog.kinds()["builder"].is_empty());
}

#[test]
fn what_is_wrong_with_a_part_is_said() {
    let catalog = Catalog::new().with_tagger::<PrefixedConfig>();
    let mut nested = serde_json::json!({"kind": "prefixed", "options": {"prefix": "x"}});
    for _ in 0..20 {
        nested = serde_json::json!({"kind": "prefixed", "options": {"prefix": "x", "inner": nested}});
    }
    let mut messages = Vec::new();
    for json in [
        serde_json::json!({"kind": "prefixd"}),
        serde_json::json!({"kind": "gitCommit"}),
        serde_json::json!({"kind": "prefixed"}),
        serde_json::json!({"kind": "prefixed", "options": {"prefix": "x", "sufix": "y"}}),
        nested,
    ] {
        let error = catalog.tagger(&part(json)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        messages.push(error.report().to_string());
    }
    insta::assert_snapshot!(messages.join("\n"), @"
    there is no tagger of kind `prefixd`
      hint: did you mean `prefixed`?
    there is no tagger of kind `gitCommit`
      hint: the catalog has these: prefixed
    the options of tagger `prefixed` are wrong: missing field `prefix`
    the options of tagger `prefixed` are wrong: unknown field `sufix`, expected `prefix` or `inner`
    plug-ins are nested more than 8 deep
      hint: take some of the inner plug-ins out
    ");
}
