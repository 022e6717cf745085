//! Configurations of git repositories, from git's own server and from a folder.

use std::{fs, path::Path};

use shipway_config::{Options, Skaffold, SyncRemoteCache, Trust};
use shipway_core::Result;
use tempfile::TempDir;

use crate::{
    modules::{context, files},
    recorded::{catalog, error, show},
    server::Git,
};

const HEAD: &str = "apiVersion: skaffold/v4beta14\nkind: Config\n";

fn repository(image: &str) -> Git {
    let git = Git::new();
    commit(&git, image);
    git
}

fn commit(git: &Git, image: &str) {
    let text = |image: &str, more: &str| {
        format!("{HEAD}build: {{artifacts: [{{image: {image}, context: src}}]}}\n{more}")
    };
    let file = |path: &str, content: String| (path.to_owned(), content);
    git.commit(
        image,
        &[
            file(
                "deploy/skaffold.yaml",
                text(image, "metadata: {name: remote}\nrequires: [{path: ../base}]\n"),
            ),
            file("base/skaffold.yaml", text("base", "")),
            file("deploy/src/Dockerfile", "FROM scratch\n".to_owned()),
            file("out/skaffold.yaml", format!("{HEAD}requires: [{{path: ../../../elsewhere}}]\n")),
            file("absolute/skaffold.yaml", format!("{HEAD}requires: [{{path: /etc}}]\n")),
            file("local/skaffold.yaml", format!("{HEAD}requires: [{{git: {{repo: /work/env.git}}}}]\n")),
            file(
                "plain/skaffold.yaml",
                format!("{HEAD}requires: [{{git: {{repo: 'http://127.0.0.1:1/a'}}}}]\n"),
            ),
        ],
    );
}

fn root(git: &str) -> TempDir {
    files(&[(
        "skaffold.yaml",
        &format!(
            "@\nmetadata: {{name: root}}\nrequires:\n- git: {{{git}}}\nbuild: {{artifacts: [{{image: root}}]}}\n"
        ),
    )])
}

fn options(sync: SyncRemoteCache) -> Options {
    Options::default().trust(Trust::Full).remote_cache("cache").sync_remote_cache(sync)
}

async fn load(folder: &TempDir, options: &Options) -> Result<String> {
    let file = Path::new("skaffold.yaml");
    let skaffold = Skaffold::load(&context(folder.path()), file, options.clone(), &catalog()).await?;
    Ok(show(&skaffold.pipeline(&catalog())?))
}

