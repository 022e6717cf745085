//! Commands in containers that run already.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use shipway_cluster::Api;
use shipway_core::{Cancel, Command, EventKind, RunContext, RunRequest, Runner as _, Sink, World};
use shipway_runners::{KubernetesExec, KubernetesExecConfig};

use crate::bed::Bed;

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Sink for Heard {
    fn emit(&self, event: &shipway_core::Event) {
        if let EventKind::Output { line, .. } | EventKind::Message { text: line, .. } = &event.kind {
            self.0.lock().unwrap().push(line.clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_in_every_container_that_is_named() {
    let Some(bed) = Bed::up("a_command_runs_in_every_container_that_is_named").await else { return };
    let container = |name: &str| {
        json!({ "name": name, "image": bed.base(), "command": ["sleep", "600"],
                "env": [{ "name": "WHO", "value": name }] })
    };
    for (pod, containers) in [("web-1", vec!["web", "proxy"]), ("web-2", vec!["web"]), ("api-1", vec!["api"])]
    {
        let containers: Vec<_> = containers.into_iter().map(container).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": pod, "namespace": *bed.namespace },
            "spec": { "containers": containers, "terminationGracePeriodSeconds": 0 },
        });
        bed.cluster.create(&bed.cx, "test", &pod).await.unwrap();
    }
    for _ in 0..600 {
        let running = bed.list("Pod").await.iter().filter(|pod| pod["status"]["phase"] == "Running").count();
        if running == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let heard = Arc::new(Heard::default());
    let world = World::host("/").credentials(bed.credentials()).sink(Arc::<Heard>::clone(&heard));
    let cx = RunContext::new(world, "run").context(None, None, Cancel::new());
    let options = || KubernetesExecConfig::new(&*bed.context).namespaces([&*bed.namespace]);
    let runner = |options: KubernetesExecConfig| KubernetesExec::new(options).unwrap();
    let shell = |script: &str| RunRequest::new(Command::new("sh").args(["-c", script].map(str::to_owned)));
    let told = || {
        let mut told = std::mem::take(&mut *heard.0.lock().unwrap());
        told.sort();
        told
    };

    let exit = runner(options().pod("web-*")).run(&cx, &shell("echo I am $WHO")).await.unwrap();
    assert_eq!(exit.code, 0);
    assert_eq!(told(), ["[web-1 proxy] I am proxy", "[web-1 web] I am web", "[web-2 web] I am web"]);

    let script = "if [ $WHO = proxy ]; then echo no luck >&2; exit 3; fi";
    let exit = runner(options().pod("web-*")).run(&cx, &shell(script)).await.unwrap();
    assert_eq!((exit.code, exit.stderr.as_str()), (3, "no luck"));
    told();

    let exit = runner(options().container("nobody")).run(&cx, &shell("exit 3")).await.unwrap();
    assert_eq!(exit.code, 0);
    assert_eq!(told(), ["no container that runs has such a name"]);
    for pod in ["web-1", "web-2", "api-1"] {
        let id = shipway_core::ObjectId::new("v1", "Pod", pod).namespace(bed.namespace.clone());
        bed.cluster.delete(&bed.cx, &id, None).await.unwrap();
    }
    bed.down().await;
}
