//! A first configuration, for folders as people have them.

use std::{fs, process::Stdio};

use crate::{
    bench::{Bench, ended, text},
    skip::skip,
};

const DOCKERFILE: &str = "FROM scratch\nCOPY . /app\nCMD [\"/app/run\"]\n";

fn deployment(name: &str, images: &[&str]) -> String {
    let containers: String =
        images.iter().map(|image| format!("      - name: main\n        image: {image}\n")).collect();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  selector:\n    matchLabels: {{app: {name}}}\n  \
         template:\n    metadata:\n      labels: {{app: {name}}}\n    spec:\n      containers:\n{containers}"
    )
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  selector: {{app: {name}}}\n  ports: [{{port: 80}}]\n"
    )
}

/// A node example: one image, its sources in a folder, its manifests in another.
async fn node() -> Bench {
    let bench = Bench::empty().await;
    bench.write("backend/Dockerfile", "FROM scratch\nCOPY src /src\nCMD [\"node\", \"/src/index.js\"]\n");
    bench.write("backend/package.json", "{\"name\": \"node-example\"}\n");
    bench.write("backend/src/index.js", "console.log('hello')\n");
    bench.write("backend/node_modules/express/Dockerfile", DOCKERFILE);
    bench.write(
        "k8s/deployment.yaml",
        &deployment("node-example", &["gcr.io/terrycho-personal/node-example:v1"]),
    );
    bench.write("k8s/service.yaml", &service("node-example"));
    bench
}

/// Services with a folder each, beside what others made.
async fn services() -> Bench {
    let bench = Bench::empty().await;
    for name in ["leeroy-app", "leeroy-web"] {
        bench.write(format!("{name}/Dockerfile"), DOCKERFILE);
        bench.write(format!("{name}/go.mod"), "module example.com/leeroy\n");
        bench.write(format!("{name}/main.go"), "package main\n\nfunc main() {}\n");
        let image = format!("gcr.io/k8s-skaffold/{name}");
        bench.write(format!("{name}/kubernetes/deployment.yaml"), &deployment(name, &[&image, "redis:7"]));
    }
    bench.write("tools/Dockerfile.migrate", DOCKERFILE);
    bench.write("k8s/migrate.yaml", &deployment("migrate", &["gcr.io/k8s-skaffold/leeroy-migrate:latest"]));
    bench.write("k8s/db.yaml", &format!("{}---\n{}", service("db"), deployment("db", &["postgres:16"])));
    bench.write("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 0.1.0\n");
    bench.write(
        "chart/templates/a.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n",
    );
    bench
}

