//! Watches over connections that break.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use shipway_cluster::{Api, Cluster, ClusterWatch, Happened};
use shipway_core::{Context, ErrorKind};

use crate::{
    pods,
    server::{Reply, Seen, Server, good, refusal},
};

fn pod(name: &str, version: u32) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop",
        "uid": name, "resourceVersion": version.to_string()}})
}

fn event(happened: &str, object: &Value) -> String {
    json!({"type": happened, "object": object}).to_string() + "\n"
}

fn list(version: &str, items: &[Value]) -> Reply {
    good(&json!({"metadata": {"resourceVersion": version}, "items": items}))
}

async fn watch(cx: &Context, cluster: &Cluster) -> ClusterWatch {
    let list = cluster.list(cx, &pods()).await.expect("a list");
    cluster.watch(cx, &pods(), &list).await.expect("a watch")
}

async fn next(watch: &mut ClusterWatch) -> String {
    let event = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.expect("in time");
    let event = event.expect("an event");
    let name = event.object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    match event.happened {
        Happened::Added => format!("+{name}"),
        Happened::Modified => format!("~{name}"),
        _ => format!("-{name}"),
    }
}

/// The version that a request of a watch begins at.
fn version(seen: &Seen) -> Option<&str> {
    let (_, rest) = seen.target.split_once("watch=true")?;
    rest.split_once("resourceVersion=")?.1.split('&').next()
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was_cut() {
    let now = Duration::ZERO;
    let server = Server::start(move |seen, number| match version(seen) {
        None => list("1", &[pod("a", 1)]),
        // In the middle of an event; without a word; with a word; and at last with a bookmark alone.
        Some("1") => {
            let (whole, half) = (event("ADDED", &pod("b", 2)), event("ADDED", &pod("c", 3)));
            let text = whole + &half[..half.len() / 2];
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            Reply::Bytes(format!("{head}{:x}\r\n{text}\r\n", text.len()))
        }
        Some("2") if number % 2 == 0 => Reply::Reset,
        Some("2") => Reply::Pieces(vec![(now, event("ADDED", &pod("c", 3)))]),
        Some("3") => Reply::Pieces(vec![(now, event("BOOKMARK", &pod("", 9)))]),
        Some("9") => Reply::Pieces(vec![
            (now, event("MODIFIED", &pod("a", 10))),
            (Duration::from_millis(100), event("DELETED", &pod("b", 11))),
        ]),
        Some("11") => Reply::Pieces(vec![(
            now,
            event("ERROR", &json!({"kind": "Status", "code": 500, "message": "of the moment"})),
        )]),
        _ => Reply::Silence,
    })
    .await;
    let cx = server.context();
    let mut watch = watch(&cx, &server.cluster(&cx).await).await;
    for expected in ["+b", "+c", "~a", "-b"] {
        assert_eq!(next(&mut watch).await, expected);
    }
    // Waiting for what does not come can be left off, and is ended by the context.
    assert!(tokio::time::timeout(Duration::from_millis(500), watch.next()).await.is_err());
    let targets: Vec<String> = server.requests().iter().map(|seen| seen.target.clone()).collect();
    assert!(targets[1].contains("allowWatchBookmarks=true") && targets[1].contains("timeoutSeconds=1"));
    assert!(server.requests()[1].headers["accept-encoding"] == "identity");
}

#[tokio::test]
async fn a_watch_whose_past_is_forgotten_tells_the_difference() {
    // Once by the answer, once by an event.
    for by_event in [false, true] {
        let gone = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"});
        let server = Server::start(move |seen, number| match version(seen) {
            None if number == 0 => {
                list("1", &[pod("same", 1), pod("changed", 1), pod("gone", 1), pod("new", 1)])
            }
            None => {
                let mut other = pod("new", 7);
                other["metadata"]["uid"] = "another".into();
                list("8", &[pod("same", 1), pod("changed", 5), other, pod("more", 6)])
            }
            Some("1") if by_event => Reply::Pieces(vec![(Duration::ZERO, event("ERROR", &gone))]),
            Some("1") => refusal(410, "Expired", json!({})),
            Some("8") => Reply::Pieces(vec![(Duration::ZERO, event("ADDED", &pod("last", 9)))]),
            _ => Reply::Silence,
        })
        .await;
        let cx = server.context();
        let mut watch = watch(&cx, &server.cluster(&cx).await).await;
        for expected in ["~changed", "-new", "+new", "+more", "-gone", "+last"] {
            assert_eq!(next(&mut watch).await, expected, "by event: {by_event}");
        }
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_does_not_hold_a_watch() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let quiet = Arc::new(head);
    let server = Server::start(move |seen, number| match version(seen) {
        None => list("1", &[]),
        // Headers, and then never anything, as through a proxy that forgot us.
        Some(_) if number == 1 => Reply::Pieces(vec![(Duration::from_secs(600), String::new())]),
        Some(_) if number == 2 => Reply::Bytes((*quiet).to_owned()),
        Some(_) => Reply::Pieces(vec![(Duration::ZERO, event("ADDED", &pod("a", 2)))]),
    })
    .await;
    let cx = server.context();
    let mut watch = watch(&cx, &server.cluster(&cx).await).await;
    let begun = Instant::now();
    let event = tokio::time::timeout(Duration::from_secs(30), watch.next()).await.expect("in time");
    assert_eq!(event.expect("an event").object["metadata"]["name"], "a");
    // The request's second, and the slack after it.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_does_not_get_better_ends_a_watch_with_an_error() {
    for (reply, kind) in [
        (refusal(403, "Forbidden", json!({})), ErrorKind::Config),
        (Reply::Whole(401, Vec::new(), String::new()), ErrorKind::Auth),
        (Reply::Pieces(vec![(Duration::ZERO, "no JSON\n".to_owned())]), ErrorKind::BadOutput),
    ] {
        let reply = std::sync::Mutex::new(Some(reply));
        let server = Server::start(move |seen, _| match version(seen) {
            None => list("1", &[]),
            Some(_) => reply.lock().expect("whole").take().unwrap_or(Reply::Silence),
        })
        .await;
        let cx = server.context();
        let mut watch = watch(&cx, &server.cluster(&cx).await).await;
        let error = tokio::time::timeout(Duration::from_secs(5), watch.next()).await.expect("in time");
        assert_eq!(error.expect_err("an error").kind(), kind);
    }
}
