//! Charts at a server with ChartMuseum's interface.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use shipway_core::{ErrorKind, FixedCredentials, Login};

use crate::{
    server::{Request, serve},
    stage::Stage,
};

/// What the server has, by `/PATH/NAME-VERSION.tgz`, and what it was asked.
#[derive(Default)]
struct Museum {
    charts: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
}

/// Answers as ChartMuseum's documentation says.
fn answer(museum: &Mutex<Museum>, request: &Request) -> (u16, Vec<u8>) {
    let mut museum = museum.lock().unwrap();
    museum.asked.push(format!("{} {}", request.method, request.path));
    // `ci:s3cret`
    if request.login.as_deref() != Some("Basic Y2k6czNjcmV0") {
        return (401, br#"{"error":"unauthorized"}"#.to_vec());
    }
    let path = request.path.strip_prefix("/api").unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let Some((repository, rest)) = path.split_once("/charts") else { return (404, Vec::new()) };
    match request.method.as_str() {
        "GET" => {
            let file = rest.trim_start_matches('/').replacen('/', "-", 1).replace("%2B", "+");
            match museum.charts.get(&format!("{repository}/{file}.tgz")) {
                Some(chart) => {
                    let digest = shipway_oci::digest_of(chart);
                    (200, serde_json::json!({"digest": digest.as_str()[7..]}).to_string().into_bytes())
                }
                None => (404, br#"{"error":"not found"}"#.to_vec()),
            }
        }
        "POST" => {
            let boundary = request.kind.strip_prefix("multipart/form-data; boundary=").unwrap();
            let head_end = request.body.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            let head = String::from_utf8(request.body[..head_end].to_vec()).unwrap();
            assert!(head.starts_with(&format!("--{boundary}\r\n")), "{head}");
            let file = head.split("name=\"chart\"; filename=\"").nth(1).unwrap().split('"').next().unwrap();
            let end = format!("\r\n--{boundary}--\r\n");
            let body = request.body[head_end..].strip_suffix(end.as_bytes()).unwrap().to_vec();
            let key = format!("{repository}/{file}");
            if museum.charts.contains_key(&key) && query != "force" {
                return (409, br#"{"error":"file already exists"}"#.to_vec());
            }
            museum.charts.insert(key, body);
            (201, br#"{"saved":true}"#.to_vec())
        }
        _ => (405, Vec::new()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_uploaded_once() {
    let museum: Arc<Mutex<Museum>> = Arc::default();
    let served = Arc::clone(&museum);
    let address = serve(move |request| answer(&served, request));
    let credentials = FixedCredentials::new().login(address.to_string(), Login::new("ci", "s3cret"));
    let stage = Stage::with(&[], credentials);
    let chart = stage.chart("web", "1.0.0+b").await;
    let asked = || std::mem::take(&mut museum.lock().unwrap().asked);
    for (url, repository) in
        [(format!("http://{address}"), ""), (format!("http://{address}/team%20a/shop/"), "/team%20a/shop")]
    {
        chart.upload(&stage.cx, &url).await.unwrap();
        assert_eq!(museum.lock().unwrap().charts[&format!("{repository}/web-1.0.0+b.tgz")], *chart.archive());
        assert_eq!(
            asked(),
            [format!("GET /api{repository}/charts/web/1.0.0+b"), format!("POST /api{repository}/charts")]
        );
        chart.upload(&stage.cx, &url).await.unwrap();
        assert_eq!(asked(), [format!("GET /api{repository}/charts/web/1.0.0+b")]);
    }
    let url = format!("http://{address}");
    stage.write("made/web/values.yaml", "a: b\n");
    let other = stage.chart("web", "1.0.0+b").await;
    let error = other.upload(&stage.cx, &url).await.expect_err("another");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    other.clone().replace(true).upload(&stage.cx, &url).await.unwrap();
    assert_eq!(museum.lock().unwrap().charts["/web-1.0.0+b.tgz"], *other.archive());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_told_by_its_kind() {
    let stage = Stage::new(&[]);
    let chart = stage.chart("web", "1.0.0").await;
    for (get, post, kind) in [
        (401, 201, ErrorKind::Auth),
        (404, 403, ErrorKind::Auth),
        (404, 404, ErrorKind::NotFound),
        (404, 405, ErrorKind::NotFound),
        (404, 413, ErrorKind::BadOutput),
        (404, 500, ErrorKind::Unavailable),
        (503, 201, ErrorKind::Unavailable),
        (302, 201, ErrorKind::BadOutput),
        (200, 201, ErrorKind::BadOutput),
    ] {
        let address = serve(move |request| match request.method.as_str() {
            "GET" => (get, b"<html>\x1b[2J".to_vec()),
            _ => (post, b"no".to_vec()),
        });
        let error = chart.upload(&stage.cx, &format!("http://{address}")).await.expect_err("refused");
        assert_eq!(error.kind(), kind, "{get} {post}: {error:?}");
        assert!(!error.report().to_string().contains('\u{1b}'), "{error:?}");
    }
    let endless = serve(|_| (200, vec![b' '; 2 << 20]));
    let error = chart.upload(&stage.cx, &format!("http://{endless}")).await.expect_err("too much");
    assert_eq!(error.kind(), ErrorKind::BadOutput, "{error:?}");
    for wrong in [
        "http://charts.example.com",
        "https://u:hunter2@charts.example.com",
        "ftp://127.0.0.1/",
        "charts",
        "http://127.0.0.1.example.com/",
    ] {
        let error = chart.upload(&stage.cx, wrong).await.expect_err(wrong);
        assert_eq!(error.kind(), ErrorKind::Config, "{wrong}: {error:?}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
