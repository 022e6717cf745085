//! API servers that are busy, break off, lie or never answer.
#![cfg(feature = "kubernetes")]
#![expect(clippy::disallowed_methods, reason = "a test")]

mod kubeconfig;
mod server;
mod tail;
mod tls;
mod watch;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use server::{Reply, Server, good, refusal};
use shipway_cluster::{Api, Apply, LogOptions, Selector};
use shipway_core::{CancelReason, ErrorKind, ObjectId, Stage};

const PLAIN: Apply = Apply { force: false, dry_run: false };

fn settings() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}})
}

fn id() -> ObjectId {
    ObjectId::new("v1", "ConfigMap", "a").namespace("shop".to_owned())
}

fn pods() -> Selector {
    Selector::new().kind("v1", "Pod").namespace("shop")
}

/// A fault that is of the moment, by a name.
fn moment(fault: &str) -> Reply {
    let busy = |code| refusal(code, "Busy", json!({}));
    match fault {
        "429" => Reply::Whole(429, vec![("retry-after", "1".to_owned())], String::new()),
        "500" => busy(500),
        "502" => {
            Reply::Bytes("HTTP/1.1 502 X\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbad".to_owned())
        }
        "503" => busy(503),
        "504" => busy(504),
        "reset" => Reply::Reset,
        "closed" => Reply::Bytes(String::new()),
        "cut" => Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"apiVersion\":".to_owned()),
        "silent" => Reply::Silence,
        "drip" => Reply::Drip,
        _ => unreachable!("{fault}"),
    }
}

const MOMENTS: [&str; 10] = ["429", "500", "502", "503", "504", "reset", "closed", "cut", "silent", "drip"];

#[tokio::test]
async fn what_is_safe_to_repeat_is_sent_again() {
    for fault in MOMENTS {
        let server =
            Server::start(move |_, number| if number < 2 { moment(fault) } else { good(&settings()) });
        let server = server.await;
        let cx = server.context();
        let cluster = server.cluster(&cx).await;
        let begun = Instant::now();
        let made = cluster.apply(&cx, "one", &settings(), PLAIN).await.expect(fault);
        assert_eq!(made, settings(), "{fault}");
        let seen = server.requests();
        assert_eq!(seen.len(), 3, "{fault}");
        assert!(seen.iter().all(|seen| seen.body == seen_body()), "{fault}: each time the whole of it");
        // `Retry-After` is heard: a second each.
        assert!(fault != "429" || begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(4), "{fault}: {:?}", begun.elapsed());
    }
}

