//! `gitCommit` in repositories that git made.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests drive git and look at the disk, and may panic"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use shipway_core::{
    Artifact, Cancel, Context, Error, ErrorKind, Part, RunContext, Tag, TagRequest, Tagger, World,
};
use shipway_taggers::{GitCommit, GitCommitConfig, Variant, catalog};

struct Repository(tempfile::TempDir);

impl Repository {
    /// Returns a repository with a commit that is tagged `v1`, with the folders `web` and `api`.
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "-q", "-b", "main"]);
        repository.write("web/a", "1");
        repository.write("api/b", "2");
        repository.commit();
        repository.git(&["tag", "v1"]);
        repository
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "a commit"]);
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs([
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_AUTHOR_NAME", "a"),
                ("GIT_AUTHOR_EMAIL", "a@example.com"),
            ])
            .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@example.com")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn run(&self) -> Context {
        RunContext::new(World::host(self.0.path()), "run").context(None, None, Cancel::new())
    }

    /// Returns the tag of an artifact in a run of its own.
    async fn tag(&self, tagger: &impl Tagger, folder: &str) -> Result<String, Error> {
        tag(&self.run(), tagger, folder).await
    }
}

async fn tag(cx: &Context, tagger: &(impl Tagger + ?Sized), folder: &str) -> Result<String, Error> {
    tagger.tag(cx, &TagRequest::new(Artifact::new("web", folder))).await.map(|tag| tag.to_string())
}

#[tokio::test]
async fn every_variant_is_what_git_says() {
    let repository = Repository::new();
    repository.write("web/a", "3");
    repository.commit();
    repository.git(&["checkout", "-q", "-b", "feature/x"]);
    for (variant, args) in [
        (Variant::Tags, &["describe", "--tags", "--always"][..]),
        (Variant::CommitSha, &["rev-list", "-1", "HEAD"]),
        (Variant::AbbrevCommitSha, &["rev-list", "-1", "HEAD", "--abbrev-commit"]),
        (Variant::TreeSha, &["rev-parse", "HEAD:web/"]),
        (Variant::AbbrevTreeSha, &["rev-parse", "--short", "HEAD:web/"]),
    ] {
        let tag = repository.tag(&GitCommit::new(variant), "web").await.unwrap();
        assert_eq!(tag, repository.git(args), "{variant:?}");
    }
    let branch = GitCommit::new(Variant::Branches);
    assert_eq!(repository.tag(&branch, "web").await.unwrap(), "feature_x");
    repository.git(&["checkout", "-q", "--detach"]);
    let short = repository.git(&["rev-parse", "--short", "HEAD"]);
    assert_eq!(repository.tag(&branch, "web").await.unwrap(), short);
}