/// The artifacts in their order, each with its folder below the checkout.
fn built(shown: &str) -> String {
    let builds = shown.lines().filter_map(|line| line.strip_prefix("build ")?.split_once(" into"));
    let below = |(build, _): (&str, &str)| {
        let (image, folder) = build.split_once(" in ").unwrap();
        let steps: Vec<&str> = folder.split('/').collect();
        let at = steps.iter().position(|step| step.len() == 40);
        format!("{image} in {}", at.map_or(folder.to_owned(), |at| steps[at + 1..].join("/")))
    };
    builds.map(below).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn a_repository_is_fetched_kept_and_looked_at_again() {
    let git = repository("one");
    let urls = [
        git.url(),
        git.path("env.git").display().to_string(),
        format!("file://{}", git.path("env.git").display()),
    ];
    for (number, url) in urls.iter().enumerate() {
        commit(&git, "one");
        let folder = root(&format!("repo: '{url}', path: deploy/skaffold.yaml, ref: candidate"));
        let always = options(SyncRemoteCache::Always);
        let refused = error(load(&folder, &options(SyncRemoteCache::Never)).await);
        assert!(refused.contains("skaffold.yaml:5:15: there is no checkout of"), "{refused}");
        let shown = load(&folder, &always).await.unwrap();
        assert_eq!(built(&shown), "base in base/src, one in deploy/src, root in .", "{url}");
        let context =
            shown.lines().find_map(|line| line.strip_prefix("build one in ")?.split_once(" into")).unwrap().0;
        assert_eq!(fs::read_to_string(Path::new(context).join("Dockerfile")).unwrap(), "FROM scratch\n");

        commit(&git, &format!("two{number}"));
        let asked = git.server.asked.load(std::sync::atomic::Ordering::Relaxed);
        for sync in [SyncRemoteCache::Missing, SyncRemoteCache::Never] {
            assert_eq!(built(&load(&folder, &options(sync)).await.unwrap()), built(&shown), "{sync:?}");
        }
        assert_eq!(git.server.asked.load(std::sync::atomic::Ordering::Relaxed), asked, "nobody was asked");
        let newer = load(&folder, &always).await.unwrap();
        assert_eq!(built(&newer), format!("base in base/src, two{number} in deploy/src, root in ."));
        // Who still works with the older one can.
        assert!(Path::new(context).join("Dockerfile").exists());
        for image in ["three", "four"] {
            commit(&git, &format!("{image}{number}"));
            load(&folder, &always).await.unwrap();
        }
        assert!(!Path::new(context).exists(), "what is old goes");
    }
}

#[tokio::test]
async fn a_file_may_say_that_its_checkout_stays() {
    let git = repository("one");
    let folder = root(&format!("repo: '{}', path: deploy, ref: candidate, sync: false", git.url()));
    let always = options(SyncRemoteCache::Always);
    assert_eq!(
        built(&load(&folder, &always).await.unwrap()),
        "base in base/src, one in deploy/src, root in ."
    );
    commit(&git, "two");
    assert_eq!(
        built(&load(&folder, &always).await.unwrap()),
        "base in base/src, one in deploy/src, root in ."
    );
}

#[tokio::test]
async fn a_branch_a_tag_or_a_commit_is_meant() {
    let git = repository("one");
    git.bare(&["tag", "light", "candidate"]);
    git.bare(&["tag", "-a", "-m", "m", "heavy", "candidate"]);
    let id = git.bare(&["rev-parse", "candidate"]);
    git.bare(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    commit(&git, "two");
    for url in [git.url(), git.path("env.git").display().to_string()] {
        for (reference, image) in
            [("light", "one"), ("heavy", "one"), (id.as_str(), "one"), ("candidate", "two")]
        {
            let folder = root(&format!("repo: '{url}', path: deploy, ref: {reference}"));
            let shown = load(&folder, &options(SyncRemoteCache::Always)).await.unwrap();
            assert_eq!(
                built(&shown),
                format!("base in base/src, {image} in deploy/src, root in ."),
                "{url} {reference}"
            );
        }
        // Without a reference it is `master`, or else `main`, whatever the head is.
        let folder = root(&format!("repo: '{url}', path: deploy"));
        let refused = error(load(&folder, &options(SyncRemoteCache::Always)).await);
        assert!(refused.contains("neither a branch nor a tag `master` or `main`"), "{refused}");
        git.bare(&["branch", "-f", "main", &id]);
        let shown = load(&folder, &options(SyncRemoteCache::Always)).await.unwrap();
        assert_eq!(built(&shown), "base in base/src, one in deploy/src, root in .");
        git.bare(&["branch", "-D", "main"]);
    }
}

#[tokio::test]
async fn nothing_leads_out_of_a_repository() {
    let git = repository("one");
    std::os::unix::fs::symlink("/etc/hostname", git.path("work/link.yaml")).unwrap();
    commit(&git, "two");
    for (path, expected) in [
        ("../x", "`../x` leads out of the repository"),
        ("/etc/skaffold.yaml", "`/etc/skaffold.yaml` leads out of the repository"),
        ("gone", "there is no configuration `gone`"),
        ("link.yaml", "is not a regular file"),
        ("out", "`../../../elsewhere` leads out of the repository"),
        ("absolute", "`/etc` leads out of the repository"),
        ("local", "a repository elsewhere cannot require one of this machine"),
        ("plain", "`http` is not allowed here"),
    ] {
        let folder = root(&format!("repo: '{}', path: '{path}', ref: candidate", git.url()));
        let refused = error(load(&folder, &options(SyncRemoteCache::Always)).await);
        assert!(refused.contains(expected) && refused.contains("skaffold.yaml:"), "{path}: {refused}");
    }
    for (url, expected) in [
        ("ext::sh -c id", "cannot use this git URL"),
        ("git://host/x", "cannot use this git URL"),
        ("https://user:word@host/x", "there is a login in it"),
        ("x", "cannot use this git URL"),
    ] {
        let folder = root(&format!("repo: '{url}'"));
        let refused = error(load(&folder, &options(SyncRemoteCache::Always)).await);
        assert!(refused.starts_with("skaffold.yaml:5:") && refused.contains(expected), "{url}: {refused}");
    }
    let folder = root(&format!("repo: '{}'", git.url()));
    let refused = error(load(&folder, &Options::default().trust(Trust::Full)).await);
    assert!(refused.contains("there is no folder for its checkout"), "{refused}");
}
