//! The tail of a log over connections that break.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use shipway_cluster::TailOptions;
use shipway_core::{CancelReason, Stage};

use crate::{
    pods,
    server::{Reply, Server, good},
};

const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// The log of a container: a line each 400 ms, of which two look the same but for their moments.
fn log() -> Vec<String> {
    let line = |number: u32| {
        let (second, part) = (10 + number * 400 / 1000, number * 400 % 1000);
        format!("2026-11-21T10:00:{second}.{part:03}000000Z line {}\n", number / 2)
    };
    (0..20).map(line).collect()
}

#[tokio::test]
async fn each_line_comes_once_though_the_connection_breaks() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1"},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"containerStatuses": [{"name": "main", "containerID": "c1", "state": {"running": {}}}]}});
    let opened = Arc::new(Mutex::new(0));
    let server = Server::start(move |seen, _| {
        if seen.target.contains("watch=true") {
            return Reply::Silence;
        }
        let Some((_, query)) = seen.target.split_once("/pods/web/log?") else {
            return good(&json!({"metadata": {"resourceVersion": "1"}, "items": [pod]}));
        };
        assert!(query.contains("container=main&follow=true") && query.contains("timestamps=true"), "{query}");
        let since = query.split_once("sinceTime=").map_or(String::new(), |(_, rest)| {
            rest.split('&').next().unwrap_or_default().replace("%3A", ":").trim_end_matches('Z').to_owned()
        });
        // As the kubelet: from the first line that is not too early.
        let rest: String = log().into_iter().skip_while(|line| line[..19] < *since).collect();
        let mut opened = opened.lock().expect("whole");
        *opened += 1;
        let part = match *opened {
            // In the middle of a line, by a lost connection and by one that is closed in good order.
            1 => &rest[..200],
            2 => return Reply::Pieces(vec![(Duration::ZERO, rest[..330].to_owned())]),
            _ => rest.as_str(),
        };
        Reply::Bytes(format!("{HEAD}{:x}\r\n{part}\r\n", part.len()))
    })
    .await;
    let cx = server.context();
    let cluster = server.cluster(&cx).await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let tailing = tokio::spawn({
        let (cx, seen) = (cx.clone(), Arc::clone(&seen));
        async move {
            let keep = move |line: shipway_cluster::TailLine| {
                assert_eq!((line.pod.as_str(), line.container.as_str()), ("web", "main"));
                seen.lock().expect("whole").push(format!("{} {}\n", line.at, line.text));
            };
            cluster.tail(&cx, &pods(), &TailOptions::new(), keep).await
        }
    });
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if seen.lock().expect("whole").len() >= 20 {
            break;
        }
    }
    // The whole log comes once more, and none of it is new.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    cx.cancel().escalate(Stage::Requested, CancelReason::Asked);
    let ended = tokio::time::timeout(Duration::from_secs(5), tailing).await.expect("in time");
    ended.expect("ends").expect("no error");
    assert_eq!(*seen.lock().expect("whole"), log());
    let logs = server.requests().iter().filter(|seen| seen.target.contains("/log?")).count();
    assert!(logs >= 4, "only {logs} requests");
}