fn seen_body() -> Vec<u8> {
    settings().to_string().into_bytes()
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_again_as_ours() {
    let versioned = |version: &str| {
        let mut settings = settings();
        settings["metadata"]["resourceVersion"] = version.into();
        settings["data"] = json!({"colour": "blue"});
        settings
    };
    let mut theirs = versioned("2");
    theirs["data"]["colour"] = "grey".into();
    // Whether something was done before, what is there then, and whether that is ours.
    for (done, there, ours) in
        [(true, versioned("2"), true), (true, theirs, false), (false, Value::Null, true)]
    {
        for fault in MOMENTS {
            let kept = there.clone();
            let server = Server::start(move |seen, number| match (number, seen.method.as_str()) {
                (0, _) => moment(fault),
                (_, "GET") => good(&kept),
                _ if done => refusal(409, "Conflict", json!({})),
                _ => good(&versioned("2")),
            });
            let server = server.await;
            let cx = server.context();
            let cluster = server.cluster(&cx).await;
            let made = cluster.create(&cx, "one", &versioned("")).await;
            let times = server.requests().len();
            // Who is told that there is too much to do knows that nothing was done.
            let (expected, most) = match (done, fault) {
                (true, "429") => (false, 2),
                (true, _) => (ours, 3),
                (false, _) => (true, 2),
            };
            assert_eq!((made.is_ok(), times), (expected, most), "{fault} {done}: {made:?}");
            if !expected {
                assert_eq!(made.expect_err("refused").kind(), ErrorKind::Conflict, "{fault}");
            }
        }
    }
    // The same of an update.
    let server = Server::start(move |seen, number| match (number, seen.method.as_str()) {
        (0, _) => moment("reset"),
        (_, "GET") => good(&versioned("2")),
        _ => refusal(409, "Conflict", json!({})),
    })
    .await;
    let cx = server.context();
    let made = server.cluster(&cx).await.update(&cx, "one", &versioned("1")).await;
    assert_eq!(made.expect("ours"), versioned("2"));
}

#[tokio::test]
async fn who_stays_busy_is_not_waited_for_without_an_end() {
    for (fault, kind) in [
        ("503", ErrorKind::Unavailable),
        ("reset", ErrorKind::Unavailable),
        ("cut", ErrorKind::Unavailable),
        ("silent", ErrorKind::Timeout),
        ("drip", ErrorKind::Timeout),
    ] {
        let server = Server::start(move |_, _| moment(fault)).await;
        let cx = server.context();
        let cluster = server.cluster(&cx).await;
        let begun = Instant::now();
        let error = cluster.get(&cx, &id()).await.expect_err(fault);
        assert!(error.kind() == kind && error.may_retry(), "{fault}: {error:?}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        let took = begun.elapsed();
        assert!(took > Duration::from_secs(1) && took < Duration::from_secs(4), "{fault}: {took:?}");
        assert!(server.requests().len() > 2, "{fault}");
    }
    // An hour is more than anybody waits, and is not slept through to be told so.
    let hour =
        |_: &server::Seen, _| Reply::Whole(429, vec![("retry-after", "3600".to_owned())], String::new());
    let server = Server::start(hour).await;
    let cx = server.context();
    let begun = Instant::now();
    let error = server.cluster(&cx).await.get(&cx, &id()).await.expect_err("an hour");
    assert!(error.kind() == ErrorKind::Unavailable && begun.elapsed() < Duration::from_secs(1), "{error:?}");
}

#[tokio::test]
async fn a_server_that_restarts_is_waited_for() {
    let server = Server::start(|_, _| good(&settings())).await;
    let cx = server.context();
    let cluster = server.cluster(&cx).await;
    cluster.get(&cx, &id()).await.expect("there");
    let port = server.port;
    drop(server);
    // Nobody listens there for a while.
    let again = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Server::start_at(port, |_, _| good(&settings())).await
    });
    // Nothing was done where nobody listened, so that this too is sent again.
    let made = cluster.create(&cx, "one", &settings()).await;
    assert_eq!(made.expect("made"), settings());
    drop(again.await.expect("ends"));
}

