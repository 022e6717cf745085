//! Charts in a folder that is a repository of charts.

use std::{fs, path::Path};

use shipway_core::ErrorKind;

use crate::{helm::Helm, server::serve, stage::Stage};

#[tokio::test(flavor = "multi_thread")]
async fn helm_finds_what_we_publish() {
    for helm in Helm::both("helm_finds_what_we_publish") {
        let stage = Stage::new(&[]);
        for version in ["1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"] {
            stage.chart("web", version).await.publish(&stage.cx, Path::new("charts")).await.unwrap();
        }
        let newest = stage.chart("other", "0.1.0+b").await;
        newest.publish(&stage.cx, Path::new("charts")).await.unwrap();
        let folder = stage.path("charts");
        let address = serve(move |request| {
            match fs::read(folder.join(request.path.trim_start_matches('/').replace("%2B", "+"))) {
                Ok(content) => (200, content),
                Err(_) => (404, Vec::new()),
            }
        });
        helm.run(&["repo", "add", "shop", &format!("http://{address}")]).await;
        let found = helm.run(&["search", "repo", "shop/", "--versions", "--devel", "--output", "json"]).await;
        let found: serde_json::Value = serde_json::from_str(&found).unwrap();
        let mut found: Vec<String> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {}", one["name"], one["version"]).replace('"', ""))
            .collect();
        found.sort();
        assert_eq!(
            found,
            [
                "shop/other 0.1.0+b",
                "shop/web 1.0.0",
                "shop/web 1.10.0",
                "shop/web 1.9.0",
                "shop/web 2.0.0-rc.1"
            ]
        );
        helm.run(&["pull", "shop/web"]).await;
        let chart = stage.chart("web", "1.10.0").await;
        assert_eq!(fs::read(helm.path("web-1.10.0.tgz")).unwrap(), *chart.archive());
        helm.run(&["pull", "other", "--repo", &format!("http://{address}"), "--version", "0.1.0+b"]).await;
        assert_eq!(fs::read(helm.path("other-0.1.0+b.tgz")).unwrap(), *newest.archive());
        // helm's own index of the folder says the same of each.
        let ours = stage.read("charts/index.yaml");
        helm.run(&["repo", "index", stage.path("charts").to_str().unwrap()]).await;
        let theirs = stage.read("charts/index.yaml");
        let plain = |text: &str| {
            let mut json = shipway_yaml::parse("index.yaml", text).unwrap()[0]
                .to_json(shipway_yaml::Rules::Manifest)
                .unwrap();
            json["generated"].take();
            for versions in json["entries"].as_object_mut().unwrap().values_mut() {
                versions.as_array_mut().unwrap().iter_mut().for_each(|one| drop(one["created"].take()));
            }
            json
        };
        assert_eq!(plain(&ours), plain(&theirs));
        // And what helm wrote is gone on with.
        stage.chart("web", "3.0.0").await.publish(&stage.cx, Path::new("charts")).await.unwrap();
        helm.run(&["repo", "update"]).await;
        helm.run(&["pull", "shop/web", "--version", "^3"]).await;
    }
}

