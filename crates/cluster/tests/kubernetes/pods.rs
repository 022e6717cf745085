//! Pods of a real cluster: their logs, commands in them, and ports that lead to them. The image is busybox of
//! the registry `SHIPWAY_KUBE_REGISTRY`.

use std::{
    collections::BTreeMap,
    env,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use shipway_cluster::{Api, ExecRequest, ForwardTarget, LogOptions, Selector, TailLine, TailOptions};
use shipway_core::{CancelReason, ErrorKind, Stage, Stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::bed::Bed;

/// The longest that anything here takes.
const LONG: Duration = Duration::from_secs(60);

async fn up(test: &str) -> Option<(Bed, String)> {
    let Ok(registry) = env::var("SHIPWAY_KUBE_REGISTRY") else {
        crate::skip::skip(test, "a registry that the cluster's nodes pull from: SHIPWAY_KUBE_REGISTRY");
        return None;
    };
    Some((Bed::up(test).await?, format!("{registry}/bases/busybox:local")))
}

fn pod(bed: &Bed, name: &str, image: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": bed.namespace, "labels": {"app": "web"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [
            {"name": "main", "image": image, "command": ["sh", "-c", script]}]},
    })
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

#[tokio::test]
async fn logs_are_read_followed_and_cut() {
    let Some((bed, image)) = up("logs_are_read_followed_and_cut").await else { return };
    let script = "for n in 1 2 3 4 5; do echo line $n; sleep 0.3; done; echo wrong >&2";
    bed.apply(&pod(&bed, "logs", &image, script)).await;
    bed.until(&bed.id("v1", "Pod", "logs"), |pod| pod["status"]["phase"] != "Pending").await;
    let read = async |options: LogOptions| {
        let mut logs =
            bed.cluster.logs(&bed.cx, &bed.namespace, "logs", None, &options).await.expect("a log");
        let mut lines = Vec::new();
        while let Some(line) = logs.next().await.expect("a line") {
            lines.push(line);
        }
        lines
    };
    let all = ["line 1", "line 2", "line 3", "line 4", "line 5", "wrong"];
    assert_eq!(tokio::time::timeout(LONG, read(LogOptions::new().follow())).await.expect("ends"), all);
    assert_eq!(read(LogOptions::new().tail(2)).await, all[4..]);
    let stamped = read(LogOptions::new().timestamps().tail(1)).await;
    assert!(stamped[0].starts_with("20") && stamped[0].ends_with("Z wrong"), "{stamped:?}");

    let logs = async |pod: &str, container: Option<&str>, options: LogOptions| {
        bed.cluster.logs(&bed.cx, &bed.namespace, pod, container, &options).await.expect_err("no log").kind()
    };
    assert_eq!(logs("no-such", None, LogOptions::new()).await, ErrorKind::NotFound);
    assert_eq!(logs("logs", Some("no-such"), LogOptions::new()).await, ErrorKind::Config);
    assert_eq!(logs("logs", None, LogOptions::new().previous()).await, ErrorKind::Config);
    bed.down().await;
}

#[tokio::test]
async fn a_command_runs_in_a_container() {
    let Some((bed, image)) = up("a_command_runs_in_a_container").await else { return };
    bed.apply(&pod(&bed, "exec", &image, "sleep 600")).await;
    bed.until(&bed.id("v1", "Pod", "exec"), is_ready).await;
    let run = async |request: ExecRequest| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let running = bed.cluster.exec(&bed.cx, &request, |stream, bytes| match stream {
            Stream::Stdout => out.extend_from_slice(bytes),
            _ => err.extend_from_slice(bytes),
        });
        let code = tokio::time::timeout(LONG, running).await.expect("ends");
        (code, String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"))
    };
    let sh = |script: &str| ExecRequest::new(&bed.namespace, "exec", ["sh", "-c", script]);
    let (code, out, err) = run(sh("echo out; echo err >&2; exit 3")).await;
    assert_eq!((code.expect("a code"), out.as_str(), err.as_str()), (3, "out\n", "err\n"));
    // More than all buffers on the way hold: what comes back is read while the rest is sent.
    let text = "0123456789abcdef\n".repeat(100_000);
    let (code, out, _) = run(sh("cat").container("main").stdin(text.clone())).await;
    assert_eq!(code.expect("a code"), 0);
    assert!(out == text, "{} of {} bytes came back", out.len(), text.len());
    // A command that does not read what it is given: no more than the node holds, see SHORTCOMINGS.md.
    let (code, out, _) = run(sh("echo done").stdin(&text[..34_000])).await;
    assert_eq!((code.expect("a code"), out.as_str()), (0, "done\n"));

    let (error, ..) = run(ExecRequest::new(&bed.namespace, "exec", ["/no/such/program"])).await;
    let error = error.expect_err("no program");
    assert!(
        error.kind() == ErrorKind::Config && format!("{error:?}").contains("/no/such/program"),
        "{error:?}"
    );
    let (error, ..) = run(ExecRequest::new(&bed.namespace, "no-such", ["sh"])).await;
    assert_eq!(error.expect_err("no pod").kind(), ErrorKind::NotFound);
    let (error, ..) = run(sh("true").container("no-such")).await;
    assert_eq!(error.expect_err("no container").kind(), ErrorKind::Config);
    bed.down().await;
}

