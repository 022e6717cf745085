//! The global configuration: what it says of a context, and what comes before it.

use insta::assert_snapshot;
use proptest::prelude::*;
use shipway_config::{ContextConfig, GlobalConfig, GlobalKey, GlobalScope, Options};
use shipway_core::Result;

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
    let global = GlobalConfig::read("config", ALL_KEYS).unwrap();
    assert_eq!((global.name_for("kind-a"), global.name_for("prod")), (Some("kind-.*"), None));
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

fn key(name: &str) -> GlobalKey {
    name.parse().unwrap()
}

/// Sets a key, or unsets it, as `KEY VALUE` of all contexts or `CONTEXT KEY VALUE`.
fn set(text: &str, change: &str) -> Result<String> {
    let words: Vec<&str> = change.split(' ').collect();
    match words.as_slice() {
        [name, value] => GlobalConfig::set("config", text, GlobalScope::All, key(name), value),
        [context, name, value] => {
            GlobalConfig::set("config", text, GlobalScope::Context(context), key(name), value)
        }
        _ => panic!("{change}"),
    }
}

#[test]
fn a_key_is_set_where_it_stands_and_all_else_stays() {
    const MINE: &str = "\
# mine
global: # of all
  # where images go
  default-repo: 'old.example' # for now
  survey: {disable-prompt: true}

kubeContexts:
- kube-context: kind-.* # on this machine
  insecure-registries: [a.io] # one
";
    for (change, expected) in [
        ("default-repo new.example", MINE.replace("old.example", "new.example")),
        ("default-repo old.example", MINE.to_owned()),
        ("update-check f", MINE.replace("true}\n", "true}\n  update-check: false\n")),
        ("default-repo ", MINE.replace("  # where images go\n  default-repo: 'old.example' # for now\n", "")),
        ("insecure-registries b.io", MINE.replace("true}\n", "true}\n  insecure-registries:\n  - b.io\n")),
        // The section that counts for the context.
        ("kind-shop insecure-registries b.io", MINE.replace("[a.io]", "[a.io, b.io]")),
        ("kind-shop insecure-registries a.io", MINE.to_owned()),
        ("kind-shop local-cluster TRUE", format!("{MINE}  local-cluster: true\n")),
        ("kind-shop default-repo ", MINE.to_owned()),
        ("prod default-repo p.example", format!("{MINE}- kube-context: prod\n  default-repo: p.example\n")),
        ("prod default-repo ", MINE.to_owned()),
    ] {
        assert_eq!(set(MINE, change).unwrap(), expected, "{change}");
    }
}

#[test]
fn a_key_is_set_in_texts_of_all_kinds() {
    for (text, change, expected) in [
        ("", "default-repo a.io", "global:\n  default-repo: a.io\n"),
        ("# mine", "default-repo a.io", "# mine\nglobal:\n  default-repo: a.io\n"),
        ("---\n", "default-repo a.io", "---\nglobal:\n  default-repo: a.io\n"),
        ("{}", "default-repo a.io", "{global: {default-repo: a.io}}\n"),
        ("global:\n", "local-cluster 1", "global:\n  local-cluster: true\n"),
        ("global: {}\n", "local-cluster 0", "global: {local-cluster: false}\n"),
        (
            "kubeContexts: []\n",
            "true local-cluster 0",
            "kubeContexts: [{kube-context: \"true\", local-cluster: false}]\n",
        ),
        (
            "kubeContexts:\n",
            "a local-cluster 0",
            "kubeContexts:\n  - kube-context: a\n    local-cluster: false\n",
        ),
        (
            "global:\n  insecure-registries:\n",
            "insecure-registries a.io",
            "global:\n  insecure-registries:\n    - a.io\n",
        ),
        ("global:\n  local-cluster: yes\n", "local-cluster true", "global:\n  local-cluster: true\n"),
        ("global: {default-repo: a.io}\n", "default-repo ", "global: {}\n"),
        ("", "default-repo ", ""),
        (
            "kubeContexts:\n- &a {kube-context: a, default-repo: a.io}\n- {<<: *a, kube-context: b}\n",
            "b default-repo b.io",
            "kubeContexts:\n- &a {kube-context: a, default-repo: a.io}\n- {<<: *a, kube-context: b, default-repo: b.io}\n",
        ),
    ] {
        assert_eq!(set(text, change).unwrap(), expected, "{text:?} {change}");
    }
}

