//! Where the environment may be, and what a configuration says of it.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;
use shipway_core::{Cancel, Catalog, Desired, ErrorKind, Part, RunContext, World};
use shipway_deployers::{Environment, GitopsConfig, MemoryConfig};
use shipway_git::Remote;

use crate::stage::Stage;

/// Runs on this machine what it was to run on the other.
const SSH: &str = "#!/bin/sh\nfor last; do :; done\neval \"exec $last\"\n";

#[tokio::test]
async fn an_environment_elsewhere_is_fetched_and_pushed_to() {
    let mut stage = Stage::new();
    let ssh = stage.path("ssh");
    fs::write(&ssh, SSH).expect("written");
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("set");
    let path = format!("{}:{}", stage.folder.path().display(), std::env::var("PATH").expect("a path"));
    let world = World::host(stage.path("app")).env([("PATH".to_owned(), path)]);
    stage.cx = RunContext::new(world, "run").context(None, None, Cancel::new());
    let url = format!("git@host:{}", stage.path("environment.git").display());
    let remote = Remote::new(&url, false).expect("a place");
    let mut branches = Vec::new();
    // The second has what the first one fetched; the third begins anew.
    for (edition, clone) in [(1, "clone"), (2, "clone"), (3, "other")] {
        let environment = Environment::remote(remote.clone(), stage.path(clone));
        let gitops = shipway_deployers::Gitops::new(std::sync::Arc::new(stage.memory()), environment);
        let deployment = stage.release(&gitops, edition).await.expect("released");
        assert_eq!(deployment.revision, stage.environment(&["rev-parse", "candidate"]));
        stage.reach(&gitops, Desired::Settled(deployment)).await.expect("settled");
        branches.push(stage.log("candidate").len() + stage.log("production").len());
    }
    assert_eq!(branches, [2, 4, 6]);
}

#[test]
fn a_configuration_says_all_of_it() {
    let catalog = Catalog::new().with_deployer::<MemoryConfig>().with_deployer::<GitopsConfig>();
    let make = |options: serde_json::Value| {
        let serde_json::Value::Object(options) = options else { panic!("a map") };
        catalog.deployer(&Part::new("gitops").options(options))
    };
    let inner = json!({"kind": "memory"});
    make(json!({
        "deployer": inner, "environment": "../environment.git", "file": "shop/kubernetes.yaml",
        "candidate": "next", "production": "live", "author": "ci <ci@example.com>",
        "templates": ["kubernetes.yaml.tpl"], "source": ".", "repository": "shop",
        "substitutes": {"PROJECT": "shop", "COMMIT_SHA": {"tag": "web"}},
    }))
    .expect("a deployer");
    make(
        json!({"deployer": inner, "environment": "https://git.example.com/env.git", "clone": "/var/env.git"}),
    )
    .expect("a deployer");
    for wrong in [
        json!({"deployer": inner, "environment": "https://git.example.com/env.git"}),
        json!({"deployer": inner, "environment": "http://git.example.com/env.git", "clone": "c"}),
        json!({"deployer": inner, "environment": "e", "author": "nobody"}),
        json!({"deployer": {"kind": "nothing"}, "environment": "e"}),
        json!({"deployer": inner, "environment": "e", "substitutes": {"A": {"name": "b"}}}),
        json!({"deployer": inner, "environment": "e", "branch": "b"}),
        json!({"environment": "e"}),
    ] {
        let error = make(wrong.clone()).expect_err("wrong");
        assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::NotFound), "{wrong}: {error}");
    }
}