#[tokio::test]
async fn the_options_are_skaffolds() {
    let repository = Repository::new();
    repository.write("web/new", "1");
    let sha = repository.git(&["rev-parse", "HEAD"]);
    let make = |options: &str| {
        let options: serde_json::Map<_, _> = serde_json::from_str(options).unwrap();
        catalog().tagger(&Part::new("gitCommit").options(options))
    };
    for (options, expected) in [
        (r#"{"ignoreChanges": true}"#, "v1".to_owned()),
        (r#"{"variant": "", "prefix": "", "ignoreChanges": true}"#, "v1".to_owned()),
        (r#"{"variant": "CommitSha", "prefix": "g-", "ignoreChanges": true}"#, format!("g-{sha}")),
        (r#"{"variant": "commitsha", "ignoreChanges": true}"#, sha.clone()),
    ] {
        let tagger = make(options).unwrap();
        assert_eq!(tag(&repository.run(), tagger.as_ref(), "web").await.unwrap(), expected, "{options}");
    }
    let dirty = tag(&repository.run(), make(r#"{"prefix": "x"}"#).unwrap().as_ref(), "web").await.unwrap();
    assert!(dirty.starts_with("xv1-dirty-") && dirty.len() == "xv1-dirty-".len() + 12, "{dirty}");
    assert_eq!(tag(&repository.run(), make("{}").unwrap().as_ref(), "api").await.unwrap(), "v1");
    for (options, word) in
        [(r#"{"variant": "Sha"}"#, "AbbrevTreeSha"), (r#"{"ignorechanges": true}"#, "ignoreChanges")]
    {
        let error = make(options).unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn two_states_never_share_a_tag() {
    let repository = Repository::new();
    let tagger = GitCommit::default();
    let root = repository.path("");
    let change = |path: &str, content: &str| {
        let (path, content) = (root.join(path), content.to_owned());
        move || fs::write(&path, &content).unwrap()
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let states: Vec<Box<dyn Fn()>> = vec![
        Box::new(|| ()),
        Box::new(change("web/a", "9")),
        Box::new(change("web/a", "8")),
        Box::new(change("web/new", "8")),
        Box::new(change("web/new2", "")),
        Box::new(change("web/new2", "8")),
        Box::new({
            let root = root.clone();
            move || fs::rename(root.join("web/new2"), root.join("web/new3")).unwrap()
        }),
        Box::new({
            let root = root.clone();
            move || fs::set_permissions(root.join("web/new3"), fs::Permissions::from_mode(0o755)).unwrap()
        }),
        Box::new({
            let root = root.clone();
            move || fs::remove_file(root.join("web/a")).unwrap()
        }),
        Box::new({
            let root = root.clone();
            move || symlink("new", root.join("web/a")).unwrap()
        }),
        Box::new({
            let root = root.clone();
            move || {
                fs::remove_file(root.join("web/a")).unwrap();
                symlink("new3", root.join("web/a")).unwrap();
            }
        }),
        Box::new({
            let root = root.clone();
            move || {
                let made = Command::new("git").args(["init", "-q", "web/below"]).current_dir(&root).status();
                assert!(made.unwrap().success());
                fs::write(root.join("web/below/x"), "1").unwrap();
            }
        }),
        Box::new(change("web/below/x", "2")),
    ];
    for (number, make) in states.iter().enumerate() {
        make();
        let tag = repository.tag(&tagger, "web").await.unwrap();
        assert_eq!(tag, repository.tag(&tagger, "web").await.unwrap(), "state {number} has one tag");
        assert_eq!(number == 0, tag == "v1", "{tag}");
        if let Some(other) = seen.insert(tag.clone(), number) {
            panic!("states {other} and {number} share `{tag}`");
        }
        assert_eq!(repository.tag(&tagger, "api").await.unwrap(), "v1", "state {number}");
    }
    // The tag follows what is there: as it was once, so it is called again.
    repository.git(&["clean", "-ffdqx"]);
    repository.git(&["checkout", "-q", "."]);
    repository.write("web/a", "9");
    assert_eq!(seen[&repository.tag(&tagger, "web").await.unwrap()], 1);
}

#[tokio::test]
async fn a_run_sees_one_commit_and_one_status() {
    let repository = Repository::new();
    let (tagger, cx) = (GitCommit::default(), repository.run());
    assert_eq!(tag(&cx, &tagger, "web").await.unwrap(), "v1");
    repository.write("api/b", "9");
    let another = GitCommit::default();
    assert_eq!(tag(&cx, &another, "api").await.unwrap(), "v1", "the status is the run's");
    assert!(repository.tag(&tagger, "api").await.unwrap().starts_with("v1-dirty-"), "a new run looks again");
    repository.commit();
    assert_eq!(tag(&cx, &GitCommit::new(Variant::Tags), "api").await.unwrap(), "v1", "and so is the commit");
    let sha = tag(&cx, &GitCommit::new(Variant::CommitSha), "api").await.unwrap();
    assert_eq!(sha, repository.git(&["rev-parse", "v1"]));
}

#[tokio::test]
async fn what_does_not_fit_a_tag_is_replaced_or_refused() {
    let repository = Repository::new();
    let long = "x".repeat(129);
    for (name, expected) in
        [("release/1.0+meta", "release_1.0_meta"), ("v1-é", "v1-_"), (&long[..128], &long[..128])]
    {
        repository.commit();
        repository.git(&["tag", name]);
        assert_eq!(repository.tag(&GitCommit::default(), "web").await.unwrap(), expected);
    }
    // A tag that only just fits has no room for `-dirty`, where Skaffold falls back to `latest`.
    repository.write("web/new", "1");
    for refused in [
        repository.tag(&GitCommit::default(), "web").await,
        repository.tag(&catalog_tagger("{\"prefix\": \"v\", \"ignoreChanges\": true}"), "web").await,
        repository.tag(&catalog_tagger("{\"prefix\": \"-\", \"variant\": \"AbbrevCommitSha\"}"), "web").await,
        repository
            .tag(&catalog_tagger("{\"prefix\": \"a/\", \"variant\": \"AbbrevCommitSha\"}"), "web")
            .await,
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.report().hint.is_some() && !error.report().notes.is_empty(), "{:?}", error.report());
    }
    for front in ["-", ".", "-.-", ""] {
        let branch = format!("b{front}x");
        repository.git(&["checkout", "-q", "-b", &branch]);
        let tag = repository
            .tag(&catalog_tagger("{\"variant\": \"Branches\", \"ignoreChanges\": true}"), "web")
            .await;
        assert!(Tag::parse(tag.unwrap()).is_ok());
    }
}

fn catalog_tagger(options: &str) -> GitCommit {
    use shipway_core::{Catalog, PluginConfig};
    let config: GitCommitConfig = serde_json::from_str(options).unwrap();
    config.into_plugin(&Catalog::new()).unwrap()
}

#[tokio::test]
async fn a_detached_head_a_shallow_clone_and_a_submodule_have_tags() {
    let origin = Repository::new();
    origin.write("web/a", "3");
    origin.commit();
    let tags = GitCommit::default();
    origin.git(&["checkout", "-q", "--detach", "v1"]);
    assert_eq!(origin.tag(&tags, "web").await.unwrap(), "v1");
    origin.git(&["checkout", "-q", "main"]);

    // Without the tag there is but the commit's own name.
    let url = format!("file://{}", origin.0.path().display());
    let shallow = Repository(tempfile::tempdir().unwrap());
    shallow.git(&["clone", "-q", "--depth", "1", &url, "."]);
    assert_eq!(shallow.tag(&tags, "web").await.unwrap(), shallow.git(&["describe", "--tags", "--always"]));
    shallow.write("web/a", "4");
    assert!(shallow.tag(&tags, "web").await.unwrap().contains("-dirty-"));

    let outer = Repository::new();
    outer.git(&["-c", "protocol.file.allow=always", "submodule", "-q", "add", &url, "lib"]);
    outer.commit();
    assert!(outer.tag(&tags, "web").await.unwrap().starts_with("v1-1-g"));
    // In the submodule its own repository counts, and for what is around it that it changed.
    assert_eq!(
        outer.tag(&tags, "lib").await.unwrap(),
        outer.git(&["-C", "lib", "describe", "--tags", "--always"])
    );
    outer.write("lib/web/a", "5");
    for folder in ["lib", "lib/web", "."] {
        assert!(outer.tag(&tags, folder).await.unwrap().contains("-dirty-"), "{folder}");
    }
    assert!(!outer.tag(&tags, "web").await.unwrap().contains("-dirty-"));
}

#[tokio::test]
async fn where_there_is_nothing_to_name_it_by_is_a_config_error() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository(folder);
    fs::create_dir(repository.path("web")).unwrap();
    let tagger = GitCommit::default();
    let kind = async |folder: &str| repository.tag(&tagger, folder).await.unwrap_err().kind();
    let or_latest = catalog_tagger(r#"{"otherwise": "latest"}"#);
    let latest = async || repository.tag(&or_latest, "web").await.unwrap() == "latest";
    assert_eq!((kind("web").await, latest().await), (ErrorKind::Config, true));
    repository.git(&["init", "-q"]);
    assert_eq!((kind("web").await, latest().await), (ErrorKind::Config, true));
    repository.commit();
    assert!(!latest().await);
    assert!(repository.tag(&tagger, "web").await.is_ok());
    let tree = repository.tag(&GitCommit::new(Variant::TreeSha), "web").await;
    assert_eq!(tree.unwrap_err().kind(), ErrorKind::Config, "the folder is not in the commit");
    assert_eq!(kind("nowhere").await, ErrorKind::Config);
    repository.git(&["config", "core.bare", "true"]);
    assert_eq!(kind("web").await, ErrorKind::Config);
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_read() {
    let repository = Repository::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a"), "1").unwrap();
    fs::remove_dir_all(repository.path("web")).unwrap();
    fs::create_dir(repository.path("web")).unwrap();
    repository.write("web/sub/a", "1");
    repository.commit();
    fs::remove_dir_all(repository.path("web/sub")).unwrap();
    symlink(outside.path(), repository.path("web/sub")).unwrap();
    let before = repository.tag(&GitCommit::default(), "web").await.unwrap();
    fs::write(outside.path().join("a"), "2").unwrap();
    assert_eq!(repository.tag(&GitCommit::default(), "web").await.unwrap(), before);
    assert!(before.contains("-dirty-") && Path::new(outside.path()).exists());
}