#[test]
fn what_cannot_be_set_is_refused() {
    let refused = |text: &str, change: &str| set(text, change).unwrap_err().report().to_string();
    assert_snapshot!(refused("", "local-cluster maybe"), @r"
    `maybe` is no value of `local-cluster`
      hint: it is `true` or `false`
    ");
    assert_snapshot!(refused("", "default-repo https://a.io"), @r"
    `https://a.io` is no repository that images can go below
      hint: write it as `registry.example/team`
    ");
    assert_snapshot!(refused("globl: {}", "default-repo a.io"), @r"
    config:1:1: there is no field `globl` here
      hint: did you mean `global`?
    ");
    assert_snapshot!(refused("a", "default-repo "), @"config:1:1: expected a mapping, found `a`");
    let merged = "kubeContexts:\n- &a {kube-context: a, default-repo: a.io}\n- {<<: *a, kube-context: b}\n";
    assert_snapshot!(refused(merged, "b default-repo "), @r"
    `config` cannot be edited here
      hint: what is said comes by a merge key (`<<`) or an alias: edit the file yourself
    ");
    assert_snapshot!("defaultrepo".parse::<GlobalKey>().unwrap_err().report(), @r"
    there is no key `defaultrepo`
      hint: did you mean `default-repo`?
    ");
    assert_snapshot!("survey".parse::<GlobalKey>().unwrap_err().report(), @r"
    there is no key `survey`
      hint: there are `default-repo`, `multi-level-repo`, `local-cluster`, `insecure-registries`, `kind-disable-load`, `k3d-disable-load`, `debug-helpers-registry`, `update-check`, `collect-metrics`
    ");
}

#[test]
fn what_is_said_is_told() {
    let get = |scope, name: &str| GlobalConfig::get("config", ALL_KEYS, scope, key(name)).unwrap().join(" ");
    let shop = GlobalScope::Context("shop");
    assert_eq!(get(GlobalScope::All, "default-repo"), "global.example");
    assert_eq!(get(shop, "default-repo"), "shop.example");
    assert_eq!(get(shop, "insecure-registries"), "bad.io good.io good.io better.io");
    assert_eq!((get(shop, "multi-level-repo"), get(shop, "local-cluster")), ("false".into(), "true".into()));
    assert_eq!(get(shop, "update-check"), "false");
    assert_eq!(GlobalConfig::get("config", "", shop, key("default-repo")).unwrap(), [""; 0]);
    let section = |scope| GlobalConfig::section("config", ALL_KEYS, scope).unwrap();
    assert_snapshot!(section(GlobalScope::Context("kind-own")).unwrap(), @r"
    kube-context: kind-own
    default-repo: own.example
    ");
    assert_eq!(section(GlobalScope::Context("prod")), None);
    // Every key is one of the file.
    for key in GlobalKey::all() {
        let value = if key.name().contains("reg") || key.name() == "default-repo" { "a.io" } else { "true" };
        let text = GlobalConfig::set("config", "", GlobalScope::All, key, value).unwrap();
        assert_eq!(GlobalConfig::get("config", &text, GlobalScope::All, key).unwrap(), [value], "{key}");
    }
}

proptest! {
    /// Whatever is set is what the text then says, of this context and no other key of it; and it can be taken back.
    #[test]
    fn what_is_set_counts(context in "[a-z.*\\[!-]{0,3}", name in 0..9_usize, value in "[ -~]{0,6}", before in 0..4_usize) {
        let key = GlobalKey::all().nth(name).unwrap();
        let text = [ALL_KEYS, "", "# mine\nglobal: {default-repo: a.io}", "kubeContexts:\n- {kube-context: 'a.*'} # a\n"][before];
        let scope = if context.is_empty() { GlobalScope::All } else { GlobalScope::Context(&context) };
        if let Ok(set) = GlobalConfig::set("config", text, scope, key, &value) {
            let said = GlobalConfig::get("config", &set, scope, key).unwrap();
            if !value.is_empty() {
                let flag = ["t", "T", "1"].contains(&&*value) || value.eq_ignore_ascii_case("true");
                let expected = match key.name() {
                    "default-repo" | "debug-helpers-registry" | "insecure-registries" => value.clone(),
                    _ => flag.to_string(),
                };
                prop_assert!(said.contains(&expected), "{set}");
            }
            for other in GlobalKey::all().filter(|other| *other != key) {
                let said = |text: &str| GlobalConfig::get("config", text, scope, other).unwrap();
                prop_assert_eq!(said(text), said(&set), "{}", set);
            }
            let unset = GlobalConfig::unset("config", &set, scope, key).unwrap();
            let section = GlobalConfig::section("config", &unset, scope).unwrap().unwrap_or_default();
            prop_assert!(!section.contains(&format!("{key}:")), "{section}");
        }
    }

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
