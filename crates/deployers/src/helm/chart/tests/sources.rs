//! Where charts may be, and what they depend on.

use std::{path::PathBuf, process::Command};

use shipway_core::{ErrorKind, Snapshot, Tree};

use super::stage::{Shelf, Stage, packed, paths};
use crate::helm::chart::{LoadOptions, Source};

const OPTIONS: LoadOptions = LoadOptions { version: None, app_version: None, build_dependencies: true };

fn git(stage: &Stage, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(stage.path("repository")).args([
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.com",
    ]);
    let done = command.args(arguments).output().expect("git runs");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

#[tokio::test]
async fn a_chart_elsewhere_is_handed_on_as_it_came() {
    let stage = Stage::new(&[]);
    let archive = packed("redis", "20.1.0");
    let helm = Shelf::new([
        ("https://charts.example.com redis ^20", archive.clone()),
        ("oci://r.example.com/charts/redis 20.1.0", archive.clone()),
        ("oci://r.example.com/charts/redis", archive.clone()),
    ]);
    for (name, repository, version) in [
        ("redis", Some("https://charts.example.com"), Some("^20")),
        ("redis", Some("oci://r.example.com/charts"), Some("20.1.0")),
        ("oci://r.example.com/charts/redis", None, Some("20.1.0")),
        ("oci://r.example.com/charts/redis", None, None),
    ] {
        let source = Source::Remote {
            name: name.to_owned(),
            repository: repository.map(str::to_owned),
            version: version.map(str::to_owned),
        };
        let chart = source.load(&stage.cx(), &helm, &OPTIONS).await.expect("loaded");
        assert_eq!((&*chart.version, &chart.archive), ("20.1.0", &archive));
        let inputs = source.inputs(&stage.cx()).await.expect("known");
        assert_eq!(inputs.facts.len(), 2, "{inputs:?}");
    }
    // The third was of an exact version, which the second had pulled.
    assert_eq!(helm.asked().len(), 3);
    for (name, repository, version) in [
        ("redis", None, None),
        ("https://charts.example.com/redis", None, None),
        ("redis", Some("https://charts.example.com"), Some("one")),
        ("-redis", Some("https://charts.example.com"), None),
        ("oci://u:p@r.example.com/redis", None, None),
        ("oci://r.example.com/", None, None),
    ] {
        let source = Source::Remote {
            name: name.to_owned(),
            repository: repository.map(str::to_owned),
            version: version.map(str::to_owned),
        };
        let error = source.load(&stage.cx(), &helm, &OPTIONS).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Config, "{name}: {error:?}");
        assert!(source.inputs(&stage.cx()).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_folder_depends_on_its_files_and_those_beside_it() {
    let stage = Stage::new(&[
        (
            "web/Chart.yaml",
            "name: web\nversion: 1.0.0\ndependencies:\n- {name: lib, version: '*', repository: 'file://../lib'}\n- {name: gone, version: '*', repository: 'file://../gone'}\n",
        ),
        (
            "linked/real.yaml",
            "name: linked\nversion: 1.0.0\ndependencies:\n- {name: lib, version: '*', repository: 'file://../lib'}\n",
        ),
        ("linked/Chart.yaml", "-> real.yaml"),
        (
            "lib/Chart.yaml",
            "name: lib\nversion: 1.0.0\ndependencies:\n- {name: web, version: '*', repository: 'file://../web'}\n",
        ),
    ]);
    let inputs = Source::Path("web".into()).inputs(&stage.cx()).await.expect("known");
    assert_eq!(inputs.trees, [Tree::new("lib"), Tree::new("web")].into());
    assert_eq!(inputs.files, [PathBuf::from("gone/Chart.yaml")].into());
    let linked = Source::Path("linked".into()).inputs(&stage.cx()).await.expect("known");
    assert!(linked.trees.contains(&Tree::new("lib")), "{linked:?}");
    let archive = Source::Path("web.tgz".into()).inputs(&stage.cx()).await.expect("known");
    assert_eq!(archive.files, [PathBuf::from("web.tgz")].into());
    // Also from elsewhere, and asked again.
    let absolute = Source::Path(stage.path("web")).inputs(&stage.cx()).await.expect("known");
    assert_eq!(absolute, inputs);
    let snapshot = |inputs| {
        let cx = stage.cx();
        async move { Snapshot::take(&cx, &inputs).await.expect("taken") }
    };
    let first = snapshot(inputs.clone()).await;
    stage.write("lib/templates/a.yaml", "a: b\n");
    assert_ne!(snapshot(inputs).await, first);
}

#[tokio::test]
async fn a_chart_of_a_repository_of_git_is_that_of_the_commit() {
    let stage = Stage::new(&[
        (
            "repository/charts/web/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- {name: lib, version: '*', repository: 'file://../../lib'}\n",
        ),
        ("repository/lib/Chart.yaml", "name: lib\nversion: 1.0.0\n"),
        (
            "repository/out/Chart.yaml",
            "name: out\nversion: 1.0.0\ndependencies:\n- {name: lib, version: '*', repository: 'file://../../secret'}\n",
        ),
        ("repository/linked/Chart.yaml", "name: linked\nversion: 1.0.0\n"),
        ("repository/linked/files", "-> ../../secret"),
        ("secret/Chart.yaml", "name: lib\nversion: 1.0.0\n"),
    ]);
    git(&stage, &["init", "-q", "-b", "main"]);
    git(&stage, &["add", "."]);
    git(&stage, &["commit", "-q", "-m", "one"]);
    git(&stage, &["tag", "-a", "v1", "-m", "v1"]);
    let first = git(&stage, &["rev-parse", "HEAD"]);
    stage.write("repository/charts/web/values.yaml", "a: b\n");
    git(&stage, &["add", "."]);
    git(&stage, &["commit", "-q", "-m", "two"]);
    let second = git(&stage, &["rev-parse", "HEAD"]);
    let source = |reference: Option<&str>, path: &str| Source::Git {
        url: format!("file://{}", stage.path("repository").display()),
        reference: reference.map(str::to_owned),
        path: path.into(),
    };
    for (reference, commit, files) in [
        (None, &second, 3),
        (Some("main"), &second, 3),
        (Some("v1"), &first, 2),
        (Some(first.as_str()), &first, 2),
    ] {
        let source = source(reference, "charts/web");
        let cx = stage.cx();
        let inputs = source.inputs(&cx).await.expect("known");
        assert_eq!(&inputs.facts["chart commit"], commit);
        let chart = source.load(&cx, &Shelf::default(), &OPTIONS).await.expect("loaded");
        let found = paths(&chart.archive);
        assert_eq!(found.iter().filter(|path| !path.contains('!')).count(), files, "{found:?}");
        assert!(found.contains(&"charts/lib-1.0.0.tgz".to_owned()), "{found:?}");
    }
    for (reference, path, kind) in [
        (Some("gone"), "charts/web", ErrorKind::Config),
        (None, "../secret", ErrorKind::Config),
        (None, "/etc", ErrorKind::Config),
        (None, "out", ErrorKind::Config),
        (None, "linked", ErrorKind::Config),
        (None, "gone", ErrorKind::NotFound),
    ] {
        let error =
            source(reference, path).load(&stage.cx(), &Shelf::default(), &OPTIONS).await.expect_err(path);
        assert_eq!(error.kind(), kind, "{path}: {error:?}");
    }
    let source = Source::Git { url: "ext::sh -c id".to_owned(), reference: None, path: "a".into() };
    assert!(source.inputs(&stage.cx()).await.is_err());
}
