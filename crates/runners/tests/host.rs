//! What the runner `host` promises beyond the contract.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test looks at the real disk")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::PathBuf,
};

use shipway_core::{
    Cancel, Command, Context, ErrorKind, FixedCredentials, Image, Mount, MountSource, RunContext, RunRequest,
    Runner, SecretId, Store, Volume, World,
};
use shipway_runners::Host;
use tempfile::TempDir;

fn context(folder: &TempDir) -> Context {
    let scratch = folder.path().join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    let world = World::host(folder.path())
        .scratch(scratch)
        .env([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())])
        .credentials(FixedCredentials::new().secret("key", "the very secret key"));
    RunContext::new(world, "run").context(None, None, Cancel::new())
}

fn script(text: &str) -> RunRequest {
    RunRequest::new(Command::new("sh").args(["-c".to_owned(), text.to_owned()]).capture(true))
}

#[tokio::test]
async fn secrets_texts_and_results_have_real_paths() {
    let folder = tempfile::tempdir().unwrap();
    let cx = context(&folder);
    let mounts = [
        Mount::new(MountSource::Secret(SecretId::parse("key").unwrap()), "/run/key"),
        Mount::new(MountSource::Text("a text".to_owned()), "/etc/text"),
        Mount::new(MountSource::Host(PathBuf::from("sources")), "/sources"),
    ];
    fs::create_dir(folder.path().join("sources")).unwrap();
    let request =
        script("stat -c %a /run/key; cat /etc/text; printf said > /out/result; echo x > /sources/made; pwd");
    let mut request = request.mounts(mounts).result(PathBuf::from("/out/result"));
    request.command.dir = Some(PathBuf::from("/sources"));
    let exit = Host::new().run(&cx, &request).await.unwrap();
    let place = fs::canonicalize(folder.path().join("sources")).unwrap();
    assert_eq!(exit.stdout, format!("400\na text{}\n", place.display()), "{}", exit.stderr);
    assert_eq!(exit.result.as_deref(), Some("said"));
    assert_eq!(fs::read_to_string(place.join("made")).unwrap(), "x\n");
    drop(cx);
    assert_eq!(fs::read_dir(folder.path().join("scratch")).unwrap().count(), 0, "no secret stays");
}

#[tokio::test]
async fn what_a_host_cannot_do_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cx = context(&folder);
    let host = Host::new();
    let digest = format!("sha256:{}", "0".repeat(64)).parse::<shipway_core::Digest>().unwrap();
    let image = Image::new("x", Store::Registry, "h.example/x", digest);
    let mount = |target: &str| Mount::new(MountSource::Volume("work".to_owned()), target);
    for (request, kind) in [
        (script("true").image(image), ErrorKind::Unsupported),
        (RunRequest::new(Command::new("")), ErrorKind::Config),
        (script("true").mounts([mount("/work")]), ErrorKind::Config),
        (
            script("true").mounts([Mount::new(MountSource::Host("/".into()), "/w").read_only(true)]),
            ErrorKind::Unsupported,
        ),
        (
            script("true").mounts([Mount::new(MountSource::Text(String::new()), "relative")]),
            ErrorKind::Config,
        ),
    ] {
        let error = host.run(&cx, &request).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
    }
    for name in ["", ".", "..", "a/b", "../x"] {
        assert_eq!(host.open(&cx, &Volume::new(name)).await.unwrap_err().kind(), ErrorKind::Config, "{name}");
    }
}

#[tokio::test]
async fn nothing_is_written_through_links_when_a_volume_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let cx = context(&folder);
    let host = Host::new();
    let outside = folder.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("file"), "safe").unwrap();
    // What lies there before leads out, by a folder and by a file.
    fs::create_dir_all(folder.path().join("back")).unwrap();
    symlink(&outside, folder.path().join("back/folder")).unwrap();
    symlink(outside.join("file"), folder.path().join("back/file")).unwrap();
    let volume = Volume::new("work").into(PathBuf::from("back"));
    host.open(&cx, &volume).await.unwrap();
    let mount = Mount::new(MountSource::Volume("work".to_owned()), "/work");
    let request = script(
        "mkdir /work/folder && echo out > /work/folder/file && echo out > /work/file && mkfifo /work/pipe",
    );
    let exit = host.run(&cx, &request.mounts([mount])).await.unwrap();
    assert_eq!(exit.code, 0, "{}", exit.stderr);
    host.close(&cx, &volume).await.unwrap();
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "safe");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    let back = folder.path().join("back");
    assert_eq!(fs::read_to_string(back.join("folder/file")).unwrap(), "out\n");
    assert_eq!(fs::read_to_string(back.join("file")).unwrap(), "out\n");
    assert!(!back.join("pipe").exists(), "a FIFO is left behind, and said");
}

#[tokio::test]
async fn a_result_that_is_no_file_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let request = script("mkfifo /out/result").result(PathBuf::from("/out/result"));
    let request = request.mounts([Mount::new(MountSource::Host(folder.path().join("out")), "/out")]);
    fs::create_dir(folder.path().join("out")).unwrap();
    let exit = Host::new().run(&context(&folder), &request).await.unwrap();
    assert_eq!((exit.code, exit.result), (0, None));
}

#[tokio::test]
async fn a_volume_is_for_its_owner_alone_and_nobody_elses_folder() {
    let folder = tempfile::tempdir().unwrap();
    let cx = context(&folder);
    let volume = Volume::new("shared");
    Host::new().open(&cx, &volume).await.unwrap();
    let place = folder.path().join("scratch/shipway-volume-run-shared");
    assert_eq!(fs::metadata(&place).unwrap().mode() & 0o777, 0o700);
    Host::new().close(&cx, &volume).await.unwrap();
    // Whoever guesses the name may have made it first.
    symlink(folder.path(), &place).unwrap();
    let error = Host::new().open(&cx, &volume).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}
