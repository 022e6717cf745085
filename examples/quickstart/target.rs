//! The cluster that the quickstart is asked to release to: a namespace of it.

use std::{env, path::PathBuf, time::Duration};

use serde_json::json;
use shipway::{
    Cancel, Context, Error, ObjectId, Result, RunContext, World,
    cluster::{Api, Cluster, ForwardTarget, Kubeconfig},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A namespace of a cluster.
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) context: String,
    cluster: Cluster,
    cx: Context,
}

/// Returns the user's kubeconfig files, as kubectl finds them.
pub(crate) fn kubeconfig() -> Kubeconfig {
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    match env::var_os("KUBECONFIG") {
        Some(files) => Kubeconfig::new(env::split_paths(&files)),
        None => Kubeconfig::new(home),
    }
}

impl Target {
    /// Makes a namespace in the cluster of this context.
    pub(crate) async fn make(context: &str) -> Result<Self> {
        let world = World::host(".").credentials(kubeconfig());
        let cx = RunContext::new(world, "quickstart").context(None, None, Cancel::new());
        let cluster = Cluster::open(&cx, context).await?;
        let namespace = format!("shipway-quickstart-{}", std::process::id());
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.create(&cx, "quickstart", &object).await?;
        Ok(Self { namespace, context: context.to_owned(), cluster, cx })
    }

    /// Returns what the site answers to a request through the cluster's Service.
    pub(crate) async fn answer(&self) -> Result<String> {
        let site = ForwardTarget::Service("site".to_owned());
        let forward = self.cluster.port_forward(&self.cx, &self.namespace, &site, 80).await?;
        let asked = async {
            let mut stream = TcpStream::connect(forward.address()).await?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = tokio::time::timeout(Duration::from_secs(10), asked).await;
        let answer = answer.map_err(std::io::Error::other).and_then(|answer| answer);
        let answer = answer.map_err(|error| Error::internal("the site does not answer").source(error))?;
        Ok(answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim_end().to_owned())
    }

    pub(crate) async fn remove(&self) -> Result<()> {
        let id = ObjectId::new("v1", "Namespace", self.namespace.as_str());
        self.cluster.delete(&self.cx, &id, None).await
    }
}