/// Asks for a page over HTTP/1.0.
async fn page(port: std::net::SocketAddr) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(port).await?;
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_port_leads_to_the_pod_that_there_is_now() {
    let Some((bed, image)) = up("a_port_leads_to_the_pod_that_there_is_now").await else { return };
    bed.apply(&json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": bed.namespace},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}}))
        .await;
    let server = |name: &str| {
        let script =
            format!("mkdir /www; echo page of {name} > /www/index.html; exec httpd -f -p 8080 -h /www");
        let mut pod = pod(&bed, name, &image, &script);
        let container = &mut pod["spec"]["containers"][0];
        container["ports"] = json!([{"name": "http", "containerPort": 8080}]);
        container["readinessProbe"] = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
        pod
    };
    bed.apply(&server("first")).await;
    bed.until(&bed.id("v1", "Pod", "first"), is_ready).await;
    let forward = async |target: ForwardTarget, port: u16| {
        bed.cluster.port_forward(&bed.cx, &bed.namespace, &target, port).await
    };
    let service = ForwardTarget::Service("web".to_owned());
    let through = forward(service.clone(), 80).await.expect("a port");
    let direct = forward(ForwardTarget::Pod("first".to_owned()), 8080).await.expect("a port");
    for _ in 0..5 {
        for port in [through.address(), direct.address()] {
            let answer = tokio::time::timeout(LONG, page(port)).await.expect("in time").expect("a page");
            assert!(answer.starts_with("HTTP/1.") && answer.ends_with("page of first\n"), "{answer}");
        }
    }

    let id = bed.id("v1", "Pod", "first");
    bed.cluster.delete(&bed.cx, &id, None).await.expect("removed");
    bed.apply(&server("second")).await;
    // A connection waits for the next pod.
    let mut answer = String::new();
    for _ in 0..20 {
        answer =
            tokio::time::timeout(LONG, page(through.address())).await.expect("in time").unwrap_or_default();
        if answer.ends_with("page of second\n") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(answer.ends_with("page of second\n"), "{answer}");

    let address = direct.address();
    drop(direct);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed with its value");
    assert_eq!(forward(service, 81).await.expect_err("no port").kind(), ErrorKind::Config);
    let none = ForwardTarget::Pod("no-such".to_owned());
    assert_eq!(forward(none, 80).await.expect_err("no pod").kind(), ErrorKind::NotFound);
    bed.down().await;
}

#[tokio::test]
async fn all_logs_are_tailed_through_restarts_and_new_pods() {
    let Some((bed, image)) = up("all_logs_are_tailed_through_restarts_and_new_pods").await else { return };
    let (cx, cluster) = (bed.cx.clone(), bed.cluster.clone());
    let selector = Selector::new().namespace(bed.namespace.clone()).label("app", "web");
    let seen: Arc<Mutex<Vec<TailLine>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let tailing = tokio::spawn(async move {
        cluster.tail(&cx, &selector, &TailOptions::new(), move |line| sink.lock().unwrap().push(line)).await
    });
    // Counts to 50 and ends, so that it is restarted; which run it is, is kept in a volume.
    let script = "echo run >> /kept/runs; run=$(wc -l < /kept/runs | tr -d ' '); n=0; \
        while [ $n -lt 50 ]; do n=$((n+1)); echo $run $n; sleep 0.02; done; [ $run -ge 3 ] && sleep 600; exit 1";
    let mut first = pod(&bed, "first", &image, script);
    first["spec"]["volumes"] = json!([{"name": "kept", "emptyDir": {}}]);
    first["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "kept", "mountPath": "/kept"}]);
    first["spec"]["initContainers"] =
        json!([{"name": "before", "image": image, "command": ["sh", "-c", "echo begun"]}]);
    bed.apply(&first).await;
    bed.until(&bed.id("v1", "Pod", "first"), |pod| {
        pod["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(1)
    })
    .await;
    bed.apply(&pod(&bed, "second", &image, "for n in 1 2 3; do echo second $n; done; sleep 600")).await;
    bed.until(&bed.id("v1", "Pod", "second"), is_ready).await;
    bed.until(&bed.id("v1", "Pod", "first"), |pod| {
        pod["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(2)
    })
    .await;
    let expected = 1 + 3 * 50 + 3;
    for _ in 0..100 {
        if seen.lock().unwrap().len() >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What comes twice would come now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    bed.cx.cancel().escalate(Stage::Requested, CancelReason::Asked);
    tokio::time::timeout(LONG, tailing).await.expect("ends").expect("ends").expect("no error");
    let mut lines: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for line in seen.lock().unwrap().drain(..) {
        lines.entry((line.pod, line.container)).or_default().push(line.text);
    }
    let of = |pod: &str, container: &str| lines[&(pod.to_owned(), container.to_owned())].clone();
    assert_eq!(of("first", "before"), ["begun"]);
    let counted: Vec<String> = (1..=3).flat_map(|run| (1..=50).map(move |n| format!("{run} {n}"))).collect();
    assert_eq!(of("first", "main"), counted);
    assert_eq!(of("second", "main"), ["second 1", "second 2", "second 3"]);
    let bed = Bed { cx: bed.cx.for_cleanup(), ..bed };
    bed.down().await;
}

#[tokio::test]
async fn events_say_what_happens_to_a_pod() {
    let Some((bed, image)) = up("events_say_what_happens_to_a_pod").await else { return };
    let pod = bed.apply(&pod(&bed, "events", &image, "sleep 600")).await;
    let id = bed.id("v1", "Pod", "events");
    bed.until(&id, is_ready).await;
    let uid = pod["metadata"]["uid"].as_str().expect("a uid");
    let mut reasons = Vec::new();
    for _ in 0..50 {
        let events = bed.cluster.events(&bed.cx, &id, Some(uid)).await.expect("events");
        reasons =
            events.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect();
        if reasons.iter().any(|reason| reason == "Started") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(reasons.first().map(String::as_str), Some("Scheduled"), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason == "Started"), "{reasons:?}");
    assert!(bed.cluster.events(&bed.cx, &id, Some("another")).await.expect("events").is_empty());
    bed.down().await;
}
