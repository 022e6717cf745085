//! The registry where the process may open no more files. The limit is the process's, so this is alone.

mod support;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{raw, registry};
use tokio::net::TcpStream;

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test uses up what may be open")]
async fn a_registry_that_cannot_accept_does_not_spin() {
    let (registry, _folder) = registry().await;
    let host = registry.host();
    let limit = Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("lowered");
    let mut open: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    open.pop();
    // Takes the last file that may be open; the other end waits to be accepted.
    let waiting = TcpStream::connect(&host).await.expect("connects");
    let busy = || tokio::runtime::Handle::current().metrics().worker_total_busy_duration(0);
    let before = busy();
    let second = Duration::from_secs(1);
    tokio::time::timeout(second, std::future::pending::<()>()).await.expect_err("passes");
    let busy = busy() - before;
    assert!(busy < second / 2, "{busy:?}");
    drop((waiting, open));
    assert_eq!(raw(&host, "GET", "/v2/", &[], b"").await.status, 200, "it goes on");
}