fn written(bench: &Bench) -> String {
    fs::read_to_string(bench.project().join("skaffold.yaml")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_example_gets_a_configuration_that_is_planned() {
    let bench = node().await;
    let output = bench.run("init --yes").await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
    insta::assert_snapshot!(out, @"`skaffold.yaml` is written; `shipway plan` says what it does");
    insta::assert_snapshot!(written(&bench), @r"
    apiVersion: skaffold/v4beta14
    kind: Config
    metadata:
      name: project
    build:
      artifacts:
        - image: gcr.io/terrycho-personal/node-example
          context: backend
    manifests:
      rawYaml:
        - k8s/deployment.yaml
        - k8s/service.yaml
    deploy:
      kubectl: {}
    ");
    let output = bench.run("plan --builder native -d REGISTRY").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout), @r"
    tag:gcr.io/terrycho-personal/node-example    runs
    build:gcr.io/terrycho-personal/node-example  runs: never built before
    push:gcr.io/terrycho-personal/node-example   runs
    render:project                               runs
    diff:project                                 runs
    apply:project                                runs
    health:project                               runs
    diff:project/settle                          runs
    apply:project/settle                         runs
    diff:project/undo                            only after a failure
    apply:project/undo                           only after a failure
    health:project/undo                          only after a failure
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_get_a_configuration_that_is_built_and_planned() {
    let bench = services().await;
    let output = bench.run("init --yes").await;
    assert!(output.status.success());
    insta::assert_snapshot!(text(&output.stderr), @"warning: chart/Chart.yaml: `helm` would deploy this, for which there is no deployer yet");
    insta::assert_snapshot!(written(&bench), @r"
    apiVersion: skaffold/v4beta14
    kind: Config
    metadata:
      name: project
    build:
      artifacts:
        - image: gcr.io/k8s-skaffold/leeroy-app
          context: leeroy-app
        - image: gcr.io/k8s-skaffold/leeroy-web
          context: leeroy-web
        - image: gcr.io/k8s-skaffold/leeroy-migrate
          context: tools
          docker:
            dockerfile: Dockerfile.migrate
    manifests:
      rawYaml:
        - k8s/db.yaml
        - k8s/migrate.yaml
        - leeroy-app/kubernetes/deployment.yaml
        - leeroy-web/kubernetes/deployment.yaml
    deploy:
      kubectl: {}
    ");
    let output = bench.run("plan --builder native -d REGISTRY").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    for name in ["leeroy-app", "leeroy-web", "leeroy-migrate"] {
        assert!(out.contains(&format!("build:gcr.io/k8s-skaffold/{name} ")), "{out}");
    }
    let output = bench.run("build --builder native -d REGISTRY -t v1").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(bench.tags("gcr_io_k8s-skaffold_leeroy-web").iter().filter(|tag| *tag == "v1").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anybody_to_ask_the_file_is_shown() {
    let bench = node().await;
    let mut command = bench.command("init");
    command.stdin(Stdio::null());
    let output = ended(command).await;
    assert!(output.status.success());
    insta::assert_snapshot!(text(&output.stderr), @"`skaffold.yaml` is not written; to write it, say `--yes` as well");
    assert!(!bench.project().join("skaffold.yaml").exists());
    let shown = text(&output.stdout);
    let output = bench.run("init -f -").await;
    assert_eq!((text(&output.stdout), text(&output.stderr)), (shown.clone(), String::new()));
    assert!(bench.run("init -y").await.status.success());
    assert_eq!(written(&bench), shown);
    let mut command = bench.command("init");
    command.stdin(Stdio::null());
    assert!(text(&ended(command).await.stderr).contains("`--force`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_stays_unless_it_is_forced() {
    let bench = node().await;
    bench.write("skaffold.yaml", "mine");
    let output = bench.run("init --yes").await;
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: `skaffold.yaml` is there already
      hint: write over it with `--force`, or name another with `--filename`
    ");
    assert_eq!(written(&bench), "mine");
    assert!(bench.run("init --yes -f other.yaml").await.status.success());
    assert!(bench.run("init --force").await.status.success());
    assert!(written(&bench).starts_with("apiVersion: skaffold/v4beta14\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_goes_in() {
    let bench = services().await;
    let web =
        r#"-a {"builder":"Docker","payload":{"path":"leeroy-web/Dockerfile"},"image":"web","context":"."}"#;
    let line = format!(
        "init {web} -a tools/Dockerfile.migrate=migrate -a {{\"builder\":\"None\",\"image\":\"redis\"}} \
                        -k k8s/*.yaml -k leeroy-web/kubernetes -f -"
    );
    let output = bench.run(&line).await;
    insta::assert_snapshot!(text(&output.stdout), @r"
    apiVersion: skaffold/v4beta14
    kind: Config
    metadata:
      name: project
    build:
      artifacts:
        - image: web
          docker:
            dockerfile: leeroy-web/Dockerfile
        - image: migrate
          context: tools
          docker:
            dockerfile: Dockerfile.migrate
    manifests:
      rawYaml:
        - k8s/*.yaml
        - leeroy-web/kubernetes
    deploy:
      kubectl: {}
    ");
    for (line, expected) in [
        ("init -a web", "`web` is no artifact"),
        ("init -a ../Dockerfile=web", "`../Dockerfile` is not in this folder"),
        ("init -a a/Dockerfile=We/b:", "is no name of an image"),
        (r#"init -a {"builder":"Buildpacks","image":"a"}"#, "the builder `Buildpacks` is not supported yet"),
    ] {
        let output = bench.run(line).await;
        let err = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{line}");
        assert!(err.contains(expected) && err.contains("hint:"), "{line}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_told_to_programs() {
    let bench = services().await;
    bench.write("skaffold.yaml", "mine");
    let output = bench.run("init --analyze").await;
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    insta::assert_snapshot!(format!("{found:#}"), @r#"
    {
      "builders": [
        {
          "name": "Docker",
          "payload": {
            "path": "leeroy-app/Dockerfile"
          }
        },
        {
          "name": "Docker",
          "payload": {
            "path": "leeroy-web/Dockerfile"
          }
        },
        {
          "name": "Docker",
          "payload": {
            "path": "tools/Dockerfile.migrate"
          }
        },
        {
          "name": "Ko",
          "payload": {
            "path": "leeroy-app/go.mod"
          }
        },
        {
          "name": "Buildpacks",
          "payload": {
            "path": "leeroy-app/go.mod"
          }
        },
        {
          "name": "Ko",
          "payload": {
            "path": "leeroy-web/go.mod"
          }
        },
        {
          "name": "Buildpacks",
          "payload": {
            "path": "leeroy-web/go.mod"
          }
        }
      ],
      "images": [
        {
          "foundMatch": true,
          "name": "gcr.io/k8s-skaffold/leeroy-app"
        },
        {
          "foundMatch": true,
          "name": "gcr.io/k8s-skaffold/leeroy-web"
        },
        {
          "foundMatch": true,
          "name": "gcr.io/k8s-skaffold/leeroy-migrate"
        },
        {
          "foundMatch": false,
          "name": "postgres"
        },
        {
          "foundMatch": false,
          "name": "redis"
        }
      ]
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_build_or_deploy_is_told() {
    let bench = Bench::empty().await;
    bench.write("README.md", "Dockerfile\n");
    bench.write("package.json", "{}");
    let output = bench.run("init --yes").await;
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: there is nothing here to build or to deploy
      note: package.json: `buildpacks` could build this, for which there is no builder yet
      hint: begin with a Dockerfile, or with a manifest of Kubernetes
    ");
    assert!(!bench.project().join("skaffold.yaml").exists());
    // What is built alone can be planned all the same.
    bench.write("Dockerfile", "FROM scratch\nCOPY README.md /\n");
    let output = bench.run("init --yes").await;
    insta::assert_snapshot!(text(&output.stderr), @"warning: .: nothing is deployed, and the file is for building alone: no manifest for `kubectl` is found");
    let output = bench.run("build --builder native -d REGISTRY -t v1").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = bench.run("plan --builder native -d REGISTRY").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_before_it_is_written() {
    let bench = services().await;
    bench.write("api/v1/Dockerfile", DOCKERFILE);
    bench.write("api/v2/Dockerfile", DOCKERFILE);
    bench.write("k8s/api.yaml", &deployment("api", &["example.com/api"]));
    let program = env!("CARGO_BIN_EXE_shipway");
    let answered = async |line: &str, answers: &str| {
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &format!("{program} {line}"), "/dev/null"]).current_dir(bench.project());
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, answers.as_bytes()).unwrap();
        drop(writer);
        command.stdin(reader);
        let output = ended(command).await;
        (output.status.code(), text(&output.stdout).replace("\r\n", "\n"))
    };
    if std::process::Command::new("script").arg("--version").output().is_err() {
        return skip("command::init::a_person_is_asked_before_it_is_written", "script");
    }
    let (code, shown) = answered("init", "2\n0\n0\nn\n").await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("which Dockerfile builds `example.com/api`?\n  1  \"api/v1/Dockerfile\"\n"),
        "{shown}"
    );
    assert!(
        shown.contains("write it to `skaffold.yaml`? [y/N]") && shown.contains("nothing is written"),
        "{shown}"
    );
    assert!(!bench.project().join("skaffold.yaml").exists());
    let (code, shown) = answered("init", "2\n0\n0\ny\n").await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        written(&bench).contains("image: example.com/api\n      context: api/v2\n"),
        "{}",
        written(&bench)
    );
}
