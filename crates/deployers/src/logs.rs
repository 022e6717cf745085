//! The logs of pods, for whoever knows which ones.

use futures_util::future::try_join_all;
use serde_json::Value;
use shipway_cluster::{Api, Cluster, LogOptions, Selector, TailLine, TailOptions};
use shipway_core::{Context, ErrorKind, LogRequest, Result, Stream, Timestamp};

/// Emits what the pods print that these select, each pod once.
pub(crate) async fn read_logs(
    cx: &Context,
    cluster: &Cluster,
    pods: Vec<Selector>,
    request: &LogRequest,
) -> Result<()> {
    let each = pods.into_iter().map(|selector| async move {
        if request.follow {
            follow(cx, cluster, &selector, request).await
        } else {
            read(cx, cluster, &selector, request).await
        }
    });
    try_join_all(each).await.map(drop)
}

fn say(cx: &Context, pod: &str, container: &str, text: &str) {
    cx.output(Stream::Stdout, &format!("[{pod} {container}] {text}"));
}

async fn follow(cx: &Context, cluster: &Cluster, pods: &Selector, request: &LogRequest) -> Result<()> {
    let mut options = TailOptions::new();
    options.since = request.since.map(|since| since.to_string());
    options.lines = request.lines;
    let (told, since) = (cx.clone(), request.since);
    let tell = move |line: TailLine| {
        if !since.is_some_and(|since| is_before(&line.at, since)) {
            say(&told, &line.pod, &line.container, &line.text);
        }
    };
    cluster.tail(cx, pods, &options, tell).await
}

/// Reads what there is: one container after the other, so that each log stands together.
async fn read(cx: &Context, cluster: &Cluster, pods: &Selector, request: &LogRequest) -> Result<()> {
    let mut options = LogOptions::new();
    options.since = request.since.map(|since| since.to_string());
    options.tail = request.lines;
    options.timestamps = request.since.is_some();
    for pod in cluster.list(cx, pods).await?.items {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        for container in containers(&pod) {
            let mut logs = match cluster.logs(cx, namespace, name, Some(&container), &options).await {
                Ok(logs) => logs,
                // A container that has not begun has printed nothing, nor has a pod that is gone.
                Err(error) if [ErrorKind::Unavailable, ErrorKind::NotFound].contains(&error.kind()) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut early = false;
            while let Some(line) = logs.next().await? {
                let text = match request.since {
                    Some(since) => not_before(&line, since, &mut early),
                    None => Some(line.as_str()),
                };
                if let Some(text) = text {
                    say(cx, name, &container, text);
                }
            }
        }
    }
    Ok(())
}

/// Returns whether a line's moment is too early, which the kubelet finds out to the second only. What has no moment is
/// rather told than lost.
fn is_before(at: &str, since: Timestamp) -> bool {
    Timestamp::parse(at).is_ok_and(|at| at < since)
}

/// Returns the text of a line that has its moment before it, unless it is too early. The rest of a very long line has none and
/// goes where its beginning went, which `early` remembers.
fn not_before<'a>(line: &'a str, since: Timestamp, early: &mut bool) -> Option<&'a str> {
    let text = match line.split_once(' ') {
        Some((at, text)) if Timestamp::parse(at).is_ok() => {
            *early = is_before(at, since);
            text
        }
        _ => line,
    };
    (!*early).then_some(text)
}

/// Returns the names of a pod's containers, those first that run first.
fn containers(pod: &Value) -> Vec<String> {
    ["initContainers", "containers"]
        .into_iter()
        .filter_map(|sort| pod["spec"][sort].as_array())
        .flatten()
        .filter_map(|container| container["name"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_early_is_left_out_to_the_millisecond() {
        let (since, mut early) = (Timestamp::parse("2026-11-21T10:00:10.250Z").unwrap(), false);
        for (line, text) in [
            ("no moment", Some("no moment")),
            ("2026-11-21T10:00:10.249999999Z early", None),
            ("rest of it", None),
            ("2026-11-21T10:00:10.250000000Z  in time ", Some(" in time ")),
            ("rest of it", Some("rest of it")),
            ("2026-11-21T12:00:10.249000000+02:00 early", None),
            ("2026-11-21T12:00:10.3+02:00 ", Some("")),
        ] {
            assert_eq!(not_before(line, since, &mut early), text, "{line}");
        }
    }
}
