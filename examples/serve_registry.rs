//! A registry for crane, skopeo, Docker, containerd and `shipway` itself: `serve_registry ADDRESS FOLDER`.
//!
//! It prints the address that it listens on, one line, and serves until Ctrl-C or SIGTERM. What was pushed
//! stays in the folder.
//!
//! ```text
//! cargo run --release --example serve_registry -- 127.0.0.1:5000 /tmp/images
//! ```

use std::{io::Write, process::ExitCode, sync::Arc};

use shipway::{Error, HostDisk, Result, oci::Registry};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: serve_registry ADDRESS FOLDER\n
    serve_registry 127.0.0.1:5000 /tmp/images    until Ctrl-C
    serve_registry 127.0.0.1:0 /tmp/images       on a free port, which it prints";

#[tokio::main]
#[expect(clippy::print_stderr, reason = "a program for a person at a terminal")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let served = match arguments.as_slice() {
        [address, folder] => serve(address, folder).await,
        _ => {
            eprintln!("{USAGE}");
            return if arguments.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str, folder: &str) -> Result<()> {
    let parsed = address.parse().map_err(|_| {
        Error::config(format!("`{address}` is not an address"))
            .hint("write `127.0.0.1:5000`, or port 0 for a free one")
    })?;
    let cannot = |error| Error::internal("cannot wait for signals").source(error);
    let mut interrupted = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(cannot)?;
    let registry = Registry::builder(folder, Arc::new(HostDisk)).address(parsed).start().await?;
    // Whoever started this program may wait for the line; who does not read it is served all the same.
    let _ = writeln!(std::io::stdout(), "{}", registry.address());
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    registry.shutdown().await;
    Ok(())
}