#[tokio::test]
async fn an_index_is_gone_on_with_where_it_stands() {
    let stage = Stage::new(&[(
        "charts/index.yaml",
        "# kept by hand\napiVersion: v1\nentries:\n  other: # not ours\n    - version: 1.0.0\n      urls: [other.tgz]\n  web:\n    # the first\n    - {version: 0.9.0, urls: [web-0.9.0.tgz], digest: abc}\n    - version: broken\ngenerated: \"2020-01-01T00:00:00Z\"\n",
    )]);
    let chart = stage.chart("web", "1.0.0").await;
    chart.publish(&stage.cx, Path::new("charts")).await.unwrap();
    let index =
        stage.read("charts/index.yaml").replace(chart.digest().trim_start_matches("sha256:"), "DIGEST");
    insta::assert_snapshot!(index, @r#"
    # kept by hand
    apiVersion: v1
    entries:
      other: # not ours
        - version: 1.0.0
          urls: [other.tgz]
      web:
        - apiVersion: v2
          created: "2026-01-01T00:00:00.000Z"
          description: of web
          digest: DIGEST
          name: web
          urls:
            - web-1.0.0.tgz
          version: 1.0.0
        # the first
        - {version: 0.9.0, urls: [web-0.9.0.tgz], digest: abc}
        - version: broken
    generated: "2026-01-01T00:00:00.000Z"
    "#);
    assert_eq!(fs::read(stage.path("charts/web-1.0.0.tgz")).unwrap(), *chart.archive());
    // Again, it changes nothing.
    let before = stage.read("charts/index.yaml");
    chart.publish(&stage.cx, Path::new("charts")).await.unwrap();
    assert_eq!(stage.read("charts/index.yaml"), before);
    // But what is gone comes back.
    fs::remove_file(stage.path("charts/web-1.0.0.tgz")).unwrap();
    chart.publish(&stage.cx, Path::new("charts")).await.unwrap();
    assert_eq!(fs::read(stage.path("charts/web-1.0.0.tgz")).unwrap(), *chart.archive());
}

#[tokio::test]
async fn another_chart_of_the_same_version_is_replaced_only_where_that_is_said() {
    let stage = Stage::new(&[]);
    let charts = Path::new("charts");
    let first = stage.chart("web", "1.0.0").await;
    first.publish(&stage.cx, charts).await.unwrap();
    let before = stage.read("charts/index.yaml");
    stage.write("made/web/values.yaml", "a: b\n");
    let other = stage.chart("web", "1.0.0").await;
    let error = other.publish(&stage.cx, charts).await.expect_err("another");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(fs::read(stage.path("charts/web-1.0.0.tgz")).unwrap(), *first.archive());
    assert_eq!(stage.read("charts/index.yaml"), before);
    other.clone().replace(true).publish(&stage.cx, charts).await.unwrap();
    assert_eq!(fs::read(stage.path("charts/web-1.0.0.tgz")).unwrap(), *other.archive());
    let index = stage.read("charts/index.yaml");
    assert!(index.contains(&other.digest()[7..]) && !index.contains(&first.digest()[7..]), "{index}");
    // An archive that no index names is somebody's too.
    fs::remove_file(stage.path("charts/index.yaml")).unwrap();
    let error = first.publish(&stage.cx, charts).await.expect_err("another");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
}

#[tokio::test]
async fn what_is_no_index_is_left_alone() {
    for text in [
        "hello",
        "a: b\n",
        "apiVersion: v1\nentries: [a]\n",
        "apiVersion: v1\nentries: {web: x}\n",
        "a: b\n---\nc: d\n",
        "a: [\n",
        "",
    ] {
        let stage = Stage::new(&[("charts/index.yaml", text)]);
        let chart = stage.chart("web", "1.0.0").await;
        let error = chart.publish(&stage.cx, Path::new("charts")).await.expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Config, "{text}: {error:?}");
        assert_eq!(stage.read("charts/index.yaml"), text);
        assert!(!stage.path("charts/web-1.0.0.tgz").exists());
    }
    let stage = Stage::new(&[("charts/index.yaml", "apiVersion: v1\nentries:\n")]);
    stage.chart("web", "1.0.0").await.publish(&stage.cx, Path::new("charts")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_publish_at_once_lose_nothing() {
    let stage = Stage::new(&[]);
    let mut charts = Vec::new();
    for at in 0..12 {
        charts.push(stage.chart(&format!("web{}", at % 3), &format!("1.{at}.0")).await);
    }
    let published = charts.iter().map(|chart| {
        let (chart, root) = (chart.clone(), stage.folder.path().to_owned());
        // Each with a clock of its own, as if it were another process.
        tokio::spawn(async move {
            let world = shipway_core::World::host(root);
            let cx =
                shipway_core::RunContext::new(world, "run").context(None, None, shipway_core::Cancel::new());
            chart.publish(&cx, Path::new("charts")).await
        })
    });
    for published in published.collect::<Vec<_>>() {
        published.await.unwrap().unwrap();
    }
    let index = stage.read("charts/index.yaml");
    assert_eq!(index.matches("digest: ").count(), 12, "{index}");
    let left: Vec<_> =
        fs::read_dir(stage.path("charts")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 13, "{left:?}");
}
