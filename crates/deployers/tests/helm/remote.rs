//! Charts from a repository on this machine, and from a registry.

use std::{fs, path::Path, process::Command};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::stage::Stage;

fn helm(major: u32, folder: &Path, args: &[&str]) {
    let program = std::env::var_os(format!("SHIPWAY_HELM{major}")).unwrap();
    let ended = Command::new(program).args(args).current_dir(folder).env("HOME", folder).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Answers with the files of a folder.
async fn serve(folder: std::path::PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0_u8; 8192];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let line = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = line.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
            let (code, body) = match fs::read(folder.join(path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head =
                format!("HTTP/1.1 {code}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        }
    });
    port
}

async fn remote(major: u32) {
    let Some(mut stage) = Stage::up("a_chart_comes_from_elsewhere", major).await else { return };
    let folder = stage.folder.path().to_owned();
    fs::create_dir(folder.join("repository")).unwrap();
    helm(major, &folder, &["package", "chart", "--destination", "repository"]);
    let port = serve(folder.join("repository")).await;
    let address = format!("http://127.0.0.1:{port}");
    helm(major, &folder, &["repo", "index", "repository", "--url", &address]);
    fs::remove_dir_all(folder.join("chart")).unwrap();
    stage.set("chartPath", json!(null));
    stage.set("remoteChart", json!("demo"));
    stage.set("repo", json!(address));
    stage.set("version", json!("0.1.0"));
    assert_eq!(stage.release(1).await.unwrap().revision, "1");
    // Only if it is wanted, a remote chart is upgraded.
    stage.starts();
    assert!(stage.changes(2).await.is_empty() && stage.starts().is_empty());
    stage.set("upgradeOnChange", json!(true));
    assert_eq!(stage.release(2).await.unwrap().revision, "2");
    stage.set("version", json!("9.9.9"));
    let error = stage.render(2).await.expect_err("no such version").report().to_string();
    assert!(error.contains("9.9.9") || error.contains("not found"), "{error}");

    let Ok(registry) = std::env::var("SHIPWAY_BED_REGISTRY") else {
        crate::skip::skip("a_chart_comes_from_a_registry", "a registry: SHIPWAY_BED_REGISTRY");
        return stage.down().await;
    };
    let place = format!("oci://{registry}/charts-{}", std::process::id());
    helm(major, &folder, &["push", "repository/demo-0.1.0.tgz", &place, "--plain-http"]);
    stage.set("repo", json!(null));
    stage.set("version", json!("0.1.0"));
    stage.set("remoteChart", json!(format!("{place}/demo")));
    stage.set("flags", json!({"depBuild": ["--plain-http"]}));
    assert_eq!(stage.release(3).await.unwrap().revision, "3");
    stage.down().await;
}

#[tokio::test]
async fn a_chart_comes_from_elsewhere_with_helm_3() {
    remote(3).await;
}

#[tokio::test]
async fn a_chart_comes_from_elsewhere_with_helm_4() {
    remote(4).await;
}
