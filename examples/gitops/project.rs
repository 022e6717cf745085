//! The two repositories: `app`, to which people commit, and `environment.git`, to which only the pipeline does.

use std::{fs, path::Path, process::Command};

use shipway::{Error, ErrorKind, Result};

const APP: &str = include_str!("app.rs");
const TEMPLATE: &str = include_str!("kubernetes.yaml.tpl");
const DOCKERFILE: &str = "FROM scratch\nCOPY target/app /app\nEXPOSE 8080\nENTRYPOINT [\"/app\"]\n";

/// Makes both repositories in a folder.
pub(crate) fn make(folder: &Path) -> Result<()> {
    git(folder, &["init", "--quiet", "--bare", "environment.git"])?;
    git(folder, &["init", "--quiet", "app"])?;
    let app = folder.join("app");
    fs::create_dir(app.join("target")).map_err(|error| Error::io("make", &app, error))?;
    write(&app, "main.rs", APP)?;
    write(&app, "Dockerfile", DOCKERFILE)?;
    write(&app, "kubernetes.yaml.tpl", TEMPLATE)?;
    write(&app, ".gitignore", "/target\n")?;
    commit(&app, "say hello")
}

/// Says hello to somebody else, in the application and, as it should be, in its test.
pub(crate) fn greet(app: &Path, who: &str, in_test: bool) -> Result<()> {
    let text = fs::read_to_string(app.join("main.rs")).map_err(|error| Error::io("read", app, error))?;
    let from = text.split('"').find(|text| text.starts_with("Hello")).unwrap_or_default().to_owned();
    let to = format!("Hello {who}!\\n");
    let count = if in_test { usize::MAX } else { 1 };
    write(app, "main.rs", &text.replacen(&from, &to, count))?;
    commit(app, &format!("say hello to {who}"))
}

/// Starts a program that is not in the image.
pub(crate) fn break_it(app: &Path) -> Result<()> {
    write(app, "Dockerfile", &DOCKERFILE.replace("[\"/app\"]", "[\"/usr/bin/app\"]"))?;
    commit(app, "start it from elsewhere")
}

/// Takes the last commit back.
pub(crate) fn revert(app: &Path) -> Result<()> {
    git(app, &["revert", "--no-edit", "HEAD"]).map(drop)
}

/// Returns what the commits of a branch say, the newest first.
pub(crate) fn history(environment: &Path, branch: &str) -> Result<Vec<String>> {
    let log = git(environment, &["log", "-z", "--format=%B", branch])?;
    Ok(log.split_terminator('\0').map(|message| message.trim().to_owned()).collect())
}

/// Returns the manifests of a branch.
pub(crate) fn manifests(environment: &Path, branch: &str) -> Result<String> {
    git(environment, &["show", &format!("{branch}:kubernetes.yaml")])
}

fn commit(app: &Path, message: &str) -> Result<()> {
    git(app, &["add", "--all"])?;
    git(app, &["commit", "--quiet", "-m", message]).map(drop)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| Error::io("write", &path, error))
}

fn git(folder: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com"])
        .args(args)
        .current_dir(folder)
        .output()
        .map_err(|error| Error::new(ErrorKind::MissingTool, "cannot run git").source(error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(ErrorKind::ToolFailed, format!("git {}: {said}", args.join(" "))))
}
