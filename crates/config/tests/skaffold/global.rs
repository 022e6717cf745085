//! The global configuration: what it says of a context, and what comes before it.

use insta::assert_snapshot;
use proptest::prelude::*;
use shipway_config::{ContextConfig, GlobalConfig, Options};

const ALL_KEYS: &str = "
global:
  default-repo: global.example
  multi-level-repo: true
  local-cluster: true
  insecure-registries: [good.io, better.io]
  debug-helpers-registry: debug.example
  update-check: false
  update: {last-prompted: '2021-01-01T00:00:00Z'}
  survey:
    disable-prompt: true
    last-taken: 2020-01-01T00:00:00Z
    last-prompted: '2020-01-01T00:00:00Z'
    user-surveys: [{id: helm, taken: true}]
  kind-disable-load: true
  k3d-disable-load: true
  collect-metrics: false
kubeContexts:
- kube-context: shop
  default-repo: shop.example
  multi-level-repo: false
  insecure-registries: [bad.io, good.io]
- kube-context: kind-.*
  local-cluster: false
- kube-context: kind-own
  default-repo: own.example
- {kube-context: '[', default-repo: brackets.example}
- {kube-context: '!^(prod|dev|shop|kind-.*|\\[)$', default-repo: others.example}
";

fn said(context: Option<&str>) -> ContextConfig {
    GlobalConfig::read("config", ALL_KEYS).unwrap().for_context(context)
}

/// As `TestGetConfigForKubeContextWithGlobalDefaults` of Skaffold has it (config/util_test.go), and more.
#[test]
fn a_contexts_section_comes_before_what_is_said_of_all() {
    let all = said(None);
    assert_eq!(all.default_repo.as_deref(), Some("global.example"));
    assert_eq!((all.multi_level_repo, all.local_cluster), (Some(true), Some(true)));
    assert_eq!((all.kind_disable_load, all.k3d_disable_load), (Some(true), Some(true)));
    assert_eq!(all.debug_helpers_registry.as_deref(), Some("debug.example"));
    assert_eq!(said(Some("")), all);
    assert_eq!(said(Some("prod")), all);
    let shop = said(Some("shop"));
    assert_eq!(shop.default_repo.as_deref(), Some("shop.example"));
    // Skaffold merges this to `true`.
    assert_eq!((shop.multi_level_repo, shop.local_cluster), (Some(false), Some(true)));
    assert_eq!(shop.insecure_registries, ["bad.io", "good.io", "good.io", "better.io"]);
    let repository = |context: &str| said(Some(context)).default_repo.unwrap_or_default();
    // The last that matches counts, alone; a pattern needs only a match somewhere.
    assert_eq!(
        (repository("kind-own").as_str(), said(Some("kind-own")).local_cluster),
        ("own.example", Some(true))
    );
    assert_eq!(
        (repository("my-kind-a").as_str(), said(Some("kind-a")).local_cluster),
        ("others.example", Some(false))
    );
    // What is no pattern is a name.
    assert_eq!(
        (repository("[").as_str(), repository("elsewhere").as_str()),
        ("brackets.example", "others.example")
    );
}

#[test]
fn files_that_say_nothing_are_read() {
    for text in [
        "",
        "# nothing\n",
        "{}",
        "---\n",
        "kubeContexts: []",
        "{global: , kubeContexts: }",
        "global: {default-repo: ''}",
    ] {
        assert_eq!(GlobalConfig::read("config", text).unwrap(), GlobalConfig::default(), "{text:?}");
    }
}

#[test]
fn what_is_wrong_has_its_place() {
    let refused = |text: &str| GlobalConfig::read("config", text).unwrap_err().report().to_string();
    assert_snapshot!(refused("global:\n  default-rep: a"), @r"
    config:2:3: there is no field `default-rep` here
      hint: did you mean `default-repo`?
    ");
    assert_snapshot!(refused("global: {local-cluster: maybe}"), @"config:1:25: expected `true` or `false`, found `maybe`");
    assert_snapshot!(refused("kubeContexts: {a: b}"), @"config:1:15: expected a list, found a mapping");
    assert_snapshot!(refused("kubecontexts: []"), @r"
    config:1:1: there is no field `kubecontexts` here
      hint: did you mean `kubeContexts`?
    ");
    assert_snapshot!(refused("global: {insecure-registries: a}"), @"config:1:31: expected a list, found `a`");
    assert_snapshot!(refused("global: {}\n---\nglobal: {}"), @"config:3:1: a global configuration is one document");
    assert_snapshot!(refused("a"), @"config:1:1: expected a mapping, found `a`");
}

#[test]
fn what_the_options_say_comes_before() {
    let global = GlobalConfig::read("config", ALL_KEYS).unwrap();
    let options = Options::default()
        .kube_context("shop")
        .default_repo("flag.example")
        .local_cluster(false)
        .insecure_registries(["flag.io"])
        .kind_disable_load(false)
        .global(&global);
    assert_eq!(options.default_repo.as_deref(), Some("flag.example"));
    assert_eq!((options.local_cluster, options.multi_level_repo), (Some(false), Some(false)));
    assert_eq!((options.kind_disable_load, options.k3d_disable_load), (Some(false), Some(true)));
    assert_eq!(options.insecure_registries, ["flag.io", "bad.io", "good.io", "good.io", "better.io"]);
    assert_eq!(options.debug_helpers_registry.as_deref(), Some("debug.example"));
    // An empty flag puts away what the global configuration says.
    let none = Options::default().default_repo("").global(&global);
    let body = "build: {artifacts: [{image: web}]}";
    let shown =
        |options: &Options| crate::recorded::newest_with(body, &options.clone().command("build")).unwrap();
    assert!(shown(&none).contains("into [Daemon"), "{}", shown(&none));
    assert!(shown(&none).contains("] web\n"), "{}", shown(&none));
    assert!(shown(&Options::default().global(&global)).contains("] global.example/web\n"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}", context in ".{0,20}") {
        if let Ok(global) = GlobalConfig::read("config", &text) {
            let _ = global.for_context(Some(&context));
        }
    }

    #[test]
    fn any_name_or_pattern_of_a_context_is_one(pattern in "[a-z.*+?(){}\\[\\]|^$!-]{0,20}", context in "[a-z-]{0,20}") {
        let text = serde_json::json!({"kubeContexts": [{"kube-context": pattern, "default-repo": "r"}]}).to_string();
        let said = GlobalConfig::read("config", &text).unwrap().for_context(Some(&context));
        if pattern == context && !context.is_empty() {
            prop_assert_eq!(said.default_repo.as_deref(), Some("r"));
        }
    }
}
