//! A local port that leads to a port of a pod, and to the next one when the pod is replaced.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::Api as KubeApi;
use serde_json::Value;
use shipway_core::{Context, Error, ErrorKind, ObjectId, Result};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{Cluster, failure::Asked, request::part_of};
use crate::{api::Api, selector::Selector};

/// How long what was written before the end of a connection may take to come.
const FAREWELL: Duration = Duration::from_secs(1);

/// For how long a connection waits until a pod takes it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest pause until a pod is looked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// Where a local port leads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardTarget {
    /// To the pod of this name.
    Pod(String),
    /// To a ready pod of the service of this name; the port is the service's.
    Service(String),
}

impl fmt::Display for ForwardTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(name) => write!(f, "Pod {name}"),
            Self::Service(name) => write!(f, "Service {name}"),
        }
    }
}

/// A local port that leads into the cluster, for as long as this value lives; see [`Cluster::port_forward`].
#[derive(Debug)]
pub struct PortForward {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl PortForward {
    /// Returns the local address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PortForward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a connection is for.
#[derive(Clone)]
struct Forward {
    cluster: Cluster,
    cx: Context,
    namespace: String,
    target: ForwardTarget,
    port: u16,
}

impl Cluster {
    /// Listens on a free port of 127.0.0.1; what connects there is led to the target's port.
    ///
    /// Each connection looks for its pod anew, so that a replaced pod is found; one whose pod goes away ends.
    /// Ends with the value, and when the context must not go on.
    ///
    /// # Errors
    /// `NotFound` when the target is not there; `Config` when a service has no such port.
    pub async fn port_forward(
        &self,
        cx: &Context,
        namespace: &str,
        target: &ForwardTarget,
        port: u16,
    ) -> Result<PortForward> {
        let forward = Forward {
            cluster: self.clone(),
            cx: cx.clone(),
            namespace: namespace.to_owned(),
            target: target.clone(),
            port,
        };
        // A target that is not there is said now; one that is not ready may be by the time it is needed.
        match forward.pod().await {
            Err(error) if error.kind() != ErrorKind::Unavailable => return Err(error),
            _ => {}
        }
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Unavailable, "cannot listen on 127.0.0.1").source(error)
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(PortForward { address, task: tokio::spawn(forward.listen(listener)) })
    }
}

impl Forward {
    async fn listen(self, listener: TcpListener) {
        // Dropped with the task, and the connections with it.
        let mut connections = JoinSet::new();
        let cx = self.cx.clone();
        let mut stopped = std::pin::pin!(cx.stopped());
        loop {
            tokio::select! {
                _ = &mut stopped => return,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((local, _)) => {
                        let forward = self.clone();
                        connections.spawn(async move { forward.carry(local).await });
                    }
                    // Of the moment, such as too many open files.
                    Err(_) => self.cx.clock().sleep(part_of(PAUSE)).await,
                },
            }
        }
    }

    async fn carry(&self, mut local: TcpStream) {
        let cx = self.cx.within(Some(PATIENCE));
        let (mut remote, refused) = loop {
            match self.connect(&cx).await {
                Ok(connected) => break connected,
                Err(_) if cx.sleep(part_of(PAUSE)).await.is_ok() => {}
                // The local end sees that the connection ends without an answer.
                Err(_) => return,
            }
        };
        let mut copying = std::pin::pin!(copy_bidirectional(&mut local, &mut remote));
        tokio::select! {
            _ = &mut copying => {}
            // The port is not there, or the pod closed the connection or went away: what it wrote before still comes.
            Some(_) = refused => {
                tokio::select! {
                    _ = &mut copying => {}
                    _ = cx.sleep(FAREWELL) => {}
                }
            }
        }
    }

