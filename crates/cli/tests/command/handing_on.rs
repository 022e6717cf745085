//! Images between commands: what `build` says, and what `test`, `render`, `deploy` and `rerun` take.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, text};

/// Two images and a manifest that names both; the cluster is not asked for what is tried here.
const SHOP: &str = "\
apiVersion: skaffold/v4beta14
kind: Config
metadata: {name: shop}
build:
  tagPolicy: {inputDigest: {}}
  artifacts:
  - {image: shop/web, context: web}
  - {image: shop/api, context: web, requires: [{image: shop/web, alias: WEB}]}
  - {image: other, context: web}
test:
- image: shop/web
  structureTests: [tests/web.yaml]
manifests: {rawYaml: [k8s/*.yaml]}
deploy: {kubectl: {}}
";

const MANIFEST: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: shop/web}]}
";

const CASES: &str = "\
schemaVersion: 2.0.0
fileExistenceTests:
- {name: run, path: /run, shouldExist: true}
";

async fn shop() -> Bench {
    let bench = Bench::new(SHOP).await;
    bench.write("k8s/web.yaml", MANIFEST);
    bench.write("tests/web.yaml", CASES);
    bench
}

/// Returns the images that a `build -q` says, by name.
fn images(out: &[u8]) -> Vec<(String, String)> {
    let told: Value = serde_json::from_slice(out).unwrap();
    let builds = told["builds"].as_array().unwrap();
    let text = |built: &Value, field: &str| built[field].as_str().unwrap().to_owned();
    builds.iter().map(|built| (text(built, "imageName"), text(built, "tag"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_build_says_its_images_and_nothing_else() {
    let bench = shop().await;
    let output = bench.run("build -q --builder native -d REGISTRY --file-output builds.json").await;
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let images = images(&output.stdout);
    assert_eq!(
        images.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["shop/web", "shop/api", "other"]
    );
    assert!(
        images.iter().all(|(_, tag)| tag.contains("@sha256:") && tag.matches(':').count() == 3),
        "{images:?}"
    );
    assert_eq!(fs::read(bench.project().join("builds.json")).unwrap(), output.stdout);

    let mut command = bench.command("build -q --builder native -d REGISTRY -o");
    command.arg("{{range .Builds}}{{.ImageName}},{{end}}");
    let output = crate::bench::ended(command).await;
    assert_eq!(text(&output.stdout), "shop/web,shop/api,other,");
    let output = bench.run("build -o {{.Builds").await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_is_built_with_what_it_requires_and_a_dry_run_builds_nothing() {
    let bench = shop().await;
    let output = bench.run("build -q --builder native -d REGISTRY -b api --dry-run").await;
    let told = images(&output.stdout);
    assert_eq!(told.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["shop/web", "shop/api"]);
    assert!(bench.tags("shop_web").is_empty() && bench.tags("shop/web").is_empty());
    let output = bench.run("build --builder native -d REGISTRY -b api --dry-run").await;
    assert!(text(&output.stdout).contains("runs: never built before"), "{}", text(&output.stdout));

    let output = bench.run("build -q --builder native -d REGISTRY -b api").await;
    let built = images(&output.stdout);
    let tagged = |(name, tag): &(String, String)| (name.clone(), tag.split('@').next().unwrap().to_owned());
    // The tag of what requires an image is known once that is built.
    assert_eq!(tagged(&built[0]), told[0]);
    let output = bench.run("build -b nothing --builder native").await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_is_tested_and_rendered_without_a_build() {
    let bench = shop().await;
    let output = bench.run("build -q --builder native -d REGISTRY --file-output builds.json").await;
    let web = images(&output.stdout)[0].1.clone();
    let digest = web.split('@').nth(1).unwrap();
    // Nothing could be built any more.
    fs::remove_dir_all(bench.project().join("web")).unwrap();

    let output = bench.run("test -a builds.json -d REGISTRY").await;
    let out = text(&output.stdout);
    assert!(
        output.status.success() && out.contains("test:shop/web/structure") && out.contains("reused"),
        "{out}"
    );
    assert!(!out.contains("push:"), "no tag moves: {out}");

    let output = bench.run("render -a builds.json -d REGISTRY").await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains(&format!("@{digest}")) && out.starts_with("apiVersion: v1\nkind: Pod\n"), "{out}");
    let output = bench.run("render -a builds.json -d REGISTRY -o rendered.yaml").await;
    assert_eq!((output.status.success(), text(&output.stdout)), (true, String::new()));
    assert_eq!(fs::read_to_string(bench.project().join("rendered.yaml")).unwrap(), out);

    // Named by hand, also one that the configuration does not have.
    let line = format!("render -i shop/web={web},shop/api={web},other={web},extra={web} -d REGISTRY");
    bench.write("k8s/extra.yaml", &MANIFEST.replace("web", "extra").replace("shop/extra", "extra"));
    let output = bench.run(&line).await;
    let out = text(&output.stdout);
    assert_eq!(out.matches(&format!("@{digest}")).count(), 2, "{out}{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_said_is_told() {
    let bench = shop().await;
    let output = bench.run("deploy -d REGISTRY -i other=x").await;
    assert_eq!(output.status.code(), Some(2));
    let err = text(&output.stderr);
    assert!(err.contains("skaffold.yaml:7:13: nobody says which image of `shop/web` is deployed"), "{err}");
    assert!(err.contains("`--build-artifacts`"), "{err}");
    let output =
        bench.run("render -i shop/web=REGISTRY/gone:1,shop/api=REGISTRY/gone:1,other=REGISTRY/gone:1").await;
    let err = text(&output.stderr);
    assert!(!output.status.success() && err.contains("there is no image"), "{err}");
    bench.write("builds.json", "{}");
    let output = bench.run("render -a builds.json").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("`builds.json` is no file of built images"),
        "{}",
        text(&output.stderr)
    );
    let output = bench.run("rerun").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no run built anything"), "{}", text(&output.stderr));
}