#[tokio::test]
async fn deadlines_and_cancellation_are_the_contexts() {
    for fault in ["silent", "drip", "503"] {
        let server = Server::start(move |_, _| moment(fault)).await;
        let cx = server.context();
        let options = server::quick().request(Duration::from_secs(20)).patience(Duration::from_secs(20));
        let cluster = shipway_cluster::Cluster::open_with(&cx, "test", options).await.expect("opened");
        let begun = Instant::now();
        let error = cluster.get(&cx.within(Some(Duration::from_millis(300))), &id()).await;
        let error = error.expect_err("late");
        assert!(begun.elapsed() < Duration::from_secs(2), "{fault}: {error:?}");
        let cancelled = tokio::spawn({
            let (cx, cluster) = (cx.clone(), cluster.clone());
            async move { cluster.get(&cx, &id()).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        cx.cancel().escalate(Stage::Forced, CancelReason::Asked);
        let error = cancelled.await.expect("ends").expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{fault}: {error:?}");
    }
}

#[tokio::test]
async fn answers_that_are_none_are_bad_output() {
    for (name, reply) in [
        ("no JSON", Reply::Whole(200, Vec::new(), "<html>".to_owned())),
        ("truncated", Reply::Whole(200, Vec::new(), "{\"items\": [{\"a\"".to_owned())),
        ("no list", good(&json!({"items": 1}))),
        ("teapot", Reply::Whole(418, Vec::new(), String::new())),
        (
            "elsewhere",
            Reply::Whole(302, vec![("location", "http://169.254.169.254/".to_owned())], String::new()),
        ),
    ] {
        let reply = std::sync::Mutex::new(Some(reply));
        let server =
            Server::start(move |_, _| reply.lock().expect("whole").take().expect("asked once")).await;
        let cx = server.context();
        let error = server.cluster(&cx).await.list(&cx, &pods()).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::BadOutput, "{name}: {error:?}");
        assert!(format!("{error:?}").contains("list pods in namespace `shop`"), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let server = Server::start(|_, _| Reply::Endless).await;
    let cx = server.context();
    let options = server::quick().request(Duration::from_secs(60)).patience(Duration::from_secs(60));
    let cluster = shipway_cluster::Cluster::open_with(&cx, "test", options).await.expect("opened");
    let error = cluster.get(&cx, &id()).await.expect_err("endless");
    assert!(error.kind() == ErrorKind::BadOutput && error.to_string().contains("bytes"), "{error:?}");
    assert_eq!(server.requests().len(), 1);
    // A log is never held whole: what it is asked for comes in pieces.
    let mut logs = cluster.logs(&cx, "shop", "web", None, &LogOptions::new()).await.expect("begins");
    for _ in 0..3 {
        assert_eq!(logs.next().await.expect("a piece").expect("no end").len(), 1 << 20);
    }
}

#[tokio::test]
async fn requests_say_what_the_api_wants_to_hear() {
    let server = Server::start(|seen, _| match seen.method.as_str() {
        "GET" => good(&json!({"metadata": {"resourceVersion": "5"}, "items": []})),
        _ => good(&settings()),
    })
    .await;
    let cx = server.context();
    let cluster = server.cluster(&cx).await;
    cluster.apply(&cx, "a b", &settings(), Apply { force: true, dry_run: true }).await.expect("applied");
    cluster.create(&cx, "one", &settings()).await.expect("made");
    cluster.update(&cx, "one", &settings()).await.expect("updated");
    cluster.delete(&cx, &id(), Some("u-1")).await.expect("removed");
    cluster.list(&cx, &pods().label("app", "x")).await.expect("a list");
    let path = "/api/v1/namespaces/shop/configmaps";
    let expected = [
        format!("PATCH {path}/a?fieldManager=a%20b&fieldValidation=Strict&force=true&dryRun=All"),
        format!("POST {path}?fieldManager=one&fieldValidation=Strict"),
        format!("PUT {path}/a?fieldManager=one&fieldValidation=Strict"),
        format!("DELETE {path}/a"),
        "GET /api/v1/namespaces/shop/pods?labelSelector=app%3Dx&limit=500".to_owned(),
    ];
    let seen = server.requests();
    let lines: Vec<String> = seen.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
    assert_eq!(lines, expected);
    assert_eq!(seen[0].headers["content-type"], "application/apply-patch+yaml");
    let options: Value = serde_json::from_slice(&seen[3].body).expect("JSON");
    assert_eq!(options["preconditions"]["uid"], "u-1");
    assert_eq!(options["propagationPolicy"], "Background");
    assert!(seen.iter().all(|seen| seen.headers["authorization"] == "Bearer canary-token"));
    assert!(seen.iter().all(|seen| seen.headers["user-agent"].starts_with("shipway/")));
}

#[tokio::test]
async fn a_list_whose_rest_is_forgotten_begins_anew() {
    let page = |version: &str, token: &str, names: &[&str]| {
        let items: Vec<Value> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        good(&json!({"metadata": {"resourceVersion": version, "continue": token}, "items": items}))
    };
    let server = Server::start(move |seen, _| {
        match (seen.target.contains("continue=first"), seen.target.contains("limit=")) {
            (true, _) => refusal(410, "Expired", json!({})),
            (false, true) => page("1", "first", &["old"]),
            (false, false) => page("2", "", &["a", "b"]),
        }
    })
    .await;
    let cx = server.context();
    let list = server.cluster(&cx).await.list(&cx, &pods()).await.expect("a list");
    assert_eq!((list.items.len(), list.resource_version.as_str()), (2, "2"));
    assert_eq!(list.items[0]["kind"], "Pod");
}