    async fn connect(
        &self,
        cx: &Context,
    ) -> Result<(tokio::io::DuplexStream, impl Future<Output = Option<String>> + use<>)> {
        let (pod, port) = self.pod().await?;
        let asked = Asked::new("forward to", format!("Pod {}/{pod}", self.namespace));
        self.cluster.upgrade_ready(cx).await?;
        let pods: KubeApi<Pod> = KubeApi::namespaced(self.cluster.client()?.clone(), &self.namespace);
        let mut forwarder = self.cluster.upgraded(cx, &asked, pods.portforward(&pod, &[port])).await?;
        let lost = || Error::internal("a forwarded port has no stream");
        Ok((forwarder.take_stream(port).ok_or_else(lost)?, forwarder.take_error(port).ok_or_else(lost)?))
    }

    /// Returns the pod that takes a connection now, and its port.
    async fn pod(&self) -> Result<(String, u16)> {
        let get = async |kind: &str, name: &str| {
            let id = ObjectId::new("v1", kind, name).namespace(self.namespace.clone());
            let object = self.cluster.get(&self.cx, &id).await?;
            object.ok_or_else(|| Error::not_found(format!("cannot forward a port: {id} is not there")))
        };
        match &self.target {
            ForwardTarget::Pod(name) => {
                get("Pod", name).await?;
                Ok((name.clone(), self.port))
            }
            ForwardTarget::Service(name) => {
                let service = get("Service", name).await?;
                let mut selector = Selector::new().kind("v1", "Pod").namespace(self.namespace.clone());
                let labels = service.pointer("/spec/selector").and_then(Value::as_object);
                let labels = labels.filter(|labels| !labels.is_empty()).ok_or_else(|| {
                    Error::config(format!("cannot forward a port: Service {name} selects no pods"))
                })?;
                for (label, value) in labels {
                    selector = selector.label(label, value.as_str().unwrap_or_default());
                }
                let pods = self.cluster.list(&self.cx, &selector).await?.items;
                let ready = pods.iter().find(|pod| is_ready(pod)).ok_or_else(|| {
                    Error::new(ErrorKind::Unavailable, format!("no pod of Service {name} is ready"))
                })?;
                let pod = ready["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                Ok((pod, port_of(&service, ready, self.port)?))
            }
        }
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True");
    ready && pod.pointer("/metadata/deletionTimestamp").is_none()
}

/// Returns the pod's port that a service's port leads to.
fn port_of(service: &Value, pod: &Value, port: u16) -> Result<u16> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let own = ports.into_iter().flatten().find(|one| one["port"] == port).ok_or_else(|| {
        let ports: Vec<String> = ports.into_iter().flatten().map(|one| one["port"].to_string()).collect();
        Error::config(format!("cannot forward a port: Service {name} has no port {port}"))
            .hint(format!("it has: {}", ports.join(", ")))
    })?;
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    match &own["targetPort"] {
        Value::String(target) => {
            let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
            let mut ports = containers
                .into_iter()
                .flatten()
                .flat_map(|container| container["ports"].as_array().into_iter().flatten());
            let found = ports.find(|port| port["name"] == target.as_str());
            found.and_then(|port| number(&port["containerPort"])).ok_or_else(|| {
                Error::config(format!(
                    "cannot forward a port: no container of Service {name} names `{target}`"
                ))
            })
        }
        target => Ok(number(target).unwrap_or(port)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_leads_to_its_pods_port() {
        let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [
            {"port": 80, "targetPort": 8080}, {"port": 81, "targetPort": "http"}, {"port": 82}, {"port": 83, "targetPort": "x"},
        ]}});
        let pod = json!({"spec": {"containers": [{"name": "a"}, {"ports": [{"name": "http", "containerPort": 9000}]}]}});
        let port = |port| port_of(&service, &pod, port).ok();
        assert_eq!([80, 81, 82, 83, 84].map(port), [Some(8080), Some(9000), Some(82), None, None]);
    }

    #[test]
    fn only_a_ready_pod_that_stays_is_taken() {
        let mut pod =
            json!({"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert!(is_ready(&pod));
        pod["metadata"]["deletionTimestamp"] = "x".into();
        assert!(!is_ready(&pod) && !is_ready(&json!({})));
    }
}
